/* What the firewall queues for us, and the verdicts that somebody else gives. */
#include "unit.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "config.h"
#include "layers.h"
#include "live.h"
#include "secret.h"
#include "verdicts.h"

enum { TEST_S = 60, BATCH = 64, TURN_MS = 20, DEPTH = 1 << 18 };

struct heard {
	unsigned frames;
	uint8_t id;
	uint32_t ifindex;
	uint64_t seen_ns;
	bool v4;
};

/* Even ones are knocks. */
static bool hear(void *arg, const struct capture_frame *frame)
{
	struct heard *h = arg;
	struct packet p;
	uint32_t ifindex = frame->ifindex;

	assert_int_equal(
	    layers_parse(frame->bytes, frame->caplen, frame->link, &p, &ifindex), LAYERS_OK);
	assert_int_equal(p.payload_len, 1);
	assert_int_equal(frame->len, frame->caplen);
	*h = (struct heard){
	    h->frames + 1, p.payload[0], ifindex, frame->seen_ns, address_is_v4(&p.src)};
	return p.payload[0] % 2 == 0;
}

/* A capture, the monitor's part of it, and a service behind them. */
struct scene {
	struct loop *loop;
	struct verdicts verdicts;
	int to_monitor;
	void *self;
	int service;
	const char *why; /* it was condemned */
};

static void condemned(void *arg, const char *why)
{
	struct scene *s = arg;

	s->why = why;
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void turn(struct scene *s)
{
	assert_int_equal(loop_timer(s->loop, TURN_MS, stop_loop, s->loop), 0);
	assert_int_equal(loop_run(s->loop), 0);
}

static enum capture_status open_queue(struct scene *s, const char *source, size_t bytes)
{
	return capture_nfqueue.open(
	    &s->self, &(struct capture_want){
			  .source = source, .buffer_bytes = bytes, .verdicts = s->to_monitor});
}

static int serve(void)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(FRAME_PORT)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	return fd;
}

