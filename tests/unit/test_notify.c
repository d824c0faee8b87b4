/* notify - what the service manager hears. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "notify.h"

enum { TEXT_MAX = 256, NAME_MAX_HERE = 80 };

/* A manager that listens at name ('@': abstract). Returns its socket. */
static int manager(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const size_t len = strlen(name);

	assert_true(fd >= 0 && len < sizeof(at.sun_path));
	memcpy(at.sun_path, name, len);
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	else
		(void)unlink(name);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	return fd;
}

static void heard(int fd, const char *begins)
{
	char text[TEXT_MAX] = "";
	const ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	if (strncmp(text, begins, strlen(begins)) != 0)
		fail_msg("heard %s, not %s", text, begins);
}

static void all_of_it(const char *name)
{
	const int fd = manager(name);
	struct notify n;

	notify_open(&n, name);
	notify_ready(&n, "listening on 1 of 2 interfaces");
	heard(fd, "READY=1\nSTATUS=listening on 1 of 2 interfaces\n");
	notify_reloading(&n);
	heard(fd, "RELOADING=1\nMONOTONIC_USEC=");
	notify_stopping(&n);
	heard(fd, "STOPPING=1\n");
	notify_close(&n);
	assert_int_equal(n.fd, -1);
	close(fd);
}

static void test_by_name(void **state)
{
	char name[NAME_MAX_HERE];

	(void)state;
	(void)snprintf(name, sizeof(name), "/tmp/postern-notify-%d", (int)getpid());
	all_of_it(name);
	(void)unlink(name);
}

static void test_abstract(void **state)
{
	char name[NAME_MAX_HERE];

	(void)state;
	(void)snprintf(name, sizeof(name), "@postern-notify-%d", (int)getpid());
	all_of_it(name);
}

static void test_nobody_listens(void **state)
{
	static const char *const bad[] = {NULL, "", "@", "/", "relative", "vsock:2:1"};
	char longest[200];
	struct notify n;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		notify_open(&n, bad[i]);
		assert_int_equal(n.fd, -1);
		notify_ready(&n, "nobody hears it");
		notify_close(&n);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	notify_open(&n, longest);
	assert_int_equal(n.fd, -1);
	/* A manager that went away is no reason to fail either. */
	notify_open(&n, "/nonexistent/notify");
	assert_true(n.fd >= 0);
	notify_ready(&n, "nobody hears it");
	notify_close(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_by_name),
	    cmocka_unit_test(test_abstract),
	    cmocka_unit_test(test_nobody_listens),
	};

	log_start(LOG_TO_STDERR, LOG_LEVEL_ERROR, "test", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
