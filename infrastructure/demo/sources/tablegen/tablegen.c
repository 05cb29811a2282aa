#include <calc.h>
#include <stdio.h>

int main(void)
{
	printf("static const int table[10][10] = {\n");
	for (int row = 0; row < 10; row++) {
		printf("\t{");
		for (int column = 0; column < 10; column++)
			printf("%d, ", calc_mul(row, column));
		printf("},\n");
	}
	printf("};\n");
	return 0;
}
