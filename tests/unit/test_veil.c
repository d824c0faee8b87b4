#include "unit.h"

#include <sodium.h>

#include "errors.h"
#include "secret.h"
#include "veil.h"

enum { BODY = 120 };

/* One sealed packet and what it was made of. */
struct sealed {
	struct door_keys keys;
	uint8_t label_key[SHORT_KEY_BYTES];
	uint8_t body[BODY_MAX];
	struct veiled v;
	uint8_t packet[VEIL_ROOM];
	size_t len;
	uint8_t plain[VEIL_PLAIN_MAX];
};

static void seal(struct sealed *s, enum kind kind, size_t body_len, size_t total)
{
	uint8_t master[KEY_BYTES];

	*s = (struct sealed){.len = total};
	count_up(master, sizeof(master), 0);
	door_keys_derive(&s->keys, master);
	count_up(s->label_key, sizeof(s->label_key), 0x70);
	count_up(s->body, sizeof(s->body), 0x21);
	s->v = (struct veiled){.kind = kind, .body = s->body, .body_len = (uint16_t)body_len};
	count_up(s->v.label.cid, CID_BYTES, 0xc0);
	s->v.label.t = UINT64_C(0x0102030405060708);
	label_sign(&s->v.label, s->label_key, kind, CARRIER_UDP, s->body, body_len);
	veil_seal(&s->keys.to_server, CARRIER_UDP, &s->v, s->packet, total);
}

static int open_it(struct sealed *s, struct veiled *out)
{
	if (!veil_gate_ok(&s->keys.to_server, s->packet, s->len))
		return -E_FORGED;
	return veil_open(&s->keys.to_server, CARRIER_UDP, s->packet, s->len, s->plain, out);
}

static void opens_what_it_sealed(void **state)
{
	(void)state;
	static const uint16_t bodies[] = {0, 1, 255, 256, 1000, VEIL_ROOM - VEIL_OVERHEAD_CLIENT};

	for (int kind = KIND_M1; kind <= KIND_PGP_RESULT; kind++) {
		for (size_t i = 0; i < COUNT_OF(bodies); i++) {
			struct sealed s;
			struct veiled out;
			size_t need = veil_need((enum kind)kind, bodies[i]);
			seal(&s, (enum kind)kind, bodies[i], i % 2 ? VEIL_ROOM : need);
			int len = open_it(&s, &out);
			assert_int_equal(
			    len, s.len - VEIL_GATE_BYTES - VEIL_NONCE_BYTES - VEIL_TAG_BYTES);
			assert_int_equal(out.kind, kind);
			assert_int_equal(out.body_len, bodies[i]);
			assert_memory_equal(out.body, s.body, bodies[i]);
			static const struct label none;
			const struct label *want = kind % 2 ? &s.v.label : &none;
			assert_memory_equal(out.label.cid, want->cid, CID_BYTES);
			assert_true(out.label.t == want->t);
			assert_memory_equal(out.label.mac, want->mac, sizeof(want->mac));
		}
	}
}

/* The layout, spelled out with libsodium alone. */
static void lays_bytes_out_as_written(void **state)
{
	(void)state;
	struct sealed s;
	uint8_t plain[VEIL_PLAIN_MAX];
	uint8_t gate[8];
	unsigned long long len = 0;
	static const uint8_t zeros[VEIL_PLAIN_MAX];

	seal(&s, KIND_M1, BODY, 384);
	crypto_shorthash_siphash24(gate, s.packet + 8, s.len - 8, s.keys.to_server.gate);
	assert_memory_equal(gate, s.packet, 8);
	assert_int_equal(
	    crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &len, NULL, s.packet + 32, s.len - 32,
		(const uint8_t *)"postern1\x01", 9, s.packet + 8, s.keys.to_server.veil),
	    0);
	assert_int_equal(len, 384 - 48);
	assert_memory_equal(plain, "\x01\x00\x78", 3);
	assert_memory_equal(plain + 3, s.v.label.cid, 8);
	assert_memory_equal(plain + 11, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_memory_equal(plain + 19, s.v.label.mac, 8);
	assert_memory_equal(plain + 27, s.body, BODY);
	assert_memory_equal(plain + 27 + BODY, zeros, 384 - 48 - 27 - BODY);
}

static void seals_anew_each_time(void **state)
{
	(void)state;
	struct sealed a;
	struct sealed b;

	seal(&a, KIND_M1, BODY, 400);
	seal(&b, KIND_M1, BODY, 400);
	assert_memory_not_equal(a.packet + 8, b.packet + 8, VEIL_NONCE_BYTES);
	assert_memory_not_equal(a.packet + 32, b.packet + 32, 32);
}

