#include <calc.h>
#include <stdio.h>

int main(void)
{
	printf("%d o'clock\n", calc_div(180, 15));
	return 0;
}
