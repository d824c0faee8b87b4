/* Records of the store: there and back, and what is not believed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "errors.h"
#include "record.h"
#include "secret.h"

static const uint8_t key[STORE_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct client_record full_record(void)
{
	struct client_record r = {.mark = UINT64_MAX, .proven = true};

	for (unsigned i = 0; i < ATTEMPTS_KEPT; i++) {
		struct attempt *a = client_record_push(&r, 100 + i);

		a->reply_len = ATTEMPT_REPLY_MAX;
		memset(a->reply, (int)i, ATTEMPT_REPLY_MAX);
	}
	return r;
}

static void test_client_there_and_back(void **state)
{
	struct client_record r = full_record(), back;
	uint8_t bytes[STORE_VALUE_MAX];
	size_t len = client_record_encode(&r, key, bytes);
	uint64_t mark;

	(void)state;
	assert_int_equal(client_record_decode(&back, key, bytes, len), 0);
	assert_memory_equal(&back, &r, sizeof(r));
	assert_int_equal(client_record_mark(&mark, key, bytes, len), 0);
	assert_int_equal(mark, UINT64_MAX);
	bytes[3] ^= 1;
	assert_int_equal(client_record_mark(&mark, key, bytes, len), -E_FORMAT);
	assert_int_equal(mark, 0);
	bytes[3] ^= 1;
	assert_int_equal(record_check(STORE_CLIENTS, key, bytes, len), 0);
}

static void test_last_four_attempts(void **state)
{
	struct client_record r = full_record();

	(void)state;
	for (uint64_t id = 100; id < 104; id++)
		assert_int_equal(client_record_find(&r, id)->id, id);
	client_record_push(&r, 7);
	assert_null(client_record_find(&r, 100));
	assert_non_null(client_record_find(&r, 101));
	assert_int_equal(r.attempt[0].id, 7);
	assert_int_equal(r.attempt[0].reply_len, 0);
	assert_int_equal(r.attempts, ATTEMPTS_KEPT);
	memset(&r, 0, sizeof(r));
	assert_null(client_record_find(&r, 0));
}

static struct session_record a_session(void)
{
	struct session_record r = {.service = "a-service_with-32-characters-xyz",
	    .proto = 6,
	    .port = 65535,
	    .narrowing = {.idle_s = 300, .source_port = 40000, .once = true},
	    .end_ms = UINT64_MAX - 1};

	memset(r.cid, 9, sizeof(r.cid));
	assert_int_equal(prefix_parse("10.20.0.0/16", &r.admit), 0);
	return r;
}

static void test_session_there_and_back(void **state)
{
	struct session_record r = a_session(), back;
	uint8_t bytes[STORE_VALUE_MAX];
	size_t len = session_record_encode(&r, key, bytes);

	(void)state;
	assert_int_equal(session_record_decode(&back, key, bytes, len), 0);
	assert_memory_equal(&back, &r, sizeof(r));
	assert_int_equal(record_check(STORE_SESSIONS, key, bytes, len), 0);
}

/* What was written before there were one-time codes and strikes: all but those and the version. */
static void test_records_of_before(void **state)
{
	enum { STRIKES_BYTES = 1 + 3 * 8 };
	struct client_record r = {.mark = 77, .proven = true, .code_step = 5, .strikes = 3}, back;
	uint8_t bytes[STORE_VALUE_MAX], keyed[crypto_shorthash_KEYBYTES] = "postern record";
	size_t len = client_record_encode(&r, key, bytes);

	(void)state;
	assert_int_equal(client_record_decode(&back, key, bytes, len), 0);
	assert_int_equal(back.code_step, 5);
	assert_int_equal(back.strikes, 3);
	len -= crypto_shorthash_BYTES + sizeof(r.code_step) + STRIKES_BYTES;
	memmove(bytes + 10, bytes + 18 + STRIKES_BYTES, len - 10);
	bytes[0] = 1;
	for (size_t i = 0; i < sizeof(keyed); i++)
		keyed[i] ^= key[i % STORE_KEY_BYTES];
	crypto_shorthash(bytes + len, bytes, len, keyed);
	len += crypto_shorthash_BYTES;
	assert_int_equal(client_record_decode(&back, key, bytes, len), 0);
	assert_int_equal(back.mark, 77);
	assert_true(back.proven);
	assert_int_equal(back.code_step, 0);
	assert_int_equal(back.strikes, 0);
}

static void test_every_bit_matters(void **state)
{
	struct client_record r = {.mark = 77, .proven = true}, back;
	struct session_record s = a_session(), s_back;
	uint8_t bytes[STORE_VALUE_MAX], other_key[STORE_KEY_BYTES];
	size_t len;

	(void)state;
	client_record_push(&r, 5)->reply_len = 20;
	len = client_record_encode(&r, key, bytes);
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		assert_int_equal(client_record_decode(&back, key, bytes, len), -E_FORMAT);
		bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(client_record_decode(&back, key, bytes, cut), -E_FORMAT);
	memcpy(other_key, key, sizeof(key));
	other_key[7] ^= 1;
	assert_int_equal(client_record_decode(&back, other_key, bytes, len), -E_FORMAT);
	assert_int_equal(client_record_decode(&back, key, bytes, len), 0);
	len = session_record_encode(&s, key, bytes);
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		assert_int_equal(session_record_decode(&s_back, key, bytes, len), -E_FORMAT);
		bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
}

/* A checksum that holds does not make a value sane: only our own writing does, but nothing may crash. */
static void test_strange_values_under_a_right_checksum(void **state)
{
	struct session_record s = a_session(), back;
	uint8_t bytes[STORE_VALUE_MAX];
	size_t len;

	(void)state;
	strcpy(s.service, "Not A Name");
	len = session_record_encode(&s, key, bytes);
	assert_int_equal(session_record_decode(&back, key, bytes, len), -E_FORMAT);
	s = a_session();
	s.admit.len = 33;
	len = session_record_encode(&s, key, bytes);
	assert_int_equal(session_record_decode(&back, key, bytes, len), -E_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_client_there_and_back),
	    cmocka_unit_test(test_last_four_attempts),
	    cmocka_unit_test(test_session_there_and_back),
	    cmocka_unit_test(test_records_of_before),
	    cmocka_unit_test(test_every_bit_matters),
	    cmocka_unit_test(test_strange_values_under_a_right_checksum),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
