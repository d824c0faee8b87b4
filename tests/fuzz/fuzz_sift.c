/*
 * fuzz_sift - the input as a frame from a stranger, as the plaintext of a veil
 * that somebody with the door key sealed and sent, and as a message of keys.
 * A stranger gets nothing through; what a key holder gets through is of the
 * form of a knock, and just what was sealed.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "secret.h"
#include "sift.h"
#include "veil.h"

enum {
	PORT = 62201,
	HEADS_BYTES = 28,
	WRAPPED = VEIL_GATE_BYTES + VEIL_NONCE_BYTES + VEIL_TAG_BYTES
};

struct fixture {
	struct sift *sift;
	struct door_keys keys;
};

static void renew(struct fixture *f)
{
	struct msg_keys m = {.count = 1};

	memcpy(m.key[0].veil, f->keys.to_server.veil, KEY_BYTES);
	memcpy(m.key[0].gate, f->keys.to_server.gate, SHORT_KEY_BYTES);
	if (sift_keys(f->sift, &m) != 0)
		abort();
}

/* Made once: guarded memory for every input would be slow. */
static struct fixture *fixture(void)
{
	static struct fixture f;
	static const uint8_t door_key[KEY_BYTES] = {1};

	if (f.sift == NULL) {
		if (secret_init() < 0)
			abort();
		f.sift = sift_new();
		sift_listen(f.sift, &(struct carrier_ports){.udp = PORT});
		door_keys_derive(&f.keys, door_key);
	}
	renew(&f);
	return &f;
}

static void as_frame(struct fixture *f, const uint8_t *data, size_t size)
{
	static const enum link_type links[] = {LINK_ETHERNET, LINK_SLL, LINK_SLL2, LINK_RAW};
	struct capture_frame frame = {.bytes = data, .caplen = size, .len = size};
	struct msg_knock knock;
	uint64_t before[CAPTURE_COUNTERS];

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		frame.link = links[i];
		memcpy(before, sift_counters(f->sift), sizeof(before));
		enum capture_counter what = sift_frame(f->sift, &frame, &knock);
		if (what == CAPTURE_MATCHED || sift_counters(f->sift)[what] != before[what] + 1)
			abort();
	}
}

static void frame_of(uint8_t *out, const uint8_t *veil, size_t len)
{
	struct writer w = writer_of(out, HEADS_BYTES + VEIL_ROOM);

	write_u16(&w, 0x4500);
	write_u16(&w, (uint16_t)(HEADS_BYTES + len));
	write_zeros(&w, 4);
	write_u16(&w, 64 << 8 | 17);
	write_u16(&w, 0);
	write_u32(&w, 0xc0000207);
	write_u32(&w, 0xc6336401);
	write_u16(&w, 40000);
	write_u16(&w, PORT);
	write_u16(&w, (uint16_t)(8 + len));
	write_u16(&w, 0);
	write_bytes(&w, veil, len);
	if (w.failed)
		abort();
}

/* Only what parses can be sealed by our own hand; the rest is fuzz_veil's. */
static void as_plaintext(struct fixture *f, const uint8_t *data, size_t size)
{
	uint8_t veil[VEIL_ROOM], bytes[HEADS_BYTES + VEIL_ROOM];
	struct capture_frame frame = {.bytes = bytes, .link = LINK_RAW};
	struct msg_knock knock;
	struct veiled v;

	if (size > VEIL_PLAIN_MAX || veil_parse(data, size, &v) < 0)
		return;
	veil_seal(&f->keys.to_server, CARRIER_UDP, &v, veil, WRAPPED + size);
	frame_of(bytes, veil, WRAPPED + size);
	frame.caplen = frame.len = HEADS_BYTES + WRAPPED + size;
	enum capture_counter what = sift_frame(f->sift, &frame, &knock);
	bool fits = kind_from_client(v.kind) && WRAPPED + size >= VEIL_OVERHEAD_CLIENT;
	if (fits != (what == CAPTURE_MATCHED))
		abort();
	if (!fits)
		return;
	sift_handed(f->sift, true);
	if (knock.plain_len != size || memcmp(knock.plain, data, size) != 0)
		abort();
	if (sift_frame(f->sift, &frame, &knock) != CAPTURE_REPEAT)
		abort();
}

static void as_keys(struct fixture *f, const uint8_t *data, size_t size)
{
	struct msg_keys m;

	if (size < sizeof(m))
		return;
	memcpy(&m, data, sizeof(m));
	bool sound = m.count >= 1 && m.count <= DOOR_KEYS_MAX;
	if (sound != (sift_keys(f->sift, &m) == 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture *f = fixture();

	as_frame(f, data, size);
	as_plaintext(f, data, size);
	as_keys(f, data, size);
	return 0;
}
