#include <calc.h>
#include <stdio.h>

int main(void)
{
	const int beads[] = {1, 2, 3, 4, 5};
	printf("%d beads\n", calc_legacy_sum(beads, 5));
	return 0;
}
