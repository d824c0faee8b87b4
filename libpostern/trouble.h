/*
 * trouble - sentences for a person, gathered until the caller of the library
 * asks for them. Whatever goes in, plain printable ASCII comes out.
 */
#ifndef LIBPOSTERN_TROUBLE_H
#define LIBPOSTERN_TROUBLE_H

#include <stddef.h>

enum { TROUBLE_TEXT = 8192, TROUBLE_LINE = 1024 };

struct trouble {
	unsigned count;	   /* sentences told */
	unsigned left_out; /* of these, for want of room */
	size_t len;
	char text[TROUBLE_TEXT];
};

void trouble_clear(struct trouble *t);

/*
 * Adds one line, cut at TROUBLE_LINE; when there is no room, the last line says how many are left
 * out.
 */
void trouble_say(struct trouble *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
