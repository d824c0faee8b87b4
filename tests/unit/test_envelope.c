#include "unit.h"

#include "envelope.h"
#include "errors.h"
#include "secret.h"

static const uint8_t plain[] = "what is said";
enum { SAID = sizeof(plain) };

/* Both ends of one attempt. */
struct ends {
	struct keypair client, server;
	uint8_t psk[KEY_BYTES];
	struct envelope_keys client_keys, server_keys;
	struct envelope_bind bind;
	struct envelope_state c, s;
	uint8_t body[BODY_MAX];
	int len;
	uint8_t out[ENVELOPE_PLAIN_MAX];
};

static void begin(struct ends *e)
{
	*e = (struct ends){0};
	keypair_generate(&e->client);
	keypair_generate(&e->server);
	count_up(e->psk, KEY_BYTES, 1);
	e->client_keys =
	    (struct envelope_keys){.own = &e->client, .peer = e->server.public, .psk = e->psk};
	e->server_keys =
	    (struct envelope_keys){.own = &e->server, .peer = e->client.public, .psk = e->psk};
	e->bind = (struct envelope_bind){.carrier = CARRIER_UDP, .t = 77};
	count_up(e->bind.cid, CID_BYTES, 0xc0);
	e->len = envelope_noise.seal_request(
	    &e->c, &e->bind, &e->client_keys, plain, SAID, e->body, sizeof(e->body));
	assert_int_equal(e->len, SAID + envelope_noise.request_overhead);
}

static int open_request(struct ends *e, const struct envelope_bind *b)
{
	return envelope_noise.open_request(
	    &e->s, b, &e->server_keys, e->body, (size_t)e->len, e->out, sizeof(e->out));
}

static void expect_said(const struct ends *e, int len)
{
	assert_int_equal(len, SAID);
	assert_memory_equal(e->out, plain, SAID);
}

static void carries_all_four_messages(void **state)
{
	(void)state;
	const struct envelope *v = &envelope_noise;
	struct ends e;

	begin(&e);
	expect_said(&e, open_request(&e, &e.bind));
	assert_true(e.s.bind.t == 77 && e.s.bind.carrier == CARRIER_UDP);
	e.len = v->seal_reply(&e.s, &e.server_keys, plain, SAID, e.body, sizeof(e.body));
	assert_int_equal(e.len, SAID + v->reply_overhead);
	expect_said(
	    &e, v->open_reply(&e.c, &e.client_keys, e.body, (size_t)e.len, e.out, sizeof(e.out)));
	e.len = v->seal_answer(&e.c, plain, SAID, e.body, sizeof(e.body));
	assert_int_equal(e.len, SAID + v->answer_overhead);
	expect_said(&e, v->open_answer(&e.s, e.body, (size_t)e.len, e.out, sizeof(e.out)));
	e.len = v->seal_result(&e.s, plain, SAID, e.body, sizeof(e.body));
	assert_int_equal(e.len, SAID + v->result_overhead);
	expect_said(&e, v->open_result(&e.c, e.body, (size_t)e.len, e.out, sizeof(e.out)));
}

/* The label beside a message cannot be another's, and its state stays untouched. */
static void is_bound_to_its_label(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	memset(&e.s, 0x5a, sizeof(e.s));
	struct envelope_state before = e.s;
	for (int what = 0; what < 3; what++) {
		struct envelope_bind b = e.bind;
		if (what == 0)
			b.t++;
		else if (what == 1)
			b.cid[7] ^= 1;
		else
			b.carrier = CARRIER_TCP;
		assert_int_equal(open_request(&e, &b), -E_FORGED);
		assert_memory_equal(&before, &e.s, sizeof(before));
	}
	expect_said(&e, open_request(&e, &e.bind));
}

static void uses_the_cached_secret(void **state)
{
	(void)state;
	struct ends e;
	uint8_t shared[KEY_BYTES];

	begin(&e);
	assert_int_equal(noise_static_static(shared, &e.server, e.client.public), 0);
	e.server_keys.shared = shared;
	uint64_t before = noise_dh_count();
	expect_said(&e, open_request(&e, &e.bind));
	assert_int_equal(noise_dh_count() - before, 1);
	shared[0] ^= 1;
	assert_int_equal(open_request(&e, &e.bind), -E_FORGED);
}

