/* piece - one piece of a set: see sequence.h. */
#include "sequence.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "cursor.h"
#include "errors.h"
#include "secret.h"

enum {
	TAG_BYTES = 8,
	MASKED_BYTES = 10, /* set id, index, count */
	TAG_HEAD_BYTES = 4 + MASKED_BYTES,
	INDEX_BITS = 6,
	NS_PER_S = 1000000000,
};

static_assert(SHORT_KEY_BYTES == crypto_shorthash_siphash24_KEYBYTES, "tag and mask keys");
static_assert(TAG_BYTES == crypto_shorthash_siphash24_BYTES, "a tag is one SipHash");
static_assert(TAG_BYTES + MASKED_BYTES == (int)SEQUENCE_HEAD_BYTES, "a plain piece's head");

uint32_t sequence_step(uint64_t now_ns)
{
	return (uint32_t)(now_ns / NS_PER_S / SEQUENCE_STEP_S);
}

int sequence_cut(bool clean, size_t len, uint8_t *count, size_t *slice)
{
	size_t most = clean ? SEQUENCE_CLEAN_MAX : SEQUENCE_PLAIN_MAX;
	size_t usual = clean ? SEQUENCE_CLEAN_SLICE : SEQUENCE_PLAIN_SLICE;
	size_t least = (len + most - 1) / most;

	*slice = least > usual ? least : usual;
	if (len == 0 || len > SEQUENCE_SET_MAX || *slice > SEQUENCE_SLICE_MAX)
		return -E_SHORT;
	*count = (uint8_t)((len + *slice - 1) / *slice);
	return 0;
}

static uint32_t first_32_bits(const uint8_t bytes[static TAG_BYTES])
{
	struct reader r = reader_of(bytes, sizeof(uint32_t));

	return read_u32(&r);
}

/* tag = SipHash(tag key, step || set id || index || count || slice) */
static void tag_of(const struct sequence_keys *k, uint32_t step, const struct piece *p,
    uint8_t out[static TAG_BYTES])
{
	uint8_t bytes[TAG_HEAD_BYTES + SEQUENCE_SLICE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));

	write_u32(&w, step);
	write_u64(&w, p->set_id);
	write_u8(&w, p->index);
	write_u8(&w, p->count);
	write_bytes(&w, p->slice, p->slice_len);
	crypto_shorthash_siphash24(out, bytes, w.len, k->tag);
}

/* The first 10 bytes of SipHash(mask key, tag || 0) || SipHash(mask key, tag || 1). */
static void mask_plain(const struct sequence_keys *k, const uint8_t tag[static TAG_BYTES],
    uint8_t bytes[static MASKED_BYTES])
{
	uint8_t in[TAG_BYTES + 1], mask[2][TAG_BYTES];

	memcpy(in, tag, TAG_BYTES);
	for (uint8_t i = 0; i < 2; i++) {
		in[TAG_BYTES] = i;
		crypto_shorthash_siphash24(mask[i], in, sizeof(in), k->mask);
	}
	for (unsigned i = 0; i < MASKED_BYTES; i++)
		bytes[i] ^= mask[i / TAG_BYTES][i % TAG_BYTES];
}

/* The first 32 bits of SipHash(mask key, sequence number || slice). */
static uint32_t mask_clean(
    const struct sequence_keys *k, uint32_t tcp_seq, const uint8_t *slice, size_t len)
{
	uint8_t bytes[sizeof(uint32_t) + SEQUENCE_SLICE_MAX], mask[TAG_BYTES];
	struct writer w = writer_of(bytes, sizeof(bytes));

	write_u32(&w, tcp_seq);
	write_bytes(&w, slice, len);
	crypto_shorthash_siphash24(mask, bytes, w.len, k->mask);
	return first_32_bits(mask);
}

