#include <calc.h>
#include <stdio.h>

int main(void)
{
	int sum = 0, value;
	while (scanf("%d", &value) == 1)
		sum = calc_add(sum, value);
	printf("%d\n", sum);
	return 0;
}
