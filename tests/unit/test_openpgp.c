/* The envelope openpgp without OpenPGP: its operations here are a seal of wax. */
#include "unit.h"

#include <jansson.h>

#include "envelope.h"
#include "errors.h"
#include "request.h"
#include "secret.h"

enum { HEX_MAX = 2400 };

/* From and to whom, then the text. */
struct wax {
	uint8_t own, peer;
	int error; /* of the next operation, when not 0 */
	unsigned used;
};

static int sign_encrypt(void *arg, const uint8_t *plain, size_t len, uint8_t *out, size_t cap)
{
	struct wax *w = arg;

	w->used++;
	if (w->error)
		return w->error;
	if (len + 2 > cap)
		return -E_SHORT;
	out[0] = w->own;
	out[1] = w->peer;
	memcpy(out + 2, plain, len);
	return (int)len + 2;
}

static int decrypt_verify(void *arg, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	struct wax *w = arg;

	w->used++;
	if (w->error)
		return w->error;
	if (len < 2 || len - 2 > cap || in[0] != w->peer || in[1] != w->own)
		return -E_FORGED;
	memcpy(out, in + 2, len - 2);
	return (int)len - 2;
}

/* Both ends of one attempt. */
struct ends {
	struct keypair server;
	struct wax client_wax, server_wax;
	struct pgp_ops client_ops, server_ops;
	struct envelope_keys client_keys, server_keys;
	struct envelope_bind bind;
	struct envelope_state c, s;
	uint8_t plain[REQUEST_MAX], body[BODY_MAX], out[ENVELOPE_PLAIN_MAX];
	int plain_len, len;
};

static const struct envelope *const v = &envelope_openpgp;

static void take_request(struct ends *e, bool with_key)
{
	struct request q = {.verb = VERB_PING, .flags = REQUEST_REPLY, .attempt = 0x1234567};

	q.has_reply_key = with_key;
	count_up(q.reply_key, KEY_BYTES, 0x10);
	e->plain_len = request_encode(&q, e->plain, sizeof(e->plain));
	assert_true(e->plain_len > 0);
	e->len = v->seal_request(&e->c, &e->bind, &e->client_keys, e->plain, (size_t)e->plain_len,
	    e->body, sizeof(e->body));
	assert_int_equal(e->len, e->plain_len + PGP_REQUEST_HEAD + 2);
}

static void begin(struct ends *e)
{
	*e = (struct ends){.client_wax = {.own = 'c', .peer = 's'},
	    .server_wax = {.own = 's', .peer = 'c'},
	    .bind = {.carrier = CARRIER_UDP, .t = 77}};
	keypair_generate(&e->server);
	e->client_ops = (struct pgp_ops){sign_encrypt, decrypt_verify, &e->client_wax};
	e->server_ops = (struct pgp_ops){sign_encrypt, decrypt_verify, &e->server_wax};
	e->client_keys = (struct envelope_keys){.peer = e->server.public, .pgp = &e->client_ops};
	e->server_keys = (struct envelope_keys){.own = &e->server, .pgp = &e->server_ops};
	count_up(e->bind.cid, CID_BYTES, 0xc0);
	take_request(e, true);
}

static int open_request(struct ends *e, const struct envelope_bind *b)
{
	return v->open_request(
	    &e->s, b, &e->server_keys, e->body, (size_t)e->len, e->out, sizeof(e->out));
}

static void challenge(struct ends *e)
{
	assert_int_equal(open_request(e, &e->bind), e->plain_len);
	e->len = v->seal_challenge(
	    &e->s, &e->server_keys, (const uint8_t *)"prove it", 8, e->body, sizeof(e->body));
	assert_int_equal(e->len, 8 + PGP_CHALLENGE_HEAD + 2);
}

static int open_challenge(struct ends *e)
{
	return v->open_challenge(
	    &e->c, &e->client_keys, e->body, (size_t)e->len, e->out, sizeof(e->out));
}

static void carries_a_knock_and_its_challenge(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	challenge(&e);
	assert_memory_equal(e.out, e.plain, (size_t)e.plain_len);
	assert_true(e.s.bind.t == 77 && e.s.bind.carrier == CARRIER_UDP);
	assert_int_equal(open_challenge(&e), 8);
	assert_memory_equal(e.out, "prove it", 8);
	e.len = v->seal_answer(&e.c, (const uint8_t *)"it is me", 8, e.body, sizeof(e.body));
	assert_int_equal(e.len, 8 + v->answer_overhead);
	assert_int_equal(v->open_answer(&e.s, e.body, (size_t)e.len, e.out, sizeof(e.out)), 8);
	assert_memory_equal(e.out, "it is me", 8);
	e.len = v->seal_result(&e.s, (const uint8_t *)"done", 4, e.body, sizeof(e.body));
	assert_int_equal(e.len, 4 + v->result_overhead);
	assert_int_equal(v->open_result(&e.c, e.body, (size_t)e.len, e.out, sizeof(e.out)), 4);
	assert_memory_equal(e.out, "done", 4);
	/* Answer and result need no OpenPGP. */
	assert_int_equal(e.client_wax.used + e.server_wax.used, 4);
}