static void refuses_every_flipped_bit(void **state)
{
	(void)state;
	struct sealed s;
	struct veiled out;

	seal(&s, KIND_M1, BODY, 384);
	for (size_t bit = 0; bit < 8 * s.len; bit++) {
		s.packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
		/* The gate alone finds each, and so does the AEAD but for the gate itself. */
		assert_false(veil_gate_ok(&s.keys.to_server, s.packet, s.len));
		int got = veil_open(&s.keys.to_server, CARRIER_UDP, s.packet, s.len, s.plain, &out);
		assert_true(bit < 8 * VEIL_GATE_BYTES ? got > 0 : got == -E_FORGED);
		s.packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(open_it(&s, &out) > 0);
}

static void refuses_every_other_length(void **state)
{
	(void)state;
	struct sealed s;
	struct veiled out;
	uint8_t longer[VEIL_ROOM + 1] = {0};

	seal(&s, KIND_M1, BODY, 384);
	for (size_t len = 0; len < s.len; len++) {
		assert_false(veil_gate_ok(&s.keys.to_server, s.packet, len));
		int got = veil_open(&s.keys.to_server, CARRIER_UDP, s.packet, len, s.plain, &out);
		assert_int_equal(got, len < VEIL_OVERHEAD_SERVER ? -E_SHORT : -E_FORGED);
	}
	memcpy(longer, s.packet, s.len);
	for (size_t len = s.len + 1; len <= sizeof(longer); len++) {
		assert_false(veil_gate_ok(&s.keys.to_server, longer, len));
		assert_true(
		    veil_open(&s.keys.to_server, CARRIER_UDP, longer, len, s.plain, &out) < 0);
	}
	/* Even a gate that fits does not make a packet of what has no room for one. */
	crypto_shorthash_siphash24(longer, longer + 8, sizeof(longer) - 8, s.keys.to_server.gate);
	assert_false(veil_gate_ok(&s.keys.to_server, longer, sizeof(longer)));
	crypto_shorthash_siphash24(longer, longer + 8, 50 - 8, s.keys.to_server.gate);
	assert_false(veil_gate_ok(&s.keys.to_server, longer, 50));
}

static void is_bound_to_key_direction_and_carrier(void **state)
{
	(void)state;
	struct sealed s;
	struct veiled out;
	struct door_keys other;
	uint8_t master[KEY_BYTES];

	seal(&s, KIND_M1, BODY, 384);
	count_up(master, sizeof(master), 1);
	door_keys_derive(&other, master);
	assert_false(veil_gate_ok(&s.keys.to_client, s.packet, s.len));
	assert_false(veil_gate_ok(&other.to_server, s.packet, s.len));
	assert_int_equal(
	    veil_open(&s.keys.to_client, CARRIER_UDP, s.packet, s.len, s.plain, &out), -E_FORGED);
	assert_int_equal(
	    veil_open(&other.to_server, CARRIER_UDP, s.packet, s.len, s.plain, &out), -E_FORGED);
	for (int c = CARRIER_TCP; c <= CARRIER_SEQUENCE; c++)
		assert_int_equal(veil_open(&s.keys.to_server, (enum carrier_id)c, s.packet, s.len,
				     s.plain, &out),
		    -E_FORGED);
}

static void parses_plaintexts_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		int want;
	} table[] = {
	    {"", -E_SHORT},
	    {"02", -E_SHORT},
	    {"0200", -E_SHORT},
	    {"020000", 0},
	    {"02000000", 0},
	    {"0200000000000000", 0},
	    {"02000001", -E_FORMAT},	     /* padding that is not zero */
	    {"0200000000000080", -E_FORMAT}, /* in its last bit */
	    {"020001", -E_FORMAT},	     /* body beyond the end */
	    {"020001aa", 0},
	    {"020001aa00", 0},
	    {"020001aa01", -E_FORMAT},
	    {"02ffffaa", -E_FORMAT},
	    {"000000", -E_FORMAT}, /* kinds that are none */
	    {"090000", -E_FORMAT},
	    {"ff0000", -E_FORMAT},
	    {"010000", -E_FORMAT}, /* a client's without a label */
	    {"010000c0c1c2c3c4c5c6c70102030405060708e0e1e2e3e4e5e6", -E_FORMAT},
	    {"010000c0c1c2c3c4c5c6c70102030405060708e0e1e2e3e4e5e6e7", 0},
	    {"010000c0c1c2c3c4c5c6c70102030405060708e0e1e2e3e4e5e6e700", 0},
	    {"010001c0c1c2c3c4c5c6c70102030405060708e0e1e2e3e4e5e6e7", -E_FORMAT},
	    {"010001c0c1c2c3c4c5c6c70102030405060708e0e1e2e3e4e5e6e7bb", 0},
	    {"070001c0c1c2c3c4c5c6c70102030405060708e0e1e2e3e4e5e6e7bb", 0},
	    {"080001bb", 0},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		uint8_t plain[64];
		struct veiled out = {.kind = KIND_M4, .body_len = 77};
		size_t len = unhex(plain, sizeof(plain), table[i].hex);
		if (veil_parse(plain, len, &out) != table[i].want)
			fail_msg("%s", table[i].hex);
		if (table[i].want < 0)
			assert_int_equal(out.body_len, 77); /* untouched */
		else
			assert_int_equal(out.kind, plain[0]);
	}
}

