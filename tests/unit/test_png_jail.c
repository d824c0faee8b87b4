/*
 * The capture process takes pictures apart in its jail, and libspng, zlib and
 * malloc must not need more than it allows there: anything else is death.
 */
#include "unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cover.h"
#include "jail.h"
#include "secret.h"
#include "veil.h"

enum { NOBODY = 65534, SIDE = 190, TIMES = 50, FINE = 0, WRONG = 1, NOT_IN = 2 };

static const uint8_t key[KEY_BYTES] = {7};
static uint8_t carrier[COVER_MAX], veil[VEIL_ROOM];
static size_t carrier_len, veil_len;

/* Noise, so that the file is long. */
static int make_carrier(void **state)
{
	static uint8_t sample[SIDE * SIDE * 4];
	struct picture p = {.width = SIDE, .height = SIDE, .channels = 4, .sample = sample};
	struct cover_args a = {.picture_key = key, .set_id = 5, .picture = &p};

	(void)state;
	if (secret_init() < 0)
		return -1;
	secret_random(sample, sizeof(sample));
	for (size_t i = 0; i < sizeof(sample); i++)
		sample[i] = (uint8_t)(i % 4 == 3 ? 255 : 100 + sample[i] % 8);
	secret_random(veil, sizeof(veil));
	veil_len = cover_png.veil_len(&a);
	int len = cover_png.wrap(&a, veil, veil_len, carrier, sizeof(carrier));
	carrier_len = len > 0 ? (size_t)len : 0;
	return len > 0 ? 0 : -1;
}

static int unwrap_in_jail(const uint8_t *png, size_t len, int expected)
{
	const struct capture_method none = {.name = "none"};
	struct cover_args a = {.picture_key = key, .set_id = 5};
	uint8_t out[VEIL_ROOM];

	if (jail_enter(&none, NOBODY, NOBODY, STDERR_FILENO) < 0)
		return NOT_IN;
	for (int i = 0; i < TIMES; i++) {
		int got = cover_png.unwrap(&a, png, len, out, sizeof(out));
		if (expected < 0 ? got >= 0 : got != expected)
			return WRONG;
	}
	return expected < 0 || memcmp(out, veil, veil_len) == 0 ? FINE : WRONG;
}

static void fare(const uint8_t *png, size_t len, int expected)
{
	char dir[] = "/tmp/postern-png-XXXXXX";
	int status = 0;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(chdir(dir) < 0 ? NOT_IN : unwrap_in_jail(png, len, expected));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(rmdir(dir), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

static void a_carrier_is_read(void **state)
{
	(void)state;
	fare(carrier, carrier_len, (int)veil_len);
}

static void a_broken_one_is_refused(void **state)
{
	(void)state;
	static uint8_t broken[COVER_MAX];

	memcpy(broken, carrier, carrier_len);
	broken[carrier_len / 2] ^= 1;
	fare(broken, carrier_len, -1);
	fare(carrier, carrier_len / 2, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_carrier_is_read),
	    cmocka_unit_test(a_broken_one_is_refused),
	};

	return cmocka_run_group_tests(tests, make_carrier, NULL);
}
