/* The program that checks the gate in the kernel, frame by frame. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "frames.h"
#include "live.h"
#include "secret.h"
#include "veil.h"
#include "xdp_own.h"
#include "xdp_program.h"

enum { RING_BYTES = 1 << 16, TCP = 6, ICMP = 1, ICMP6 = 58 };

struct scene {
	struct xdp_program program;
	struct xdp_own *own;
	struct ring_buffer *ring;
	struct veil_keys key[XDP_KEYS_MAX];
	unsigned handed;
	struct xdp_record last;
};

static const uint8_t mac[6] = {2, 0x88, 0, 0, 0, 1};

static int on_record(void *arg, void *data, size_t size)
{
	struct scene *s = arg;

	assert_int_equal(size, sizeof(s->last));
	memcpy(&s->last, data, sizeof(s->last));
	s->handed++;
	return 0;
}

static void set_keys(struct scene *s, unsigned keys)
{
	struct xdp_setting *setting = &s->program.control->setting[0];

	setting->keys = keys;
	for (unsigned i = 0; i < keys; i++)
		memcpy(setting->key[i], s->key[i].gate, SHORT_KEY_BYTES);
	s->program.control->active = 1;
}

static int load(void **state, bool answers)
{
	const struct xdp_fixed fixed = {.udp_port_be = htons(FRAME_PORT),
	    .tcp_port_be = htons(FRAME_PORT),
	    .icmp = 1,
	    .answers = answers};
	struct scene *s = calloc(1, sizeof(*s));
	int status;

	assert_non_null(s);
	status = xdp_load(&s->program, &fixed, RING_BYTES);
	if (status != 0)
		fail_msg("xdp_load: %s", strerror(-status));
	live_run("ip addr flush dev lo && ip addr add 198.51.100.1/32 dev lo && "
		 "ip addr add 2001:db8::101/128 dev lo nodad");
	s->own = xdp_own_open(s->program.control->own);
	assert_non_null(s->own);
	s->ring = ring_buffer__new(s->program.ring, on_record, s, NULL);
	assert_non_null(s->ring);
	memcpy(s->program.control->mac, mac, sizeof(mac));
	secret_random(s->key, sizeof(s->key));
	*state = s;
	return 0;
}

static int start(void **state)
{
	return load(state, false);
}

static int start_where_ports_answer(void **state)
{
	return load(state, true);
}

static int stop(void **state)
{
	struct scene *s = *state;

	ring_buffer__free(s->ring);
	xdp_own_close(s->own);
	xdp_unload(&s->program);
	free(s);
	return 0;
}

/* What becomes of a frame, and whether it was handed over. */
static uint32_t run(struct scene *s, const struct frame *f)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (uint32_t)f->len,
	    .repeat = 1);

	s->handed = 0;
	assert_int_equal(bpf_prog_test_run_opts(s->program.program, &opts), 0);
	assert_true(ring_buffer__consume(s->ring) >= 0);
	return opts.retval;
}

static void make_veil(const struct scene *s, unsigned key, uint8_t *veil, size_t len)
{
	uint8_t body[200] = {1, 2, 3};
	struct veiled v = {.kind = KIND_M1, .body = body, .body_len = sizeof(body)};

	if (len >= veil_need(v.kind, v.body_len))
		veil_seal(&s->key[key], CARRIER_UDP, &v, veil, len);
	else
		secret_random(veil, len);
}

struct expectation {
	const char *what;
	struct shape shape;
	uint32_t verdict;
};

