#include "foo.h"
int foo_answer(void) { return FOO_ANSWER; }
