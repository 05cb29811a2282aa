#ifndef SHAPE_H
#define SHAPE_H
int shape_rectangle(int width, int height);
int shape_frame(int width, int height);
#endif
