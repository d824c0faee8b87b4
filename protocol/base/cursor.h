/*
 * cursor - the bounds-checked way to read and to write bytes.
 *
 * A cursor that fails stays failed: every later call returns zeros (reader) or
 * writes nothing (writer), so a decoder may check once, at its end. Integers
 * are big-endian. The bytes are borrowed.
 */
#ifndef POSTERN_BASE_CURSOR_H
#define POSTERN_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

struct writer {
	uint8_t *start;
	size_t len; /* written so far */
	size_t cap;
	bool failed;
};

struct reader reader_of(const void *bytes, size_t len);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
/* Copies len bytes to out; zeros when there are fewer. */
void read_bytes(struct reader *r, void *out, size_t len);
/*
 * A view of the next len bytes, which are then behind the cursor; NULL and failed when
 * there are fewer.
 */
const uint8_t *read_view(struct reader *r, size_t len);
/* The next len bytes as a reader of their own. */
struct reader read_sub(struct reader *r, size_t len);

struct writer writer_of(void *bytes, size_t cap);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
void write_bytes(struct writer *w, const void *bytes, size_t len);
void write_zeros(struct writer *w, size_t len);
/* Room for len bytes that the caller fills himself; NULL and failed when there is not so much. */
uint8_t *write_gap(struct writer *w, size_t len);

#endif
