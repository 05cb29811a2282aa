#include <calc.h>
#include <shape.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "version")) {
		printf("calc with libcalc %s\n", calc_version());
		return 0;
	}
	if (argc != 4) {
		fprintf(stderr, "usage: calc version | add A B | mul A B | area W H\n");
		return 2;
	}
	int a = atoi(argv[2]), b = atoi(argv[3]);
	if (!strcmp(argv[1], "add"))
		printf("%d\n", calc_add(a, b));
	else if (!strcmp(argv[1], "mul"))
		printf("%d\n", calc_mul(a, b));
	else if (!strcmp(argv[1], "area"))
		printf("%d\n", shape_rectangle(a, b));
	else
		return 2;
	return 0;
}
