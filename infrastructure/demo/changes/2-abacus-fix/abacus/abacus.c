#include <calc.h>
#include <stdio.h>

int main(void)
{
	int sum = 0;
	for (int bead = 1; bead <= 5; bead++)
		sum = calc_add(sum, bead);
	printf("%d beads\n", sum);
	return 0;
}
