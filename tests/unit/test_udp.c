/* What comes to the sockets at the knock port, with the heads that are made for it. */
#include "unit.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "layers.h"
#include "live.h"
#include "secret.h"

enum { TEST_S = 60, BATCH = 64, PORT = 4321, FLOOD = 3000, LONGEST = 2048 };

struct heard {
	unsigned frames, cut;
	size_t payload;
	uint8_t first;
	uint32_t ifindex;
	uint64_t seen_ns;
	struct packet packet;
};

static bool hear(void *arg, const struct capture_frame *frame)
{
	struct heard *h = arg;
	uint32_t ifindex = frame->ifindex;

	assert_int_equal(
	    layers_parse(frame->bytes, frame->caplen, frame->link, &h->packet, &ifindex),
	    LAYERS_OK);
	h->frames++;
	h->cut += frame->len > frame->caplen;
	h->payload = h->packet.payload_len;
	h->first = h->payload > 0 ? h->packet.payload[0] : 0;
	h->ifindex = ifindex;
	h->seen_ns = frame->seen_ns;
	return false;
}

static enum capture_status open_port(void **self, const char *source, size_t bytes)
{
	return capture_udp.open(self,
	    &(struct capture_want){.source = source, .udp_port = PORT, .buffer_bytes = bytes});
}

static int up(void **state)
{
	(void)state;
	live_run("ip link set lo up && ip address add 127.7.7.7 dev lo");
	return 0;
}

/* To a family's loopback address; returns the port that it came from. */
static uint16_t say(bool v6, const char *to, const uint8_t *bytes, size_t len)
{
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct sockaddr *sa = v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4;
	socklen_t size = v6 ? sizeof(to6) : sizeof(to4);
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
	    inet_pton(v6 ? AF_INET6 : AF_INET, to, v6 ? (void *)&to6.sin6_addr : &to4.sin_addr), 1);
	assert_int_equal(sendto(fd, bytes, len, 0, sa, size), len);
	assert_int_equal(getsockname(fd, sa, &size), 0);
	(void)close(fd);
	return ntohs(v6 ? to6.sin6_port : to4.sin_port);
}

/* What was sent before has arrived when this has: the kernel may bring it from another thread of its own. */
static void settle(void)
{
	struct sockaddr_in self = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(self);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&self, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&self, &size), 0);
	assert_int_equal(sendto(fd, "", 1, 0, (struct sockaddr *)&self, size), 1);
	live_await(fd);
	(void)close(fd);
}

static void take(void *self, unsigned max, struct heard *h)
{
	assert_int_equal(capture_udp.read(self, max, hear, h), CAPTURE_UP);
}