int piece_seal_plain(
    const struct sequence_keys *k, uint32_t step, const struct piece *p, uint8_t *out, size_t cap)
{
	struct writer w = writer_of(out, cap);
	uint8_t tag[TAG_BYTES];

	if (p->slice_len > SEQUENCE_SLICE_MAX || cap < SEQUENCE_HEAD_BYTES + p->slice_len)
		return -E_SHORT;
	tag_of(k, step, p, tag);
	write_bytes(&w, tag, sizeof(tag));
	write_u64(&w, p->set_id);
	write_u8(&w, p->index);
	write_u8(&w, p->count);
	mask_plain(k, tag, out + TAG_BYTES);
	write_bytes(&w, p->slice, p->slice_len);
	return (int)w.len;
}

struct piece_clean piece_seal_clean(
    const struct sequence_keys *k, uint32_t step, const struct piece *p)
{
	struct piece_clean out;
	uint8_t tag[TAG_BYTES];
	uint32_t word = (uint32_t)(p->set_id << 2 * INDEX_BITS) | (uint32_t)p->index << INDEX_BITS |
			(uint32_t)(p->count - 1);

	tag_of(k, step, p, tag);
	out.tcp_seq = first_32_bits(tag);
	out.tcp_tsval = word ^ mask_clean(k, out.tcp_seq, p->slice, p->slice_len);
	return out;
}

static bool is_sound(const struct piece *p, unsigned most)
{
	return p->count >= 1 && p->count <= most && p->index < p->count;
}

/* Does the tag, or its first bytes, hold at the step or one either side? */
static bool tag_holds(const struct sequence_keys *k, uint32_t step, const struct piece *p,
    const uint8_t *tag, size_t len)
{
	static const uint32_t around[SEQUENCE_STEPS] = {0, UINT32_MAX, 1};
	uint8_t right[TAG_BYTES];

	for (int i = 0; i < SEQUENCE_STEPS; i++) {
		tag_of(k, step + around[i], p, right);
		if (secret_equal(right, tag, len))
			return true;
	}
	return false;
}

int piece_open_plain(const struct sequence_keys *k, uint32_t step, const uint8_t *bytes, size_t len,
    struct piece *out)
{
	struct reader r = reader_of(bytes, len);
	const uint8_t *tag = read_view(&r, TAG_BYTES);
	uint8_t head[MASKED_BYTES];

	read_bytes(&r, head, sizeof(head));
	if (r.failed || r.left == 0 || r.left > SEQUENCE_SLICE_MAX)
		return -E_SHORT;
	mask_plain(k, tag, head);
	struct reader h = reader_of(head, sizeof(head));
	*out = (struct piece){.set_id = read_u64(&h), .slice = r.at, .slice_len = r.left};
	out->index = read_u8(&h);
	out->count = read_u8(&h);
	if (!is_sound(out, SEQUENCE_PLAIN_MAX) || !tag_holds(k, step, out, tag, TAG_BYTES))
		return -E_FORGED;
	return 0;
}

int piece_open_clean(const struct sequence_keys *k, uint32_t step, const struct piece_clean *head,
    const uint8_t *payload, size_t len, struct piece *out)
{
	const uint32_t six = (1U << INDEX_BITS) - 1;
	uint8_t tag[sizeof(uint32_t)];
	struct writer w = writer_of(tag, sizeof(tag));

	if (len == 0 || len > SEQUENCE_SLICE_MAX)
		return -E_SHORT;
	uint32_t word = head->tcp_tsval ^ mask_clean(k, head->tcp_seq, payload, len);
	*out = (struct piece){.set_id = word >> 2 * INDEX_BITS,
	    .index = (uint8_t)(word >> INDEX_BITS & six),
	    .count = (uint8_t)((word & six) + 1),
	    .slice = payload,
	    .slice_len = len};
	write_u32(&w, head->tcp_seq);
	if (!is_sound(out, SEQUENCE_CLEAN_MAX) || !tag_holds(k, step, out, tag, sizeof(tag)))
		return -E_FORGED;
	return 0;
}
