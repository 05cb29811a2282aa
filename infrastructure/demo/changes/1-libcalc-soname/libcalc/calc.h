#ifndef CALC_H
#define CALC_H
#define CALC_MAJOR 2
const char *calc_version(void);
int calc_add(int a, int b);
int calc_mul(int a, int b);
#endif
