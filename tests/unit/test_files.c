/* files - whose files are taken, what is wrong with the others, and that a snapshot stays what it was. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

enum { SAID_MAX = 4096, SMALL = 64 };

static const char good[] = "udp-port = 40123\n"
			   "service \"ssh\" { proto = tcp  port = 22 }\n";

struct scene {
	char dir[SMALL];
	char conf[2 * SMALL];
	char said[SAID_MAX];
	struct report report;
};

static void say(void *arg, const char *line)
{
	struct scene *s = arg;
	const size_t len = strlen(s->said);

	(void)snprintf(s->said + len, sizeof(s->said) - len, "%s\n", line);
}

static void path_of(char out[static 2 * SMALL], const struct scene *s, const char *name)
{
	(void)snprintf(out, 2 * SMALL, "%s/%s", s->dir, name);
}

static void put(const struct scene *s, const char *name, const char *text, size_t len, mode_t mode)
{
	char path[2 * SMALL];

	path_of(path, s, name);
	(void)unlink(path);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	*state = s;
	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/postern-files-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	path_of(s->conf, s, "posternd.conf");
	s->report = (struct report){.say = say, .arg = s};
	put(s, "posternd.conf", good, sizeof(good) - 1, 0644);
	put(s, "clients", "clients!", 8, 0600);
	put(s, "server.key", "server", 6, 0600);
	put(s, "door.key", "door", 4, 0400);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {
	    "posternd.conf", "clients", "server.key", "door.key", "link"};
	struct scene *s = *state;
	char path[2 * SMALL];

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		path_of(path, s, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(s->dir), 0);
	free(s);
	return 0;
}

/* Nothing is taken, and what is said holds both words. */
static void refused(struct scene *s, const char *a, const char *b)
{
	s->said[0] = '\0';
	s->report.errors = 0;
	assert_null(law_read(s->conf, s->dir, &s->report));
	if (!strstr(s->said, a) || !strstr(s->said, b))
		fail_msg("said \"%s\", without %s or %s", s->said, a, b);
}

static void holds(int fd, const char *want)
{
	char text[SMALL] = "";

	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, want);
	close(fd);
}

static void test_good(void **state)
{
	struct scene *s = *state;
	struct law *l = law_read(s->conf, s->dir, &s->report);
	int fd[LAW_FILES];

	assert_non_null(l);
	assert_string_equal(s->said, "");
	assert_int_equal(l->config.udp_port, 40123);
	for (int again = 0; again < 2; again++) { /* each from its beginning */
		assert_int_equal(law_reopen(l, fd), 0);
		for (int i = 0; i < LAW_FILES; i++)
			assert_int_equal(fcntl(fd[i], F_GETFD), FD_CLOEXEC);
		close(fd[LAW_CONFIG]);
		holds(fd[LAW_CLIENTS], "clients!");
		holds(fd[LAW_SERVER_KEY], "server");
		holds(fd[LAW_DOOR_KEY], "door");
	}
	law_free(l);
}

static void test_the_snapshot_stays(void **state)
{
	struct scene *s = *state;
	struct law *l = law_read(s->conf, s->dir, &s->report);
	char text[sizeof(good)] = "";
	char *map;

	assert_non_null(l);
	put(s, "posternd.conf", "else", 4, 0644);
	const int fd = law_reopen_config(l);
	assert_int_equal(read(fd, text, sizeof(text)), sizeof(good) - 1);
	assert_string_equal(text, good);
	/* Nobody who holds it can change it, not even we. */
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(write(l->fd[LAW_CONFIG], "x", 1), -1);
	assert_int_equal(ftruncate(l->fd[LAW_CONFIG], 0), -1);
	map = mmap(NULL, sizeof(good), PROT_READ | PROT_WRITE, MAP_SHARED, l->fd[LAW_CONFIG], 0);
	assert_ptr_equal(map, MAP_FAILED);
	close(fd);
	law_free(l);
}

static void test_a_replaced_file_is_kept(void **state)
{
	struct scene *s = *state;
	struct law *l = law_read(s->conf, s->dir, &s->report);
	int fd[LAW_FILES];

	assert_non_null(l);
	put(s, "clients", "others", 6, 0600); /* a new file of that name */
	assert_int_equal(law_reopen(l, fd), 0);
	holds(fd[LAW_CLIENTS], "clients!");
	for (int i = 0; i < LAW_FILES; i++)
		if (i != LAW_CLIENTS)
			close(fd[i]);
	law_free(l);
}

static void test_modes(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		const char *word;
	} cases[] = {
	    {"posternd.conf", 0664, "0644"},
	    {"posternd.conf", 0646, "0644"},
	    {"clients", 0640, "0600"},
	    {"server.key", 0604, "0600"},
	    {"door.key", 0610, "0600"},
	};
	struct scene *s = *state;
	struct stat st;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char path[2 * SMALL];

		path_of(path, s, cases[i].name);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(chmod(path, cases[i].mode), 0);
		refused(s, cases[i].name, cases[i].word);
		assert_int_equal(chmod(path, st.st_mode & 07777), 0);
	}
}

