#include "png_order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cursor.h"
#include "secret.h"

enum {
	SET_BITS = 20, /* as many as the clean layout of a sequence has room for */
	CHUNK = 4096,
	BLOCK = 64, /* of the stream: what its counter counts */
};

static_assert(KEY_BYTES == crypto_stream_xchacha20_KEYBYTES, "picture key");

/* The key stream, read by words. */
struct stream {
	const uint8_t *key;
	uint8_t nonce[crypto_stream_xchacha20_NONCEBYTES];
	uint64_t chunks;
	struct reader rest;
	uint8_t bytes[CHUNK];
};

static void stream_begin(struct stream *s, const struct cover_args *a)
{
	struct writer w = writer_of(s->nonce, sizeof(s->nonce));

	s->key = a->picture_key;
	s->chunks = 0;
	s->rest = reader_of(s->bytes, 0);
	write_u16(&w, a->picture->width);
	write_u16(&w, a->picture->height);
	write_u32(&w, (uint32_t)(a->set_id & ((1U << SET_BITS) - 1)));
	write_zeros(&w, w.cap - w.len);
}

static uint32_t stream_next(struct stream *s)
{
	if (s->rest.left == 0) {
		memset(s->bytes, 0, sizeof(s->bytes));
		if (crypto_stream_xchacha20_xor_ic(s->bytes, s->bytes, sizeof(s->bytes), s->nonce,
			s->chunks * (CHUNK / BLOCK), s->key) != 0)
			abort();
		s->chunks++;
		s->rest = reader_of(s->bytes, sizeof(s->bytes));
	}
	return read_u32(&s->rest);
}

/* Uniform in [0, bound): a word that would favour the small numbers is passed over. */
static uint32_t stream_below(struct stream *s, uint32_t bound)
{
	uint32_t uneven = (uint32_t)((UINT64_C(1) << 32) % bound);
	uint32_t word = stream_next(s);

	while (word > UINT32_MAX - uneven)
		word = stream_next(s);
	return word % bound;
}

void png_order(const struct cover_args *a, uint32_t *order, size_t take)
{
	uint32_t pixels = (uint32_t)a->picture->width * a->picture->height;
	struct stream s;

	if (take > pixels)
		abort();
	for (uint32_t i = 0; i < pixels; i++)
		order[i] = i;
	stream_begin(&s, a);
	for (uint32_t i = 0; i < take; i++) {
		uint32_t j = i + stream_below(&s, pixels - i);
		uint32_t kept = order[i];
		order[i] = order[j];
		order[j] = kept;
	}
	secret_wipe(&s, sizeof(s));
}
