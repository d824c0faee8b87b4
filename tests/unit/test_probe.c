/* probe: when a door is tried, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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
		assert_int_equal(probe_step(&p, &to, 22, now), PROBE_NOTHING); /* not wanted */
		assert_true(p.due_ns == UINT64_MAX);
		probe_want(&p, now);
		for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++) {
			assert_int_equal(probe_step(&p, &to, 22, now), PROBE_NOTHING);
			assert_true(p.due_ns == now + want_ms[i] * ms);
			probe_want(&p, now); /* it is wanted already */
			assert_int_equal(probe_step(&p, &to, 22, p.due_ns - 1), PROBE_NOTHING);
			now = p.due_ns;
		}
		probe_end(&p);
		assert_int_equal(probe_fds(&p, NULL, 0), 0);
	}
}

/* A listening socket of loopback; it takes connections by itself. */
static int listen_at(struct target *to, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(sock >= 0);
	assert_int_equal(bind(sock, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(sock, 1), 0);
	assert_int_equal(getsockname(sock, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	*to = (struct target){.len = len};
	*(struct sockaddr_in *)&to->addr = a;
	return sock;
}

static void await(const struct probe *p)
{
	struct pollfd f;

	assert_int_equal(probe_fds(p, &f, 1), 1);
	assert_int_equal(poll(&f, 1, 5000), 1);
}

enum other_end { SILENT, GREETS, ENDS, RESETS };

/* What one connection comes to, that was taken after 30 ms: with the other end as it is, at once; or when it is due. */
static enum probe_result meets(enum other_end what)
{
	const struct linger at_once = {.l_onoff = 1};
	enum probe_result result;
	struct target to;
	struct probe p;
	uint16_t port;
	int server = listen_at(&to, &port), taken;

	probe_init(&p);
	probe_want(&p, ms);
	assert_int_equal(probe_step(&p, &to, port, ms), PROBE_NOTHING);
	await(&p);
	assert_int_equal(probe_step(&p, &to, port, 31 * ms), PROBE_NOTHING);
	taken = accept(server, NULL, NULL);
	assert_true(taken >= 0);
	if (what == GREETS)
		assert_int_equal(write(taken, "x", 1), 1);
	if (what == RESETS)
		assert_int_equal(
		    setsockopt(taken, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	if (what == ENDS || what == RESETS)
		(void)close(taken);
	if (what == SILENT)
		assert_int_equal(probe_step(&p, &to, port, 311 * ms - 1), PROBE_NOTHING);
	else
		await(&p);
	result = probe_step(&p, &to, port, what == SILENT ? 311 * ms : 32 * ms);
	assert_int_equal(probe_fds(&p, NULL, 0), 0);
	assert_true(p.due_ns == UINT64_MAX);
	if (what == SILENT || what == GREETS)
		(void)close(taken);
	(void)close(server);
	return result;
}

static void believes_what_stands_and_no_trap(void **state)
{
	(void)state;
	assert_int_equal(meets(SILENT), PROBE_THROUGH);
	assert_int_equal(meets(GREETS), PROBE_THROUGH);
	assert_int_equal(meets(ENDS), PROBE_THROUGH);
	assert_int_equal(meets(RESETS), PROBE_TRAPPED);
}

/* A guard that answers with a reset has no connection to it, and the door may open yet. */
static void tries_again_where_it_is_refused(void **state)
{
	struct target to;
	struct probe p;
	uint16_t port;

	(void)state;
	(void)close(listen_at(&to, &port));
	probe_init(&p);
	probe_want(&p, ms);
	assert_int_equal(probe_step(&p, &to, port, ms), PROBE_NOTHING);
	if (p.sock >= 0)
		await(&p);
	assert_int_equal(probe_step(&p, &to, port, 2 * ms), PROBE_NOTHING);
	assert_int_equal(probe_fds(&p, NULL, 0), 0);
	assert_true(p.due_ns != UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_longer_each_time),
	    cmocka_unit_test(believes_what_stands_and_no_trap),
	    cmocka_unit_test(tries_again_where_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