static void tells_directions_apart(void **state)
{
	(void)state;
	static const bool from_client[] = {true, false, true, false, true, false, true, false};

	for (int k = KIND_M1; k <= KIND_PGP_RESULT; k++) {
		assert_int_equal(kind_from_client((enum kind)k), from_client[k - 1]);
		assert_int_equal(veil_need((enum kind)k, 10), from_client[k - 1] ? 85 : 61);
	}
}

/* Both bounds are reached, nothing beyond them. */
static void chooses_lengths_within_bounds(void **state)
{
	(void)state;
	size_t least = SIZE_MAX;
	size_t most = 0;

	for (int i = 0; i < 200; i++) {
		size_t len = veil_length_client(1197, VEIL_ROOM);
		assert_true(len >= 1197 && len <= VEIL_ROOM);
		least = len < least ? len : least;
		most = len > most ? len : most;
	}
	assert_int_equal(least, 1197);
	assert_int_equal(most, VEIL_ROOM);
	assert_int_equal(veil_length_client(100, 384), 384);
	assert_int_equal(veil_length_client(1200, 1200), 1200);
	assert_int_equal(veil_length_server(100, 100), 100);
	assert_int_equal(veil_length_server(1200, 60000), 1200); /* never beyond the room */
	for (int i = 0; i < 200; i++) {
		size_t len = veil_length_server(51, 53);
		assert_true(len >= 51 && len <= 53);
		assert_true(veil_length_client(75, VEIL_ROOM) >= VEIL_MIN_CLIENT);
	}
}

/* Each thing that the MAC covers, changed alone. */
static void labels_cover_all_they_say(void **state)
{
	(void)state;
	struct sealed s;
	uint8_t bytes[18 + BODY] = {KIND_M1, CARRIER_UDP, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6,
	    0xc7, 1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t mac[8];

	seal(&s, KIND_M1, BODY, 384);
	struct label *l = &s.v.label;
	memcpy(bytes + 18, s.body, BODY);
	crypto_shorthash_siphash24(mac, bytes, sizeof(bytes), s.label_key);
	assert_memory_equal(mac, l->mac, sizeof(mac));
	assert_true(label_ok(l, s.label_key, KIND_M1, CARRIER_UDP, s.body, BODY));
	assert_false(label_ok(l, s.label_key, KIND_M3, CARRIER_UDP, s.body, BODY));
	assert_false(label_ok(l, s.label_key, KIND_M1, CARRIER_TCP, s.body, BODY));
	assert_false(label_ok(l, s.label_key, KIND_M1, CARRIER_UDP, s.body, BODY - 1));
	assert_false(label_ok(l, s.label_key, KIND_M1, CARRIER_UDP, s.body + 1, BODY));
	uint8_t *parts[] = {l->cid, (uint8_t *)&l->t, l->mac, s.label_key, s.body};
	const size_t sizes[] = {CID_BYTES, sizeof(l->t), sizeof(l->mac), SHORT_KEY_BYTES, BODY};
	for (size_t p = 0; p < COUNT_OF(parts); p++) {
		for (size_t bit = 0; bit < 8 * sizes[p]; bit++) {
			parts[p][bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_false(label_ok(l, s.label_key, KIND_M1, CARRIER_UDP, s.body, BODY));
			parts[p][bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	assert_true(label_ok(l, s.label_key, KIND_M1, CARRIER_UDP, s.body, BODY));
}

static void random_bytes_are_strangers(void **state)
{
	(void)state;
	struct sealed s;
	struct veiled out;
	uint8_t junk[1500];

	seal(&s, KIND_M1, BODY, 384);
	for (size_t len = 0; len <= sizeof(junk); len++) {
		secret_random(junk, len);
		assert_false(veil_gate_ok(&s.keys.to_server, junk, len));
		assert_true(
		    veil_open(&s.keys.to_server, CARRIER_UDP, junk, len, s.plain, &out) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_what_it_sealed),
	    cmocka_unit_test(lays_bytes_out_as_written),
	    cmocka_unit_test(seals_anew_each_time),
	    cmocka_unit_test(refuses_every_flipped_bit),
	    cmocka_unit_test(refuses_every_other_length),
	    cmocka_unit_test(is_bound_to_key_direction_and_carrier),
	    cmocka_unit_test(parses_plaintexts_strictly),
	    cmocka_unit_test(tells_directions_apart),
	    cmocka_unit_test(chooses_lengths_within_bounds),
	    cmocka_unit_test(labels_cover_all_they_say),
	    cmocka_unit_test(random_bytes_are_strangers),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
