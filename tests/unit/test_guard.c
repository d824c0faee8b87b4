/*
 * guard - what the monitor makes of a request before the firewall hears of
 * it, and what it does when somebody else changes the rules. The firewall is
 * played here.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "guard.h"

enum { DOORS = 4, CALLS_MAX = 1024, REST_S = 77, BAN_S = 60, PATIENCE_MS = 10000 };

struct firewall {
	enum firewall_status next; /* what the next call says */
	uint16_t bad_port;	   /* of the configuration that cannot be put up; 0: all can */
	unsigned needs;		   /* as it is now */
	int watch;
	bool broken;	    /* nothing can be put up */
	uint16_t down_port; /* of the configuration that was not guarded; 0: none */
	bool changed;
	unsigned ensured;
	struct address ban;
	uint64_t ban_ms; /* that it has when it is opened; 0: none */
	unsigned doors;	 /* that are open */
	struct firewall_door door[DOORS];
	char calls[CALLS_MAX];
};

static struct firewall fake;
static int *held; /* shared with forks: what they do takes until this is 0 */

static void note(const char *call, const struct service *s, const struct prefix *from)
{
	const size_t len = strlen(fake.calls);
	char text[PREFIX_TEXT];

	(void)snprintf(fake.calls + len, sizeof(fake.calls) - len, "%s %s %s;", call, s->name,
	    prefix_text(from, text));
}

static void note_ban(const char *call, const struct address *a)
{
	const size_t len = strlen(fake.calls);
	char text[ADDRESS_TEXT];

	(void)snprintf(fake.calls + len, sizeof(fake.calls) - len, "%s %s;", call,
	    a ? address_text(a, text) : "all");
}

struct firewall *firewall_start(const struct config *c, bool dry_run)
{
	(void)c;
	return dry_run ? NULL : &fake; /* dry_run: as if it failed */
}

enum firewall_status firewall_ensure(struct firewall *f, const struct config *c)
{
	f->ensured++;
	if (f->broken || (f->bad_port != 0 && c->udp_port == f->bad_port))
		return FIREWALL_FAILED;
	f->needs = c->needs;
	return FIREWALL_OK;
}

enum firewall_status firewall_open(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t seconds)
{
	assert_int_equal(seconds, 60);
	note("open", s, &pass->from);
	return f->next;
}

enum firewall_status firewall_shorten(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t seconds)
{
	assert_int_equal(seconds, 60);
	note("shorten", s, &pass->from);
	return f->next;
}

enum firewall_status firewall_close(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass)
{
	note("close", s, &pass->from);
	return f->next;
}

enum firewall_status firewall_cut(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, unsigned *cut)
{
	(void)s;
	(void)pass;
	while (__atomic_load_n(held, __ATOMIC_SEQ_CST) > 0)
		(void)usleep(100);
	*cut = 1;
	return f->next;
}

/* What a fork did; the one above is called in there. */
void firewall_was_cut(struct firewall *f, const struct prefix *from)
{
	const struct service any = {.name = "any"};

	(void)f;
	note("cut", &any, from);
}

enum firewall_status firewall_query(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t *rest_s)
{
	note("query", s, &pass->from);
	*rest_s = f->next == FIREWALL_OK ? REST_S : 0;
	return f->next;
}

enum firewall_status firewall_list(struct firewall *f, firewall_door_fn *fn, void *arg)
{
	for (unsigned i = 0; i < f->doors; i++)
		fn(arg, &f->door[i]);
	return FIREWALL_OK;
}

enum firewall_status firewall_ban(struct firewall *f, const struct address *a, uint32_t seconds)
{
	assert_int_equal(seconds, BAN_S);
	note_ban("ban", a);
	return f->next;
}

enum firewall_status firewall_unban(struct firewall *f, const struct address *a)
{
	note_ban("unban", a);
	return f->next;
}

enum firewall_status firewall_bans(struct firewall *f, firewall_ban_fn *fn, void *arg)
{
	if (f->ban_ms > 0)
		fn(arg, &f->ban, f->ban_ms);
	return FIREWALL_OK;
}

int firewall_watch_fd(const struct firewall *f)
{
	return f->watch;
}

bool firewall_changed(struct firewall *f)
{
	char byte;
	const bool was = f->changed;

	while (read(f->watch, &byte, 1) == 1)
		continue;
	f->changed = false;
	return was;
}

bool firewall_was_down(const struct firewall *f, const struct config *c)
{
	return f->down_port == c->udp_port;
}

