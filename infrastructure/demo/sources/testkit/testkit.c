#include <calc.h>
#include <stdio.h>

int main(void)
{
	int a, b, sum, bad = 0;
	while (scanf("%d %d %d", &a, &b, &sum) == 3)
		bad += calc_add(a, b) != sum;
	return bad != 0;
}