static int serve_nothing(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static void start_monitor(struct scene *s)
{
	int pair[2];

	*s = (struct scene){.loop = loop_new(), .service = -1};
	assert_int_equal(ipc_pair(pair, DEPTH), 0);
	s->to_monitor = pair[1];
	assert_int_equal(
	    verdicts_start(&s->verdicts, s->loop, pair[0], CONFIG_NFLOG_GROUP, condemned, s), 0);
}

static void start(struct scene *s, size_t bytes)
{
	start_monitor(s);
	s->service = serve();
	assert_int_equal(open_queue(s, "any", bytes), CAPTURE_UP);
	turn(s);
	assert_null(s->why);
}

static void finish(struct scene *s)
{
	if (s->self != NULL)
		capture_nfqueue.close(s->self);
	if (s->to_monitor >= 0)
		(void)close(s->to_monitor);
	verdicts_end(&s->verdicts);
	if (s->service >= 0)
		(void)close(s->service);
	loop_free(s->loop);
}

static int add_rules(void **state)
{
	char command[512];

	(void)state;
	(void)snprintf(command, sizeof(command),
	    "ip link set lo up && for tool in iptables ip6tables; do $tool -t raw -A PREROUTING "
	    "-p udp --dport %d -j NFQUEUE --queue-num %d --queue-bypass || exit 1; done",
	    FRAME_PORT, CONFIG_NFLOG_GROUP);
	live_run(command);
	return 0;
}

static void say(bool v6, uint8_t id)
{
	struct sockaddr_in to4 = {.sin_family = AF_INET,
	    .sin_port = htons(FRAME_PORT),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6,
	    .sin6_port = htons(FRAME_PORT),
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
	    sendto(fd, &id, 1, 0, v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4,
		v6 ? sizeof(to6) : sizeof(to4)),
	    1);
	(void)close(fd);
}

/* What came to the service: the next id, or -1. */
static int served(const struct scene *s)
{
	uint8_t id;

	return recv(s->service, &id, 1, 0) == 1 ? id : -1;
}

/* The same, of what is on its way: the kernel may bring it from another thread of its own. */
static int served_soon(const struct scene *s)
{
	live_await(s->service);
	return served(s);
}

/* Reads until so many frames in all were heard. */
static void hear_until(const struct scene *s, struct heard *h, unsigned frames, unsigned max)
{
	while (h->frames < frames) {
		live_await(capture_nfqueue.fd(s->self));
		assert_int_equal(capture_nfqueue.read(s->self, max, hear, h), CAPTURE_UP);
	}
	assert_int_equal(h->frames, frames);
}

static void knocks_stay_and_the_rest_goes_on(void **state)
{
	struct capture_stats stats;
	struct heard h = {0};
	struct scene s;

	(void)state;
	start(&s, 1 << 20);
	for (uint8_t id = 1; id <= 6; id++)
		say(id > 3, id);
	assert_int_equal(served(&s), -1); /* all wait */
	for (uint8_t id = 1; id <= 6; id++) {
		hear_until(&s, &h, id, 1);
		assert_int_equal(h.id, id);
		assert_int_equal(h.v4, id <= 3);
		assert_int_equal(h.ifindex, if_nametoindex("lo"));
		uint64_t now = clock_real_ns();
		assert_true(now - h.seen_ns < (uint64_t)LIVE_PATIENCE_MS * NS_PER_MS);
	}
	turn(&s);
	for (uint8_t id = 1; id <= 5; id += 2)
		assert_int_equal(served(&s), id);
	assert_int_equal(served(&s), -1);
	/* Many at once, and answers that the kernel was not asked for are none of ours. */
	for (unsigned i = 0; i < 2 * BATCH; i++)
		say(i % 3 == 0, i % 4 == 0 ? 2 : 3);
	hear_until(&s, &h, 6 + 2 * BATCH, 4 * BATCH);
	turn(&s);
	for (unsigned i = 0; i < 2 * BATCH - BATCH / 2; i++)
		assert_int_equal(served(&s), 3);
	assert_int_equal(served(&s), -1);
	assert_int_equal(capture_nfqueue.tick(s.self), CAPTURE_UP);
	capture_nfqueue.stats(s.self, &stats);
	assert_int_equal(stats.seen, 6 + 2 * BATCH);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(h.frames, stats.seen);
	assert_null(s.why);
	finish(&s);
}

/* Killed, it has read some and others not, and given no verdict. */
static void all_goes_on_when_it_dies(void **state)
{
	struct heard h = {0};
	struct scene s;

	(void)state;
	start(&s, 1 << 20);
	for (uint8_t id = 1; id <= 4; id++)
		say(false, id);
	hear_until(&s, &h, 1, 1);
	hear_until(&s, &h, 2, 1);
	assert_int_equal(served(&s), -1);
	capture_nfqueue.close(s.self);
	s.self = NULL;
	(void)close(s.to_monitor);
	s.to_monitor = -1;
	turn(&s);
	assert_int_equal(served(&s), 1); /* these two had their verdict on the way */
	assert_int_equal(served(&s), 3);
	assert_int_equal(served(&s), 4);
	say(true, 6); /* and from now on nothing waits */
	assert_int_equal(served_soon(&s), 6);
	assert_null(s.why);
	finish(&s);
}

static void a_full_queue_lets_packets_by_and_counts_them(void **state)
{
	enum { FRAMES = 3000 };
	struct capture_stats stats;
	struct heard h = {0};
	unsigned before, by = 0;
	struct scene s;

	(void)state;
	start(&s, 1 << 16);
	for (unsigned i = 0; i < FRAMES; i++) {
		say(false, 1);
		by += served(&s) >= 0; /* at once: nobody gave a verdict */
	}
	do {
		before = h.frames;
		assert_int_equal(capture_nfqueue.read(s.self, BATCH, hear, &h), CAPTURE_UP);
	} while (h.frames != before);
	say(false, 3); /* its number tells what is missing */
	hear_until(&s, &h, before + 1, BATCH);
	assert_int_equal(h.id, 3);
	while (served(&s) >= 0) /* no verdict was given yet: these went by, and late */
		by++;
	capture_nfqueue.stats(s.self, &stats);
	assert_int_equal(stats.seen, FRAMES + 1);
	assert_int_equal(stats.lost, by);
	assert_in_range(by, 1, FRAMES - 1);
	assert_int_equal(stats.seen - stats.lost, h.frames);
	turn(&s);
	finish(&s);
}

/* The monitor has no room for verdicts: later it hears of all of them. */
static void verdicts_wait_for_room(void **state)
{
	struct verdict_give filler = {.head = {VERDICT_GIVE, sizeof(filler)}, .accepts = 1};
	struct heard h = {0};
	struct scene s;

	(void)state;
	start(&s, 1 << 20);
	while (ipc_send(s.to_monitor, &filler, NULL, 0) == 0)
		continue;
	say(false, 1);
	say(false, 2);
	hear_until(&s, &h, 2, BATCH);
	turn(&s);
	turn(&s);
	assert_int_equal(served(&s), -1);
	assert_int_equal(capture_nfqueue.tick(s.self), CAPTURE_UP);
	turn(&s);
	assert_int_equal(served(&s), 1);
	assert_int_equal(served(&s), 2); /* which of them were knocks is forgotten */
	assert_null(s.why);
	finish(&s);
}

static void tells_what_cannot_be(void **state)
{
	struct scene s, other;

	(void)state;
	start(&s, 1 << 20);
	start_monitor(&other);
	assert_int_equal(open_queue(&other, "lo", 1 << 20), CAPTURE_REFUSED);
	assert_int_equal(open_queue(&other, "any", 1 << 20), CAPTURE_BROKEN);
	turn(&other);
	(void)close(other.to_monitor);
	other.to_monitor = 0;
	assert_int_equal(open_queue(&other, "any", 1 << 20), CAPTURE_REFUSED);
	other.to_monitor = -1;
	turn(&other);
	finish(&other);
	/* The other one's end left our queue alone. */
	say(false, 1);
	assert_int_equal(served(&s), -1);
	finish(&s);
	start(&s, 1 << 20);
	finish(&s);
}

/* Whatever a taken capture says that no other says ends it, and the monitor holds nothing of it. */
static void strange_words_condemn(void **state)
{
	const struct verdict_queue queue = {{VERDICT_QUEUE, sizeof(queue)}, CONFIG_NFLOG_GROUP, 0};
	const struct verdict_queue other = {{VERDICT_QUEUE, sizeof(other)}, 1, 0};
	const struct verdict_give good = {.head = {VERDICT_GIVE, sizeof(good)}, .accepts = 1};
	const struct verdict_give none = {.head = {VERDICT_GIVE, sizeof(none)}};
	const struct verdict_give many = {
	    .head = {VERDICT_GIVE, sizeof(many)}, .drops = VERDICT_DROPS_MAX + 1};
	const struct verdict_give twice = {.head = {VERDICT_GIVE, sizeof(twice)}, .accepts = 2};
	const struct ipc_head bare = {VERDICT_GIVE, sizeof(bare)}, unknown = {9, sizeof(unknown)};
	const struct {
		const void *message;
		bool opened; /* after the queue was told of */
		size_t fds;  /* 1: a socket that is no queue's comes along */
	} lies[] = {{&queue, false, 0}, {&queue, false, 1}, {&other, true, 0}, {&good, false, 0},
	    {&good, true, 1}, {&none, true, 0}, {&many, true, 0}, {&twice, true, 0},
	    {&bare, true, 0}, {&unknown, true, 0}, {&queue, true, 0}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		struct scene s;
		int fd = serve_nothing();

		start_monitor(&s);
		if (lies[i].opened)
			assert_int_equal(open_queue(&s, "any", 1 << 20), CAPTURE_UP);
		turn(&s);
		assert_null(s.why);
		assert_int_equal(ipc_send(s.to_monitor, lies[i].message, &fd, lies[i].fds), 0);
		turn(&s);
		assert_non_null(s.why);
		assert_int_equal(s.verdicts.peer, -1);
		assert_int_equal(s.verdicts.socket, -1);
		(void)close(fd);
		finish(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knocks_stay_and_the_rest_goes_on),
	    cmocka_unit_test(all_goes_on_when_it_dies),
	    cmocka_unit_test(a_full_queue_lets_packets_by_and_counts_them),
	    cmocka_unit_test(verdicts_wait_for_room),
	    cmocka_unit_test(tells_what_cannot_be),
	    cmocka_unit_test(strange_words_condemn),
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	(void)alarm(TEST_S);
	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, add_rules, NULL);
}
