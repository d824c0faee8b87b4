/* What the firewall logs to our group. */
#include "unit.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "config.h"
#include "layers.h"
#include "live.h"
#include "secret.h"

enum { TEST_S = 60, BATCH = 64 };

struct heard {
	unsigned frames;
	uint8_t id;
	uint32_t ifindex;
	uint64_t seen_ns;
	bool v4;
};

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
	return false;
}

static enum capture_status open_group(void **self, const char *source, size_t bytes)
{
	return capture_nflog.open(
	    self, &(struct capture_want){.source = source, .buffer_bytes = bytes});
}

static int add_rule(void **state)
{
	char command[256];

	(void)state;
	(void)snprintf(command, sizeof(command),
	    "ip link set lo up && nft 'add table inet t; add chain inet t c { type filter hook "
	    "prerouting priority raw; }; add rule inet t c udp dport %d log group %d "
	    "queue-threshold 1 drop'",
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

static void hears_both_families(void **state)
{
	struct capture_stats stats;
	struct heard h = {0};
	void *self;

	(void)state;
	assert_int_equal(open_group(&self, "any", 1 << 20), CAPTURE_UP);
	for (uint8_t id = 1; id <= 6; id++)
		say(id % 2 == 0, id);
	for (uint8_t id = 1; id <= 6; id++) { /* in batches of one */
		live_await(capture_nflog.fd(self));
		assert_int_equal(capture_nflog.read(self, 1, hear, &h), CAPTURE_UP);
		assert_int_equal(h.frames, id);
		assert_int_equal(h.id, id);
		assert_int_equal(h.v4, id % 2 != 0);
		assert_int_equal(h.ifindex, if_nametoindex("lo"));
		uint64_t now = clock_real_ns();
		assert_true(now - h.seen_ns < (uint64_t)LIVE_PATIENCE_MS * NS_PER_MS);
	}
	assert_int_equal(capture_nflog.read(self, BATCH, hear, &h), CAPTURE_UP);
	assert_int_equal(capture_nflog.tick(self), CAPTURE_UP);
	capture_nflog.stats(self, &stats);
	assert_int_equal(stats.seen, 6);
	assert_int_equal(stats.lost, 0);
	capture_nflog.close(self);
}

static void counts_what_it_lost(void **state)
{
	enum { FRAMES = 3000 };
	struct capture_stats stats;
	struct heard h = {0};
	unsigned before;
	void *self;

	(void)state;
	assert_int_equal(open_group(&self, "any", 1 << 16), CAPTURE_UP);
	for (unsigned i = 0; i < FRAMES; i++)
		say(false, 1);
	do {
		before = h.frames;
		assert_int_equal(capture_nflog.read(self, BATCH, hear, &h), CAPTURE_UP);
	} while (h.frames != before);
	say(false, 2); /* its number tells what is missing */
	live_await(capture_nflog.fd(self));
	assert_int_equal(capture_nflog.read(self, BATCH, hear, &h), CAPTURE_UP);
	assert_int_equal(h.id, 2);
	capture_nflog.stats(self, &stats);
	assert_int_equal(stats.seen, FRAMES + 1);
	assert_in_range(stats.lost, 1, FRAMES - 1);
	assert_int_equal(stats.seen - stats.lost, h.frames);
	capture_nflog.close(self);
}

static void tells_what_cannot_be(void **state)
{
	void *first, *second;

	(void)state;
	assert_int_equal(open_group(&first, "lo", 1 << 20), CAPTURE_REFUSED);
	assert_int_equal(open_group(&first, "any", 1 << 20), CAPTURE_UP);
	assert_int_equal(open_group(&second, "any", 1 << 20), CAPTURE_BROKEN);
	capture_nflog.close(first);
	assert_int_equal(open_group(&second, "any", 1 << 20), CAPTURE_UP);
	capture_nflog.close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hears_both_families),
	    cmocka_unit_test(counts_what_it_lost),
	    cmocka_unit_test(tells_what_cannot_be),
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	(void)alarm(TEST_S);
	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, add_rule, NULL);
}
