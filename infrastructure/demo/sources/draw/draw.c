#include <calc.h>
#include <shape.h>
#include <stdio.h>

int main(void)
{
	int width = 8, height = calc_add(1, 2);
	for (int row = 0; row < height; row++) {
		for (int column = 0; column < width; column++)
			putchar('#');
		putchar('\n');
	}
	printf("area %d, frame %d\n", shape_rectangle(width, height), shape_frame(width, height));
	return 0;
}
