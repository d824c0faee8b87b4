/* gather: what the client's plan sends, as the server's capture sees it, with a world in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "gather.h"
#include "secret.h"
#include "sequence_plan.h"

enum { TCP = 6, UDP = 17, SYN = 2, LEN = 1200, SPORT = 40000 };

static const uint64_t second = 1000000000;
static const uint64_t noon = UINT64_C(1700000000000000000);

struct world {
	struct gather *gather;
	struct door_keys door[DOOR_KEYS_MAX];
	struct sequence_settings settings;
	struct plan *plan;
	uint8_t message[LEN];
	uint64_t now_ns;
	unsigned count[CAPTURE_COUNTERS];
	struct carrier_ports ports; /* that the server hears */
	uint64_t along;		    /* of the last whole */
	unsigned wholes;
	uint16_t first_port; /* of the last whole's route */
	struct address client;
};

static struct carrier_sequence list_of_ports(uint8_t pieces)
{
	return (struct carrier_sequence){.pieces = pieces,
	    .covers = SEQUENCE_COVER_NONE,
	    .ports = 7,
	    .port = {7001, 22222, 9, 65535, 1, 4242, 33333}};
}

static struct carrier_sequence rolling_ports(uint8_t pieces)
{
	return (struct carrier_sequence){
	    .pieces = pieces, .covers = SEQUENCE_COVER_NONE, .ports = 8, .lo = 20000, .hi = 29999};
}

static void tell_keys(struct world *w, unsigned count)
{
	struct msg_keys m = {.count = count};

	for (unsigned i = 0; i < count; i++) {
		memcpy(m.key[i].tag, w->door[i].sequence_tag, sizeof(m.key[i].tag));
		memcpy(m.key[i].mask, w->door[i].sequence_mask, sizeof(m.key[i].mask));
		memcpy(m.key[i].picture, w->door[i].picture, sizeof(m.key[i].picture));
		memcpy(m.key[i].ports, w->door[i].ports, sizeof(m.key[i].ports));
	}
	gather_keys(w->gather, &m);
}

static void begin(struct world *w, struct carrier_sequence ports)
{
	w->settings.ports = ports;
	w->ports = (struct carrier_ports){.sequences = 1, .sequence = {ports}};
	gather_listen(w->gather, &w->ports);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || secret_init() != 0)
		return -1;
	w->gather = gather_new();
	w->plan = malloc(sizeof(*w->plan));
	w->now_ns = noon;
	w->client = address_v4((const uint8_t[]){192, 0, 2, 7});
	for (unsigned i = 0; i < DOOR_KEYS_MAX; i++) {
		uint8_t key[KEY_BYTES] = {(uint8_t)(i + 1)};
		door_keys_derive(&w->door[i], key);
	}
	begin(w, list_of_ports(SEQUENCE_UDP));
	tell_keys(w, 2);
	secret_random(w->message, sizeof(w->message));
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	gather_free(w->gather);
	free(w->plan);
	free(w);
	return 0;
}

static void make_plan(struct world *w, unsigned key, uint64_t client_ns, size_t len)
{
	struct sender_message m = {.bytes = w->message,
	    .len = len,
	    .first = true,
	    .door = &w->door[key],
	    .server_ns = client_ns};

	secret_random(&m.set_id, sizeof(m.set_id));
	assert_int_equal(plan_make(w->plan, &w->settings, &m), 0);
}

static struct packet packet_of(const struct world *w, const struct plan_packet *p)
{
	bool is_udp = w->settings.ports.pieces == SEQUENCE_UDP;

	return (struct packet){.src = w->client,
	    .dst = address_v4((const uint8_t[]){192, 0, 2, 1}),
	    .proto = is_udp ? UDP : TCP,
	    .sport = SPORT,
	    .dport = p->port,
	    .tcp_flags = is_udp ? 0 : SYN,
	    .tcp_seq = p->tcp_seq,
	    .tcp_tsval = p->tcp_tsval,
	    .payload = w->plan->bytes + p->at,
	    .payload_len = p->len};
}

/* As sift.c has it. */
static enum capture_counter arrive(struct world *w, const struct packet *p)
{
	uint8_t veil[VEIL_ROOM];
	struct route r;
	const uint8_t *bytes;
	size_t len;
	enum capture_counter what = CAPTURE_NOT_OURS;

