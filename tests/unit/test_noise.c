#include "unit.h"

#include <jansson.h>

#include "errors.h"
#include "noise.h"
#include "secret.h"

enum { MESSAGE_MAX = 512 };

/* Both sides of one exchange, with keys that are easy to recognise. */
struct pair {
	struct keypair client, server;
	uint8_t psk[KEY_BYTES];
	uint8_t ss[KEY_BYTES];
	struct noise_static client_knows, server_knows;
	struct noise i, r;
	uint8_t m1[MESSAGE_MAX], m2[MESSAGE_MAX];
	int m1_len, m2_len;
};

static const uint8_t prologue[] = "prologue";
static const uint8_t request[16] = "the request";
static const uint8_t reply[20] = "the reply";

static void keypair_of(struct keypair *out, uint8_t n)
{
	uint8_t secret[KEY_BYTES];

	count_up(secret, sizeof(secret), n);
	keypair_from_secret(out, secret);
}

static void start_responder(struct pair *p)
{
	noise_start(&p->r, false, true, &p->server_knows, prologue, sizeof(prologue));
}

static void start_pair(struct pair *p)
{
	*p = (struct pair){0};
	keypair_of(&p->client, 0x10);
	keypair_of(&p->server, 0x40);
	count_up(p->psk, KEY_BYTES, 0x80);
	assert_int_equal(noise_static_static(p->ss, &p->server, p->client.public), 0);
	p->client_knows = (struct noise_static){&p->client, p->server.public, p->psk, NULL};
	p->server_knows = (struct noise_static){&p->server, p->client.public, p->psk, NULL};
	noise_start(&p->i, true, true, &p->client_knows, prologue, sizeof(prologue));
	start_responder(p);
	p->m1_len = noise_write_m1(&p->i, &p->client_knows, request, sizeof(request), p->m1);
	assert_int_equal(p->m1_len, sizeof(request) + NOISE_M1_OVERHEAD);
}

static int read_m1(struct pair *p)
{
	uint8_t plain[MESSAGE_MAX];
	int got = noise_read_m1(&p->r, &p->server_knows, p->m1, (size_t)p->m1_len, plain);

	if (got >= 0) {
		assert_int_equal(got, sizeof(request));
		assert_memory_equal(plain, request, sizeof(request));
	}
	return got;
}

static void write_m2(struct pair *p)
{
	assert_true(read_m1(p) >= 0);
	p->m2_len = noise_write_m2(&p->r, &p->server_knows, reply, sizeof(reply), p->m2);
	assert_int_equal(p->m2_len, sizeof(reply) + NOISE_M2_OVERHEAD);
}

static int read_m2(struct pair *p)
{
	uint8_t plain[MESSAGE_MAX];
	int got = noise_read_m2(&p->i, &p->client_knows, p->m2, (size_t)p->m2_len, plain);

	if (got >= 0) {
		assert_int_equal(got, sizeof(reply));
		assert_memory_equal(plain, reply, sizeof(reply));
	}
	return got;
}

/* --- the published vectors --- */

struct vector {
	struct keypair init, resp;
	uint8_t init_e[KEY_BYTES], resp_e[KEY_BYTES];
	uint8_t psk[KEY_BYTES];
	bool has_psk;
	uint8_t prologue[64];
	size_t prologue_len;
	uint8_t hash[NOISE_HASH_BYTES];
};

static size_t hex_of(const json_t *from, const char *name, uint8_t *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(from, name));

	assert_non_null(text);
	return unhex(out, cap, text);
}

static void load(struct vector *v, const json_t *from)
{
	uint8_t secret[KEY_BYTES];
	uint8_t rs[KEY_BYTES];
	const json_t *psk = json_array_get(json_object_get(from, "init_psks"), 0);

	*v = (struct vector){.has_psk = psk != NULL};
	hex_of(from, "init_static", secret, KEY_BYTES);
	keypair_from_secret(&v->init, secret);
	hex_of(from, "resp_static", secret, KEY_BYTES);
	keypair_from_secret(&v->resp, secret);
	hex_of(from, "init_remote_static", rs, KEY_BYTES);
	assert_memory_equal(rs, v->resp.public, KEY_BYTES);
	hex_of(from, "init_ephemeral", v->init_e, KEY_BYTES);
	hex_of(from, "resp_ephemeral", v->resp_e, KEY_BYTES);
	v->prologue_len = hex_of(from, "init_prologue", v->prologue, sizeof(v->prologue));
	assert_int_equal(
	    hex_of(from, "handshake_hash", v->hash, sizeof(v->hash)), NOISE_HASH_BYTES);
	if (psk)
		unhex(v->psk, KEY_BYTES, json_string_value(psk));
}

