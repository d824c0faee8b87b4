/* From open files to what is in force; all that is wrong is told, with file and line. */
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "load.h"
#include "secret.h"

#define CONFIG_TEXT "udp-port = 62201\nservice \"ssh\" { proto = tcp port = 22 }\n"
#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n"

enum { SAID_MAX = 8192 };

struct scene {
	int fds[AUTH_FILES];
	char said[SAID_MAX];
	struct report r;
};

static void say(void *arg, const char *line)
{
	struct scene *s = arg;
	size_t used = strlen(s->said);

	snprintf(s->said + used, sizeof(s->said) - used, "%s\n", line);
}

static void set(struct scene *s, enum load_file which, const void *text, size_t len)
{
	if (s->fds[which] >= 0)
		close(s->fds[which]);
	s->fds[which] = memfd_create("load", MFD_CLOEXEC);
	assert_true(s->fds[which] >= 0);
	assert_int_equal(write(s->fds[which], text, len), (ssize_t)len);
}

static void client_line(char *out, size_t cap, unsigned i)
{
	uint8_t id[CID_BYTES] = {1}, key[KEY_BYTES] = {9};
	char cid[BASE64_8], text[BASE64_32];

	memcpy(id + 1, &i, sizeof(i));
	memcpy(key + 1, &i, sizeof(i));
	base64_encode(cid, sizeof(cid), id, sizeof(id));
	base64_encode(text, sizeof(text), key, sizeof(key));
	snprintf(out, cap, "client-%u %s %s %s service=ssh", i, cid, text, text);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	memset(s->fds, -1, sizeof(s->fds));
	s->r = (struct report){.say = say, .arg = s};
	set(s, LOAD_CONFIG, CONFIG_TEXT, strlen(CONFIG_TEXT));
	set(s, LOAD_CLIENTS, "# none yet\n", 11);
	set(s, LOAD_SERVER_KEY, KEY_1, strlen(KEY_1));
	set(s, LOAD_DOOR_KEY, KEY_1 KEY_2, strlen(KEY_1 KEY_2));
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < AUTH_FILES; i++)
		close(s->fds[i]);
	free(s);
	return 0;
}

static struct realm *load(struct scene *s)
{
	s->said[0] = '\0';
	s->r.errors = 0;
	return load_realm(s->fds, 5, "/etc/postern/posternd.conf", &s->r);
}

static void assert_refused(struct scene *s, const char *word)
{
	assert_null(load(s));
	assert_true(s->r.errors > 0);
	if (!strstr(s->said, word))
		fail_msg("'%s' is not in: %s", word, s->said);
}

static void test_all_is_there(void **state)
{
	struct scene *s = *state;
	struct realm *r = load(s);
	struct keypair expected;
	struct door_keys door;
	uint8_t key[KEY_BYTES];

	assert_non_null(r);
	assert_int_equal(r->generation, 5);
	assert_int_equal(r->config.udp_port, 62201);
	assert_int_equal(clients_count(r->clients), 0);
	memset(key, 1, sizeof(key));
	keypair_from_secret(&expected, key);
	assert_memory_equal(&r->keys->server, &expected, sizeof(expected));
	assert_int_equal(r->keys->doors, 2);
	memset(key, 2, sizeof(key));
	door_keys_derive(&door, key);
	assert_memory_equal(&r->keys->door[1], &door, sizeof(door));
	assert_int_equal(realm_service(r, "ssh", 6, 22), 0);
	assert_int_equal(realm_service(r, "ssh", 6, 23), -1);
	assert_int_equal(realm_service(r, "web", 6, 22), -1);
	realm_free(r);
	/* Again from the same descriptors: their offsets are left alone. */
	r = load(s);
	assert_non_null(r);
	realm_free(r);
}

/* More than one chunk, so that lines lie across its end; the last without a newline. */
static void test_many_clients(void **state)
{
	struct scene *s = *state;
	enum { MANY = 3000 };
	char *text = calloc(MANY, 256), line[256];
	size_t len = 0;
	struct realm *r;

	assert_non_null(text);
	for (unsigned i = 0; i < MANY; i++) {
		client_line(line, sizeof(line), i);
		len += (size_t)snprintf(text + len, 256, "%s%s", i ? "\n" : "", line);
	}
	set(s, LOAD_CLIENTS, text, len);
	r = load(s);
	if (!r)
		fail_msg("%s", s->said);
	assert_int_equal(clients_count(r->clients), MANY);
	assert_non_null(clients_by_name(r->clients, "client-2999"));
	realm_free(r);
	free(text);
}

static void test_all_errors_are_told(void **state)
{
	struct scene *s = *state;
	char text[1024], line[256];

	client_line(line, sizeof(line), 1);
	snprintf(text, sizeof(text), "%s\nbroken line\n%s-with-nonsense\n", line, line);
	set(s, LOAD_CLIENTS, text, strlen(text));
	set(s, LOAD_DOOR_KEY, "hush\n", 5);
	assert_refused(s, "/etc/postern/clients:2:");
	assert_refused(s, "/etc/postern/clients:3:");
	assert_refused(s, "/etc/postern/door.key:1:");
	assert_null(strstr(s->said, "hush"));
	set(s, LOAD_CONFIG, "udp-port = x\n", 13);
	assert_refused(s, "/etc/postern/posternd.conf:1:");
}

static void test_keys_that_are_too_many_or_none(void **state)
{
	struct scene *s = *state;

	set(s, LOAD_SERVER_KEY, KEY_1 KEY_2, strlen(KEY_1 KEY_2));
	assert_refused(s, "server.key");
	set(s, LOAD_SERVER_KEY, "", 0);
	assert_refused(s, "server.key");
	set(s, LOAD_SERVER_KEY, KEY_1, strlen(KEY_1));
	set(s, LOAD_DOOR_KEY, KEY_1 KEY_2 KEY_1, strlen(KEY_1 KEY_2 KEY_1));
	assert_refused(s, "door.key");
}

static void test_line_without_end(void **state)
{
	struct scene *s = *state;
	size_t len = 1 << 20;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, 'x', len);
	set(s, LOAD_CLIENTS, text, len);
	assert_refused(s, "clients:1:");
	free(text);
}

static void test_zero_bytes_and_noise(void **state)
{
	struct scene *s = *state;
	uint8_t noise[50000];

	for (unsigned i = 0; i < 20; i++) {
		secret_random(noise, sizeof(noise));
		if (i == 0)
			memset(noise, 0, sizeof(noise));
		set(s, LOAD_CLIENTS, noise, sizeof(noise));
		assert_refused(s, "clients:");
	}
}

static void test_files_that_cannot_be_read(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < AUTH_FILES; i++) {
		int good = s->fds[i];

		s->fds[i] = open("/", O_RDONLY | O_CLOEXEC);
		assert_null(load(s));
		assert_true(s->r.errors > 0);
		close(s->fds[i]);
		s->fds[i] = good;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_all_is_there),
	    TEST(test_many_clients),
	    TEST(test_all_errors_are_told),
	    TEST(test_keys_that_are_too_many_or_none),
	    TEST(test_line_without_end),
	    TEST(test_zero_bytes_and_noise),
	    TEST(test_files_that_cannot_be_read),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