	if (carrier_sequence.recognise(&w->ports, p, &r, &bytes, &len) &&
	    gather_hears(w->gather, p, w->now_ns) != 0)
		what = gather_take(w->gather, p, w->now_ns, &r, veil, &len);
	w->count[what]++;
	if (what == CAPTURE_MATCHED) {
		assert_memory_equal(veil, w->message, len);
		w->wholes++;
		w->first_port = r.server_port;
		w->along = r.along;
		assert_int_equal(r.request_len, len);
		assert_int_equal(r.client_port, SPORT);
	}
	return what;
}

static void send_all(struct world *w)
{
	for (unsigned i = 0; i < w->plan->packets; i++) {
		struct packet p = packet_of(w, &w->plan->packet[i]);
		(void)arrive(w, &p);
	}
}

static void every_kind_comes_through(void **state)
{
	struct world *w = *state;
	static const uint8_t kind[] = {SEQUENCE_UDP, SEQUENCE_TCP, SEQUENCE_CLEAN};

	for (unsigned i = 0; i < 6; i++) {
		begin(w, i < 3 ? list_of_ports(kind[i]) : rolling_ports(kind[i - 3]));
		for (unsigned n = 0; n < 200; n++) {
			w->settings.dummies_min = 0;
			w->settings.dummies_max = 20;
			make_plan(w, n % 2, w->now_ns, 384 + n * 4);
			unsigned before = w->wholes;
			send_all(w);
			assert_int_equal(w->wholes, before + 1);
		}
	}
	assert_true(w->count[CAPTURE_PIECE_TAG] > 1000); /* the dummies */
	assert_int_equal(w->count[CAPTURE_NOT_OURS], 0);
	assert_int_equal(gather_lost(w->gather), 0);
}

/* One step either side: of the tags 60 s, of the ports, which last longer, 600 s. */
static void clocks_may_be_off_by_a_step(void **state)
{
	struct world *w = *state;
	static const int off_s[] = {-125, -65, -55, -1, 0, 1, 55, 65, 125};

	for (unsigned rolls = 0; rolls < 2; rolls++) {
		begin(w, rolls ? rolling_ports(SEQUENCE_UDP) : list_of_ports(SEQUENCE_UDP));
		for (unsigned s = 0; s < 1300; s += 7) {
			for (unsigned i = 0; i < sizeof(off_s) / sizeof(off_s[0]); i++) {
				w->now_ns = noon + s * second;
				uint64_t client = w->now_ns + (uint64_t)off_s[i] * second;
				int64_t apart = (int64_t)(client / second / 60) -
						(int64_t)(w->now_ns / second / 60);
				unsigned before = w->wholes;
				make_plan(w, 0, client, 400);
				send_all(w);
				assert_int_equal(
				    w->wholes - before, apart >= -1 && apart <= 1 ? 1 : 0);
			}
		}
	}
}

/* Somebody who sees each packet adds a hundred of his own to each, from the same source. */
static void inject(struct world *w, unsigned sent)
{
	static const uint8_t zeros[64];
	unsigned i = secret_random_below(sent);
	struct packet p = packet_of(w, &w->plan->packet[i]);
	uint8_t bytes[SEQUENCE_HEAD_BYTES + SEQUENCE_SLICE_MAX];

	memcpy(bytes, p.payload, p.payload_len);
	p.payload = bytes;
	switch (secret_random_below(6)) {
	case 0: /* junk of the same length */
		secret_random(bytes, p.payload_len);
		break;
	case 1: /* the same set and index, another slice: all but the end is copied */
		bytes[p.payload_len - 1] ^= 1;
		break;
	case 2: /* another index */
		bytes[p.payload_len > 66 ? 0 : 16] ^= (uint8_t)(1 + secret_random_below(255));
		p.tcp_tsval ^= 1U << 6;
		break;
	case 3: /* a copy, to another port of the sequence */
		p.dport = w->plan->packet[secret_random_below(w->plan->packets)].port;
		break;
	case 4: /* cut short */
		p.payload_len = 1 + secret_random_below((uint32_t)p.payload_len);
		break;
	case 5:
		p.payload = zeros;
		p.payload_len = sizeof(zeros);
		break;
	}
	assert_int_not_equal(arrive(w, &p), CAPTURE_MATCHED);
}