void firewall_stop(struct firewall *f)
{
	(void)f;
}

/* --- */

struct scene {
	struct loop *loop;
	struct guard guard;
	struct config config, other;
	struct doors_law law;
	int pipe[2], pipe2[2];
	unsigned wanted; /* stop when so often ensured */
	bool late;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	*state = s;
	memset(&fake, 0, sizeof(fake));
	if (!held)
		held = mmap(
		    NULL, sizeof(*held), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (held == MAP_FAILED)
		return -1;
	if (pipe2(s->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
		return -1;
	fake.watch = s->pipe[0];
	s->loop = loop_new();
	s->config.services = 1;
	s->config.service[0] = (struct service){.name = "ssh",
	    .proto = 6,
	    .port = 22,
	    .hold_s = 60,
	    .max_hold_s = 3600,
	    .min_prefix_v4 = 32,
	    .min_prefix_v6 = 128,
	    .line = 1};
	s->config.udp_port = 1;
	s->other.udp_port = 2;
	s->law = (struct doors_law){.now = &s->config, .now_generation = 1};
	return guard_open(&s->guard, s->loop, &s->config, false);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	guard_close(&s->guard);
	loop_free(s->loop);
	close(s->pipe[0]);
	close(s->pipe[1]);
	free(s);
	return 0;
}

static struct msg_door_done ask(struct scene *s, enum message_type type, uint32_t service)
{
	struct msg_door m = {.head = {type, sizeof(m)},
	    .id = 42,
	    .generation = 1,
	    .service = service,
	    .prefix_len = 32,
	    .seconds = type == MSG_DOOR_OPEN || type == MSG_DOOR_SHORTEN ? 60 : 0,
	    .address = {[10] = 0xff, 0xff, 192, 0, 2, 1}};
	struct msg_door_done done = {.head = {MSG_DOOR_DONE, sizeof(done)}};

	guard_serve(&s->guard, &s->law, &m, &done);
	assert_int_equal(done.id, 42);
	return done;
}

static void test_answers(void **state)
{
	static const struct {
		enum firewall_status says;
		enum door_status want;
	} cases[] = {{FIREWALL_OK, DOOR_OK}, {FIREWALL_NOT_THERE, DOOR_NOT_THERE},
	    {FIREWALL_FULL, DOOR_FULL}, {FIREWALL_FAILED, DOOR_FAILED}};
	struct scene *s = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		fake.next = cases[i].says;
		fake.calls[0] = '\0';
		struct msg_door_done done = ask(s, MSG_DOOR_OPEN, 0);

		assert_int_equal(done.status, cases[i].want);
		assert_int_equal(done.seconds, cases[i].want == DOOR_OK ? 60 : 0);
		done = ask(s, MSG_DOOR_QUERY, 0);
		assert_int_equal(done.status, cases[i].want);
		assert_int_equal(done.seconds, cases[i].want == DOOR_OK ? REST_S : 0);
		done = ask(s, MSG_DOOR_SHORTEN, 0);
		assert_int_equal(done.status, cases[i].want);
		assert_int_equal(done.seconds, 0);
		done = ask(s, MSG_DOOR_CLOSE, 0);
		assert_int_equal(done.status, cases[i].want);
		assert_int_equal(done.seconds, 0);
		assert_string_equal(fake.calls, "open ssh 192.0.2.1;query ssh 192.0.2.1;"
						"shorten ssh 192.0.2.1;close ssh 192.0.2.1;");
	}
}

static void test_a_close_may_cut(void **state)
{
	struct scene *s = *state;
	struct msg_door m = {.head = {MSG_DOOR_CLOSE, sizeof(m)},
	    .id = 7,
	    .generation = 1,
	    .prefix_len = 32,
	    .cut = 1};
	struct msg_door_done done;
	struct address a;

	assert_int_equal(address_parse("192.0.2.1", &a), 0);
	memcpy(m.address, a.b, sizeof(m.address));
	guard_serve(&s->guard, &s->law, &m, &done);
	assert_int_equal(done.status, DOOR_OK);
	(void)ask(s, MSG_DOOR_OPEN, 0);
	assert_string_equal(
	    fake.calls, "close ssh 192.0.2.1;cut any 192.0.2.1;open ssh 192.0.2.1;");
}

/* Others are served meanwhile; who gets a door anew is served behind it. */
static void test_a_long_cut_holds_nobody_up(void **state)
{
	struct scene *s = *state;
	struct msg_door m = {.head = {MSG_DOOR_CLOSE, sizeof(m)},
	    .id = 7,
	    .generation = 1,
	    .prefix_len = 32,
	    .cut = 1,
	    .address = {[10] = 0xff, 0xff, 192, 0, 2, 9}};
	struct msg_door_done done;

	__atomic_store_n(held, 1, __ATOMIC_SEQ_CST);
	guard_serve(&s->guard, &s->law, &m, &done);
	assert_int_equal(done.status, DOOR_OK);
	(void)ask(s, MSG_DOOR_OPEN, 0);
	assert_string_equal(fake.calls, "close ssh 192.0.2.9;open ssh 192.0.2.1;");
	fake.calls[0] = '\0';
	__atomic_store_n(held, 0, __ATOMIC_SEQ_CST);
	m.head.type = MSG_DOOR_OPEN;
	m.cut = 0;
	m.seconds = 60;
	guard_serve(&s->guard, &s->law, &m, &done);
	assert_string_equal(fake.calls, "cut any 192.0.2.9;open ssh 192.0.2.9;");
}

static void test_more_cuts_than_forks_are_made_too(void **state)
{
	struct scene *s = *state;
	struct msg_door m = {.head = {MSG_DOOR_CLOSE, sizeof(m)},
	    .generation = 1,
	    .prefix_len = 32,
	    .cut = 1,
	    .address = {[10] = 0xff, 0xff, 192, 0, 2, 9}};
	struct msg_door_done done;

	__atomic_store_n(held, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < CUTTERS_MAX; i++)
		guard_serve(&s->guard, &s->law, &m, &done);
	__atomic_store_n(held, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < CUTTERS_MAX; i++)
		guard_serve(&s->guard, &s->law, &m, &done);
	guard_serve(&s->guard, &s->law, &m, &done);
	assert_int_equal(done.status, DOOR_OK);
}

static void test_a_refusal_never_reaches_the_firewall(void **state)
{
	static const enum message_type types[] = {
	    MSG_DOOR_OPEN, MSG_DOOR_CLOSE, MSG_DOOR_SHORTEN, MSG_DOOR_QUERY};
	struct scene *s = *state;

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		const struct msg_door_done done = ask(s, types[i], 1);

		assert_int_equal(done.status, DOOR_REFUSED);
		assert_int_equal(done.seconds, 0);
	}
	assert_string_equal(fake.calls, "");
}

static uint32_t ask_ban(struct guard *g, enum message_type type, const char *address)
{
	struct msg_ban m = {
	    .head = {type, sizeof(m)}, .id = 43, .seconds = type == MSG_BAN ? BAN_S : 0};
	struct msg_door_done done = {.head = {MSG_DOOR_DONE, sizeof(done)}};
	struct address a;

	assert_int_equal(address_parse(address, &a), 0);
	memcpy(m.address, a.b, sizeof(m.address));
	guard_ban(g, &m, &done);
	assert_int_equal(done.id, 43);
	assert_int_equal(done.seconds, type == MSG_BAN && done.status == DOOR_OK ? BAN_S : 0);
	return done.status;
}

/* Also that the kernel is asked for no end of a ban where there can be none. */
static void test_bans(void **state)
{
	struct scene *s = *state;
	struct guard *g = &s->guard;

	assert_int_equal(ask_ban(g, MSG_BAN, "192.0.2.1"), DOOR_REFUSED);
	s->other.ban_after = 1;
	s->other.ban_for_s = BAN_S;
	assert_int_equal(guard_set(g, &s->other), 0);
	assert_int_equal(ask_ban(g, MSG_UNBAN, "192.0.2.1"), DOOR_NOT_THERE);
	assert_int_equal(ask_ban(g, MSG_BAN, "127.0.0.1"), DOOR_REFUSED);
	assert_string_equal(fake.calls, "");
	assert_int_equal(ask_ban(g, MSG_UNBAN, "::"), DOOR_OK);
	fake.next = FIREWALL_FAILED;
	assert_int_equal(ask_ban(g, MSG_BAN, "192.0.2.1"), DOOR_FAILED);
	assert_int_equal(ask_ban(g, MSG_UNBAN, "192.0.2.1"), DOOR_NOT_THERE);
	fake.next = FIREWALL_OK;
	assert_int_equal(ask_ban(g, MSG_BAN, "192.0.2.1"), DOOR_OK);
	assert_int_equal(ask_ban(g, MSG_UNBAN, "192.0.2.1"), DOOR_OK);
	assert_string_equal(fake.calls, "unban all;ban 192.0.2.1;ban 192.0.2.1;unban 192.0.2.1;");
}

/* The kernel is slow to say so: it is not asked for each that wants a place. */
static void test_bans_without_room(void **state)
{
	struct scene *s = *state;
	struct guard *g = &s->guard;
	const uint64_t before_ms = clock_mono_ms();
	uint64_t *until_ms = &g->full_until_ms[true];

	s->other.ban_after = 1;
	s->other.ban_for_s = BAN_S;
	assert_int_equal(guard_set(g, &s->other), 0);
	fake.next = FIREWALL_FULL;
	assert_int_equal(ask_ban(g, MSG_BAN, "192.0.2.1"), DOOR_FULL);
	assert_in_range(*until_ms, before_ms + 1, clock_mono_ms() + PATIENCE_MS);
	fake.next = FIREWALL_OK;
	*until_ms = UINT64_MAX;
	assert_int_equal(ask_ban(g, MSG_BAN, "192.0.2.5"), DOOR_FULL);
	assert_int_equal(ask_ban(g, MSG_BAN, "2001:db8::1"), DOOR_OK);
	assert_int_equal(ask_ban(g, MSG_UNBAN, "2001:db8::1"), DOOR_OK);
	assert_int_equal(ask_ban(g, MSG_BAN, "192.0.2.3"), DOOR_OK);
	*until_ms = clock_mono_ms();
	assert_int_equal(ask_ban(g, MSG_BAN, "192.0.2.4"), DOOR_OK);
	assert_string_equal(fake.calls,
	    "ban 192.0.2.1;ban 2001:db8::1;unban 2001:db8::1;ban 192.0.2.3;ban 192.0.2.4;");
}

/* Bans outlive the daemon. */
static void test_bans_of_before(void **state)
{
	struct scene *s = *state;
	struct guard g;

	fake.ban_ms = PATIENCE_MS;
	assert_int_equal(pipe2(s->pipe2, O_NONBLOCK | O_CLOEXEC), 0);
	fake.watch = s->pipe2[0];
	assert_int_equal(guard_open(&g, s->loop, &s->config, false), 0);
	assert_int_equal(ask_ban(&g, MSG_UNBAN, "192.0.2.1"), DOOR_OK);
	assert_string_equal(fake.calls, "unban 192.0.2.1;");
	guard_close(&g);
	fake.watch = s->pipe[0];
	close(s->pipe2[0]);
	close(s->pipe2[1]);
}

/* --- doors that others put there or took away --- */

static struct firewall_pass pass_of(const char *from)
{
	struct firewall_pass p = {.once = false};

