/*
 * keyfile - the server's key files: base64 lines, '#' comments. Text in, bytes
 * out; the caller opens, checks owner and mode, and wipes.
 */
#ifndef POSTERN_CONFIG_KEYFILE_H
#define POSTERN_CONFIG_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "keys.h"
#include "report.h"

enum { KEYFILE_MAX = 4096 };

/* Reads least to most keys of 32 bytes, one a line. Returns how many, or -1 (reported, never with the text). */
int keyfile_parse(const char *name, const char *text, uint8_t keys[][KEY_BYTES], int least,
    int most, struct report *r) __attribute__((warn_unused_result));

/* Refuses a file that is not a regular file of root's (or ours) or that others can read. Returns 0 or -1 (reported). */
int keyfile_check_mode(int fd, const char *name, struct report *r)
    __attribute__((warn_unused_result));

/*
 * Read a whole open file of at most cap - 1 bytes into buf, NUL-terminated.
 * Returns its length, or -1 with errno (EFBIG: longer).
 */
long keyfile_read(int fd, char *buf, size_t cap) __attribute__((warn_unused_result));

#endif
