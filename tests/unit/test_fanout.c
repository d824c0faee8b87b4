/* Several processes that share an interface by afpacket: here, several sources in one. */
#include "unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "layers.h"
#include "live.h"

enum { WORKERS = 3, SENDERS = 60, GROUP = 77, BATCH = 64, TEST_S = 60 };

/* Who heard each sender, by its address's last byte, how often. */
struct worker {
	void *source;
	unsigned heard[256];
	unsigned all;
};

static bool hear(void *arg, const struct capture_frame *frame)
{
	struct worker *w = arg;
	struct packet p;
	uint32_t ifindex = 0;

	if (layers_parse(frame->bytes, frame->caplen, frame->link, &p, &ifindex) == LAYERS_OK) {
		w->heard[p.src.b[15]]++;
		w->all++;
	}
	return false;
}

static void open_worker(struct worker *w)
{
	struct capture_want want = {.source = LIVE_NEAR,
	    .filter = "udp or ip6",
	    .buffer_bytes = 1 << 20,
	    .workers = WORKERS,
	    .group = GROUP};

	*w = (struct worker){0};
	assert_int_equal(capture_afpacket.open(&w->source, &want), CAPTURE_UP);
}

static void send_from(int sender, struct shape shape, uint8_t from, uint16_t port)
{
	struct frame f;

	shape.port = port;
	frame_make(&f, &shape);
	f.bytes[f.ip + (shape.v6 ? 8 + 15 : 12 + 3)] = from;
	assert_int_equal(send(sender, f.bytes, f.len, 0), f.len);
}

static unsigned total(const struct worker *w, unsigned workers)
{
	unsigned all = 0;

	for (unsigned i = 0; i < workers; i++)
		all += w[i].all;
	return all;
}

/* All that was sent has come, once. */
static void read_all(struct worker *w, unsigned workers, unsigned expected)
{
	while (total(w, workers) < expected) {
		for (unsigned i = 0; i < workers; i++)
			assert_int_equal(
			    capture_afpacket.read(w[i].source, BATCH, hear, &w[i]), CAPTURE_UP);
	}
	assert_int_equal(total(w, workers), expected);
}

static const struct shape shapes[] = {
    {.link = LINK_ETHERNET},
    {.link = LINK_ETHERNET, .v6 = true},
    {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}},
    {.link = LINK_ETHERNET, .v6 = true, .tags = 1, .tag = {0x8100}},
    {.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}},
    {.link = LINK_ETHERNET, .v6 = true, .tags = 2, .tag = {0x88a8, 0x8100}},
    {.link = LINK_ETHERNET, .option_bytes = 12},
};

/* By address alone: its ports, its tags and its options change nothing. */
static void gives_each_sender_to_one(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct worker w[WORKERS];
		unsigned sent = 0;

		live_make_pair();
		int sender = live_sender(LIVE_FAR);
		for (unsigned i = 0; i < WORKERS; i++)
			open_worker(&w[i]);
		for (unsigned from = 1; from <= SENDERS; from++) {
			for (size_t i = 0; i < COUNT_OF(shapes); i++) {
				if (shapes[i].v6 != (v6 != 0))
					continue;
				send_from(sender, shapes[i], (uint8_t)from, (uint16_t)(1000 + i));
				send_from(sender, shapes[i], (uint8_t)from, (uint16_t)(2000 + i));
				sent += 2;
			}
		}
		read_all(w, WORKERS, sent);
		for (unsigned i = 0; i < WORKERS; i++) {
			/* Some third of them, give or take. */
			assert_in_range(w[i].all, sent / 8, sent * 5 / 8);
			for (unsigned from = 1; from <= SENDERS; from++)
				assert_true(
				    w[i].heard[from] == 0 || w[i].heard[from] == sent / SENDERS);
			capture_afpacket.close(w[i].source);
		}
		(void)close(sender);
	}
}

/* What one leaves the others take; and one that comes gets its share. */
static void goes_on_without_one(void **state)
{
	struct worker w[WORKERS];
	unsigned sent = 0;

	(void)state;
	live_make_pair();
	int sender = live_sender(LIVE_FAR);
	for (unsigned i = 0; i < WORKERS; i++)
		open_worker(&w[i]);
	capture_afpacket.close(w[0].source);
	for (unsigned from = 1; from <= SENDERS; from++, sent++)
		send_from(sender, shapes[0], (uint8_t)from, 1000);
	read_all(w + 1, WORKERS - 1, sent);
	open_worker(&w[0]);
	w[1].all = w[2].all = 0;
	for (unsigned from = 1; from <= SENDERS; from++)
		send_from(sender, shapes[0], (uint8_t)from, 1000);
	read_all(w, WORKERS, sent);
	assert_int_not_equal(w[0].all, 0);
	/* The interface goes down and comes back: still each frame once. */
	live_run("ip link set " LIVE_NEAR " down");
	live_up();
	for (unsigned i = 0; i < WORKERS; i++)
		w[i].all = 0;
	for (unsigned from = 1; from <= SENDERS; from++)
		send_from(sender, shapes[0], (uint8_t)from, 1000);
	read_all(w, WORKERS, sent);
	for (unsigned i = 0; i < WORKERS; i++)
		capture_afpacket.close(w[i].source);
	(void)close(sender);
}

/* One that stands still, with its ring full: the others hear what it has no room for. */
static void takes_over_from_one_that_is_stuck(void **state)
{
	enum { FLOOD = 20000 };
	static uint8_t junk[1000];
	struct worker w[2];
	struct shape shape = {.link = LINK_ETHERNET, .payload = junk, .payload_len = sizeof(junk)};
	unsigned stuck;

	(void)state;
	live_make_pair();
	int sender = live_sender(LIVE_FAR);
	open_worker(&w[0]);
	open_worker(&w[1]);
	send_from(sender, shapes[0], 1, 1000);
	read_all(w, 2, 1);
	stuck = w[0].all == 1 ? 0 : 1;
	for (unsigned i = 0; i < FLOOD; i++) {
		send_from(sender, shape, 1, 1000);
		if (i % BATCH == 0)
			assert_int_equal(
			    capture_afpacket.read(w[1 - stuck].source, FLOOD, hear, &w[1 - stuck]),
			    CAPTURE_UP);
	}
	assert_in_range(w[1 - stuck].heard[1], FLOOD / 2, FLOOD);
	capture_afpacket.close(w[0].source);
	capture_afpacket.close(w[1].source);
	(void)close(sender);
}

/* Alone, nobody shares anything: each hears all. */
static void alone_each_hears_all(void **state)
{
	struct capture_want want = {
	    .source = LIVE_NEAR, .filter = "udp", .buffer_bytes = 1 << 20, .group = GROUP};
	struct worker w[2] = {0};

	(void)state;
	live_make_pair();
	int sender = live_sender(LIVE_FAR);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(capture_afpacket.open(&w[i].source, &want), CAPTURE_UP);
	for (unsigned from = 1; from <= SENDERS; from++)
		send_from(sender, shapes[0], (uint8_t)from, 1000);
	read_all(w, 2, 2 * SENDERS);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(w[i].all, SENDERS);
		capture_afpacket.close(w[i].source);
	}
	(void)close(sender);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_each_sender_to_one),
	    cmocka_unit_test(goes_on_without_one),
	    cmocka_unit_test(takes_over_from_one_that_is_stuck),
	    cmocka_unit_test(alone_each_hears_all),
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	(void)alarm(TEST_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
