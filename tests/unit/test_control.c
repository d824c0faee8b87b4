/* The control socket's end in the daemon, over a real socket: root alone, one request at a time. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "control.h"
#include "server.h"

enum { PATIENCE_MS = 5000, STEP_MS = 5, MESSAGES_MAX = 4096 };

union said {
	struct ipc_head head;
	struct control_session session;
	struct control_counter counter;
	struct control_source source;
	struct control_record record;
	struct control_page page;
	struct control_done done;
};

struct scene {
	struct lab l;
	struct loop *loop;
	struct sources *sources;
	struct control *control;
	char dir[64];
	struct sockaddr_un at;
	int listener, client;
	unsigned reloads, switches;
	uint32_t switch_id;
	char switch_text[2 * CONTROL_NAME_MAX + 8];
	unsigned messages;
	union said message[MESSAGES_MAX];
};

static void each_turn(void *arg)
{
	struct scene *s = arg;

	lab_settle(&s->l);
}

static void reload(void *arg)
{
	struct scene *s = arg;

	s->reloads++;
}

static const char *switch_to(void *arg, uint32_t id, const char *source, const char *method)
{
	struct scene *s = arg;

	if (strcmp(method, "none") == 0)
		return "there is none";
	s->switches++;
	s->switch_id = id;
	(void)snprintf(s->switch_text, sizeof(s->switch_text), "%s at %s", method, source);
	return NULL;
}

static void tell(void *arg, const struct msg_source_ready *m)
{
	(void)arg;
	(void)m;
}

static void stats(void *arg)
{
	struct scene *s = arg;

	control_stats(s->control);
}

static const struct source_ops source_ops = {.tell = tell, .stats = stats};

static void stop(void *arg)
{
	loop_stop(arg);
}

static int dial(const struct scene *s)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&s->at, sizeof(s->at)), 0);
	return fd;
}

/* Doors that stay open for as long as a test lasts. */
static const char long_holds[] =
    "udp-port = 62201\n"
    "service \"ssh\" { proto = tcp port = 22 hold = 600 max-hold = 600 }\n"
    "service \"web\" { proto = tcp port = 443 }\n";

static int start(void **state, const char *config)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct control_env env;

	if (!s || getuid() != 0)
		return -1; /* only root is served, so only root can test it */
	lab_start(&s->l, config, NULL, LAB_CLIENTS);
	s->loop = loop_new();
	strcpy(s->dir, "/tmp/postern-control-XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	s->at.sun_family = AF_UNIX;
	snprintf(s->at.sun_path, sizeof(s->at.sun_path), "%s/sock", s->dir);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(s->listener, (const struct sockaddr *)&s->at, sizeof(s->at)) < 0 ||
	    listen(s->listener, 16) < 0)
		return -1;
	s->sources = sources_new(s->loop, s->l.core, &source_ops, s);
	env = (struct control_env){.loop = s->loop,
	    .core = s->l.core,
	    .sources = s->sources,
	    .listener = s->listener,
	    .reload = reload,
	    .switch_to = switch_to,
	    .arg = s};
	s->control = control_new(&env);
	loop_each_turn(s->loop, each_turn, s);
	s->client = dial(s);
	*state = s;
	return 0;
}

static int setup(void **state)
{
	return start(state, NULL);
}

static int setup_long_holds(void **state)
{
	return start(state, long_holds);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	close(s->client);
	close(s->listener);
	unlink(s->at.sun_path);
	rmdir(s->dir);
	control_free(s->control);
	sources_free(s->sources);
	loop_free(s->loop);
	lab_stop(&s->l);
	free(s);
	return 0;
}

static void run_a_while(struct scene *s)
{
	assert_int_equal(loop_timer(s->loop, STEP_MS, stop, s->loop), 0);
	assert_int_equal(loop_run(s->loop), 0);
}

static void request(int fd, enum control_type type, uint64_t session, const char *name)
{
	struct control_request q = {.head = {.type = type, .len = sizeof(q)}, .session = session};

	strcpy(q.name, name);
	assert_int_equal(ipc_send(fd, &q, NULL, 0), 0);
}

/* Everything up to CONTROL_DONE, whose status is returned; -1 when it hangs up. */
static int answers(struct scene *s, int fd)
{
	s->messages = 0;
	for (unsigned waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
		union said *m = &s->message[s->messages];
		int n;

		assert_true(s->messages < MESSAGES_MAX);
		n = ipc_recv(fd, m, sizeof(*m), NULL, 0, NULL);
		if (n == 0)
			return -1;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			run_a_while(s);
			continue;
		}
		if (m->head.type == CONTROL_DONE)
			return m->done.status;
		s->messages++;
	}
	fail_msg("no answer");
	return -1;
}