static void forgeries_at_a_hundred_times_the_rate(void **state)
{
	struct world *w = *state;
	static const uint8_t kind[] = {SEQUENCE_UDP, SEQUENCE_TCP, SEQUENCE_CLEAN};
	struct timespec from, to;

	for (unsigned k = 0; k < 3; k++) {
		begin(w, list_of_ports(kind[k]));
		for (unsigned n = 0; n < 20; n++) {
			unsigned before = w->wholes;
			make_plan(w, 0, w->now_ns, LEN);
			clock_gettime(CLOCK_MONOTONIC, &from);
			for (unsigned i = 0; i < w->plan->packets; i++) {
				struct packet p = packet_of(w, &w->plan->packet[i]);
				(void)arrive(w, &p);
				for (unsigned f = 0; f < 100 && i + 1 < w->plan->packets; f++)
					inject(w, i + 1);
			}
			clock_gettime(CLOCK_MONOTONIC, &to);
			assert_int_equal(w->wholes, before + 1);
		}
		print_message("kind %u: %.2f us a packet\n", kind[k],
		    ((double)(to.tv_sec - from.tv_sec) * 1e6 +
			(double)(to.tv_nsec - from.tv_nsec) / 1e3) /
			(101.0 * w->plan->packets));
	}
}

static void a_scan_changes_nothing(void **state)
{
	struct world *w = *state;
	static const uint8_t little[] = "GET / HTTP/1.0\r\n\r\n";

	make_plan(w, 0, w->now_ns, LEN);
	for (unsigned i = 0; i < w->plan->packets; i++) {
		struct packet p = packet_of(w, &w->plan->packet[i]);
		(void)arrive(w, &p);
		if (i != w->plan->packets / 2)
			continue;
		for (unsigned port = 1; port <= UINT16_MAX; port++) {
			p.dport = (uint16_t)port;
			p.payload = little;
			p.payload_len = port % 2 ? 0 : sizeof(little);
			(void)arrive(w, &p);
		}
	}
	assert_int_equal(w->wholes, 1);
}

static void two_behind_one_address(void **state)
{
	struct world *w = *state;
	struct plan *one = w->plan, *two = malloc(sizeof(*two));

	assert_non_null(two);
	for (unsigned kind = 0; kind < 2; kind++) {
		begin(w, list_of_ports(kind ? SEQUENCE_CLEAN : SEQUENCE_UDP));
		make_plan(w, 0, w->now_ns, LEN);
		w->plan = two;
		make_plan(w, 0, w->now_ns, LEN);
		for (unsigned i = 0; i < one->packets; i++) {
			for (unsigned n = 0; n < 2; n++) {
				w->plan = n ? two : one;
				struct packet p = packet_of(w, &w->plan->packet[i]);
				(void)arrive(w, &p);
			}
		}
		w->plan = one;
		assert_int_equal(w->wholes, 2 * (kind + 1));
	}
	free(two);
}

/* Both the replays and the copies that arrive late. */
static void a_finished_set_is_silent(void **state)
{
	struct world *w = *state;

	make_plan(w, 0, w->now_ns, LEN);
	for (unsigned round = 0; round < 100; round++) {
		send_all(w);
		w->now_ns = noon + round * second;
	}
	assert_int_equal(w->wholes, 1);
	assert_int_equal(w->count[CAPTURE_PIECE], w->plan->packets - 1);
	assert_true(w->count[CAPTURE_SET_OLD] > 50 * w->plan->packets);
	w->now_ns = noon + 3600 * second; /* no tag holds any more */
	unsigned before = w->count[CAPTURE_PIECE_TAG];
	send_all(w);
	assert_int_equal(w->count[CAPTURE_PIECE_TAG], before + w->plan->packets);
}

/* Of each packet one in five is lost: four rounds are nearly always enough. */
static void a_fifth_is_lost(void **state)
{
	struct world *w = *state;
	unsigned through = 0;

	for (unsigned n = 0; n < 1000; n++) {
		unsigned before = w->wholes;
		make_plan(w, 0, w->now_ns, LEN);
		for (unsigned round = 0; round < PLAN_ROUNDS; round++) {
			for (unsigned i = 0; i < w->plan->packets; i++) {
				struct packet p = packet_of(w, &w->plan->packet[i]);
				if (secret_random_below(5) > 0)
					(void)arrive(w, &p);
			}
			w->now_ns += second;
		}
		through += w->wholes - before;
	}
	/* 1 - (1 - 0.2^4)^25 is 4 %. */
	assert_in_range(through, 920, 990);
}