	assert_int_equal(prefix_parse(from, &p.from), 0);
	return p;
}

static void has_door(const char *from, uint64_t rest_ms)
{
	assert_true(fake.doors < DOORS);
	fake.door[fake.doors++] = (struct firewall_door){
	    .proto = 6, .port = 22, .pass = pass_of(from), .rest_ms = rest_ms};
}

static void mended(struct scene *s, const char *calls)
{
	fake.calls[0] = '\0';
	known_mend(&s->guard.known, &fake, &s->config);
	assert_string_equal(fake.calls, calls);
}

static void test_doors_of_others_are_closed(void **state)
{
	struct scene *s = *state;

	(void)ask(s, MSG_DOOR_OPEN, 0);
	has_door("192.0.2.1", 59000);
	has_door("192.0.2.7", 1000);
	has_door("192.0.2.8", FIREWALL_FOR_EVER);
	mended(s, "close ssh 192.0.2.7;close ssh 192.0.2.8;");
	fake.doors = 0;
	has_door("192.0.2.1", 600000);
	mended(s, "shorten ssh 192.0.2.1;");
	fake.doors = 0;
	has_door("192.0.2.1", FIREWALL_FOR_EVER);
	mended(s, "close ssh 192.0.2.1;");
}

/* Who may have it again, auth says; until then it is no door of ours. */
static void test_lost_doors_are_forgotten(void **state)
{
	struct scene *s = *state;

	(void)ask(s, MSG_DOOR_OPEN, 0);
	mended(s, "");
	has_door("192.0.2.1", 1000);
	mended(s, "close ssh 192.0.2.1;");
	(void)ask(s, MSG_DOOR_OPEN, 0);
	mended(s, "");
}

/* They were closed with it, and are not ours when it comes back. */
static void test_a_reload_forgets_doors_of_what_it_takes_away(void **state)
{
	struct scene *s = *state;
	struct config other = s->config;
	const struct firewall_pass pass = pass_of("192.0.2.5");

	has_door("192.0.2.5", 1000);
	memcpy(other.service[0].name, "shell", sizeof("shell"));
	known_opened(&s->guard.known, &s->config.service[0], &pass, 60);
	assert_int_equal(guard_set(&s->guard, &s->config), 0);
	mended(s, "");
	assert_int_equal(guard_set(&s->guard, &other), 0);
	assert_int_equal(guard_set(&s->guard, &s->config), 0);
	mended(s, "close ssh 192.0.2.5;");
	other = s->config;
	other.service[0].port = 2222;
	known_opened(&s->guard.known, &s->config.service[0], &pass, 60);
	assert_int_equal(guard_set(&s->guard, &other), 0);
	assert_int_equal(guard_set(&s->guard, &s->config), 0);
	mended(s, "close ssh 192.0.2.5;");
}

static void test_doors_of_before(void **state)
{
	struct scene *s = *state;
	struct known_doors *k = &s->guard.known;

	has_door("192.0.2.1", 60000);
	has_door("192.0.2.7", FIREWALL_FOR_EVER);
	known_take(k, &fake, &s->config);
	assert_string_equal(fake.calls, "close ssh 192.0.2.7;");
	fake.doors = 1;
	mended(s, "");
	s->config.service[0].max_hold_s = 60;
	has_door("192.0.2.8", 90000);
	fake.calls[0] = '\0';
	known_take(k, &fake, &s->config);
	assert_string_equal(fake.calls, "shorten ssh 192.0.2.8;");
}

static void each_turn(void *arg)
{
	struct scene *s = arg;

	if (fake.ensured >= s->wanted)
		loop_stop(s->loop);
}

static void too_late(void *arg)
{
	struct scene *s = arg;

	s->late = true;
	loop_stop(s->loop);
}

static void touch(struct scene *s)
{
	fake.changed = true;
	assert_int_equal(write(s->pipe[1], "x", 1), 1);
}

static void run_until_ensured(struct scene *s, unsigned times, uint64_t patience_ms)
{
	s->wanted = times;
	s->late = false;
	loop_each_turn(s->loop, each_turn, s);
	assert_int_equal(loop_timer(s->loop, patience_ms, too_late, s), 0);
	assert_int_equal(loop_run(s->loop), 0);
	loop_cancel(s->loop, too_late, s);
}

static void test_put_back(void **state)
{
	const uint64_t begin = clock_mono_ms();
	struct scene *s = *state;

	assert_int_equal(fake.ensured, 1); /* at the start */
	touch(s);
	run_until_ensured(s, 2, PATIENCE_MS);
	assert_int_equal(fake.ensured, 2);
	/* Who flushes twice, as a restart of nftables does, is answered at once. */
	for (unsigned i = 3; i <= 5; i++) {
		touch(s);
		run_until_ensured(s, i, PATIENCE_MS);
		assert_int_equal(fake.ensured, i);
	}
	assert_true(clock_mono_ms() - begin < 2500); /* once a second it would be three */
	for (unsigned i = 6; i <= 10; i++) {
		touch(s);
		run_until_ensured(s, i, PATIENCE_MS);
	}
	/* Who does it again and again is answered once a second, and not forgotten. */
	touch(s);
	run_until_ensured(s, 11, 200);
	assert_true(s->late);
	assert_int_equal(fake.ensured, 10);
	run_until_ensured(s, 11, PATIENCE_MS);
	assert_false(s->late);
	assert_int_equal(fake.ensured, 11);
}

static void note_mended(void *arg, bool lost)
{
	*(int *)arg = lost ? 1 : 0;
}

static void test_who_waits_for_doors_hears_of_it(void **state)
{
	struct scene *s = *state;
	int lost = -1;

	guard_on_mended(&s->guard, note_mended, &lost);
	fake.down_port = s->config.udp_port;
	touch(s);
	run_until_ensured(s, 2, PATIENCE_MS);
	assert_int_equal(lost, 1);
}

/* It would go under in the change, and is told as what was in force had it. */
static void test_a_change_mends_what_was_lost_before(void **state)
{
	struct scene *s = *state;
	int lost = -1;

	guard_on_mended(&s->guard, note_mended, &lost);
	fake.down_port = s->other.udp_port;
	assert_int_equal(guard_set(&s->guard, &s->other), 0);
	assert_int_equal(lost, -1); /* what is new was not guarded, of course */
	assert_int_equal(guard_set(&s->guard, &s->config), 0);
	assert_int_equal(lost, 1);
	fake.down_port = 0;
	fake.changed = true;
	assert_int_equal(guard_set(&s->guard, &s->other), 0);
	assert_int_equal(lost, 0);
	fake.bad_port = s->config.udp_port;
	fake.down_port = s->other.udp_port;
	assert_int_equal(guard_set(&s->guard, &s->config), -1);
	assert_int_equal(lost, 1);
}

/* Nobody has to reload for that; but a firewall that takes nothing is not asked all the time. */
static void test_a_lost_guard_is_tried_again(void **state)
{
	struct scene *s = *state;
	int lost = -1;

	guard_on_mended(&s->guard, note_mended, &lost);
	fake.broken = true;
	touch(s);
	run_until_ensured(s, 2, PATIENCE_MS);
	assert_true(guard_is_lost(&s->guard));
	assert_int_equal(lost, -1);
	fake.broken = false;
	run_until_ensured(s, 3, PATIENCE_MS);
	assert_false(s->late);
	assert_false(guard_is_lost(&s->guard));
	assert_int_equal(lost, 0);
	fake.broken = true;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(guard_set(&s->guard, &s->other), -1);
	assert_int_equal(s->guard.retry.next_ms, 60000);
	assert_true(guard_is_lost(&s->guard));
	fake.broken = false;
	lost = -1;
	assert_int_equal(guard_set(&s->guard, &s->other), 0);
	assert_int_equal(lost, 0); /* and that is told */
	assert_int_equal(s->guard.retry.next_ms, 0);
	assert_false(guard_is_lost(&s->guard));
}

/* What we change ourselves wakes us, and is no reason to do anything. */
static void test_our_own_changes(void **state)
{
	struct scene *s = *state;

	assert_int_equal(write(s->pipe[1], "x", 1), 1);
	run_until_ensured(s, 2, 100);
	assert_true(s->late);
	assert_int_equal(fake.ensured, 1);
}

static void test_another_configuration(void **state)
{
	struct scene *s = *state;

	assert_int_equal(guard_set(&s->guard, &s->other), 0);
	assert_int_equal(s->guard.config->udp_port, s->other.udp_port);
	fake.bad_port = s->config.udp_port;
	fake.ensured = 0;
	assert_int_equal(guard_set(&s->guard, &s->config), -1);
	assert_int_equal(s->guard.config->udp_port, s->other.udp_port);
	assert_int_equal(fake.ensured, 2); /* tried, and the other put back */
}

/* What captures need is no matter of the configuration, and outlives it. */
static void test_what_captures_need(void **state)
{
	struct scene *s = *state;

	s->config.needs = NEED_UDP;
	assert_int_equal(fake.needs, 0);
	assert_int_equal(guard_need(&s->guard, NEED_NFLOG_0), 0);
	assert_int_equal(fake.needs, NEED_NFLOG_0);
	assert_int_equal(fake.ensured, 2);
	assert_int_equal(guard_need(&s->guard, NEED_NFLOG_0), 0);
	assert_int_equal(fake.ensured, 2);
	assert_int_equal(guard_set(&s->guard, &s->other), 0);
	assert_int_equal(fake.needs, NEED_NFLOG_0);
	fake.bad_port = s->other.udp_port;
	assert_int_equal(guard_need(&s->guard, NEED_NFLOG_1), -1);
	fake.bad_port = 0;
	touch(s);
	run_until_ensured(s, fake.ensured + 1, PATIENCE_MS);
	assert_int_equal(fake.needs, NEED_NFLOG_0);
}

static void test_no_start_without_a_guard(void **state)
{
	struct scene *s = *state;
	struct guard g;

	assert_int_equal(guard_open(&g, s->loop, &s->config, true), -1);
	guard_close(&g);
	fake.bad_port = s->config.udp_port;
	assert_int_equal(guard_open(&g, s->loop, &s->config, false), -1);
	guard_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_refusal_never_reaches_the_firewall, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_close_may_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_long_cut_holds_nobody_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_more_cuts_than_forks_are_made_too, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bans, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bans_without_room, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bans_of_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_doors_of_others_are_closed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lost_doors_are_forgotten, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_reload_forgets_doors_of_what_it_takes_away, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_doors_of_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_who_waits_for_doors_hears_of_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_change_mends_what_was_lost_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_put_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_lost_guard_is_tried_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_our_own_changes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_another_configuration, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_captures_need, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_start_without_a_guard, setup, teardown),
	};

	log_start(LOG_TO_STDERR, LOG_LEVEL_ERROR, "test", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