/* A door for each of so many addresses. */
static void open_many(struct scene *s, struct lab_client *c, unsigned n)
{
	assert_true(lab_prove(&s->l, c));
	for (unsigned i = 0; i < n; i++) {
		struct request q = lab_open("ssh");
		const uint8_t v4[4] = {10, 1, c->cid[0], (uint8_t)(i + 1)};
		struct address a = address_v4(v4);
		struct lab_message m;
		struct reply p;

		q.admits = 1;
		q.admit[0] = prefix_host(&a);
		lab_pass(&s->l, 200);
		m = lab_m1(&s->l, c, &q, 0);
		lab_knock(&s->l, &m);
		assert_true(lab_reply(&s->l, &m, &p));
		assert_int_equal(p.verdict, VERDICT_OK);
	}
}

static void test_sessions(void **state)
{
	struct scene *s = *state;

	request(s->client, CONTROL_SESSIONS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	assert_int_equal(s->messages, 0);
	open_many(s, &s->l.client[0], 60);
	open_many(s, &s->l.client[1], 60);
	request(s->client, CONTROL_SESSIONS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	assert_int_equal(s->messages, 120);
	for (unsigned i = 0; i < s->messages; i++) {
		const struct control_session *v = &s->message[i].session;

		assert_int_equal(v->head.type, CONTROL_SESSION);
		assert_string_equal(v->service, "ssh");
		assert_true(v->client[0] == 'c' && v->proto == 6 && v->port == 22);
		assert_int_equal(v->prefix_len, 32);
		assert_true(v->rest_s > 0 && v->rest_s <= 60);
	}
}

static void test_close(void **state)
{
	struct scene *s = *state;
	uint64_t id;

	open_many(s, &s->l.client[0], 3);
	request(s->client, CONTROL_SESSIONS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	id = s->message[1].session.session;
	request(s->client, CONTROL_CLOSE, id, "");
	assert_int_equal(answers(s, s->client), 0);
	run_a_while(s);
	request(s->client, CONTROL_CLOSE, id, "");
	assert_int_equal(answers(s, s->client), ENOENT);
	assert_true(strlen(s->message[0].done.text) > 0);
	request(s->client, CONTROL_CLOSE_CLIENT, 0, "nobody");
	assert_int_equal(answers(s, s->client), ENOENT);
	request(s->client, CONTROL_CLOSE_CLIENT, 0, "c0");
	assert_int_equal(answers(s, s->client), 0);
	assert_string_equal(s->message[0].done.text, "2 closed");
	run_a_while(s);
	request(s->client, CONTROL_SESSIONS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	assert_int_equal(s->messages, 0);
}

static const struct control_counter *counter(const struct scene *s, const char *name)
{
	for (unsigned i = 0; i < s->messages; i++)
		if (strcmp(s->message[i].counter.name, name) == 0)
			return &s->message[i].counter;
	return NULL;
}

static void test_stats(void **state)
{
	struct scene *s = *state;

	open_many(s, &s->l.client[0], 2);
	request(s->client, CONTROL_STATS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	assert_int_equal(counter(s, "auth.opened")->value, 2);
	assert_int_equal(counter(s, "auth.challenged")->value, 1);
	assert_int_equal(counter(s, "auth.verdict.ok")->value, 3);
	assert_true(counter(s, "auth.dh")->value > 0);
	assert_int_equal(s->messages, AUTH_COUNTERS + 1);
	for (unsigned i = 0; i < s->messages; i++)
		assert_ptr_equal(counter(s, s->message[i].counter.name), &s->message[i].counter);
}

static void test_reload_answers_when_it_is_over(void **state)
{
	struct scene *s = *state;
	struct pollfd p = {.fd = s->client, .events = POLLIN};

	request(s->client, CONTROL_RELOAD, 0, "");
	run_a_while(s);
	assert_int_equal(s->reloads, 1);
	assert_int_equal(poll(&p, 1, 0), 0);
	control_reloaded(s->control, false, "posternd.conf:3: no");
	assert_int_equal(answers(s, s->client), EINVAL);
	assert_string_equal(s->message[0].done.text, "posternd.conf:3: no");
	request(s->client, CONTROL_RELOAD, 0, "");
	run_a_while(s);
	control_reloaded(s->control, true, "reloaded");
	assert_int_equal(answers(s, s->client), 0);
}

static void request_switch(int fd, const char *source, const char *method)
{
	struct control_request q = {.head = {.type = CONTROL_SWITCH, .len = sizeof(q)}};

	strcpy(q.name, source);
	strcpy(q.word, method);
	assert_int_equal(ipc_send(fd, &q, NULL, 0), 0);
}

/* Each gets the answer to its own question, though answers may come in another order. */
static void test_switch(void **state)
{
	struct scene *s = *state;
	int other = dial(s);

	request_switch(s->client, "eth0", "pcap");
	run_a_while(s);
	assert_int_equal(s->switches, 1);
	assert_string_equal(s->switch_text, "pcap at eth0");
	uint32_t first = s->switch_id;

	request_switch(other, "", "xdp");
	run_a_while(s);
	assert_int_equal(s->switches, 2);
	control_switched(s->control, s->switch_id, false, "busy");
	assert_int_equal(answers(s, other), EINVAL);
	assert_string_equal(s->message[0].done.text, "busy");
	control_switched(s->control, first, true, "");
	assert_int_equal(answers(s, s->client), 0);
	control_switched(s->control, first, true, "");
	request_switch(s->client, "", "none");
	assert_int_equal(answers(s, s->client), EINVAL);
	assert_string_equal(s->message[0].done.text, "there is none");
	close(other);
}

static void test_sources_stand_before_the_counters(void **state)
{
	struct scene *s = *state;
	struct msg_source_state m = {.head = {.type = MSG_SOURCE_STATE, .len = sizeof(m)},
	    .sources = 1,
	    .condition = SOURCE_IS_FAILED,
	    .method = (uint32_t)config_capture("nflog"),
	    .since_s = 12345,
	    .workers = 2,
	    .ready = 1,
	    .name = "up",
	    .interface = "any",
	    .why = "exit=1"};

	assert_int_equal(sources_take_state(s->sources, &m), 0);
	request(s->client, CONTROL_STATS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	const struct control_source *c = &s->message[0].source;

	assert_int_equal(c->head.type, CONTROL_SOURCE);
	assert_string_equal(c->name, "up");
	assert_string_equal(c->interface, "any");
	assert_string_equal(c->method, "nflog");
	assert_string_equal(c->state, "failed");
	assert_string_equal(c->why, "exit=1");
	assert_int_equal(c->since_s, 12345);
	assert_int_equal(c->ready, 1);
	assert_int_equal(s->message[1].head.type, CONTROL_COUNTER);
}

static const struct control_page *ask_log(
    struct scene *s, const char *client, const char *verdict, uint64_t from, bool back)
{
	struct control_request q = {.head = {.type = CONTROL_LOG, .len = sizeof(q)},
	    .from = from,
	    .back = back,
	    .most = UINT32_MAX};

	strcpy(q.name, client);
	strcpy(q.verdict, verdict);
	assert_int_equal(ipc_send(s->client, &q, NULL, 0), 0);
	if (answers(s, s->client) != 0)
		return NULL;
	assert_true(s->messages > 0);
	assert_int_equal(s->message[s->messages - 1].head.type, CONTROL_PAGE);
	return &s->message[s->messages - 1].page;
}

/* A page has so many records at most, and says where the next one begins. */
static void test_log_by_pages(void **state)
{
	struct scene *s = *state;
	const struct control_page *p;

	open_many(s, &s->l.client[0], 60);
	open_many(s, &s->l.client[1], 60);
	p = ask_log(s, "", "", UINT64_MAX, true);
	assert_int_equal(s->messages, 64 + 1);
	assert_true(p->newest == 125 && p->next == 61 && p->more == 1);
	assert_true(s->message[0].record.number == 124);
	assert_string_equal(s->message[0].record.event, "granted");
	assert_string_equal(s->message[0].record.client, "c1");
	assert_string_equal(s->message[0].record.verb, "open");
	assert_string_equal(s->message[0].record.verdict, "ok");
	assert_string_equal(s->message[0].record.what, "ssh");
	p = ask_log(s, "", "", p->next, true);
	assert_int_equal(s->messages, 60 + 1);
	assert_true(p->next == 1 && p->more == 0);
	p = ask_log(s, "c0", "challenge", 1, false);
	assert_int_equal(s->messages, 1 + 1);
	assert_true(p->next == 125 && p->more == 0);
	assert_null(ask_log(s, "", "nonsense", 1, false));
}

static void test_resume(void **state)
{
	struct scene *s = *state;

	request(s->client, CONTROL_RESUME, 0, "c0");
	assert_int_equal(answers(s, s->client), 0);
	assert_string_equal(s->message[0].done.text, "was not suspended");
	request(s->client, CONTROL_RESUME, 0, "nobody");
	assert_int_equal(answers(s, s->client), ENOENT);
}

static void test_unban(void **state)
{
	struct scene *s = *state;

	request(s->client, CONTROL_UNBAN, 0, "198.51.100.1");
	assert_int_equal(answers(s, s->client), 0);
	assert_string_equal(s->message[0].done.text, "was not banned");
	s->l.ban[s->l.bans++] = (struct lab_ban){s->l.client[0].address, UINT64_MAX};
	request(s->client, CONTROL_UNBAN, 0, CONTROL_ALL);
	assert_int_equal(answers(s, s->client), 0);
	assert_string_equal(s->message[0].done.text, "let in again");
	assert_false(lab_banned(&s->l, &s->l.client[0].address));
	request(s->client, CONTROL_UNBAN, 0, "::");
	assert_int_equal(answers(s, s->client), EINVAL);
	request(s->client, CONTROL_UNBAN, 0, "c0");
	assert_int_equal(answers(s, s->client), EINVAL);
}

static void test_what_is_no_request(void **state)
{
	struct scene *s = *state;
	struct control_request q = {.head = {.type = CONTROL_DONE, .len = sizeof(q)}};
	struct ipc_head shorter = {.type = CONTROL_STATS, .len = sizeof(shorter)};

	assert_int_equal(ipc_send(s->client, &q, NULL, 0), 0);
	assert_int_equal(answers(s, s->client), -1);
	close(s->client);
	s->client = dial(s);
	assert_int_equal(ipc_send(s->client, &shorter, NULL, 0), 0);
	assert_int_equal(answers(s, s->client), -1);
	close(s->client);
	s->client = dial(s);
	q.head.type = CONTROL_CLOSE_CLIENT;
	memset(q.name, 'x', sizeof(q.name));
	assert_int_equal(ipc_send(s->client, &q, NULL, 0), 0);
	assert_int_equal(answers(s, s->client), -1);
	/* A second one before the first is answered. */
	close(s->client);
	s->client = dial(s);
	request(s->client, CONTROL_RELOAD, 0, "");
	request(s->client, CONTROL_RELOAD, 0, "");
	assert_int_equal(answers(s, s->client), -1);
	control_reloaded(s->control, true, "to nobody");
}

static void test_who_hangs_up_is_forgotten(void **state)
{
	struct scene *s = *state;

	open_many(s, &s->l.client[0], 60);
	s->l.deaf = true; /* the monitor does not answer yet */
	request(s->client, CONTROL_SESSIONS, 0, "");
	run_a_while(s);
	close(s->client);
	run_a_while(s);
	s->l.deaf = false;
	core_pump(s->l.core);
	lab_settle(&s->l);
	s->client = dial(s);
	request(s->client, CONTROL_SESSIONS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	assert_int_equal(s->messages, 60);
}

static void test_who_does_not_read_blocks_nobody(void **state)
{
	struct scene *s = *state;
	int other[20];

	open_many(s, &s->l.client[0], 64);
	for (unsigned i = 0; i < 20; i++) {
		other[i] = dial(s);
		request(other[i], i % 2 ? CONTROL_STATS : CONTROL_SESSIONS, 0, "");
		run_a_while(s);
	}
	/* Who was there longest had to make room. */
	assert_int_equal(answers(s, s->client), -1);
	close(s->client);
	s->client = dial(s);
	request(s->client, CONTROL_SESSIONS, 0, "");
	assert_int_equal(answers(s, s->client), 0);
	assert_int_equal(s->messages, 64);
	for (unsigned i = 0; i < 20; i++)
		close(other[i]);
}

/* Its socket is full for longer than the kernel needs for all that was asked. */
static void test_who_reads_slowly_hears_all(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < LAB_CLIENTS; i++)
		open_many(s, &s->l.client[i], 64);
	request(s->client, CONTROL_SESSIONS, 0, "");
	for (unsigned i = 0; i < 20; i++)
		run_a_while(s);
	assert_int_equal(answers(s, s->client), 0);
	assert_int_equal(s->messages, 64 * LAB_CLIENTS);
}

static void test_root_alone(void **state)
{
	struct scene *s = *state;
	int status;
	pid_t pid;

	assert_int_equal(chmod(s->dir, 0755), 0);
	assert_int_equal(chmod(s->at.sun_path, 0777), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct control_request q = {.head = {.type = CONTROL_STATS, .len = sizeof(q)}};
		char byte;
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		if (setresuid(65534, 65534, 65534) < 0 ||
		    connect(fd, (const struct sockaddr *)&s->at, sizeof(s->at)) < 0)
			_exit(2);
		(void)!ipc_send(fd, &q, NULL, 0);
		_exit(recv(fd, &byte, 1, 0) > 0 ? 1 : 0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		run_a_while(s);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_sessions),
	    TEST(test_close),
	    TEST(test_stats),
	    TEST(test_reload_answers_when_it_is_over),
	    TEST(test_switch),
	    TEST(test_sources_stand_before_the_counters),
	    TEST(test_log_by_pages),
	    TEST(test_resume),
	    TEST(test_unban),
	    TEST(test_what_is_no_request),
	    TEST(test_who_hangs_up_is_forgotten),
	    TEST(test_who_does_not_read_blocks_nobody),
	    cmocka_unit_test_setup_teardown(
		test_who_reads_slowly_hears_all, setup_long_holds, teardown),
	    TEST(test_root_alone),
	};

	if (getuid() != 0) {
		puts("skipped: only root is served by the control socket");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