static void the_answer_goes_to_the_first(void **state)
{
	struct world *w = *state;

	for (unsigned n = 0; n < 50; n++) {
		make_plan(w, 0, w->now_ns, LEN);
		send_all(w);
		assert_int_equal(w->first_port, w->plan->packet[0].port);
	}
}

static void new_keys_forget_what_was(void **state)
{
	struct world *w = *state;

	make_plan(w, 1, w->now_ns, LEN);
	struct packet p = packet_of(w, &w->plan->packet[0]);
	assert_int_equal(arrive(w, &p), CAPTURE_PIECE);
	tell_keys(w, 1);
	assert_int_equal(arrive(w, &p), CAPTURE_PIECE_TAG);
	make_plan(w, 0, w->now_ns, LEN);
	send_all(w);
	assert_int_equal(w->wholes, 1);
	gather_forget(w->gather);
	make_plan(w, 0, w->now_ns, LEN);
	send_all(w);
	assert_int_equal(w->wholes, 1);
}

/* A cover that is not in use is not looked under, and a picture that is none has no veil. */
static void covers_as_configured(void **state)
{
	struct world *w = *state;
	struct carrier_sequence s = list_of_ports(SEQUENCE_UDP);

	s.covers = SEQUENCE_COVER_PNG;
	begin(w, s);
	make_plan(w, 0, w->now_ns, LEN);
	send_all(w);
	assert_int_equal(w->count[CAPTURE_COVER], 1);
	memcpy(w->message, "\x89PNG\r\n\x1a\n", 8);
	make_plan(w, 0, w->now_ns, LEN);
	send_all(w);
	assert_int_equal(w->count[CAPTURE_COVER], 2);
	s.covers = SEQUENCE_COVER_NONE;
	begin(w, s);
	make_plan(w, 0, w->now_ns, LEN);
	send_all(w);
	assert_int_equal(w->count[CAPTURE_COVER], 3);
	assert_int_equal(w->wholes, 0);
}

/* ---- several sequences ---- */

enum { ALPHA = 1, BETA = 63, GAMMA = 20 };

static struct carrier_sequence named(uint8_t id, uint8_t pieces)
{
	struct carrier_sequence s = rolling_ports(pieces);

	if (id == ALPHA)
		s = (struct carrier_sequence){.pieces = pieces,
		    .covers = SEQUENCE_COVER_NONE,
		    .ports = 5,
		    .port = {8001, 8002, 8003, 8004, 8005}};
	s.id = id;
	return s;
}

/* A list without a name, another list, and two that roll in the same range. */
static void begin_several(struct world *w, uint8_t pieces)
{
	w->ports = (struct carrier_ports){.sequences = 4,
	    .sequence = {list_of_ports(pieces), named(ALPHA, pieces), named(BETA, pieces),
		named(GAMMA, pieces)}};
	gather_listen(w->gather, &w->ports);
}

static void each_knock_is_along_its_own(void **state)
{
	struct world *w = *state;
	static const uint8_t kind[] = {SEQUENCE_UDP, SEQUENCE_TCP, SEQUENCE_CLEAN};

	for (unsigned k = 0; k < 3; k++) {
		begin_several(w, kind[k]);
		for (unsigned n = 0; n < 400; n++) {
			const struct carrier_sequence *s = &w->ports.sequence[n % 4];
			w->settings.ports = *s;
			w->settings.dummies_max = 10;
			w->now_ns += 10 * second;
			make_plan(w, n % 2, w->now_ns, LEN);
			unsigned before = w->wholes;
			send_all(w);
			assert_int_equal(w->wholes, before + 1);
			/* In one range ports are the same now and then; at all places they are not. */
			assert_true((w->along >> s->id & 1) != 0);
			assert_true(kind[k] == SEQUENCE_CLEAN || w->along == UINT64_C(1) << s->id);
		}
	}
	assert_int_equal(gather_lost(w->gather), 0);
}

