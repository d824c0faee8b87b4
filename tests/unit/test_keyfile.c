#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keyfile.h"
#include "secret.h"

#define ONE "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static char said[2048];
static uint8_t keys[2][KEY_BYTES];

static void keep(void *arg, const char *line)
{
	(void)arg;
	(void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", line);
}

static int parse(const char *text, int least, int most)
{
	struct report r = {.say = keep};

	said[0] = '\0';
	return keyfile_parse("door.key", text, keys, least, most, &r);
}

static void test_keys_and_comments(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(parse("# current\n  " ONE " \r\n\n# previous\n" ZEROS, 1, 2), 2);
	for (i = 0; i < KEY_BYTES; i++) {
		assert_int_equal(keys[0][i], i + 1);
		assert_int_equal(keys[1][i], 0);
	}
	assert_int_equal(parse(ONE "\n", 1, 2), 1);
	assert_string_equal(said, "");
}

static void test_faults_without_the_text(void **state)
{
	static const uint8_t zero[KEY_BYTES];

	(void)state;
	assert_int_equal(parse("", 1, 2), -1);
	assert_string_equal(said, "door.key: there is no key in it; posternctl init makes one\n");
	assert_int_equal(parse(ONE "\nSECRETtext\n", 1, 2), -1);
	assert_string_equal(
	    said, "door.key:2: this is not a key: 32 bytes in base64, one key a line\n");
	assert_memory_equal(keys[0], zero, KEY_BYTES); /* no half of it is left */
	assert_int_equal(parse(ONE " " ONE "\n", 1, 2), -1);
	assert_int_equal(parse("\n" ONE "\n" ONE "\n", 1, 1), -1);
	assert_string_equal(said, "door.key:3: there are more than 1 keys; take the rest away\n");
}

static void test_long_lines(void **state)
{
	char text[KEYFILE_MAX];

	(void)state;
	memset(text, 'A', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse(text, 1, 2), -1);
	text[0] = '#';
	assert_int_equal(parse(text, 0, 2), 0);
}

static int make_file(char path[static 32], const char *text, mode_t mode)
{
	int fd;

	(void)strcpy(path, "/tmp/postern-keyfile-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static int check(int fd)
{
	struct report r = {.say = keep};

	said[0] = '\0';
	return keyfile_check_mode(fd, "k", &r);
}

static void test_modes(void **state)
{
	static const mode_t loose[] = {0640, 0604, 0620, 0610, 0601, 0777};
	char path[32];
	int fd = make_file(path, "", 0600);
	size_t i;

	(void)state;
	assert_int_equal(check(fd), 0);
	for (i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
		assert_int_equal(fchmod(fd, loose[i]), 0);
		assert_int_equal(check(fd), -1);
		assert_non_null(strstr(said, "chmod 600 'k'"));
	}
	assert_int_equal(fchmod(fd, 0400), 0);
	assert_int_equal(check(fd), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchown(fd, 12345, 0), 0);
		assert_int_equal(check(fd), -1);
		assert_string_equal(said, "k: it belongs to user 12345; say: chown root 'k'\n");
	}
	(void)unlink(path);
	(void)close(fd);
}

static void test_only_regular_files(void **state)
{
	int fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_int_equal(check(fd), -1);
	assert_string_equal(said, "k: this is not a regular file; put the file itself there\n");
	(void)close(fd);
	assert_int_equal(check(-1), -1);
}

static void test_read_whole_or_not_at_all(void **state)
{
	char path[32];
	char buf[8];
	int fd = make_file(path, "1234567", 0600);

	(void)state;
	assert_int_equal(keyfile_read(fd, buf, sizeof(buf)), 7);
	assert_string_equal(buf, "1234567");
	assert_int_equal(keyfile_read(fd, buf, sizeof(buf)), 7); /* from its beginning, again */
	assert_int_equal(keyfile_read(fd, buf, 7), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(buf[0], 0);
	(void)close(fd);
	assert_int_equal(keyfile_read(fd, buf, sizeof(buf)), -1);
	assert_int_equal(errno, EBADF);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys_and_comments),
	    cmocka_unit_test(test_faults_without_the_text),
	    cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_modes),
	    cmocka_unit_test(test_only_regular_files),
	    cmocka_unit_test(test_read_whole_or_not_at_all),
	};

	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
