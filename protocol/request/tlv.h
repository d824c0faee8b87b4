/*
 * tlv - the list of fields that requests, replies and answers end with:
 * type u8, length u16, value. Inside request/ only.
 */
#ifndef POSTERN_REQUEST_TLV_H
#define POSTERN_REQUEST_TLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"

enum { TLV_HEAD_BYTES = 3, TLV_IGNORABLE = 0x80 };

/* A type below 32 as a bit, for sets of types. */
#define TLV_BIT(type) (UINT32_C(1) << (type))

/* A type that is known, and how to read its value into the message's struct. */
struct tlv_field {
	uint8_t type;
	bool repeats;
	/* Must read the whole value; returns 0 or -E_FORMAT. */
	int (*read)(void *into, struct reader *value);
};

struct tlv_found {
	uint32_t seen; /* of the known types below 32 */
	bool has_unknown;
	uint8_t unknown; /* the first that is neither known nor ignorable */
};

/*
 * Read fields to the end of r: ascending by type, repeated only where that is
 * allowed, nothing trailing. Fields that are not known are stepped over.
 *   fields  ended by type 0
 * Returns 0, -E_SHORT (cut off), -E_FORMAT (order, repetition, a bad value).
 */
int tlv_read(struct reader *r, const struct tlv_field *fields, void *into, struct tlv_found *found)
    __attribute__((warn_unused_result));

/* The head of a field; its value follows. */
void tlv_head(struct writer *w, uint8_t type, size_t len);
void tlv_bytes(struct writer *w, uint8_t type, const void *value, size_t len);
void tlv_u16(struct writer *w, uint8_t type, uint16_t v);
void tlv_u32(struct writer *w, uint8_t type, uint32_t v);
void tlv_u64(struct writer *w, uint8_t type, uint64_t v);
/* 4 bytes for IPv4, 16 for IPv6. */
void tlv_address(struct writer *w, uint8_t type, const struct address *a);
/* Nothing is written when there is none. */
void tlv_code(struct writer *w, uint8_t type, const char code[static CODE_MAX + 1]);
void tlv_pin(struct writer *w, uint8_t type, const uint8_t pin[static PIN_MAX], uint8_t len);

/*
 * Values that several messages have. Each reads a whole value and returns 0 or
 * -E_FORMAT.
 */

/* Text of at most most bytes without NULs inside; out has room for one more. */
int tlv_read_text(struct reader *value, char *out, size_t most);
int tlv_read_address(struct reader *value, struct address *out);
/* 6 to 10 digits. */
int tlv_read_code(struct reader *value, char out[static CODE_MAX + 1]);
/* 4 to 32 bytes of any kind. */
int tlv_read_pin(struct reader *value, uint8_t out[static PIN_MAX], uint8_t *len);

#endif
