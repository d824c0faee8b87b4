#include "unit.h"

#include <pcap/pcap.h>
#include <sodium.h>

#include "frames.h"
#include "secret.h"
#include "sift.h"

enum { SEEN_NS = 1700000000 };

/* Current, previous, and one that this server never had. */
enum which_key { CURRENT, PREVIOUS, OTHER, KEYS };

struct scene {
	struct sift *sift;
	struct door_keys keys[KEYS];
	uint8_t body[BODY_MAX];
	uint8_t veil[VEIL_ROOM];
	size_t veil_len;
	struct frame frame;
	struct msg_knock knock;
};

static const struct carrier_ports ports = {.udp = FRAME_PORT};

static struct msg_keys keys_message(const struct scene *s, uint32_t count)
{
	struct msg_keys m = {.head = {MSG_KEYS, sizeof(m)}, .count = count};

	for (uint32_t i = 0; i < count && i < DOOR_KEYS_MAX; i++) {
		memcpy(m.key[i].veil, s->keys[i].to_server.veil, KEY_BYTES);
		memcpy(m.key[i].gate, s->keys[i].to_server.gate, SHORT_KEY_BYTES);
	}
	return m;
}

static void take_keys(struct scene *s, uint32_t count)
{
	struct msg_keys m = keys_message(s, count);

	assert_int_equal(sift_keys(s->sift, &m), 0);
}

static int set_up(void **state)
{
	struct scene *s = test_calloc(1, sizeof(*s));

	s->sift = sift_new();
	sift_listen(s->sift, &ports);
	for (int i = 0; i < KEYS; i++) {
		uint8_t door_key[KEY_BYTES];
		count_up(door_key, sizeof(door_key), (uint8_t)(0x10 * i));
		door_keys_derive(&s->keys[i], door_key);
	}
	take_keys(s, 2);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	sift_free(s->sift);
	test_free(s);
	return 0;
}

static void seal(struct scene *s, enum kind kind, size_t body_len, enum which_key key, size_t total)
{
	struct veiled v = {.kind = kind, .body = s->body, .body_len = (uint16_t)body_len};

	count_up(s->body, sizeof(s->body), 0x21);
	v.label.t = 42;
	s->veil_len = total;
	veil_seal(&s->keys[key].to_server, CARRIER_UDP, &v, s->veil, total);
}

static enum capture_counter sift(struct scene *s, struct shape shape)
{
	struct capture_frame f = {.link = shape.link, .ifindex = 3, .seen_ns = SEEN_NS};

	shape.payload = s->veil;
	shape.payload_len = s->veil_len;
	frame_make(&s->frame, &shape);
	f.bytes = s->frame.bytes;
	f.caplen = f.len = s->frame.len;
	return sift_frame(s->sift, &f, &s->knock);
}

static enum capture_counter sift_plain(struct scene *s)
{
	return sift(s, (struct shape){.link = LINK_ETHERNET});
}

/* Asserts that this counter alone rose, by one, since the last call. */
static void expect_counted(
    const struct scene *s, uint64_t before[static CAPTURE_COUNTERS], enum capture_counter what)
{
	const uint64_t *now = sift_counters(s->sift);

	for (int i = 0; i < CAPTURE_COUNTERS; i++) {
		assert_int_equal(now[i] - before[i], i == (int)what);
		before[i] = now[i];
	}
}

