#include <shape.h>
#include <stdio.h>

int main(void)
{
	printf("a sheet of paper has %d square millimetres\n", shape_rectangle(210, 297));
	return 0;
}