/* Message i of the vector goes from one side to the other, exactly as it is written there. */
static void exchange(const json_t *messages, size_t i, struct noise *from, struct noise *to,
    const struct noise_static *knows[2])
{
	const json_t *message = json_array_get(messages, i);
	uint8_t payload[MESSAGE_MAX];
	uint8_t want[MESSAGE_MAX];
	uint8_t sealed[MESSAGE_MAX];
	uint8_t opened[MESSAGE_MAX];
	size_t len = hex_of(message, "payload", payload, sizeof(payload));
	size_t want_len = hex_of(message, "ciphertext", want, sizeof(want));
	int got = i == 0   ? noise_write_m1(from, knows[0], payload, len, sealed)
		  : i == 1 ? noise_write_m2(from, knows[0], payload, len, sealed)
			   : noise_encrypt(from, payload, len, sealed);

	assert_int_equal(got, want_len);
	assert_memory_equal(sealed, want, want_len);
	got = i == 0   ? noise_read_m1(to, knows[1], sealed, want_len, opened)
	      : i == 1 ? noise_read_m2(to, knows[1], sealed, want_len, opened)
		       : noise_decrypt(to, sealed, want_len, opened);
	assert_int_equal(got, len);
	assert_memory_equal(opened, payload, len);
}

static void run_vector(const json_t *from)
{
	struct vector v;
	struct noise i;
	struct noise r;
	const json_t *messages = json_object_get(from, "messages");

	load(&v, from);
	const uint8_t *psk = v.has_psk ? v.psk : NULL;
	const struct noise_static client = {&v.init, v.resp.public, psk, NULL};
	const struct noise_static server = {&v.resp, v.init.public, psk, NULL};
	const struct noise_static *there[2] = {&client, &server};
	const struct noise_static *back[2] = {&server, &client};
	noise_start(&i, true, v.has_psk, &client, v.prologue, v.prologue_len);
	noise_start(&r, false, v.has_psk, &server, v.prologue, v.prologue_len);
	noise_set_ephemeral(&i, v.init_e);
	noise_set_ephemeral(&r, v.resp_e);
	for (size_t m = 0; m < json_array_size(messages); m++)
		exchange(messages, m, m % 2 ? &r : &i, m % 2 ? &i : &r, m % 2 ? back : there);
	assert_memory_equal(i.h, v.hash, NOISE_HASH_BYTES);
	assert_memory_equal(r.h, v.hash, NOISE_HASH_BYTES);
}

/*
 * Test vectors in the form that Noise implementations exchange (cacophony, snow);
 * the file has one of IK and one of IKpsk1, six messages each.
 */
static void agrees_with_the_vectors(void **state)
{
	(void)state;
	json_error_t error;
	json_t *root =
	    json_load_file(GOLDEN_DIR "/noise_ik_25519_chachapoly_blake2b.json", 0, &error);
	const json_t *vectors = json_object_get(root, "vectors");

	assert_int_equal(json_array_size(vectors), 2);
	for (size_t i = 0; i < json_array_size(vectors); i++) {
		const json_t *vector = json_array_get(vectors, i);
		assert_int_equal(json_array_size(json_object_get(vector, "messages")), 6);
		run_vector(vector);
	}
	json_decref(root);
}

/* --- what must work --- */

static void speaks_both_ways(void **state)
{
	(void)state;
	struct pair p;
	uint8_t m3[MESSAGE_MAX];
	uint8_t m4[MESSAGE_MAX];
	uint8_t plain[MESSAGE_MAX];

	start_pair(&p);
	write_m2(&p);
	assert_true(read_m2(&p) >= 0);
	assert_memory_equal(p.i.h, p.r.h, NOISE_HASH_BYTES);
	assert_memory_equal(p.i.k1, p.r.k1, KEY_BYTES);
	assert_memory_equal(p.i.k2, p.r.k2, KEY_BYTES);
	for (int round = 0; round < 3; round++) {
		int len = noise_encrypt(&p.i, request, sizeof(request), m3);
		assert_int_equal(noise_decrypt(&p.r, m3, (size_t)len, plain), sizeof(request));
		assert_memory_equal(plain, request, sizeof(request));
		len = noise_encrypt(&p.r, reply, sizeof(reply), m4);
		assert_int_equal(noise_decrypt(&p.i, m4, (size_t)len, plain), sizeof(reply));
		assert_memory_equal(plain, reply, sizeof(reply));
	}
}