static void opens_a_knock(void **state)
{
	struct scene *s = *state;
	static const struct shape shapes[] = {
	    {.link = LINK_ETHERNET},
	    {.link = LINK_ETHERNET, .v6 = true},
	    {.link = LINK_SLL2, .v6 = true, .extensions = 1, .extension = {60}},
	    {.link = LINK_RAW, .option_bytes = 40},
	    {.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}, .padding = 30},
	};

	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		const struct msg_knock *k = &s->knock;
		struct veiled v;
		struct address client, server;

		seal(s, KIND_M1, 200, CURRENT, 400 + i);
		memset(&s->knock, 0xee, sizeof(s->knock));
		assert_int_equal(sift(s, shapes[i]), CAPTURE_MATCHED);
		sift_handed(s->sift, true);
		client = shapes[i].v6 ? address_v6(frame_client6) : address_v4(frame_client4);
		server = shapes[i].v6 ? address_v6(frame_server6) : address_v4(frame_server4);
		assert_int_equal(k->head.type, MSG_KNOCK);
		assert_int_equal(k->head.len, sizeof(*k));
		assert_int_equal(k->seen_ns, SEEN_NS);
		assert_memory_equal(k->client, client.b, 16);
		assert_memory_equal(k->server, server.b, 16);
		assert_int_equal(k->client_port, FRAME_CLIENT_PORT);
		assert_int_equal(k->server_port, FRAME_PORT);
		assert_int_equal(k->ifindex, shapes[i].link == LINK_SLL2 ? FRAME_IFINDEX : 3);
		assert_int_equal(k->request_len, 400 + i);
		assert_int_equal(k->carrier, CARRIER_UDP);
		assert_int_equal(k->door_key, 0);
		assert_int_equal(k->plain_len, 400 + i - 48);
		assert_int_equal(veil_parse(k->plain, k->plain_len, &v), 0);
		assert_int_equal(v.kind, KIND_M1);
		assert_int_equal(v.label.t, 42);
		assert_int_equal(v.body_len, 200);
		assert_memory_equal(v.body, s->body, 200);
		assert_true(
		    sodium_is_zero(k->plain + k->plain_len, sizeof(k->plain) - k->plain_len));
	}
	assert_int_equal(sift_counters(s->sift)[CAPTURE_MATCHED], COUNT_OF(shapes));
}

static void opens_every_length(void **state)
{
	struct scene *s = *state;

	for (size_t len = VEIL_OVERHEAD_CLIENT; len <= VEIL_ROOM; len++) {
		seal(s, KIND_M3, len - VEIL_OVERHEAD_CLIENT, CURRENT, len);
		assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
		sift_handed(s->sift, true);
		assert_int_equal(s->knock.plain_len, len - 48);
	}
}

static void knows_the_previous_key(void **state)
{
	struct scene *s = *state;

	seal(s, KIND_M1, 100, PREVIOUS, 400);
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
	assert_int_equal(s->knock.door_key, 1);
	sift_handed(s->sift, true);
	seal(s, KIND_M1, 100, OTHER, 400);
	assert_int_equal(sift_plain(s), CAPTURE_GATE);
	/* A rotation that forgets the previous one: */
	take_keys(s, 1);
	seal(s, KIND_M1, 100, PREVIOUS, 400);
	assert_int_equal(sift_plain(s), CAPTURE_GATE);
}

static void counts_each_reason(void **state)
{
	struct scene *s = *state;
	uint64_t before[CAPTURE_COUNTERS] = {0};
	struct veil_keys forged = s->keys[CURRENT].to_server;

	seal(s, KIND_M1, 100, CURRENT, 400);
	assert_int_equal(
	    sift(s, (struct shape){.link = LINK_ETHERNET, .fragment = 0x2000}), CAPTURE_FRAGMENT);
	expect_counted(s, before, CAPTURE_FRAGMENT);
	assert_int_equal(sift(s, (struct shape){.link = LINK_ETHERNET, .port = FRAME_PORT + 1}),
	    CAPTURE_NOT_OURS);
	expect_counted(s, before, CAPTURE_NOT_OURS);
	assert_int_equal(
	    sift(s, (struct shape){.link = LINK_ETHERNET, .proto = 136}), CAPTURE_NOT_OURS);
	expect_counted(s, before, CAPTURE_NOT_OURS);
	/* An IPv4 packet that says it is IPv6. */
	assert_int_equal(sift(s, (struct shape){.link = LINK_IPV6}), CAPTURE_MALFORMED);
	expect_counted(s, before, CAPTURE_MALFORMED);

	s->veil[399] ^= 1;
	assert_int_equal(sift_plain(s), CAPTURE_GATE);
	expect_counted(s, before, CAPTURE_GATE);

	/* Someone who has the gate key alone. */
	forged.veil[0] ^= 1;
	struct veiled v = {.kind = KIND_M1, .body = s->body, .body_len = 10};
	veil_seal(&forged, CARRIER_UDP, &v, s->veil, 400);
	assert_int_equal(sift_plain(s), CAPTURE_FORGED);
	expect_counted(s, before, CAPTURE_FORGED);
	assert_int_equal(sift_plain(s), CAPTURE_REPEAT);
	expect_counted(s, before, CAPTURE_REPEAT);

	/* A server's message, under the client's key. */
	seal(s, KIND_M2, 100, CURRENT, 400);
	assert_int_equal(sift_plain(s), CAPTURE_FORM);
	expect_counted(s, before, CAPTURE_FORM);
	/* Sealed for another carrier. */
	v.body_len = 100;
	veil_seal(&s->keys[CURRENT].to_server, CARRIER_TCP, &v, s->veil, 400);
	assert_int_equal(sift_plain(s), CAPTURE_FORGED);
	expect_counted(s, before, CAPTURE_FORGED);

	seal(s, KIND_M1, 100, CURRENT, 400);
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
	sift_handed(s->sift, true);
	expect_counted(s, before, CAPTURE_MATCHED);
}