/* All of them bear a veil whose gate holds. */
static const struct expectation expectations[] = {
    {"IPv4", {.link = LINK_ETHERNET}, XDP_DROP},
    {"IPv6", {.link = LINK_ETHERNET, .v6 = true}, XDP_DROP},
    {"a tag", {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}}, XDP_DROP},
    {"a tag, IPv6", {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}, .v6 = true}, XDP_DROP},
    {"a provider's tag", {.link = LINK_ETHERNET, .tags = 1, .tag = {0x88a8}}, XDP_DROP},
    {"two tags", {.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}}, XDP_DROP},
    {"two tags, IPv6", {.link = LINK_ETHERNET, .tags = 2, .tag = {0x8100, 0x8100}, .v6 = true},
	XDP_DROP},
    {"padding behind", {.link = LINK_ETHERNET, .padding = 8}, XDP_DROP},
    {"three tags", {.link = LINK_ETHERNET, .tags = 3, .tag = {0x88a8, 0x8100, 0x8100}}, XDP_PASS},
    {"IPv4 options", {.link = LINK_ETHERNET, .option_bytes = 4}, XDP_PASS},
    {"the first fragment", {.link = LINK_ETHERNET, .fragment = 0x2000}, XDP_PASS},
    {"the last fragment", {.link = LINK_ETHERNET, .fragment = 0x0001}, XDP_PASS},
    {"not to be cut", {.link = LINK_ETHERNET, .fragment = 0x4000}, XDP_DROP},
    {"hop-by-hop options", {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {0}},
	XDP_PASS},
    {"destination options", {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {60}},
	XDP_PASS},
    {"an IPv6 fragment", {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {44}},
	XDP_PASS},
    {"another port", {.link = LINK_ETHERNET, .port = FRAME_PORT + 1}, XDP_PASS},
    {"another port, IPv6", {.link = LINK_ETHERNET, .v6 = true, .port = 53}, XDP_PASS},
    {"UDP-Lite", {.link = LINK_ETHERNET, .proto = 136}, XDP_PASS},
};

static const struct expectation plain = {"plain", {.link = LINK_ETHERNET}, XDP_DROP};

static void expect(const struct expectation *e, uint32_t verdict, uint32_t expected)
{
	if (verdict != expected)
		fail_msg("%s: %u instead of %u", e->what, verdict, expected);
}

static void make(struct frame *f, const struct expectation *e, const uint8_t *veil, size_t len)
{
	struct shape shape = e->shape;

	shape.payload = veil;
	shape.payload_len = len;
	shape.mac = mac;
	frame_make(f, &shape);
}

static void takes_what_is_plain(void **state)
{
	struct scene *s = *state;
	uint8_t veil[VEIL_ROOM];
	struct frame f;

	set_keys(s, 2);
	for (size_t i = 0; i < COUNT_OF(expectations); i++) {
		const struct expectation *e = &expectations[i];
		size_t len = 384 + i;

		make_veil(s, i % 2, veil, len);
		make(&f, e, veil, len);
		expect(e, run(s, &f), e->verdict);
		assert_int_equal(s->handed, e->verdict == XDP_DROP);
		if (s->handed == 0)
			continue;
		assert_int_equal(s->last.len, f.len - e->shape.padding);
		assert_memory_equal(s->last.bytes, f.bytes, s->last.len);
		assert_int_not_equal(s->last.mono_ns, 0);
	}
}

static void drops_what_is_forged(void **state)
{
	struct scene *s = *state;
	uint8_t veil[VEIL_ROOM];
	struct frame f;
	struct xdp_counts n;
	unsigned dropped = 0;

	set_keys(s, 2);
	for (size_t i = 0; i < COUNT_OF(expectations); i++) {
		const struct expectation *e = &expectations[i];

		make_veil(s, 0, veil, 400);
		make(&f, e, veil, 400);
		f.bytes[f.len - e->shape.padding - 1] ^= 1;
		expect(e, run(s, &f), e->verdict);
		assert_int_equal(s->handed, 0);
		dropped += e->verdict == XDP_DROP;
	}
	xdp_count(&s->program, &n);
	assert_int_equal(n.of[XDP_COUNT_GATE], dropped);
	assert_int_equal(n.of[XDP_COUNT_LENGTH] + n.of[XDP_COUNT_LOST], 0);
}