static struct address parsed(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static void tells_where_it_came_from_and_to(void **state)
{
	static const char *const to[] = {"127.7.7.7", "::1", "127.0.0.1"};
	struct capture_stats stats;
	struct heard h = {0};
	void *self;

	(void)state;
	assert_int_equal(open_port(&self, "any", 1 << 20), CAPTURE_UP);
	for (uint8_t i = 0; i < 3; i++) {
		const uint8_t bytes[3] = {i, 1, 2};
		uint16_t from = say(i == 1, to[i], bytes, i + 1U);

		live_await(capture_udp.fd(self));
		take(self, 1, &h);
		struct address dst = parsed(to[i]);
		assert_true(address_equal(&h.packet.dst, &dst));
		assert_int_equal(h.packet.sport, from);
		assert_int_equal(h.packet.dport, PORT);
		assert_int_equal(h.payload, i + 1);
		assert_int_equal(h.first, i);
		assert_int_equal(h.ifindex, if_nametoindex("lo"));
		uint64_t now = clock_real_ns();
		assert_true(now - h.seen_ns < (uint64_t)LIVE_PATIENCE_MS * NS_PER_MS);
	}
	take(self, BATCH, &h);
	assert_int_equal(h.frames, 3);
	assert_int_equal(h.cut, 0);
	capture_udp.stats(self, &stats);
	assert_int_equal(stats.seen, 3);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(capture_udp.tick(self), CAPTURE_UP);
	capture_udp.close(self);
}

static void tells_what_was_too_long(void **state)
{
	static const uint8_t bytes[LONGEST + 1];
	struct heard h = {0};
	void *self;

	(void)state;
	assert_int_equal(open_port(&self, "lo", 1 << 20), CAPTURE_UP);
	(void)say(false, "127.0.0.1", bytes, LONGEST);
	(void)say(true, "::1", bytes, LONGEST);
	settle();
	take(self, BATCH, &h);
	assert_int_equal(h.cut, 0);
	(void)say(false, "127.0.0.1", bytes, LONGEST + 1);
	(void)say(true, "::1", bytes, LONGEST + 1);
	(void)say(true, "::1", bytes, 0);
	settle();
	take(self, BATCH, &h);
	assert_int_equal(h.frames, 5);
	assert_int_equal(h.cut, 2);
	capture_udp.close(self);
}

static void counts_what_it_lost(void **state)
{
	struct capture_stats stats;
	struct heard h = {0};
	unsigned before;
	void *self;

	(void)state;
	assert_int_equal(open_port(&self, "any", 1 << 16), CAPTURE_UP);
	for (unsigned i = 0; i < FLOOD; i++)
		(void)say(false, "127.0.0.1", (const uint8_t[]){1}, 1);
	settle();
	do {
		before = h.frames;
		take(self, BATCH, &h);
	} while (h.frames != before);
	(void)say(false, "127.0.0.1", (const uint8_t[]){2}, 1); /* beside it comes the count */
	settle();
	take(self, BATCH, &h);
	assert_int_equal(h.first, 2);
	capture_udp.stats(self, &stats);
	assert_int_equal(stats.seen, FLOOD + 1);
	assert_int_equal(stats.seen - stats.lost, h.frames);
	assert_in_range(stats.lost, 1, FLOOD);
	capture_udp.close(self);
}

/* One after the other reads: what came before goes to the old one, all else to the new. */
static void hands_over_without_a_loss(void **state)
{
	struct heard old = {0}, new = {0};
	void *first, *second;

	(void)state;
	assert_int_equal(open_port(&first, "any", 1 << 20), CAPTURE_UP);
	for (unsigned i = 0; i < BATCH; i++)
		(void)say(i % 2 == 0, i % 2 == 0 ? "::1" : "127.0.0.1", (const uint8_t[]){1}, 1);
	settle();
	assert_int_equal(open_port(&second, "any", 1 << 20), CAPTURE_UP);
	capture_udp.stop(first);
	for (unsigned i = 0; i < BATCH; i++)
		(void)say(i % 2 == 0, i % 2 == 0 ? "::1" : "127.0.0.1", (const uint8_t[]){2}, 1);
	settle();
	take(first, 4 * BATCH, &old);
	take(second, 4 * BATCH, &new);
	assert_int_equal(old.frames, BATCH);
	assert_int_equal(old.first, 1);
	assert_int_equal(new.frames, BATCH);
	assert_int_equal(new.first, 2);
	capture_udp.close(first);
	capture_udp.close(second);
}

static void tells_what_cannot_be(void **state)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	void *self;

	(void)state;
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(open_port(&self, "any", 1 << 20), CAPTURE_BROKEN);
	(void)close(fd);
	assert_int_equal(open_port(&self, "none0", 1 << 20), CAPTURE_ABSENT);
}

static void notices_its_interface(void **state)
{
	void *self;

	(void)state;
	live_make_pair();
	live_up();
	assert_int_equal(open_port(&self, LIVE_NEAR, 1 << 20), CAPTURE_UP);
	assert_int_equal(capture_udp.tick(self), CAPTURE_UP);
	live_run("ip link set " LIVE_NEAR " down");
	assert_int_equal(capture_udp.tick(self), CAPTURE_DOWN);
	live_run("ip link del " LIVE_NEAR);
	assert_int_equal(capture_udp.tick(self), CAPTURE_GONE);
	capture_udp.close(self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_where_it_came_from_and_to),
	    cmocka_unit_test(tells_what_was_too_long),
	    cmocka_unit_test(counts_what_it_lost),
	    cmocka_unit_test(hands_over_without_a_loss),
	    cmocka_unit_test(tells_what_cannot_be),
	    cmocka_unit_test(notices_its_interface),
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	(void)alarm(TEST_S);
	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, up, NULL);
}
