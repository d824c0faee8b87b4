#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_lab.h"
#include "init.h"
#include "keyfile.h"
#include "output.h"

static struct config parsed;

static void test_text_reads_back(void **state)
{
	struct report r = {.say = NULL};
	struct config want;
	char *text;

	(void)state;
	assert_int_equal(config_parse(&want, "x",
			     "udp-port = 5353 silence = closed interface = {eth0, \"a\\\"b\"}\n"
			     "state-dir = \"/s p\"\nservice ssh { proto = tcp port = 2222 }\n",
			     &r),
	    0);
	text = init_text(&want);
	assert_int_equal(config_parse(&parsed, "y", text, &r), 0);
	want.service[0].line = parsed.service[0].line;
	assert_memory_equal(&parsed, &want, sizeof(want));
	/* What is not set is there to be seen. */
	assert_non_null(strstr(text, "\n#window = 60\n"));
	assert_non_null(strstr(text, "\nsilence = closed\n"));
	assert_non_null(strstr(text, "door opens; none: nobody is asked (name), default none\n"));
	ctl_text_free(text);
}

static void test_random_port(void **state)
{
	struct ctl c = {.out = output_new("init")};
	unsigned first = 0, last = 0;
	uint16_t port, before = 0;
	bool differs = false;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	int i;

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u %u", &first, &last), 2);
	(void)fclose(f);
	for (i = 0; i < 50; i++) {
		assert_int_equal(init_port_choose(&c, &port), 0);
		assert_true(port >= 1024);
		assert_true(port < first || port > last);
		differs |= i > 0 && port != before;
		before = port;
	}
	assert_true(differs);
	output_free(c.out);
}

static void test_bound_port_is_seen(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint16_t port;

	(void)state;
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	port = ntohs(at.sin_port);
	assert_true(init_port_is_taken(port));
	(void)close(fd);
	assert_false(init_port_is_taken(port));
}

static void test_ssh_port(void **state)
{
	(void)state;
	assert_int_equal(setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 2222", 1), 0);
	assert_int_equal(init_ssh_port(), 2222);
	assert_int_equal(setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 99999", 1), 0);
	assert_int_equal(init_ssh_port(), 22);
	assert_int_equal(setenv("SSH_CONNECTION", "nonsense", 1), 0);
	assert_int_equal(init_ssh_port(), 22);
	assert_int_equal(unsetenv("SSH_CONNECTION"), 0);
	assert_int_equal(init_ssh_port(), 22);
}

/* These would make users of the machine that runs the tests; where they are, nothing is made. */
static bool users_are_there(void)
{
	return getpwnam("_postern-capture") != NULL && getpwnam("_postern-auth") != NULL;
}

static int init(struct lab *l, const char *more, const char *value)
{
	static char etc[LAB_PATH * 2], var[LAB_PATH * 2], run[LAB_PATH * 2];

	(void)snprintf(etc, sizeof(etc), "%s/etc", l->dir);
	(void)snprintf(var, sizeof(var), "%s/var", l->dir);
	(void)snprintf(run, sizeof(run), "%s/run", l->dir);
	return lab_run(l, "init", "--config-dir", etc, "--state-dir", var, "--run-dir", run, more,
	    value, NULL);
}

static void remove_made(struct lab *l)
{
	static const char *const names[] = {
	    "etc/clients", "etc/door.key", "etc/server.key", "etc/posternd.conf", "etc", "var"};
	char path[LAB_PATH * 2];
	size_t i;

	for (i = 0; i < COUNT_OF(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", l->dir, names[i]);
		(void)remove(path);
	}
}

static void assert_private(const struct lab *l, const char *name, mode_t mode)
{
	char path[LAB_PATH * 2];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_init_makes_all(void **state)
{
	struct lab *l = *state;
	struct report r = {.say = NULL};
	uint8_t key[1][KEY_BYTES];
	char *text;

	if (!users_are_there())
		skip();
	(void)umask(0);
	assert_int_equal(init(l, "--port", "4567"), CTL_OK);
	(void)umask(022);
	assert_private(l, "etc", 0700);
	assert_private(l, "var", 0711); /* auth passes through it */
	assert_private(l, "etc/server.key", 0600);
	assert_private(l, "etc/door.key", 0600);
	assert_private(l, "etc/clients", 0600);
	assert_private(l, "etc/posternd.conf", 0600);
	text = strdup(lab_read(l, "etc/posternd.conf"));
	assert_int_equal(config_parse(&parsed, "c", text, &r), 0);
	free(text);
	assert_int_equal(parsed.udp_port, 4567);
	assert_int_equal(keyfile_parse("k", lab_read(l, "etc/server.key"), key, 1, 1, &r), 1);
	assert_int_equal(keyfile_parse("k", lab_read(l, "etc/door.key"), key, 1, 1, &r), 1);
	assert_true(lab_said(l, "messages", "client add NAME"));
	assert_true(lab_said(l, "messages", "firewall try"));
	assert_true(lab_said(l, "messages", "firewall confirm"));
	remove_made(l);
}

static void test_init_overwrites_nothing(void **state)
{
	struct lab *l = *state;
	char before[LAB_TEXT];

	if (!users_are_there())
		skip();
	assert_int_equal(init(l, "--silence", "closed"), CTL_OK);
	(void)snprintf(before, sizeof(before), "%s", lab_read(l, "etc/server.key"));
	assert_int_equal(init(l, "--silence", "drop"), CTL_FAILED);
	assert_true(lab_said(l, "errors", "nothing is overwritten"));
	assert_string_equal(lab_read(l, "etc/server.key"), before);
	assert_non_null(strstr(lab_read(l, "etc/posternd.conf"), "\nsilence = closed\n"));
	remove_made(l);
}

static void test_init_leaves_nothing_half_made(void **state)
{
	struct lab *l = *state;
	char path[LAB_PATH * 2];

	(void)snprintf(path, sizeof(path), "%s/etc", l->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	lab_write(l, "etc/posternd.conf", "mine", 0600); /* which is made last */
	assert_int_equal(init(l, NULL, NULL), CTL_FAILED);
	assert_string_equal(lab_read(l, "etc/posternd.conf"), "mine");
	assert_false(lab_exists(l, "etc/server.key"));
	assert_false(lab_exists(l, "etc/door.key"));
	assert_false(lab_exists(l, "etc/clients"));
	assert_false(lab_exists(l, "var"));
	remove_made(l);
}

static void test_init_with_bad_arguments(void **state)
{
	static const char *const wrong[][3] = {
	    {"--port", "0", "--port: 0 is below the minimum 1"},
	    {"--port", "x", "is not a whole number"},
	    {"--silence", "loud", "it can be drop or closed"},
	    {"--interface", "a/b", "is not the name of an interface"},
	    {"--state-dir", "relative", "give the whole path"},
	};
	struct lab *l = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(wrong); i++) {
		assert_int_equal(init(l, wrong[i][0], wrong[i][1]), CTL_USAGE);
		assert_true(lab_said(l, "errors", wrong[i][2]));
		assert_false(lab_exists(l, "etc"));
	}
}

#define IN_LAB(t) cmocka_unit_test_setup_teardown(t, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text_reads_back),
	    IN_LAB(test_random_port),
	    cmocka_unit_test(test_bound_port_is_seen),
	    cmocka_unit_test(test_ssh_port),
	    IN_LAB(test_init_makes_all),
	    IN_LAB(test_init_overwrites_nothing),
	    IN_LAB(test_init_leaves_nothing_half_made),
	    IN_LAB(test_init_with_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
