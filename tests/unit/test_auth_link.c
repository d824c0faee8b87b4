/*
 * auth_link - what auth may say, and that anything else costs it its life.
 * Auth is played by this program again.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth_link.h"

enum { PATIENCE_MS = 10000, EVENTS_MAX = 512, GENERATION = 3, DOOR_SECONDS = 17 };

/* --- as auth --- */

static void speak(uint32_t type, uint32_t says_len, size_t len)
{
	uint8_t bytes[IPC_MESSAGE_MAX * 2] = {0};
	const struct ipc_head head = {type, says_len};

	memcpy(bytes, &head, sizeof(head));
	(void)!send(FD_PEER, bytes, len, 0);
}

static void speak_well(uint32_t type, size_t len)
{
	speak(type, (uint32_t)len, len);
}

static void speak_with_descriptor(void)
{
	const struct msg_plain m = {.head = {MSG_AUTH_READY, sizeof(m)}};
	const int fd = STDIN_FILENO;

	(void)!ipc_send(FD_PEER, &m, &fd, 1);
}

static _Noreturn void wait_for_death(void)
{
	for (;;)
		pause();
}

static void wait_for(uint32_t type)
{
	uint8_t bytes[IPC_MESSAGE_MAX];
	struct ipc_head head = {0};

	while (head.type != type) {
		const ssize_t n = recv(FD_PEER, bytes, sizeof(bytes), 0);

		if (n >= (ssize_t)sizeof(head))
			memcpy(&head, bytes, sizeof(head));
		else if (n == 0 || errno != EAGAIN)
			_exit(9);
	}
}

static int good_auth(void)
{
	struct msg_door open = {.head = {MSG_DOOR_OPEN, sizeof(open)}, .id = 5};

	for (int fd = FD_LOG; fd <= FD_CONTROL; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return 10 + fd;
	speak_well(MSG_AUTH_READY, sizeof(struct msg_plain));
	(void)!ipc_send(FD_PEER, &open, NULL, 0);
	wait_for(MSG_DOOR_DONE);
	speak_well(MSG_SOURCE_READY, sizeof(struct msg_source_ready));
	speak_well(MSG_SOURCE_BAD, sizeof(struct msg_source_ready));
	speak_well(MSG_LOADED, sizeof(struct msg_loaded));
	speak_well(MSG_SWITCH, sizeof(struct msg_switch));
	speak_well(MSG_PGP_WANTED, sizeof(struct msg_pgp_plain));
	speak_well(MSG_RELOAD_WANTED, sizeof(struct msg_plain));
	return 0;
}

/* Each is said after a good MSG_AUTH_READY. */
static const struct {
	const char *what;
	uint32_t type, says_len;
	size_t len;
} lies[] = {
    {"ready twice", MSG_AUTH_READY, 8, 8},
    {"too short", MSG_DOOR_OPEN, sizeof(struct msg_door) - 1, sizeof(struct msg_door) - 1},
    {"too long", MSG_DOOR_OPEN, sizeof(struct msg_door) + 1, sizeof(struct msg_door) + 1},
    {"says longer than it is", MSG_DOOR_OPEN, sizeof(struct msg_door) + 8, sizeof(struct msg_door)},
    {"says shorter", MSG_DOOR_OPEN, 8, sizeof(struct msg_door)},
    {"half a head", MSG_AUTH_READY, 4, 4},
    {"huge", MSG_DOOR_OPEN, IPC_MESSAGE_MAX * 2, IPC_MESSAGE_MAX * 2},
    {"a verb of capture", MSG_KNOCK, sizeof(struct msg_knock), sizeof(struct msg_knock)},
    {"our own verb", MSG_COMMIT, 8, 8},
    {"a verb of openpgp", MSG_PGP_DONE, sizeof(struct msg_pgp), sizeof(struct msg_pgp)},
    {"wants more of openpgp", MSG_PGP_WANTED, 8, 8},
    {"no verb", 0, 8, 8},
    {"no verb either", UINT32_MAX, 8, 8},
    {"loaded what nobody offered", MSG_LOADED, sizeof(struct msg_loaded),
	sizeof(struct msg_loaded)},
    {"a switch to nothing", MSG_SWITCH, sizeof(struct msg_switch), sizeof(struct msg_switch)},
    {"a source that is none", MSG_SOURCE_READY, sizeof(struct msg_source_ready),
	sizeof(struct msg_source_ready)},
};

static int auth_main_of(const char *config)
{
	if (strcmp(config, "good") == 0)
		return good_auth();
	if (strcmp(config, "deaf") == 0)
		wait_for_death();
	if (strcmp(config, "early") == 0) {
		speak_well(MSG_SOURCE_READY, sizeof(struct msg_source_ready));
		wait_for_death();
	}
	if (strcmp(config, "descriptor") == 0) {
		speak_with_descriptor();
		wait_for_death();
	}
	if (strcmp(config, "hangs-up") == 0) {
		close(FD_PEER);
		wait_for_death();
	}
	speak_well(MSG_AUTH_READY, sizeof(struct msg_plain));
	const size_t i = strtoul(config, NULL, 10);

	speak(lies[i].type, lies[i].says_len, lies[i].len);
	wait_for_death();
}

/* --- as the monitor --- */

struct scene {
	struct loop *loop;
	struct auth_link link;
	struct law law;
	int status;
	bool dead, was_ready, late, sane, restart;
	char events[EVENTS_MAX];
};

static void note(struct scene *s, const char *event)
{
	const size_t len = strlen(s->events);

	(void)snprintf(s->events + len, sizeof(s->events) - len, "%s ", event);
}

static void on_ready(void *arg)
{
	note(arg, "ready");
}

static int on_source_ready(void *arg, const struct msg_source_ready *m)
{
	struct scene *s = arg;

	(void)m;
	note(s, "source");
	return s->sane ? 0 : -1;
}

static int on_source_bad(void *arg, const struct msg_source_ready *m)
{
	struct scene *s = arg;

	(void)m;
	note(s, "bad");
	return s->sane ? 0 : -1;
}

static void on_door(void *arg, const struct msg_door *m, struct msg_door_done *done)
{
	note(arg, "door");
	done->id = m->id;
	done->seconds = DOOR_SECONDS;
}

static void on_pgp(void *arg, enum pgp_wanted wanted)
{
	struct scene *s = arg;

	s->sane &= wanted == PGP_UNWANTED;
	note(s, "pgp");
}

static void on_reload(void *arg)
{
	note(arg, "reload");
}

static int on_loaded(void *arg, const struct msg_loaded *m)
{
	struct scene *s = arg;

	(void)m;
	note(s, "loaded");
	return s->sane ? 0 : -1;
}

static int on_switch(void *arg, const struct msg_switch *m)
{
	struct scene *s = arg;

	(void)m;
	note(s, "switch");
	return s->sane ? 0 : -1;
}

static void on_gone(void *arg, int status, bool was_ready)
{
	struct scene *s = arg;

	note(s, "gone");
	s->status = status;
	s->dead = true;
	s->was_ready = was_ready;
	if (!s->restart)
		auth_link_stop(&s->link);
	loop_stop(s->loop);
}

static void on_start(void *arg)
{
	struct scene *s = arg;

	note(s, "start");
	loop_stop(s->loop);
}

static const struct auth_events events = {.ready = on_ready,
    .source_ready = on_source_ready,
    .source_bad = on_source_bad,
    .door = on_door,
    .reload_wanted = on_reload,
    .pgp_wanted = on_pgp,
    .loaded = on_loaded,
    .switch_wanted = on_switch,
    .gone = on_gone,
    .start = on_start};

static void too_late(void *arg)
{
	struct scene *s = arg;

	s->late = true;
	loop_stop(s->loop);
}

static void begin(struct scene *s, const char *kind)
{
	static const struct child_args none;
	struct child_args args = none;

	memset(s, 0, sizeof(*s));
	s->loop = loop_new();
	for (int i = 0; i < LAW_FILES; i++)
		s->law.fd[i] = memfd_create("law", MFD_CLOEXEC);
	args.config_path = kind;
	auth_link_init(&s->link, s->loop, &events, s);
	const int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	auth_link_start(&s->link, &args, &s->law, GENERATION, s->law.fd[0], root);
	close(root);
	assert_int_equal(loop_timer(s->loop, PATIENCE_MS, too_late, s), 0);
}

static void finish(struct scene *s)
{
	for (int i = 0; i < LAW_FILES; i++)
		close(s->law.fd[i]);
	loop_free(s->loop);
}

static void test_good(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, "good");
	s.sane = true;
	assert_int_equal(loop_run(s.loop), 0);
	assert_true(s.dead && s.was_ready);
	assert_true(WIFEXITED(s.status));
	assert_int_equal(WEXITSTATUS(s.status), 0);
	assert_string_equal(s.events, "ready door source bad loaded switch pgp reload gone ");
	finish(&s);
}

