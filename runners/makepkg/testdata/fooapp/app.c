#include <foo.h>
#include <stdio.h>
int main(void) { return printf("answer=%d\n", foo_answer()) < 0; }
