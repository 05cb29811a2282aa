#ifndef CALC_H
#define CALC_H
#define CALC_MAJOR 1
const char *calc_version(void);
int calc_add(int a, int b);
int calc_mul(int a, int b);
int calc_legacy_sum(const int *values, int count); /* gone in version 2 */
#endif
