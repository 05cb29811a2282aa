#include "calc.h"

const char *calc_version(void) { return "1"; }
int calc_add(int a, int b) { return a + b; }
int calc_mul(int a, int b) { return a * b; }

int calc_legacy_sum(const int *values, int count)
{
	int sum = 0;
	for (int i = 0; i < count; i++)
		sum += values[i];
	return sum;
}
