#include <calc.h>
#include <stdio.h>
#include "table.h"

int main(void)
{
	int sum = 0;
	for (int i = 0; i < 10; i++)
		sum = calc_add(sum, table[i][i]);
	printf("sum of the squares: %d\n", sum);
	return 0;
}
