/*
 * test_uniform - what a recorder sees of 100,000 knocks of one client who always
 * asks the same: nothing but chance, in every byte position and in the lengths.
 *
 * Each position's 256 counts, and the counts of the lengths, are held against
 * the uniform distribution by Pearson's chi-square. There are about 1,200 such
 * tests. The statistic's bounds are those of a normal deviate of 6.3 either way
 * (by Wilson and Hilferty's approximation): 1.5e-10 a side, 2 * 1,200 * 1.5e-10
 * = 3.6e-7 for a false alarm anywhere. A fit that is too good is an alarm, too.
 * Chance has a fixed seed, so that a run repeats.
 */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "envelope.h"
#include "request.h"
#include "secret.h"
#include "veil.h"

enum {
	KNOCKS = 100000,
	BYTES = 256,
	LENGTHS = VEIL_ROOM - VEIL_MIN_CLIENT + 1,
	/* Positions that fewer knocks reach than this many a bin are taken together. */
	LEAST_A_BIN = 20,
};

static const double deviate = 6.3;

/* --- chance that repeats --- */

static struct {
	uint8_t pool[4096];
	size_t used;
	uint64_t round;
} chance;

static void refill(void)
{
	uint8_t seed[randombytes_SEEDBYTES] = "postern, uniform";

	memcpy(seed + 24, &chance.round, sizeof(chance.round));
	chance.round++;
	randombytes_buf_deterministic(chance.pool, sizeof(chance.pool), seed);
	chance.used = 0;
}

static void chance_bytes(void *const out, const size_t len)
{
	if (len > sizeof(chance.pool))
		abort();
	if (chance.round == 0 || len > sizeof(chance.pool) - chance.used)
		refill();
	memcpy(out, chance.pool + chance.used, len);
	chance.used += len;
}

static uint32_t chance_word(void)
{
	uint32_t v;

	chance_bytes(&v, sizeof(v));
	return v;
}

static const char *chance_name(void)
{
	return "fixed seed";
}

static struct randombytes_implementation seeded = {
    .implementation_name = chance_name, .random = chance_word, .buf = chance_bytes};

/* --- counting and judging --- */

struct counts {
	uint32_t byte[VEIL_ROOM][BYTES];
	uint32_t length[LENGTHS];
};

static void count(struct counts *c, const uint8_t *packet, size_t len)
{
	assert_true(len >= VEIL_MIN_CLIENT && len <= VEIL_ROOM);
	c->length[len - VEIL_MIN_CLIENT]++;
	for (size_t i = 0; i < len; i++)
		c->byte[i][packet[i]]++;
}

static uint64_t total_of(const uint32_t *bins, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += bins[i];
	return total;
}

/* The statistic's value that a normal deviate stands for. */
static double bound(double degrees, double z)
{
	double part = 2 / (9 * degrees);
	double root = 1 - part + z * sqrt(part);

	return degrees * root * root * root;
}

static bool is_uniform(const uint32_t *bins, size_t n)
{
	double expected = (double)total_of(bins, n) / (double)n;
	double chi = 0;
	double degrees = (double)n - 1;

	for (size_t i = 0; i < n; i++)
		chi += (bins[i] - expected) * (bins[i] - expected) / expected;
	return chi > bound(degrees, -deviate) && chi < bound(degrees, deviate);
}

/* Evenly, and none is left out: 817 * exp(-122) that chance would. */
static bool lengths_spread(const struct counts *c)
{
	for (size_t i = 0; i < LENGTHS; i++) {
		if (c->length[i] == 0)
			return false;
	}
	return is_uniform(c->length, LENGTHS);
}

/* How many of the positions and of the lengths do not look like chance; first is one of them. */
static size_t alarms(const struct counts *c, size_t *first)
{
	uint32_t rest[BYTES] = {0};
	size_t found = 0;
	size_t tests = 0;

	for (size_t i = 0; i < VEIL_ROOM; i++) {
		if (total_of(c->byte[i], BYTES) < LEAST_A_BIN * BYTES) {
			for (size_t b = 0; b < BYTES; b++)
				rest[b] += c->byte[i][b];
			continue;
		}
		tests++;
		if (!is_uniform(c->byte[i], BYTES)) {
			*first = found == 0 ? i : *first;
			found++;
		}
	}
	/* Nearly all have a test of their own; the last few share one. */
	assert_true(tests > 1100 && tests < VEIL_ROOM);
	assert_true(total_of(rest, BYTES) >= LEAST_A_BIN * BYTES);
	return found + !is_uniform(rest, BYTES) + !lengths_spread(c);
}

/* --- knocks, whole and with a flaw --- */

struct client {
	struct keypair own, server;
	struct door_keys door;
	struct client_keys keys;
	uint8_t shared[KEY_BYTES];
	struct envelope_bind bind;
	uint8_t plain[REQUEST_MAX];
	size_t plain_len;
};