static void killed(const char *kind, const char *what)
{
	struct scene s;

	begin(&s, kind);
	assert_int_equal(loop_run(s.loop), 0);
	if (s.late || !s.dead || !WIFSIGNALED(s.status) || WTERMSIG(s.status) != SIGKILL)
		fail_msg("auth lives on: %s", what);
	if (strstr(s.events, "door"))
		fail_msg("a door was asked for: %s", what);
	assert_int_equal(s.link.sock, -1);
	finish(&s);
}

static void test_lies(void **state)
{
	char kind[16];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		(void)snprintf(kind, sizeof(kind), "%zu", i);
		killed(kind, lies[i].what);
	}
}

static void test_other_misdeeds(void **state)
{
	(void)state;
	killed("early", "a source is ready before auth is");
	killed("descriptor", "a descriptor comes along");
	killed("hangs-up", "it hangs up and lives on");
}

/* One that does not read is killed, rather than waited for. */
static void test_deaf(void **state)
{
	struct msg_door_done m = {.head = {MSG_DOOR_DONE, sizeof(m)}};
	struct scene s;
	unsigned sent = 0;

	(void)state;
	begin(&s, "deaf");
	while (sent < 1000000 && auth_link_send(&s.link, &m, NULL, 0) == 0)
		sent++;
	assert_in_range(sent, 100, 999999);
	assert_int_equal(loop_run(s.loop), 0);
	assert_true(s.dead && !s.was_ready && WIFSIGNALED(s.status));
	assert_int_equal(auth_link_send(&s.link, &m, NULL, 0), -1);
	finish(&s);
}

static void test_started_again(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, "hangs-up");
	s.restart = true;
	assert_int_equal(loop_run(s.loop), 0);
	assert_string_equal(s.events, "gone ");
	assert_int_equal(loop_run(s.loop), 0);
	assert_string_equal(s.events, "gone start ");
	assert_false(s.late);
	finish(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_other_misdeeds),
	    cmocka_unit_test(test_deaf),
	    cmocka_unit_test(test_started_again),
	};

	/* posternd: auth --role auth --config KIND --generation 3 */
	if (argc > 4 && strcmp(argv[2], "auth") == 0)
		return auth_main_of(argv[4]);
	log_start(LOG_TO_STDERR, LOG_LEVEL_ERROR, "test", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