static void replies_without_challenge(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	assert_int_equal(open_request(&e, &e.bind), e.plain_len);
	e.len =
	    v->seal_reply(&e.s, &e.server_keys, (const uint8_t *)"done", 4, e.body, sizeof(e.body));
	assert_int_equal(e.len, 4 + v->reply_overhead);
	assert_int_equal(
	    v->open_reply(&e.c, &e.client_keys, e.body, (size_t)e.len, e.out, sizeof(e.out)), 4);
	e.body[30] ^= 1;
	assert_int_equal(
	    v->open_reply(&e.c, &e.client_keys, e.body, (size_t)e.len, e.out, sizeof(e.out)),
	    -E_FORGED);
	assert_int_equal(
	    v->open_reply(&e.c, &e.client_keys, e.body, 39, e.out, sizeof(e.out)), -E_SHORT);
}

static void is_bound_to_its_label_and_server(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	memset(&e.s, 0x5a, sizeof(e.s));
	struct envelope_state before = e.s;
	for (int what = 0; what < 4; what++) {
		struct envelope_bind b = e.bind;
		struct keypair other = e.server;

		b.t += what == 0;
		b.carrier = what == 1 ? CARRIER_TCP : b.carrier;
		b.cid[7] ^= what == 2;
		e.server.public[31] ^= what == 3;
		assert_int_equal(open_request(&e, &b), -E_FORGED);
		e.server = other;
		assert_memory_equal(&e.s, &before, sizeof(before));
	}
	assert_int_equal(open_request(&e, &e.bind), e.plain_len);
}

static void takes_no_challenge_of_another_request(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	challenge(&e);
	uint8_t old[BODY_MAX];
	int old_len = e.len;
	memcpy(old, e.body, (size_t)e.len);
	e.bind.t++;
	take_request(&e, true);
	memcpy(e.body, old, (size_t)old_len);
	e.len = old_len;
	assert_int_equal(open_challenge(&e), -E_FORGED);
	/* A request that the server signed itself, or any other text of it, is no challenge. */
	e.body[0] = 's';
	e.body[1] = 'c';
	memset(e.body + 2, 0, 200);
	assert_int_equal(open_challenge(&e), -E_FORGED);
	e.len = 2 + PGP_CHALLENGE_HEAD - 1;
	assert_int_equal(open_challenge(&e), -E_FORGED);
}

static void answers_the_challenge_that_it_had(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	challenge(&e);
	assert_int_equal(open_challenge(&e), 8);
	e.len = v->seal_answer(&e.c, (const uint8_t *)"it is me", 8, e.body, sizeof(e.body));
	/* What may be a PIN is read by nobody who has lifted the veil. */
	for (int i = 0; i <= e.len - 8; i++)
		assert_memory_not_equal(e.body + i, "it is me", 8);
	for (int i = 0; i < e.len; i++) {
		e.body[i] ^= 1;
		assert_int_equal(
		    v->open_answer(&e.s, e.body, (size_t)e.len, e.out, sizeof(e.out)), -E_FORGED);
		e.body[i] ^= 1;
	}
	assert_int_equal(v->open_answer(&e.s, e.body, 39, e.out, sizeof(e.out)), -E_SHORT);
	e.s.u.openpgp.challenge[0] ^= 1; /* another ciphertext of the same */
	assert_int_equal(
	    v->open_answer(&e.s, e.body, (size_t)e.len, e.out, sizeof(e.out)), -E_FORGED);
}

static void does_nothing_out_of_order(void **state)
{
	(void)state;
	struct ends e;
	struct envelope_state fresh = {0};

	begin(&e);
	assert_int_equal(v->seal_answer(&e.c, e.plain, 8, e.body, sizeof(e.body)), -E_STATE);
	assert_int_equal(v->open_answer(&e.s, e.body, 60, e.out, sizeof(e.out)), -E_STATE);
	assert_int_equal(v->open_result(&fresh, e.body, 60, e.out, sizeof(e.out)), -E_STATE);
	assert_int_equal(v->seal_result(&fresh, e.plain, 8, e.body, sizeof(e.body)), -E_STATE);
	assert_int_equal(
	    v->open_challenge(&fresh, &e.client_keys, e.body, 60, e.out, 99), -E_STATE);
	assert_int_equal(
	    openpgp_challenge_begin(&fresh, e.server.public, e.plain, 8, e.out, 400), -E_STATE);
	take_request(&e, false);
	assert_int_equal(open_request(&e, &e.bind), e.plain_len);
	/* Nobody gave a key for the reply: there is none. */
	assert_int_equal(
	    v->seal_reply(&e.s, &e.server_keys, e.plain, 8, e.body, sizeof(e.body)), -E_STATE);
	assert_int_equal(
	    v->seal_challenge(&e.s, &e.server_keys, e.plain, 8, e.body, sizeof(e.body)), -E_STATE);
}