/* Pieces of one set at the ports of two sequences are no knock, whichever comes first. */
static void no_set_goes_along_two(void **state)
{
	struct world *w = *state;
	struct plan_packet other[PLAN_PACKETS_MAX];

	for (unsigned n = 0; n < 200; n++) {
		begin_several(w, SEQUENCE_UDP);
		w->settings.ports = w->ports.sequence[1];
		make_plan(w, 0, w->now_ns, LEN);
		for (unsigned i = 0; i < w->plan->packets; i++) {
			other[i] = w->plan->packet[i];
			for (unsigned at = 0; at < 5; at++) {
				if (other[i].port == w->ports.sequence[1].port[at])
					other[i].port = (uint16_t)(9000 + at);
			}
		}
		w->ports.sequence[2] = named(ALPHA, SEQUENCE_UDP);
		w->ports.sequence[2].id = BETA;
		for (unsigned at = 0; at < 5; at++)
			w->ports.sequence[2].port[at] = (uint16_t)(9000 + at);
		gather_listen(w->gather, &w->ports);
		const unsigned odd = secret_random_below(w->plan->packets);
		for (unsigned i = 0; i < w->plan->packets; i++) {
			struct packet p = packet_of(w, i == odd ? &other[i] : &w->plan->packet[i]);
			assert_int_equal(arrive(w, &p), CAPTURE_PIECE);
		}
		/* The missing one completes it, along its own. */
		struct packet p = packet_of(w, &w->plan->packet[odd]);
		assert_int_equal(arrive(w, &p), CAPTURE_MATCHED);
		assert_true(w->along == 1U << ALPHA);
	}
}

/* Whoever copies all pieces to the ports of another sequence, and is faster, does not spoil them. */
static void copies_along_another_spoil_nothing(void **state)
{
	struct world *w = *state;

	begin_several(w, SEQUENCE_UDP);
	w->ports.sequence[2] = named(ALPHA, SEQUENCE_UDP);
	w->ports.sequence[2].id = BETA;
	for (unsigned at = 0; at < 5; at++)
		w->ports.sequence[2].port[at] = (uint16_t)(9001 + at);
	gather_listen(w->gather, &w->ports);
	w->settings.ports = w->ports.sequence[1];
	make_plan(w, 0, w->now_ns, LEN);
	for (unsigned i = 0; i < w->plan->packets; i++) {
		struct packet p = packet_of(w, &w->plan->packet[i]);
		p.dport = (uint16_t)(p.dport + 1000);
		(void)arrive(w, &p);
	}
	assert_int_equal(w->wholes, 1);
	assert_true(w->along == UINT64_C(1) << BETA);
	send_all(w);
	assert_int_equal(w->wholes, 2);
	assert_true(w->along == 1U << ALPHA);
	send_all(w);
	assert_int_equal(w->wholes, 2);
}

/* What one of them hears another need not. */
static void each_hears_its_own_kinds(void **state)
{
	struct world *w = *state;

	begin_several(w, SEQUENCE_UDP);
	w->ports.sequence[1].pieces = SEQUENCE_TCP;
	w->ports.sequence[2].pieces = SEQUENCE_CLEAN;
	gather_listen(w->gather, &w->ports);
	for (unsigned i = 0; i < 4; i++) {
		w->settings.ports = w->ports.sequence[i];
		for (unsigned kind = SEQUENCE_UDP; kind <= SEQUENCE_CLEAN; kind <<= 1) {
			unsigned before = w->wholes;
			w->settings.ports.pieces = (uint8_t)kind;
			make_plan(w, 0, w->now_ns, LEN);
			send_all(w);
			assert_int_equal(
			    w->wholes - before, kind == w->ports.sequence[i].pieces ? 1 : 0);
		}
	}
}

static void a_round_is_bounded(void **state)
{
	struct world *w = *state;

	w->settings.dummies_min = w->settings.dummies_max = PLAN_DUMMIES_MAX;
	w->settings.gap_ms = PLAN_GAP_MAX_MS;
	make_plan(w, 0, w->now_ns, LEN);
	assert_int_equal(w->plan->packets, 25 + PLAN_DUMMIES_MAX);
	assert_true(w->plan->packets * w->plan->gap_ns <= 5 * second);
	assert_true(plan_lasts_ns(&w->settings) <= 5 * second);
	w->settings.gap_ms = 0;
	assert_true(plan_lasts_ns(&w->settings) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_kind_comes_through, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(clocks_may_be_off_by_a_step, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		forgeries_at_a_hundred_times_the_rate, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_scan_changes_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(two_behind_one_address, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_finished_set_is_silent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_fifth_is_lost, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_answer_goes_to_the_first, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(new_keys_forget_what_was, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(covers_as_configured, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(each_knock_is_along_its_own, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(no_set_goes_along_two, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(copies_along_another_spoil_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(each_hears_its_own_kinds, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_round_is_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