static void wants_a_veils_length(void **state)
{
	struct scene *s = *state;
	uint8_t junk[VEIL_ROOM + 300];

	secret_random(junk, sizeof(junk));
	for (size_t len = 0; len < sizeof(junk); len++) {
		struct shape shape = {.link = LINK_ETHERNET, .payload = junk, .payload_len = len};
		struct capture_frame f = {.link = LINK_ETHERNET};

		frame_make(&s->frame, &shape);
		f.bytes = s->frame.bytes;
		f.caplen = f.len = s->frame.len;
		assert_int_equal(sift_frame(s->sift, &f, &s->knock),
		    len < VEIL_OVERHEAD_CLIENT || len > VEIL_ROOM ? CAPTURE_LENGTH : CAPTURE_GATE);
	}
}

/* Cut by our own snap length: the packet may be well formed. */
static void tells_cut_from_malformed(void **state)
{
	struct scene *s = *state;

	seal(s, KIND_M1, 100, CURRENT, 400);
	(void)sift_plain(s);
	struct capture_frame f = {
	    .link = LINK_ETHERNET, .bytes = s->frame.bytes, .caplen = 300, .len = s->frame.len};
	assert_int_equal(sift_frame(s->sift, &f, &s->knock), CAPTURE_LENGTH);
	f.len = f.caplen;
	assert_int_equal(sift_frame(s->sift, &f, &s->knock), CAPTURE_MALFORMED);
}