static void carries_empty_payloads(void **state)
{
	(void)state;
	struct pair p;

	start_pair(&p);
	noise_start(&p.i, true, true, &p.client_knows, prologue, sizeof(prologue));
	int len = noise_write_m1(&p.i, &p.client_knows, NULL, 0, p.m1);
	assert_int_equal(len, NOISE_M1_OVERHEAD);
	assert_int_equal(noise_read_m1(&p.r, &p.server_knows, p.m1, (size_t)len, NULL), 0);
	len = noise_write_m2(&p.r, &p.server_knows, NULL, 0, p.m2);
	assert_int_equal(len, NOISE_M2_OVERHEAD);
	assert_int_equal(noise_read_m2(&p.i, &p.client_knows, p.m2, (size_t)len, NULL), 0);
	len = noise_encrypt(&p.i, NULL, 0, p.m1);
	assert_int_equal(len, NOISE_TRANSPORT_OVERHEAD);
	assert_int_equal(noise_decrypt(&p.r, p.m1, (size_t)len, NULL), 0);
}

static void takes_any_static_key_when_told(void **state)
{
	(void)state;
	struct pair p;

	start_pair(&p);
	p.server_knows.rs = NULL;
	assert_true(read_m1(&p) >= 0);
	assert_memory_equal(p.r.rs, p.client.public, KEY_BYTES);
}

static void makes_a_new_ephemeral_each_time(void **state)
{
	(void)state;
	struct pair p;
	struct pair q;

	start_pair(&p);
	start_pair(&q);
	assert_memory_not_equal(p.m1, q.m1, KEY_BYTES);
}

/* The work that a message buys, to the operation. */
static void counts_its_work(void **state)
{
	(void)state;
	struct pair p;

	start_pair(&p);
	uint64_t before = noise_dh_count();
	assert_true(read_m1(&p) >= 0);
	assert_int_equal(noise_dh_count() - before, 2);
	p.server_knows.ss = p.ss;
	start_responder(&p);
	before = noise_dh_count();
	assert_true(read_m1(&p) >= 0);
	assert_int_equal(noise_dh_count() - before, 1);
	before = noise_dh_count();
	p.m2_len = noise_write_m2(&p.r, &p.server_knows, reply, sizeof(reply), p.m2);
	assert_int_equal(noise_dh_count() - before, 2);
	before = noise_dh_count();
	assert_true(read_m2(&p) >= 0);
	assert_int_equal(noise_dh_count() - before, 2);
	before = noise_dh_count();
	assert_int_equal(noise_static_static(p.ss, &p.server, p.client.public), 0);
	assert_int_equal(noise_dh_count() - before, 1);
}

static void forgets_what_made_its_keys(void **state)
{
	(void)state;
	static const struct noise zeros;
	struct pair p;

	start_pair(&p);
	write_m2(&p);
	assert_true(read_m2(&p) >= 0);
	const struct noise *sides[] = {&p.i, &p.r};
	for (size_t i = 0; i < 2; i++) {
		assert_memory_equal(sides[i]->ck, zeros.ck, sizeof(zeros.ck));
		assert_memory_equal(sides[i]->k, zeros.k, sizeof(zeros.k));
		assert_memory_equal(&sides[i]->e, &zeros.e, sizeof(zeros.e));
	}
}

/* --- what must fail, and leave everything as it was --- */

static void expect_m1_refused(struct pair *p, int why)
{
	struct noise before = p->r;

	assert_int_equal(read_m1(p), why);
	assert_memory_equal(&before, &p->r, sizeof(before));
}

static void refuses_another_static_key(void **state)
{
	(void)state;
	struct pair p;
	struct keypair other;

	start_pair(&p);
	keypair_of(&other, 0x11);
	p.server_knows.rs = other.public;
	uint64_t before = noise_dh_count();
	expect_m1_refused(&p, -E_KEY);
	assert_int_equal(noise_dh_count() - before, 1); /* es alone: ss is not worth it */
	p.server_knows.rs = p.client.public;
	assert_true(read_m1(&p) >= 0);
}