/* Each length from one that no veil has to one that none has, and each byte in turn is wrong once. */
static void agrees_with_the_veil(void **state)
{
	struct scene *s = *state;
	uint8_t veil[VEIL_ROOM + 2];
	struct frame f;

	set_keys(s, 1);
	for (size_t len = 0; len <= sizeof(veil); len++) {
		bool fits = len >= VEIL_OVERHEAD_CLIENT && len <= VEIL_ROOM;
		bool sealed = fits && len >= 300;

		if (sealed)
			make_veil(s, 0, veil, len);
		else
			secret_random(veil, len);
		assert_int_equal(fits && veil_gate_ok(&s->key[0], veil, len), sealed);
		make(&f, &plain, veil, len);
		assert_int_equal(run(s, &f), XDP_DROP);
		assert_int_equal(s->handed, sealed);
		if (!sealed)
			continue;
		f.bytes[f.len - len + secret_random_below((uint32_t)len)] ^= 0x10;
		assert_int_equal(run(s, &f), XDP_DROP);
		assert_int_equal(s->handed, 0);
	}
}

static void knows_the_keys_in_force(void **state)
{
	struct scene *s = *state;
	uint8_t veil[2][500];
	struct frame f[2];

	for (unsigned i = 0; i < 2; i++) {
		make_veil(s, i, veil[i], sizeof(veil[i]));
		make(&f[i], &plain, veil[i], sizeof(veil[i]));
		/* None yet: it waits elsewhere. */
		assert_int_equal(run(s, &f[i]), XDP_PASS);
		assert_int_equal(s->handed, 0);
	}
	set_keys(s, 1);
	assert_int_equal(run(s, &f[0]), XDP_DROP);
	assert_int_equal(s->handed, 1);
	assert_int_equal(run(s, &f[1]), XDP_DROP);
	assert_int_equal(s->handed, 0);
	set_keys(s, 2);
	assert_int_equal(run(s, &f[1]), XDP_DROP);
	assert_int_equal(s->handed, 1);
	s->program.control->setting[1] = s->program.control->setting[0];
	s->program.control->setting[1].keys = 0;
	s->program.control->active = 2;
	assert_int_equal(run(s, &f[0]), XDP_DROP);
	assert_int_equal(s->handed, 0);
}

/* Of other hosts behind us, or of other machines on this one: not ours to drop, nor to take. */
static void leaves_others_alone(void **state)
{
	struct scene *s = *state;
	uint8_t veil[500];
	struct frame f;

	set_keys(s, 1);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct expectation e = {"another", {.link = LINK_ETHERNET, .v6 = v6}, XDP_PASS};
		size_t last = v6 ? 39 : 19; /* of the destination address */

		make_veil(s, 0, veil, sizeof(veil));
		make(&f, &e, veil, sizeof(veil));
		f.bytes[f.ip + last] ^= 1;
		assert_int_equal(run(s, &f), XDP_PASS);
		f.bytes[f.ip + last] ^= 1;
		f.bytes[5] ^= 1;
		assert_int_equal(run(s, &f), XDP_PASS);
		f.bytes[5] ^= 1;
		assert_int_equal(s->handed, 0);
		assert_int_equal(run(s, &f), XDP_DROP);
		assert_int_equal(s->handed, 1);
	}
}

static void follows_the_addresses(void **state)
{
	struct scene *s = *state;
	uint8_t veil[500];
	struct frame f;

	set_keys(s, 1);
	make_veil(s, 0, veil, sizeof(veil));
	make(&f, &plain, veil, sizeof(veil));
	live_run("ip link add veth7 type veth && ip addr add 198.51.100.1/32 dev veth7");
	live_run("ip addr del 198.51.100.1/32 dev lo");
	assert_int_equal(xdp_own_read(s->own), 0);
	/* It went from one interface and stays at the other. */
	assert_int_equal(run(s, &f), XDP_DROP);
	live_run("ip link del veth7");
	assert_int_equal(xdp_own_read(s->own), 0);
	assert_int_equal(run(s, &f), XDP_PASS);
	live_run("ip addr add 198.51.100.1/32 dev lo");
	live_await(xdp_own_fd(s->own));
	assert_int_equal(xdp_own_read(s->own), 0);
	assert_int_equal(run(s, &f), XDP_DROP);
}

