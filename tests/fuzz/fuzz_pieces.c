/*
 * fuzz_pieces - the input as a course of events: honest pieces of sets that
 * mix, of both layouts, in any order and number, some changed on their way,
 * junk between them, and time. What was changed never opens, what comes whole
 * is what was cut, and no bound is passed.
 */
#include <stdlib.h>
#include <string.h>

#include "assembly.h"
#include "cursor.h"
#include "errors.h"
#include "secret.h"

enum { EVENTS_MAX = 4096, PACKET_MAX = SEQUENCE_HEAD_BYTES + SEQUENCE_SLICE_MAX };

struct fuzz {
	struct assembly *assembly;
	uint64_t now_ns;
};

static const uint8_t tag_key[SHORT_KEY_BYTES] = {1}, mask_key[SHORT_KEY_BYTES] = {2};
static const struct sequence_keys keys = {tag_key, mask_key};

/* One byte all along, which tells set and index. */
static uint8_t colour(uint64_t set_id, unsigned index)
{
	return (uint8_t)(set_id * 67 + index);
}

/* The slices in their order, none of them empty. */
static void check_whole(const struct assembled *w, unsigned count)
{
	size_t at = 0;

	for (unsigned i = 0; i < count; i++) {
		if (at >= w->len || w->bytes[at] != colour(w->set_id, i))
			abort();
		while (at < w->len && w->bytes[at] == colour(w->set_id, i))
			at++;
	}
	if (at != w->len || w->len > SEQUENCE_SET_MAX)
		abort();
}

static void take(struct fuzz *f, const struct piece *p, uint8_t from, bool clean)
{
	struct arrival x = {.piece = *p, .clean = clean, .door_key = from >> 7, .along = 1};
	struct assembled whole;

	x.route.client = address_v4((const uint8_t[]){10, 0, 0, from & 0x7f});
	if (assembly_take(f->assembly, &x, f->now_ns, &whole) == ASSEMBLY_WHOLE)
		check_whole(&whole, p->count);
	struct assembly_use use = assembly_use(f->assembly);
	if (use.sets > ASSEMBLY_SETS || use.bytes > ASSEMBLY_BYTES)
		abort();
}

static bool open_any(const struct fuzz *f, bool clean, const struct piece_clean *head,
    const uint8_t *packet, size_t len, struct piece *out)
{
	uint32_t step = sequence_step(f->now_ns);

	return (clean ? piece_open_clean(&keys, step, head, packet, len, out)
		      : piece_open_plain(&keys, step, packet, len, out)) == 0;
}

/* A piece that somebody with the key made; its count may be absurd. change: a bit of it turns. */
static void send_piece(struct fuzz *f, struct reader *r, bool clean, bool change)
{
	uint8_t slice[SEQUENCE_SLICE_MAX], packet[PACKET_MAX];
	uint8_t from = read_u8(r);
	struct piece p = {.set_id = read_u8(r) & 0x1f, .index = read_u8(r), .count = read_u8(r)};
	struct piece out;
	uint16_t where = change ? read_u16(r) : 0;

	if (clean) { /* what has no place in the header cannot be said */
		p.index &= 63;
		p.count = (uint8_t)((p.count & 63) + 1);
	}
	p.slice = slice;
	p.slice_len = 1 + read_u16(r) % SEQUENCE_SLICE_MAX;
	if (r->failed)
		return;
	memset(slice, colour(p.set_id, p.index), sizeof(slice));
	bool sound = p.count >= 1 && p.index < p.count &&
		     p.count <= (clean ? SEQUENCE_CLEAN_MAX : SEQUENCE_PLAIN_MAX);
	uint32_t step = sequence_step(f->now_ns);
	struct piece_clean head = piece_seal_clean(&keys, step, &p);
	int len = piece_seal_plain(&keys, step, &p, packet, sizeof(packet));
	if (len < 0)
		abort();
	if (clean) {
		len = (int)p.slice_len;
		memcpy(packet, slice, p.slice_len);
	}
	if (change)
		packet[where % (unsigned)len] ^= (uint8_t)(1 << (where >> 13));
	bool opens = open_any(f, clean, &head, packet, (size_t)len, &out);
	/* Of 32 bits of a tag one change in billions passes: that is what the veil is for. */
	if (opens != (sound && !change) && !(clean && change))
		abort();
	if (opens && !change)
		take(f, &out, from, clean);
}

static void send_junk(struct fuzz *f, struct reader *r)
{
	struct piece_clean head = {read_u32(r), read_u32(r)};
	struct piece out;
	size_t len = read_u8(r);
	const uint8_t *bytes = read_view(r, len);

	if (r->failed)
		return;
	if (open_any(f, false, &head, bytes, len, &out))
		abort();
	(void)open_any(f, true, &head, bytes, len, &out);
}

static void event(struct fuzz *f, struct reader *r)
{
	uint8_t what = read_u8(r);

	switch (what & 7) {
	case 0:
	case 1:
	case 2:
	case 3:
		send_piece(f, r, what & 1, what & 2);
		break;
	case 4:
	case 5:
		send_junk(f, r);
		break;
	case 6:
		f->now_ns += (uint64_t)(what >> 3) * 1000000000;
		break;
	case 7: /* a clock that was set back */
		f->now_ns -= (uint64_t)(what >> 3) * 10000000000;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct reader r = reader_of(data, size);

	if (secret_init() < 0)
		abort();
	if (!f.assembly)
		f.assembly = assembly_new();
	assembly_forget(f.assembly);
	f.now_ns = UINT64_C(1700000000000000000);
	for (unsigned i = 0; i < EVENTS_MAX && r.left > 0 && !r.failed; i++)
		event(&f, &r);
	return 0;
}