static void refuses_another_psk(void **state)
{
	(void)state;
	struct pair p;
	uint8_t other[KEY_BYTES];

	start_pair(&p);
	count_up(other, sizeof(other), 0x81);
	p.server_knows.psk = other;
	expect_m1_refused(&p, -E_FORGED);
}

static void refuses_another_prologue(void **state)
{
	(void)state;
	struct pair p;

	start_pair(&p);
	noise_start(&p.r, false, true, &p.server_knows, prologue, sizeof(prologue) - 1);
	expect_m1_refused(&p, -E_FORGED);
}

static void refuses_another_servers_message(void **state)
{
	(void)state;
	struct pair p;
	struct keypair other;

	start_pair(&p);
	keypair_of(&other, 0x41);
	p.server_knows.s = &other;
	start_responder(&p);
	uint64_t before = noise_dh_count();
	expect_m1_refused(&p, -E_FORGED);
	assert_int_equal(noise_dh_count() - before, 1);
}

static void refuses_every_flipped_bit(void **state)
{
	(void)state;
	struct pair p;

	start_pair(&p);
	for (int bit = 0; bit < 8 * p.m1_len; bit++) {
		p.m1[bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_m1_refused(&p, -E_FORGED);
		p.m1[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	write_m2(&p);
	struct noise before = p.i;
	for (int bit = 0; bit < 8 * p.m2_len; bit++) {
		p.m2[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(read_m2(&p), -E_FORGED);
		assert_memory_equal(&before, &p.i, sizeof(before));
		p.m2[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(read_m2(&p) >= 0);
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	struct pair p;
	uint8_t plain[MESSAGE_MAX];

	start_pair(&p);
	for (size_t len = 0; len < (size_t)p.m1_len; len++) {
		int want = len < NOISE_M1_OVERHEAD ? -E_SHORT : -E_FORGED;
		assert_int_equal(noise_read_m1(&p.r, &p.server_knows, p.m1, len, plain), want);
	}
	write_m2(&p);
	for (size_t len = 0; len < (size_t)p.m2_len; len++) {
		int want = len < NOISE_M2_OVERHEAD ? -E_SHORT : -E_FORGED;
		assert_int_equal(noise_read_m2(&p.i, &p.client_knows, p.m2, len, plain), want);
	}
	assert_true(read_m2(&p) >= 0);
	int whole = noise_encrypt(&p.i, request, sizeof(request), p.m1);
	for (size_t len = 0; len < (size_t)whole; len++) {
		int want = len < NOISE_TRANSPORT_OVERHEAD ? -E_SHORT : -E_FORGED;
		assert_int_equal(noise_decrypt(&p.r, p.m1, len, plain), want);
	}
	assert_int_equal(noise_decrypt(&p.r, p.m1, (size_t)whole, plain), sizeof(request));
}

/* All points whose order is small, and the ways to write them that are longer than they need be. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void refuses_points_of_low_order(void **state)
{
	(void)state;
	struct pair p;

	for (size_t i = 0; i < 2 * COUNT_OF(low_order); i++) {
		uint8_t point[KEY_BYTES];
		unhex(point, sizeof(point), low_order[i / 2]);
		if (i % 2) /* a bit that X25519 ignores */
			point[KEY_BYTES - 1] |= 0x80;
		start_pair(&p);
		assert_int_equal(noise_static_static(p.ss, &p.server, point), -E_KEY);
		uint8_t saved[KEY_BYTES];
		memcpy(saved, p.m1, KEY_BYTES);
		memcpy(p.m1, point, KEY_BYTES);
		expect_m1_refused(&p, -E_KEY);
		memcpy(p.m1, saved, KEY_BYTES);
		write_m2(&p);
		memcpy(p.m2, point, KEY_BYTES);
		assert_int_equal(read_m2(&p), -E_KEY);
		/* A profile with such a server key. */
		p.client_knows.rs = point;
		noise_start(&p.i, true, true, &p.client_knows, prologue, sizeof(prologue));
		assert_int_equal(noise_write_m1(&p.i, &p.client_knows, request, 1, p.m1), -E_KEY);
	}
}

/* A client that enrolled with a low-order key must not make ss known to all. */
static void refuses_a_static_key_of_low_order(void **state)
{
	(void)state;
	struct pair p;
	struct keypair hollow;

	start_pair(&p);
	hollow = p.client;
	unhex(hollow.public, KEY_BYTES, low_order[1]);
	p.client_knows = (struct noise_static){&hollow, p.server.public, p.psk, p.ss};
	p.server_knows.rs = hollow.public;
	noise_start(&p.i, true, true, &p.client_knows, prologue, sizeof(prologue));
	p.m1_len = noise_write_m1(&p.i, &p.client_knows, request, sizeof(request), p.m1);
	assert_true(p.m1_len > 0);
	expect_m1_refused(&p, -E_KEY);
}

static void refuses_what_is_not_due(void **state)
{
	(void)state;
	struct pair p;
	uint8_t b[MESSAGE_MAX] = {0};

	start_pair(&p);
	assert_int_equal(
	    noise_write_m1(&p.i, &p.client_knows, b, 1, b), -E_STATE); /* a second M1 */
	assert_int_equal(noise_write_m1(&p.r, &p.server_knows, b, 1, b), -E_STATE);
	assert_int_equal(noise_read_m1(&p.i, &p.client_knows, b, 200, b), -E_STATE);
	assert_int_equal(noise_write_m2(&p.r, &p.server_knows, b, 1, b), -E_STATE);
	assert_int_equal(noise_read_m2(&p.r, &p.server_knows, b, 200, b), -E_STATE);
	assert_int_equal(noise_encrypt(&p.i, b, 1, b), -E_STATE);
	assert_int_equal(noise_decrypt(&p.r, b, 200, b), -E_STATE);
	write_m2(&p);
	assert_int_equal(read_m1(&p), -E_STATE);
	assert_int_equal(noise_write_m2(&p.i, &p.client_knows, b, 1, b), -E_STATE);
	assert_true(read_m2(&p) >= 0);
	assert_int_equal(read_m2(&p), -E_STATE);
}

static void keeps_its_place_in_the_count(void **state)
{
	(void)state;
	struct pair p;
	uint8_t first[MESSAGE_MAX];
	uint8_t second[MESSAGE_MAX];
	uint8_t plain[MESSAGE_MAX];

	start_pair(&p);
	write_m2(&p);
	assert_true(read_m2(&p) >= 0);
	size_t len = (size_t)noise_encrypt(&p.i, request, sizeof(request), first);
	assert_int_equal(noise_encrypt(&p.i, request, sizeof(request), second), len);
	assert_memory_not_equal(first, second, len);
	assert_int_equal(noise_decrypt(&p.i, first, len, plain), -E_FORGED);  /* reflected */
	assert_int_equal(noise_decrypt(&p.r, second, len, plain), -E_FORGED); /* too early */
	assert_int_equal(noise_decrypt(&p.r, first, len, plain), sizeof(request));
	assert_int_equal(noise_decrypt(&p.r, first, len, plain), -E_FORGED); /* again */
	assert_int_equal(noise_decrypt(&p.r, second, len, plain), sizeof(request));
}

static void never_wraps_its_count(void **state)
{
	(void)state;
	struct pair p;
	uint8_t b[MESSAGE_MAX];

	start_pair(&p);
	write_m2(&p);
	assert_true(read_m2(&p) >= 0);
	p.i.n1 = p.r.n1 = UINT64_MAX - 1;
	int len = noise_encrypt(&p.i, request, sizeof(request), b);
	assert_int_equal(noise_decrypt(&p.r, b, (size_t)len, b), sizeof(request));
	assert_int_equal(noise_encrypt(&p.i, request, sizeof(request), b), -E_STATE);
	assert_int_equal(noise_decrypt(&p.r, b, (size_t)len, b), -E_STATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_the_vectors),
	    cmocka_unit_test(speaks_both_ways),
	    cmocka_unit_test(carries_empty_payloads),
	    cmocka_unit_test(takes_any_static_key_when_told),
	    cmocka_unit_test(makes_a_new_ephemeral_each_time),
	    cmocka_unit_test(counts_its_work),
	    cmocka_unit_test(forgets_what_made_its_keys),
	    cmocka_unit_test(refuses_another_static_key),
	    cmocka_unit_test(refuses_another_psk),
	    cmocka_unit_test(refuses_another_prologue),
	    cmocka_unit_test(refuses_another_servers_message),
	    cmocka_unit_test(refuses_every_flipped_bit),
	    cmocka_unit_test(refuses_every_truncation),
	    cmocka_unit_test(refuses_points_of_low_order),
	    cmocka_unit_test(refuses_a_static_key_of_low_order),
	    cmocka_unit_test(refuses_what_is_not_due),
	    cmocka_unit_test(keeps_its_place_in_the_count),
	    cmocka_unit_test(never_wraps_its_count),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