/* An Ethernet frame with this segment in it. */
static void make_segment(
    struct frame *f, bool v6, uint8_t proto, const uint8_t *head, size_t head_len)
{
	static uint8_t none[60 + VEIL_ROOM];
	struct shape shape = {
	    .link = LINK_ETHERNET, .v6 = v6, .proto = proto, .mac = mac, .payload = none};

	/* What frame_make() has for a UDP header is the beginning of ours. */
	shape.payload_len = head_len - 8;
	frame_make(f, &shape);
	memcpy(f->bytes + f->l4, head, head_len);
}

static size_t tcp_head(uint8_t *out, uint8_t flags, unsigned option_bytes)
{
	struct writer w = writer_of(out, 60);

	write_u16(&w, 40000);
	write_u16(&w, FRAME_PORT);
	write_u32(&w, 1000);
	write_u32(&w, 0);
	write_u8(&w, (uint8_t)((20 + option_bytes) / 4 << 4));
	write_u8(&w, flags);
	write_zeros(&w, 6);
	for (unsigned i = 0; i < option_bytes; i++)
		write_u8(&w, 1);
	return w.len;
}

/* One SYN that bears a veil is taken; any other goes where it would have gone. */
static void takes_a_first_segment(void **state)
{
	static const struct {
		uint8_t flags;
		unsigned option_bytes;
		bool forged;
		uint32_t verdict;
	} cases[] = {
	    {0x02, 0, false, XDP_DROP},
	    {0x02, 20, false, XDP_DROP},
	    {0x02, 40, false, XDP_DROP},
	    {0xc2, 12, false, XDP_DROP}, /* ECN */
	    {0x02, 20, true, XDP_PASS},
	    {0x12, 0, false, XDP_PASS},
	    {0x10, 0, false, XDP_PASS},
	};
	struct scene *s = *state;
	uint8_t segment[60 + VEIL_ROOM];
	struct frame f;

	set_keys(s, 2);
	for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
		size_t c = i / 2, len = tcp_head(segment, cases[c].flags, cases[c].option_bytes);

		make_veil(s, 1, segment + len, VEIL_ROOM);
		segment[len] ^= cases[c].forged;
		make_segment(&f, i % 2 != 0, TCP, segment, len + VEIL_ROOM);
		assert_int_equal(run(s, &f), cases[c].verdict);
		assert_int_equal(s->handed, cases[c].verdict == XDP_DROP);
		if (s->handed != 0)
			assert_memory_equal(s->last.bytes, f.bytes, f.len);
	}
}

/* The kernel answers it as any, and we have it as well. */
static void hears_an_echo_request(void **state)
{
	struct scene *s = *state;
	uint8_t segment[8 + 900] = {0};
	struct frame f;

	set_keys(s, 1);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		segment[0] = v6 ? 128 : 8;
		make_veil(s, 0, segment + 8, 900);
		make_segment(&f, v6, v6 ? ICMP6 : ICMP, segment, sizeof(segment));
		assert_int_equal(run(s, &f), XDP_PASS);
		assert_int_equal(s->handed, 1);
		f.bytes[f.len - 1] ^= 1;
		assert_int_equal(run(s, &f), XDP_PASS);
		assert_int_equal(s->handed, 0);
		segment[0] = v6 ? 129 : 0; /* an answer */
		make_segment(&f, v6, v6 ? ICMP6 : ICMP, segment, sizeof(segment));
		assert_int_equal(run(s, &f), XDP_PASS);
		assert_int_equal(s->handed, 0);
	}
}

