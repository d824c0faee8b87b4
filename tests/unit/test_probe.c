/* probe: when a door is tried, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "probe.h"

static const uint64_t ms = 1000000;

/* Nothing is sent to it: the kernel refuses to connect there. */
static struct target nowhere(void)
{
	struct target t = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *a = (struct sockaddr_in *)&t.addr;

	a->sin_family = AF_INET;
	a->sin_addr.s_addr = htonl(INADDR_BROADCAST);
	return t;
}

/* A way that takes longer than the first try waits must get its turn. */
static void waits_longer_each_time(void **state)
{
	static const uint64_t want_ms[] = {250, 500, 1000, 2000, 2000};
	const struct target to = nowhere();
	struct probe p;
	uint64_t now = 7 * ms;

	(void)state;
	for (int round = 0; round < 2; round++) {
		probe_init(&p);
		assert_false(probe_step(&p, &to, 22, now)); /* not wanted */
		assert_true(p.due_ns == UINT64_MAX);
		probe_want(&p, now);
		for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++) {
			assert_false(probe_step(&p, &to, 22, now));
			assert_true(p.due_ns == now + want_ms[i] * ms);
			probe_want(&p, now); /* it is wanted already */
			assert_false(probe_step(&p, &to, 22, p.due_ns - 1));
			now = p.due_ns;
		}
		probe_end(&p);
		assert_int_equal(probe_fds(&p, NULL, 0), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_longer_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