static void test_users_that_are_not_there(void **state)
{
	static const char *const more[] = {
	    "command \"a\" { run = {\"/bin/true\"} user = root }\n"
	    "command \"b\" { run = {\"/bin/true\"} user = no-such-user-x }\n",
	    "command-line-user = no-such-user-x\n",
	    "event-script = \"/bin/true\"\nevent-user = no-such-user-x\n",
	};
	static const char *const words[] = {":4: user = no-such-user-x: there is no such user",
	    ": command-line-user = no-such-user-x: there", ": event-user = no-such-user-x: there"};
	struct scene *s = *state;
	char text[1024];

	for (size_t i = 0; i < COUNT_OF(more); i++) {
		(void)snprintf(text, sizeof(text), "%s%s", good, more[i]);
		put(s, "posternd.conf", text, strlen(text), 0644);
		refused(s, words[i], "make the user");
	}
	/* Who would run nothing need not be there. */
	(void)snprintf(text, sizeof(text), "%sevent-user = no-such-user-x\n", good);
	put(s, "posternd.conf", text, strlen(text), 0644);
	s->report.errors = 0;
	struct law *l = law_read(s->conf, s->dir, &s->report);

	assert_non_null(l);
	assert_int_equal(l->users.len, 0);
	law_free(l);
}

static void test_users_are_found_once(void **state)
{
	static const char more[] = "command-line-user = root\n"
				   "command \"a\" { run = {\"/bin/true\"} user = root }\n"
				   "command \"b\" { run = {\"/bin/true\"} user = nobody }\n";
	struct scene *s = *state;
	const struct user *u;
	char text[1024];

	(void)snprintf(text, sizeof(text), "%s%s", good, more);
	put(s, "posternd.conf", text, strlen(text), 0644);
	struct law *l = law_read(s->conf, s->dir, &s->report);

	assert_non_null(l);
	assert_int_equal(l->users.len, 2);
	u = users_named(&l->users, "root");
	assert_non_null(u);
	assert_int_equal(u->uid, 0);
	assert_string_equal(u->home, "/root");
	assert_true(u->groups_len >= 1);
	assert_null(users_named(&l->users, "daemon"));
	law_free(l);
}

static void test_owner(void **state)
{
	struct scene *s = *state;
	char path[2 * SMALL];

	if (geteuid() != 0) {
		print_message("skipped: only root can give a file away\n");
		skip();
	}
	path_of(path, s, "server.key");
	assert_int_equal(chown(path, 65534, 65534), 0);
	refused(s, "server.key", "chown root");
}

static void test_what_is_no_file(void **state)
{
	struct scene *s = *state;
	char path[2 * SMALL], link[2 * SMALL];

	path_of(path, s, "clients");
	path_of(link, s, "link");
	assert_int_equal(rename(path, link), 0);
	refused(s, "clients", "posternctl init");
	assert_int_equal(symlink(link, path), 0);
	refused(s, "clients", "symbolic link");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(s, "clients", "not a regular file"); /* and does not wait for a writer */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(s, "clients", "not a regular file");
	assert_int_equal(rmdir(path), 0);
}

static void test_all_errors_are_told(void **state)
{
	struct scene *s = *state;
	char path[2 * SMALL];

	path_of(path, s, "server.key");
	assert_int_equal(chmod(path, 0644), 0);
	path_of(path, s, "door.key");
	assert_int_equal(unlink(path), 0);
	refused(s, "server.key", "door.key");
	assert_int_equal(s->report.errors, 2);
}

static void test_what_is_no_configuration(void **state)
{
	static const char zero[] = "udp-port = 1\0\n";
	struct scene *s = *state;
	char *big = malloc(CONFIG_TEXT_MAX + 1);

	put(s, "posternd.conf", zero, sizeof(zero) - 1, 0644);
	refused(s, "posternd.conf", "zero byte");
	memset(big, '\n', CONFIG_TEXT_MAX + 1);
	put(s, "posternd.conf", big, CONFIG_TEXT_MAX + 1, 0644);
	refused(s, "posternd.conf", "longer than");
	put(s, "posternd.conf", "udp-prt = 1\n", 12, 0644);
	refused(s, "posternd.conf:1:", "udp-prt");
	free(big);
}

static void test_what_cannot_change(void **state)
{
	struct scene *s = *state;
	struct law *a = law_read(s->conf, s->dir, &s->report);
	struct law *b = law_read(s->conf, s->dir, &s->report);

	assert_non_null(a);
	assert_non_null(b);
	b->config.udp_port++;
	b->config.services = 0;
	assert_int_equal(law_check_change(a, b, "c", &s->report), 0);
	(void)strcpy(b->config.run_dir, "/elsewhere");
	(void)strcpy(b->config.store, "other");
	assert_int_equal(law_check_change(a, b, "c", &s->report), -1);
	assert_int_equal(s->report.errors, 2);
	assert_non_null(strstr(s->said, "run-dir"));
	assert_non_null(strstr(s->said, "/elsewhere"));
	law_free(a);
	law_free(b);
}

static void test_paths(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(file_path(out, sizeof(out), "/etc/x", "/abs"), 0);
	assert_string_equal(out, "/abs");
	assert_int_equal(file_path(out, sizeof(out), "/etc/x", "rel"), 0);
	assert_string_equal(out, "/etc/x/rel");
	assert_int_equal(file_path(out, sizeof(out), "/etc/x", "12345678"), 0);
	assert_int_equal(file_path(out, sizeof(out), "/etc/x", "123456789"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_good, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_snapshot_stays, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_replaced_file_is_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_users_that_are_not_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_users_are_found_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_owner, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_is_no_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_all_errors_are_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_is_no_configuration, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_cannot_change, setup, teardown),
	    cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
