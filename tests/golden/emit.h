/*
 * emit - JSON to a stream, one value a line, always the same bytes for the same calls.
 * Names and texts must need no escaping.
 */
#ifndef POSTERN_TESTS_EMIT_H
#define POSTERN_TESTS_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct emit {
	FILE *out;
	int depth;
	bool later; /* the next value is not the first of its container */
};

/* name is NULL inside lists and for the outermost value. */
void emit_open(struct emit *e, const char *name, char bracket);
void emit_close(struct emit *e, char bracket);
void emit_text(struct emit *e, const char *name, const char *text);
void emit_number(struct emit *e, const char *name, long number);
void emit_hex(struct emit *e, const char *name, const uint8_t *bytes, size_t len);
/* 64 bits as hexadecimal text: JSON's own numbers do not hold them. */
void emit_u64(struct emit *e, const char *name, uint64_t v);

#endif
