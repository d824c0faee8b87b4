/* links - what the kernel tells of interfaces, on the kernel itself: in a network namespace of our own. Needs root. */
#include "unit.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "links.h"

enum { PATIENCE_MS = 10000, HEARD_MAX = 1024 };

struct scene {
	struct loop *loop;
	struct links links;
	const char *want;
	bool late;
	char heard[HEARD_MAX];
};

static void on_link(void *arg, const char *interface, bool up)
{
	struct scene *s = arg;
	const size_t len = strlen(s->heard);

	if (len < sizeof(s->heard) / 2)
		(void)snprintf(s->heard + len, sizeof(s->heard) - len, "%s:%s ",
		    interface ? interface : "any", up ? "up" : "down");
	if (strstr(s->heard, s->want))
		loop_stop(s->loop);
}

static void too_late(void *arg)
{
	struct scene *s = arg;

	s->late = true;
	loop_stop(s->loop);
}

static void hear(struct scene *s, const char *command, const char *want)
{
	s->heard[0] = '\0';
	s->want = want;
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a constant, in a test
	assert_int_equal(loop_timer(s->loop, PATIENCE_MS, too_late, s), 0);
	assert_int_equal(loop_run(s->loop), 0);
	loop_cancel(s->loop, too_late, s);
	if (s->late)
		fail_msg("not %s after \"%s\", but: %s", want, command, s->heard);
}

static void test_come_and_go(void **state)
{
	struct scene s = {.loop = loop_new()};

	(void)state;
	assert_int_equal(links_open(&s.links, s.loop, on_link, &s), 0);
	hear(&s, "ip link add one type veth peer name two", "one:down ");
	hear(&s, "ip link set one up", "one:up ");
	hear(&s, "ip link set one down", "one:down ");
	hear(&s, "ip link set two up", "two:up ");
	hear(&s, "ip link set two name three", "three:up ");
	hear(&s, "ip link del one", "three:down ");
	links_close(&s.links);
	links_close(&s.links); /* twice is fine */
	loop_free(s.loop);
}

/* More than its socket holds: then any may have changed. */
static void test_lost_messages(void **state)
{
	struct scene s = {.loop = loop_new()};

	(void)state;
	assert_int_equal(links_open(&s.links, s.loop, on_link, &s), 0);
	hear(&s,
	    "ip link add one type veth peer name two && i=0 && "
	    "while [ $i -lt 400 ]; do echo link set one up; echo link set one down; "
	    "i=$((i + 1)); done | ip -batch -",
	    "any:up ");
	links_close(&s.links);
	loop_free(s.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_come_and_go),
	    cmocka_unit_test(test_lost_messages),
	};

	if (geteuid() != 0) {
		print_message("skipped: only root makes a network namespace\n");
		return 77; /* what meson counts as skipped */
	}
	if (unshare(CLONE_NEWNET) != 0) {
		print_message("skipped: no network namespace is to be had here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