static void hands_on_what_went_wrong(void **state)
{
	(void)state;
	struct ends e;

	begin(&e);
	e.server_wax.error = -E_KEY;
	assert_int_equal(open_request(&e, &e.bind), -E_KEY);
	e.server_wax.error = 0;
	assert_int_equal(v->open_request(&e.s, &e.bind, &e.server_keys, e.body, (size_t)e.len,
			     e.out, (size_t)e.plain_len - 1),
	    -E_SHORT);
	challenge(&e);
	e.client_wax.error = -E_FORGED;
	assert_int_equal(open_challenge(&e), -E_FORGED);
	assert_int_equal(e.c.u.openpgp.stage, PGP_REQUESTED);
	assert_int_equal(v->seal_request(&e.c, &e.bind, &e.client_keys, e.plain, REQUEST_MAX + 1,
			     e.body, sizeof(e.body)),
	    -E_SHORT);
	assert_int_equal(v->seal_answer(&e.s, e.plain, 8, e.body, 47), -E_SHORT);
	assert_int_equal(v->seal_result(&e.s, e.plain, 8, e.body, 47), -E_SHORT);
}

/* --- the golden file, which the Python protocol made --- */

struct bytes {
	uint8_t b[HEX_MAX / 2];
	size_t len;
};

static struct bytes field(const json_t *g, const char *name)
{
	const char *text = json_string_value(json_object_get(g, name));
	struct bytes out = {0};

	assert_non_null(text);
	out.len = unhex(out.b, sizeof(out.b), text);
	return out;
}

static int keep_text(void *arg, const uint8_t *plain, size_t len, uint8_t *out, size_t cap)
{
	struct bytes *kept = arg;

	assert_true(len <= sizeof(kept->b) && len <= cap);
	memcpy(kept->b, plain, len);
	kept->len = len;
	memcpy(out, plain, len);
	return (int)len;
}

static void expect(const uint8_t *got, int len, const struct bytes *want)
{
	assert_int_equal(len, want->len);
	assert_memory_equal(got, want->b, want->len);
}

static void speaks_as_the_golden_file_does(void **state)
{
	(void)state;
	json_t *g = json_load_file(GOLDEN_DIR "/openpgp.json", 0, NULL);
	struct bytes text, want, in, server;
	struct pgp_ops ops = {keep_text, NULL, &text};
	struct envelope_bind bind = {.carrier = CARRIER_UDP, .t = 0x17979cfe362a0000};
	struct envelope_state s = {0};
	struct envelope_keys keys = {.pgp = &ops};
	uint8_t body[BODY_MAX];

	assert_non_null(g);
	server = field(g, "server_public");
	keys.peer = server.b;
	count_up(bind.cid, CID_BYTES, 0xc0);
	in = field(g, "request");
	assert_true(v->seal_request(&s, &bind, &keys, in.b, in.len, body, sizeof(body)) > 0);
	want = field(g, "signed_request");
	expect(text.b, (int)text.len, &want);
	want = field(g, "request_hash");
	expect(s.u.openpgp.request, PGP_HASH_BYTES, &want);

	in = field(g, "challenge_reply");
	int len = openpgp_challenge_begin(&s, server.b, in.b, in.len, body, sizeof(body));
	want = field(g, "signed_challenge");
	/* All but the secret, which is chance. */
	memcpy(body + PGP_CHALLENGE_HEAD - KEY_BYTES, want.b + PGP_CHALLENGE_HEAD - KEY_BYTES,
	    KEY_BYTES);
	expect(body, len, &want);
	want = field(g, "secret");
	memcpy(s.u.openpgp.secret, want.b, KEY_BYTES);
	in = field(g, "ciphertext");
	openpgp_challenge_end(&s, in.b, in.len);
	want = field(g, "ciphertext_hash");
	expect(s.u.openpgp.challenge, PGP_HASH_BYTES, &want);

	in = field(g, "answer_body");
	want = field(g, "answer");
	expect(body, v->open_answer(&s, in.b, in.len, body, sizeof(body)), &want);
	in = field(g, "result_body");
	want = field(g, "result");
	expect(body, v->open_result(&s, in.b, in.len, body, sizeof(body)), &want);
	json_decref(g);
}

static void is_found(void **state)
{
	(void)state;
	assert_ptr_equal(envelope_by_name("openpgp"), v);
	for (enum kind k = KIND_PGP_REQUEST; k <= KIND_PGP_RESULT; k++)
		assert_ptr_equal(envelope_by_kind(k), v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(carries_a_knock_and_its_challenge),
	    cmocka_unit_test(replies_without_challenge),
	    cmocka_unit_test(is_bound_to_its_label_and_server),
	    cmocka_unit_test(takes_no_challenge_of_another_request),
	    cmocka_unit_test(answers_the_challenge_that_it_had),
	    cmocka_unit_test(does_nothing_out_of_order),
	    cmocka_unit_test(hands_on_what_went_wrong),
	    cmocka_unit_test(speaks_as_the_golden_file_does),
	    cmocka_unit_test(is_found),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