static void keeps_within_the_room_given(void **state)
{
	(void)state;
	const struct envelope *v = &envelope_noise;
	struct ends e;

	begin(&e);
	int m1_len = e.len;
	for (size_t cap = 0; cap < SAID; cap++)
		assert_int_equal(v->open_request(&e.s, &e.bind, &e.server_keys, e.body,
				     (size_t)m1_len, e.out, cap),
		    -E_SHORT);
	for (size_t len = 0; len < v->request_overhead; len++)
		assert_int_equal(v->open_request(&e.s, &e.bind, &e.server_keys, e.body, len, e.out,
				     sizeof(e.out)),
		    -E_SHORT);
	expect_said(&e, open_request(&e, &e.bind));
	for (size_t cap = 0; cap < SAID + v->reply_overhead; cap++)
		assert_int_equal(
		    v->seal_reply(&e.s, &e.server_keys, plain, SAID, e.body, cap), -E_SHORT);
	e.len = v->seal_reply(&e.s, &e.server_keys, plain, SAID, e.body, sizeof(e.body));
	for (size_t cap = 0; cap < SAID; cap++)
		assert_int_equal(
		    v->open_reply(&e.c, &e.client_keys, e.body, (size_t)e.len, e.out, cap),
		    -E_SHORT);
	expect_said(&e, v->open_reply(&e.c, &e.client_keys, e.body, (size_t)e.len, e.out, SAID));
	for (size_t cap = 0; cap < SAID + v->answer_overhead; cap++)
		assert_int_equal(v->seal_answer(&e.c, plain, SAID, e.body, cap), -E_SHORT);
	struct envelope_state c;
	for (size_t cap = 0; cap < SAID + v->request_overhead; cap++)
		assert_int_equal(
		    v->seal_request(&c, &e.bind, &e.client_keys, plain, SAID, e.body, cap),
		    -E_SHORT);
	e.len = v->seal_answer(&e.c, plain, SAID, e.body, sizeof(e.body));
	assert_int_equal(v->open_answer(&e.s, e.body, (size_t)e.len, e.out, SAID - 1), -E_SHORT);
	assert_int_equal(v->open_answer(&e.s, e.body, 15, e.out, sizeof(e.out)), -E_SHORT);
	expect_said(&e, v->open_answer(&e.s, e.body, (size_t)e.len, e.out, SAID));
}

/* A client that repeats itself has several M1 out: each reply opens with its own alone. */
static void replies_belong_to_their_request(void **state)
{
	(void)state;
	const struct envelope *v = &envelope_noise;
	struct ends e;
	struct envelope_state second;
	uint8_t body[BODY_MAX];

	begin(&e);
	struct envelope_bind later = e.bind;
	later.t++;
	int len = v->seal_request(&second, &later, &e.client_keys, plain, SAID, body, sizeof(body));
	assert_true(len > 0);
	expect_said(&e, open_request(&e, &e.bind));
	e.len = v->seal_reply(&e.s, &e.server_keys, plain, SAID, e.body, sizeof(e.body));
	assert_int_equal(
	    v->open_reply(&second, &e.client_keys, e.body, (size_t)e.len, e.out, sizeof(e.out)),
	    -E_FORGED);
	expect_said(
	    &e, v->open_reply(&e.c, &e.client_keys, e.body, (size_t)e.len, e.out, sizeof(e.out)));
}

static void holds_answers_until_they_are_due(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	assert_int_equal(
	    envelope_noise.seal_answer(&e.c, plain, SAID, e.body, sizeof(e.body)), -E_STATE);
	assert_int_equal(
	    envelope_noise.open_result(&e.c, e.body, 64, e.out, sizeof(e.out)), -E_STATE);
}

static void is_found_by_name_and_kind(void **state)
{
	(void)state;
	assert_ptr_equal(envelope_by_name("noise"), &envelope_noise);
	assert_null(envelope_by_name("paper"));
	assert_null(envelope_by_name(""));
	for (int k = KIND_M1; k <= KIND_M4; k++)
		assert_ptr_equal(envelope_by_kind((enum kind)k), &envelope_noise);
	assert_null(envelope_by_kind((enum kind)(KIND_PGP_RESULT + 1)));
	assert_null(envelope_by_kind((enum kind)0));
}

/* A full request still fits a packet of every carrier. */
static void has_room_for_the_longest_request(void **state)
{
	(void)state;
	assert_int_equal(envelope_noise.request_overhead, 96);
	assert_true(veil_need(KIND_M1, 960 + 96) <= VEIL_ROOM);
	assert_int_equal(veil_need(KIND_M1, 729 + 96), VEIL_ROOM_HTTP);
	assert_true(VEIL_ROOM - VEIL_OVERHEAD_SERVER - envelope_noise.result_overhead <=
		    ENVELOPE_PLAIN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(carries_all_four_messages),
	    cmocka_unit_test(is_bound_to_its_label),
	    cmocka_unit_test(uses_the_cached_secret),
	    cmocka_unit_test(keeps_within_the_room_given),
	    cmocka_unit_test(replies_belong_to_their_request),
	    cmocka_unit_test(holds_answers_until_they_are_due),
	    cmocka_unit_test(is_found_by_name_and_kind),
	    cmocka_unit_test(has_room_for_the_longest_request),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