static void enrol(struct client *c)
{
	uint8_t master[KEY_BYTES];
	struct request q = {.verb = VERB_OPEN,
	    .flags = REQUEST_REPLY,
	    .services = 1,
	    .service = {"ssh"},
	    .has_hold = true,
	    .hold_s = 60};

	*c = (struct client){.bind = {.carrier = CARRIER_UDP, .t = UINT64_C(1700000000000000000)}};
	keypair_generate(&c->own);
	keypair_generate(&c->server);
	secret_random(master, sizeof(master));
	door_keys_derive(&c->door, master);
	client_keys_derive(&c->keys, master);
	assert_int_equal(noise_static_static(c->shared, &c->own, c->server.public), 0);
	int len = request_encode(&q, c->plain, sizeof(c->plain));
	assert_true(len > 0);
	c->plain_len = (size_t)len;
}

/* One M1 as a client makes it. Returns its length. */
static size_t knock(struct client *c, uint8_t packet[static VEIL_ROOM])
{
	const struct envelope_keys k = {
	    .own = &c->own, .peer = c->server.public, .psk = c->keys.psk, .shared = c->shared};
	struct veiled v = {.kind = KIND_M1};
	struct envelope_state state;
	uint8_t body[BODY_MAX];

	c->bind.t++;
	int len = envelope_noise.seal_request(
	    &state, &c->bind, &k, c->plain, c->plain_len, body, sizeof(body));
	assert_true(len > 0);
	v.body = body;
	v.body_len = (uint16_t)len;
	v.label.t = c->bind.t;
	label_sign(&v.label, c->keys.label, KIND_M1, CARRIER_UDP, body, v.body_len);
	size_t total = veil_length_client(veil_need(KIND_M1, v.body_len), VEIL_ROOM);
	veil_seal(&c->door.to_server, CARRIER_UDP, &v, packet, total);
	return total;
}

static void knocks_are_nothing_but_chance(void **state)
{
	(void)state;
	struct counts *c = calloc(1, sizeof(*c));
	struct client client;
	uint8_t packet[VEIL_ROOM];
	size_t first = 0;

	assert_non_null(c);
	enrol(&client);
	for (size_t i = 0; i < KNOCKS; i++)
		count(c, packet, knock(&client, packet));
	size_t found = alarms(c, &first);
	if (found > 0)
		fail_msg("%zu alarms, the first at byte %zu", found, first);
	free(c);
}

/* What an implementation might get wrong; each takes a packet of chance and spoils it. */
static void constant_byte(uint8_t *packet, size_t *len)
{
	(void)len;
	packet[200] = 0x17;
}

/* A remainder where a range was meant: 0 to 231 come up 4 times in 1,000, the others 3 times. */
static void byte_by_remainder(uint8_t *packet, size_t *len)
{
	(void)len;
	packet[31] = (uint8_t)(chance_word() % 1000 % BYTES);
}

/* One bit of the last byte that each packet has leans to one side, by 3 in 100. */
static void leaning_bit(uint8_t *packet, size_t *len)
{
	(void)len;
	if (chance_word() % 100 < 6)
		packet[VEIL_MIN_CLIENT - 1] |= 0x10;
}

/* Bytes that count up are each as frequent as the other, more than chance would have it. */
static void counter(uint8_t *packet, size_t *len)
{
	static uint8_t n;

	(void)len;
	packet[8] = n++;
}

/* Padding that is not under the veil. */
static void bare_tail(uint8_t *packet, size_t *len)
{
	if (*len > 1190)
		memset(packet + 1190, 0, *len - 1190);
}

static void length_by_remainder(uint8_t *packet, size_t *len)
{
	(void)packet;
	*len = VEIL_MIN_CLIENT + chance_word() % 1024 % LENGTHS;
}

static void never_the_longest(uint8_t *packet, size_t *len)
{
	(void)packet;
	if (*len == VEIL_ROOM)
		(*len)--;
}

static size_t alarms_with(void (*spoil)(uint8_t *packet, size_t *len), size_t *first)
{
	struct counts *c = calloc(1, sizeof(*c));
	uint8_t packet[VEIL_ROOM];

	assert_non_null(c);
	for (size_t i = 0; i < KNOCKS; i++) {
		size_t len = veil_length_client(VEIL_OVERHEAD_CLIENT, VEIL_ROOM);
		chance_bytes(packet, sizeof(packet));
		if (spoil)
			spoil(packet, &len);
		count(c, packet, len);
	}
	size_t found = alarms(c, first);
	free(c);
	return found;
}

/* The test above could fail: it finds each of these flaws, and where it is. */
static void flaws_are_found(void **state)
{
	(void)state;
	static const struct {
		void (*spoil)(uint8_t *packet, size_t *len);
		size_t at; /* 0: not in one position's count */
	} flaws[] = {
	    {constant_byte, 200},
	    {byte_by_remainder, 31},
	    {leaning_bit, VEIL_MIN_CLIENT - 1},
	    {counter, 8},
	    {bare_tail, 0},
	    {length_by_remainder, 0},
	    {never_the_longest, 0},
	};
	size_t first = 0;

	assert_int_equal(alarms_with(NULL, &first), 0);
	for (size_t i = 0; i < COUNT_OF(flaws); i++) {
		first = 0;
		assert_int_equal(alarms_with(flaws[i].spoil, &first), 1);
		assert_int_equal(first, flaws[i].at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knocks_are_nothing_but_chance),
	    cmocka_unit_test(flaws_are_found),
	};

	if (randombytes_set_implementation(&seeded) != 0 || secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
