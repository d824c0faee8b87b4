#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "errors.h"
#include "secret.h"

static void gives_zeroed_memory(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 15, 16, 17, 4096, 5000};
	static const uint8_t zeros[5000];

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		uint8_t *p = secret_new(sizes[i]);
		assert_memory_equal(p, zeros, sizes[i]);
		assert_true((uintptr_t)p % 16 == 0);
		memset(p, 0xff, sizes[i]);
		secret_free(p);
	}
	secret_free(NULL);
}

/* How a child ends that runs the function. */
static int ending_of(void (*run)(void))
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* Out of the instrumentation's sight: the guard page is what must catch it. */
__attribute__((no_sanitize("address"))) static void write_behind(void)
{
	volatile uint8_t *p = secret_new(32);

	signal(SIGSEGV, SIG_DFL);
	p[32] = 1;
}

static void guards_its_end(void **state)
{
	(void)state;
	int status = ending_of(write_behind);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void ask_for_too_much(void)
{
	signal(SIGABRT, SIG_DFL);
	secret_new(SIZE_MAX);
}

static void aborts_without_memory(void **state)
{
	(void)state;
	int status = ending_of(ask_for_too_much);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void wipes_and_compares(void **state)
{
	(void)state;
	uint8_t a[32];
	uint8_t b[32];

	count_up(a, sizeof(a), 1);
	count_up(b, sizeof(b), 1);
	assert_true(secret_equal(a, b, sizeof(a)));
	for (size_t bit = 0; bit < 8 * sizeof(b); bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(secret_equal(a, b, sizeof(a)));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	secret_wipe(a, sizeof(a));
	assert_memory_equal(a, (uint8_t[32]){0}, 32);
}

static void chances_differ_and_keep_their_bound(void **state)
{
	(void)state;
	uint8_t a[32] = {0};
	uint8_t b[32] = {0};
	unsigned seen = 0;

	secret_random(a, sizeof(a));
	secret_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(secret_random_below(1), 0);
	for (int i = 0; i < 1000; i++) {
		uint32_t v = secret_random_below(5);
		assert_true(v < 5);
		seen |= 1u << v;
	}
	assert_int_equal(seen, 0x1f);
}

static void base64_goes_and_comes(void **state)
{
	(void)state;
	uint8_t key[32];
	uint8_t again[32];
	char text[BASE64_32];
	char cid[BASE64_8];

	count_up(key, sizeof(key), 0);
	base64_encode(text, sizeof(text), key, sizeof(key));
	assert_string_equal(text, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
	assert_int_equal(base64_decode(again, sizeof(again), text), 0);
	assert_memory_equal(again, key, sizeof(key));
	base64_encode(cid, sizeof(cid), key, 8);
	assert_string_equal(cid, "AAECAwQFBgc=");
	assert_int_equal(base64_decode(again, 8, cid), 0);
}

static void base64_refuses_anything_else(void **state)
{
	(void)state;
	static const char *const table[] = {
	    "",
	    "AAECAwQFBgc",   /* no padding */
	    "AAECAwQFBgc==", /* too much */
	    "AAECAwQFBgc= ", /* trailing */
	    " AAECAwQFBgc=",
	    "AAECAwQFBgd=", /* bits that no byte holds */
	    "AAECAwQFBgcI", /* 9 bytes */
	    "AAECAwQFBg==", /* 7 */
	    "AAECAwQF-gc=", /* the URL variant */
	    "AAEC\nAwQFBgc=",
	};
	uint8_t out[16];

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		memset(out, 0xaa, sizeof(out));
		if (base64_decode(out, 8, table[i]) != -E_FORMAT)
			fail_msg("%s", table[i]);
		assert_memory_equal(out, (uint8_t[8]){0}, 8); /* half a secret is none */
		assert_int_equal(out[8], 0xaa);
	}
}

static void encode_without_room(void)
{
	char small[4];

	signal(SIGABRT, SIG_DFL);
	base64_encode(small, sizeof(small), (const uint8_t *)"abc", 3);
}

static void base64_aborts_without_room(void **state)
{
	(void)state;
	int status = ending_of(encode_without_room);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_zeroed_memory),
	    cmocka_unit_test(guards_its_end),
	    cmocka_unit_test(aborts_without_memory),
	    cmocka_unit_test(wipes_and_compares),
	    cmocka_unit_test(chances_differ_and_keep_their_bound),
	    cmocka_unit_test(base64_goes_and_comes),
	    cmocka_unit_test(base64_refuses_anything_else),
	    cmocka_unit_test(base64_aborts_without_room),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
