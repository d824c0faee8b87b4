/* tcpdump as a way to capture: what it says, what it hands over, and that it ends when we do. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "layers.h"
#include "live.h"
#include "secret.h"
#include "tcpdump_said.h"

enum { TEST_S = 60, BATCH = 64, NOBODY = 65534, FLOOD = 500 };

static void say(struct tcpdump_said *s, const char *text)
{
	tcpdump_take(s, text, strlen(text));
}

static void hears_what_it_says(void **state)
{
	struct tcpdump_said s = {.len = 0};

	(void)state;
	say(&s, "tcpdump: listening on eth0, link-type EN10MB (Ethernet)\ntcpdump: 3 packets "
		"captured, 9 packets received by fil");
	assert_string_equal(s.last, "tcpdump: listening on eth0, link-type EN10MB (Ethernet)");
	assert_int_equal(s.dropped, 0);
	say(&s, "ter, 5 packets dropped by kernel\n\n");
	assert_int_equal(s.dropped, 5);
	say(&s, "1 packet dropped by kernel, 7 packets dropped by interface\n");
	assert_int_equal(s.dropped, 1);
	say(&s, "packets dropped by kernel\n"); /* without a number it is a line like others */
	assert_int_equal(s.dropped, 1);
	assert_string_equal(s.last, "packets dropped by kernel");
	say(&s, "a \"quoted\" \x1b[31mline\xff\n");
	assert_string_equal(s.last, "a 'quoted' ?[31mline?");
	for (unsigned i = 0; i < 2 * TCPDUMP_LINE_MAX; i++)
		say(&s, "x");
	say(&s, "\n");
	assert_int_equal(strlen(s.last), TCPDUMP_LINE_MAX - 1);
}

static enum capture_status open_on(void **self, const char *source, const char *filter)
{
	return capture_tcpdump.open(self, &(struct capture_want){.source = source,
					      .filter = filter,
					      .buffer_bytes = 16 << 20,
					      .uid = NOBODY,
					      .gid = NOBODY});
}

struct heard {
	unsigned frames;
	uint64_t seen_ns;
};

static bool hear(void *arg, const struct capture_frame *frame)
{
	struct heard *h = arg;
	struct packet p;
	uint32_t ifindex = 0;

	assert_int_equal(
	    layers_parse(frame->bytes, frame->caplen, frame->link, &p, &ifindex), LAYERS_OK);
	h->frames++;
	assert_int_equal(p.payload_len, 1);
	h->seen_ns = frame->seen_ns;
	return false;
}

static void read_until(void *self, struct heard *h, unsigned frames, unsigned max)
{
	while (h->frames < frames) {
		live_await(capture_tcpdump.fd(self));
		assert_int_equal(capture_tcpdump.read(self, max, hear, h), CAPTURE_UP);
	}
	assert_int_equal(h->frames, frames);
}

static void hands_frames_over(const char *source)
{
	const struct shape shape = {.link = LINK_ETHERNET, .payload = "x", .payload_len = 1};
	struct capture_stats stats;
	struct heard h = {0};
	int sender;
	void *self;

	live_make_pair();
	live_up();
	sender = live_sender(LIVE_FAR);
	assert_int_equal(open_on(&self, source, "udp port 62201"), CAPTURE_UP);
	live_send(sender, shape);
	read_until(self, &h, 1, BATCH);
	uint64_t now = clock_real_ns();
	assert_true(now - h.seen_ns < (uint64_t)LIVE_PATIENCE_MS * NS_PER_MS);
	for (unsigned i = 0; i < FLOOD; i++)
		live_send(sender, shape);
	read_until(self, &h, 1 + FLOOD, 7); /* in pieces: what is left over wakes us again */
	capture_tcpdump.stats(self, &stats);
	assert_int_equal(stats.seen, 1 + FLOOD);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(capture_tcpdump.tick(self), CAPTURE_UP);
	capture_tcpdump.close(self);
	(void)close(sender);
}

static void reads_an_interface(void **state)
{
	(void)state;
	hands_frames_over(LIVE_NEAR);
}

static void reads_all_interfaces(void **state)
{
	(void)state;
	hands_frames_over("any");
}

static void tells_what_cannot_be(void **state)
{
	void *self;

	(void)state;
	assert_int_equal(open_on(&self, "none0", "udp"), CAPTURE_ABSENT);
	assert_int_equal(open_on(&self, "lo", "no such filter"), CAPTURE_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hears_what_it_says),
	    cmocka_unit_test(reads_an_interface),
	    cmocka_unit_test(reads_all_interfaces),
	    cmocka_unit_test(tells_what_cannot_be),
	};

	if (!live_possible() || access("/usr/bin/tcpdump", X_OK) != 0) {
		(void)fprintf(stderr, "skipped: needs root, network namespaces and tcpdump\n");
		return 77; /* meson's word for it */
	}
	(void)alarm(TEST_S);
	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
