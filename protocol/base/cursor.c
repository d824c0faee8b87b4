#include "cursor.h"

#include <string.h>

struct reader reader_of(const void *bytes, size_t len)
{
	return (struct reader){.at = bytes, .left = len};
}

static void reader_fail(struct reader *r)
{
	r->failed = true;
	r->left = 0; /* so that `while (r.left)` ends */
}

const uint8_t *read_view(struct reader *r, size_t len)
{
	if (r->failed || len > r->left) {
		reader_fail(r);
		return NULL;
	}
	const uint8_t *view = r->at;
	if (len > 0)
		r->at += len;
	r->left -= len;
	return view;
}

/* Up to eight bytes, big-endian; 0 when they are not there. */
static uint64_t read_number(struct reader *r, size_t len)
{
	const uint8_t *b = read_view(r, len);
	uint64_t v = 0;

	for (size_t i = 0; b && i < len; i++)
		v = v << 8 | b[i];
	return v;
}

uint8_t read_u8(struct reader *r)
{
	return (uint8_t)read_number(r, 1);
}

uint16_t read_u16(struct reader *r)
{
	return (uint16_t)read_number(r, 2);
}

uint32_t read_u32(struct reader *r)
{
	return (uint32_t)read_number(r, 4);
}

uint64_t read_u64(struct reader *r)
{
	return read_number(r, 8);
}

void read_bytes(struct reader *r, void *out, size_t len)
{
	const uint8_t *b = read_view(r, len);

	if (len == 0)
		return;
	if (b)
		memcpy(out, b, len);
	else
		memset(out, 0, len);
}

struct reader read_sub(struct reader *r, size_t len)
{
	const uint8_t *b = read_view(r, len);

	return (struct reader){.at = b, .left = r->failed ? 0 : len, .failed = r->failed};
}

struct writer writer_of(void *bytes, size_t cap)
{
	return (struct writer){.start = bytes, .cap = cap};
}

uint8_t *write_gap(struct writer *w, size_t len)
{
	if (w->failed || len > w->cap - w->len) {
		w->failed = true;
		return NULL;
	}
	uint8_t *gap = w->start + w->len;
	w->len += len;
	return gap;
}

static void write_number(struct writer *w, uint64_t v, size_t len)
{
	uint8_t *b = write_gap(w, len);

	for (size_t i = len; b && i > 0; i--, v >>= 8)
		b[i - 1] = (uint8_t)(v & 0xff);
}

void write_u8(struct writer *w, uint8_t v)
{
	write_number(w, v, 1);
}

void write_u16(struct writer *w, uint16_t v)
{
	write_number(w, v, 2);
}

void write_u32(struct writer *w, uint32_t v)
{
	write_number(w, v, 4);
}

void write_u64(struct writer *w, uint64_t v)
{
	write_number(w, v, 8);
}

void write_bytes(struct writer *w, const void *bytes, size_t len)
{
	uint8_t *gap = write_gap(w, len);

	if (gap && len > 0)
		memcpy(gap, bytes, len);
}

void write_zeros(struct writer *w, size_t len)
{
	uint8_t *gap = write_gap(w, len);

	if (gap && len > 0)
		memset(gap, 0, len);
}