/* Whatever is cut, and however lengths lie: it passes, or is dropped, and nothing is handed over. */
static void survives_lies(void **state)
{
	struct scene *s = *state;
	uint8_t veil[500];
	struct frame f;

	set_keys(s, 2);
	make_veil(s, 0, veil, sizeof(veil));
	for (size_t i = 0; i < 8; i++) {
		make(&f, &expectations[i], veil, sizeof(veil));
		size_t whole = f.len - expectations[i].shape.padding;
		for (f.len = 14; f.len < whole; f.len++) {
			(void)run(s, &f);
			assert_int_equal(s->handed, 0);
		}
		/* Some byte of a header is another. */
		for (size_t at = 0; at < f.l4 + 6; at++) {
			make(&f, &expectations[i], veil, sizeof(veil));
			f.bytes[at] = (uint8_t)(f.bytes[at] + 1 + secret_random_below(255));
			(void)run(s, &f);
			if (s->handed != 0)
				assert_memory_equal(s->last.bytes + f.l4 + 8, veil, sizeof(veil));
		}
	}
}

/* Where closed ports answer, the kernel answers whoever asks; a knock is heard besides. */
static void takes_nothing_away_where_ports_answer(void **state)
{
	struct scene *s = *state;
	uint8_t segment[20 + 500];
	struct frame f;
	struct xdp_counts n;

	set_keys(s, 1);
	make_veil(s, 0, segment + 20, 500);
	for (size_t i = 0; i < COUNT_OF(expectations); i++) {
		make(&f, &expectations[i], segment + 20, 500);
		assert_int_equal(run(s, &f), XDP_PASS);
		assert_int_equal(s->handed, expectations[i].verdict == XDP_DROP);
		f.bytes[f.len - expectations[i].shape.padding - 1] ^= 1;
		assert_int_equal(run(s, &f), XDP_PASS);
		assert_int_equal(s->handed, 0);
	}
	(void)tcp_head(segment, 0x02, 0);
	make_segment(&f, false, TCP, segment, sizeof(segment));
	assert_int_equal(run(s, &f), XDP_PASS);
	assert_int_equal(s->handed, 1);
	xdp_count(&s->program, &n);
	assert_int_equal(n.of[XDP_COUNT_GATE] + n.of[XDP_COUNT_LENGTH], 0);
}

/* Whoever has the process has the descriptors, and may map what they are of. */
static void nobody_changes_what_it_looks_at(void **state)
{
	struct scene *s = *state;
	const int fd = bpf_object__find_map_fd_by_name(s->program.object, ".rodata");
	const struct xdp_fixed other = {.udp_port_be = htons(53)};
	const uint32_t zero = 0;
	uint8_t veil[500];
	struct frame f;

	assert_true(fd >= 0);
	assert_ptr_equal(
	    mmap(NULL, sizeof(other), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(errno, EPERM);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &other, BPF_ANY), -EPERM);
	set_keys(s, 0);
	make_veil(s, 0, veil, sizeof(veil));
	make(&f, &plain, veil, sizeof(veil));
	assert_int_equal(run(s, &f), XDP_DROP);
}

static void counts_what_finds_no_room(void **state)
{
	struct scene *s = *state;
	uint8_t veil[500];
	struct frame f;
	struct xdp_counts n;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.bytes, .repeat = 100);

	set_keys(s, 1);
	make_veil(s, 0, veil, sizeof(veil));
	make(&f, &plain, veil, sizeof(veil));
	opts.data_size_in = (uint32_t)f.len;
	assert_int_equal(bpf_prog_test_run_opts(s->program.program, &opts), 0);
	s->handed = 0;
	assert_true(ring_buffer__consume(s->ring) >= 0);
	xdp_count(&s->program, &n);
	assert_in_range(s->handed, 1, 99);
	assert_int_equal(s->handed + n.of[XDP_COUNT_LOST], 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(takes_what_is_plain),
	    TEST(drops_what_is_forged),
	    TEST(agrees_with_the_veil),
	    TEST(knows_the_keys_in_force),
	    TEST(leaves_others_alone),
	    TEST(follows_the_addresses),
	    TEST(takes_a_first_segment),
	    TEST(hears_an_echo_request),
	    TEST(survives_lies),
	    cmocka_unit_test_setup_teardown(
		takes_nothing_away_where_ports_answer, start_where_ports_answer, stop),
	    TEST(nobody_changes_what_it_looks_at),
	    TEST(counts_what_finds_no_room),
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