static void refuses_every_flipped_bit(void **state)
{
	struct scene *s = *state;

	seal(s, KIND_M1, 100, CURRENT, 384);
	for (size_t bit = 0; bit < s->veil_len * 8; bit++) {
		s->veil[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(sift_plain(s), CAPTURE_GATE);
		s->veil[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
}

static void spends_work_once_on_a_repeat(void **state)
{
	struct scene *s = *state;

	seal(s, KIND_M1, 100, CURRENT, 400);
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
	sift_handed(s->sift, true);
	assert_int_equal(sift_plain(s), CAPTURE_REPEAT);
	/* The same seen on another interface of "any", and under a tag. */
	assert_int_equal(sift(s, (struct shape){.link = LINK_SLL2}), CAPTURE_REPEAT);
	/* New keys: what counted as seen may be tried again. */
	take_keys(s, 2);
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
}

static void lets_a_knock_try_again_that_auth_could_not_take(void **state)
{
	struct scene *s = *state;

	seal(s, KIND_M1, 100, CURRENT, 400);
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
	sift_handed(s->sift, false);
	assert_int_equal(sift_counters(s->sift)[CAPTURE_QUEUE_FULL], 1);
	assert_int_equal(sift_counters(s->sift)[CAPTURE_MATCHED], 0);
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
	sift_handed(s->sift, true);
	assert_int_equal(sift_counters(s->sift)[CAPTURE_MATCHED], 1);
}

/* Nobody who has the door key and sees a nonce can block the packet that has it. */
static void keeps_a_nonce_from_being_taken(void **state)
{
	struct scene *s = *state;
	uint8_t first[VEIL_ROOM], other[VEIL_ROOM];

	seal(s, KIND_M1, 100, CURRENT, 400);
	memcpy(first, s->veil, 400);
	memcpy(other, s->veil, 400);
	other[399] ^= 1;
	crypto_shorthash_siphash24(
	    other, other + VEIL_GATE_BYTES, 400 - VEIL_GATE_BYTES, s->keys[CURRENT].to_server.gate);
	memcpy(s->veil, other, 400);
	assert_int_equal(sift_plain(s), CAPTURE_FORGED);
	memcpy(s->veil, first, 400);
	assert_int_equal(sift_plain(s), CAPTURE_MATCHED);
}

static void hears_no_multicast(void **state)
{
	struct scene *s = *state;
	static const uint8_t v4[][4] = {
	    {224, 0, 0, 1}, {239, 1, 2, 3}, {255, 255, 255, 255}, {0, 0, 0, 0}};

	seal(s, KIND_M1, 100, CURRENT, 400);
	for (size_t i = 0; i < COUNT_OF(v4); i++) {
		(void)sift(s, (struct shape){.link = LINK_ETHERNET, .port = 1});
		memcpy(s->frame.bytes + s->frame.ip + 16, v4[i], 4);
		s->frame.bytes[s->frame.l4 + 2] = FRAME_PORT >> 8;
		s->frame.bytes[s->frame.l4 + 3] = FRAME_PORT & 0xff;
		struct capture_frame f = {.link = LINK_ETHERNET,
		    .bytes = s->frame.bytes,
		    .caplen = s->frame.len,
		    .len = s->frame.len};
		assert_int_equal(sift_frame(s->sift, &f, &s->knock), CAPTURE_NOT_OURS);
	}
	(void)sift(s, (struct shape){.link = LINK_ETHERNET, .v6 = true, .port = 1});
	s->frame.bytes[s->frame.ip + 24] = 0xff;
	s->frame.bytes[s->frame.l4 + 2] = FRAME_PORT >> 8;
	s->frame.bytes[s->frame.l4 + 3] = FRAME_PORT & 0xff;
	struct capture_frame f = {.link = LINK_ETHERNET,
	    .bytes = s->frame.bytes,
	    .caplen = s->frame.len,
	    .len = s->frame.len};
	assert_int_equal(sift_frame(s->sift, &f, &s->knock), CAPTURE_NOT_OURS);
}

static void knows_nothing_without_keys(void **state)
{
	struct scene *s = *state;
	struct sift *fresh = sift_new();

	sift_listen(fresh, &ports);

	seal(s, KIND_M1, 100, CURRENT, 400);
	(void)sift_plain(s);
	struct capture_frame f = {.link = LINK_ETHERNET,
	    .bytes = s->frame.bytes,
	    .caplen = s->frame.len,
	    .len = s->frame.len};
	assert_int_equal(sift_frame(fresh, &f, &s->knock), CAPTURE_GATE);
	sift_free(fresh);

	sift_forget(s->sift);
	seal(s, KIND_M1, 100, CURRENT, 400);
	assert_int_equal(sift_plain(s), CAPTURE_GATE);
}

static void checks_the_message_of_keys(void **state)
{
	struct scene *s = *state;
	static const uint32_t counts[] = {0, DOOR_KEYS_MAX + 1, UINT32_MAX};
	struct msg_keys m = keys_message(s, 1), zeros = {0};

	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		m.count = counts[i];
		assert_int_equal(sift_keys(s->sift, &m), -1);
	}
	m.count = 1;
	assert_int_equal(sift_keys(s->sift, &m), 0);
	assert_memory_equal(&m, &zeros, sizeof(m));
}

static void tells_who_sent(void **state)
{
	struct scene *s = *state;
	struct address client = address_v4(frame_client4);

	s->veil_len = 500;
	assert_int_equal(sift_plain(s), CAPTURE_GATE);
	assert_true(address_equal(sift_sender(s->sift), &client));
	assert_int_equal(sift(s, (struct shape){.link = LINK_IPV6}), CAPTURE_MALFORMED);
	assert_true(address_is_zero(sift_sender(s->sift)));
}

/* As many sequences as there may be, with as many listed ports, of all kinds in turn. */
static void fill_sequences(struct carrier_ports *all)
{
	static const uint8_t kinds[] = {SEQUENCE_UDP, SEQUENCE_CLEAN, SEQUENCE_UDP | SEQUENCE_TCP};
	enum { LISTS = SEQUENCES_LISTED_MAX / SEQUENCE_PORTS_MAX };

	all->sequences = SEQUENCES_MAX;
	for (unsigned i = 0; i < SEQUENCES_MAX; i++) {
		struct carrier_sequence *s = &all->sequence[i];

		*s = (struct carrier_sequence){.id = (uint8_t)(i * 3),
		    .pieces = kinds[i % COUNT_OF(kinds)],
		    .ports = SEQUENCE_PORTS_MAX};
		for (unsigned n = 0; n < SEQUENCE_PORTS_MAX && i < LISTS; n++)
			s->port[n] = (uint16_t)(10007 + i * 11000 + n * 17);
		if (i >= LISTS) {
			s->lo = (uint16_t)(50001 + i * 500);
			s->hi = (uint16_t)(s->lo + 333);
		}
	}
}

static void makes_a_filter_that_compiles(void **state)
{
	(void)state;
	static const enum link_type links[] = {LINK_ETHERNET, LINK_SLL, LINK_SLL2, LINK_RAW};
	struct carrier_ports all = {
	    .udp = 65535, .tcp = 65534, .icmp = true, .http = {.port = 65533, .cookie = "c"}};
	char carriers[CAPTURE_FILTER_MAX], text[CAPTURE_FILTER_MAX];

	fill_sequences(&all);
	assert_true(sift_filter(&all, carriers, sizeof(carriers)) > 0);
	for (size_t i = 0; i < COUNT_OF(links); i++) {
		struct bpf_program program;
		pcap_t *dead = pcap_open_dead((int)links[i], FRAME_MAX);

		assert_true(capture_filter(links[i], carriers, text, sizeof(text)) > 0);
		assert_int_equal(pcap_compile(dead, &program, text, 1, PCAP_NETMASK_UNKNOWN), 0);
		assert_in_range(program.bf_len, 1, 4096); /* longer ones the kernel does not take */
		pcap_freecode(&program);
		pcap_close(dead);
	}
	/* No carrier in use; no room. */
	assert_int_equal(sift_filter(&(struct carrier_ports){0}, carriers, sizeof(carriers)), 0);
	for (size_t cap = 1; cap < 20; cap++)
		assert_int_equal(sift_filter(&all, carriers, cap), -1);
	assert_int_equal(capture_filter(LINK_ETHERNET, "udp", text, 10), -1);
}

static void has_a_word_for_each_counter(void **state)
{
	(void)state;
	for (int i = 0; i < CAPTURE_COUNTERS; i++)
		assert_true(strlen(capture_counter_word((enum capture_counter)i)) > 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(opens_a_knock),
	    TEST(opens_every_length),
	    TEST(knows_the_previous_key),
	    TEST(counts_each_reason),
	    TEST(wants_a_veils_length),
	    TEST(tells_cut_from_malformed),
	    TEST(refuses_every_flipped_bit),
	    TEST(spends_work_once_on_a_repeat),
	    TEST(lets_a_knock_try_again_that_auth_could_not_take),
	    TEST(keeps_a_nonce_from_being_taken),
	    TEST(hears_no_multicast),
	    TEST(knows_nothing_without_keys),
	    TEST(checks_the_message_of_keys),
	    TEST(tells_who_sent),
	    TEST(makes_a_filter_that_compiles),
	    TEST(has_a_word_for_each_counter),
	};

	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
