/* A capture method, and the capture process, on real interfaces. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "carrier.h"
#include "clock.h"
#include "layers.h"
#include "live.h"
#include "process.h"
#include "secret.h"
#include "sift.h"
#include "veil.h"

enum { TEST_S = 120, BATCH = 64, IDS = 64 };

static const uint8_t door_key[KEY_BYTES] = {1, 2, 3};

/* What was heard, by the one byte that each frame carries. */
struct heard {
	unsigned times[IDS];
	enum layers_result result[IDS];
	struct capture_frame last;
	uint32_t ifindex;
};

struct listener {
	const struct capture_method *method;
	void *self;
	struct heard heard;
};

static bool hear(void *arg, const struct capture_frame *frame)
{
	struct heard *h = arg;
	struct packet p;
	uint32_t ifindex = frame->ifindex;
	enum layers_result result =
	    layers_parse(frame->bytes, frame->caplen, frame->link, &p, &ifindex);
	/* Fragments have no payload in their packet: the id is every frame's last byte. */
	uint8_t id = frame->bytes[frame->caplen - 1];

	if (id < IDS && (result == LAYERS_FRAGMENT || (result == LAYERS_OK && p.proto == 17))) {
		h->times[id]++;
		h->result[id] = result;
		h->last = *frame;
		h->ifindex = ifindex;
	}
	return false;
}

static enum capture_status open_on(
    struct listener *l, const struct capture_method *method, const char *source)
{
	struct carrier_ports ports = {.udp = FRAME_PORT};
	char filter[CAPTURE_FILTER_MAX];
	struct capture_want want = {.source = source, .filter = filter, .buffer_bytes = 1 << 20};

	*l = (struct listener){.method = method};
	assert_true(sift_filter(&ports, filter, sizeof(filter)) > 0);
	return method->open(&l->self, &want);
}

/* Reads until the frame with this id was heard. */
static void listen_for(struct listener *l, uint8_t id)
{
	while (l->heard.times[id] == 0) {
		live_await(l->method->fd(l->self));
		assert_int_equal(l->method->read(l->self, BATCH, hear, &l->heard), CAPTURE_UP);
	}
}

static struct shape with_id(struct shape s, const uint8_t *id)
{
	s.payload = id;
	s.payload_len = 1;
	return s;
}

struct expectation {
	const char *what;
	struct shape shape;
	bool on_ethernet, on_any;
};

/*
 * A frame with two tags is not heard on "any" where it comes in, but, with
 * fewer tags, on the VLAN's own interface, if the host has it: see capture_filter().
 */
static const struct expectation expectations[] = {
    {"IPv4", {.link = LINK_ETHERNET}, true, true},
    {"IPv6", {.link = LINK_ETHERNET, .v6 = true}, true, true},
    {"a tag", {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}}, true, true},
    {"a tag, IPv6", {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}, .v6 = true}, true, true},
    {"a provider's tag", {.link = LINK_ETHERNET, .tags = 1, .tag = {0x88a8}}, true, true},
    {"a tag in a provider's", {.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}}, true,
	false},
    {"a tag in a provider's, IPv6",
	{.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}, .v6 = true}, true, false},
    {"a tag in a tag", {.link = LINK_ETHERNET, .tags = 2, .tag = {0x8100, 0x8100}}, true, false},
    {"IPv4 options", {.link = LINK_ETHERNET, .option_bytes = 40}, true, true},
    {"IPv4 options under a tag",
	{.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}, .option_bytes = 8}, true, true},
    {"IPv4 options under two",
	{.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}, .option_bytes = 8}, true,
	false},
    {"hop-by-hop options", {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {0}},
	true, true},
    {"destination options", {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {60}},
	true, true},
    {"a chain", {.link = LINK_ETHERNET, .v6 = true, .extensions = 4, .extension = {0, 43, 51, 60}},
	true, true},
    {"a chain under a tag",
	{.link = LINK_ETHERNET,
	    .tags = 1,
	    .tag = {0x8100},
	    .v6 = true,
	    .extensions = 2,
	    .extension = {43, 60}},
	true, true},
    {"a chain under two",
	{.link = LINK_ETHERNET,
	    .tags = 2,
	    .tag = {0x88a8, 0x8100},
	    .v6 = true,
	    .extensions = 2,
	    .extension = {43, 60}},
	true, false},
    {"the first fragment", {.link = LINK_ETHERNET, .fragment = 0x2000}, true, true},
    {"an IPv6 fragment", {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {44}},
	true, true},
    {"another port", {.link = LINK_ETHERNET, .port = FRAME_PORT + 1}, false, false},
    {"another port, IPv6", {.link = LINK_ETHERNET, .v6 = true, .port = FRAME_PORT + 1}, false,
	false},
    {"another port under a tag", {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}, .port = 22},
	false, false},
    {"another port under two",
	{.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}, .port = 22}, false, false},
    {"another protocol", {.link = LINK_ETHERNET, .proto = 136}, false, false},
};

static void hears(const struct capture_method *method, const char *source, bool any)
{
	static const uint8_t last = IDS - 1;
	struct listener l;
	int sender;

	live_make_pair();
	sender = live_sender(LIVE_FAR);
	assert_int_equal(open_on(&l, method, source), CAPTURE_UP);
	for (uint8_t i = 0; i < COUNT_OF(expectations); i++)
		live_send(sender, with_id(expectations[i].shape, &i));
	live_send(sender, with_id((struct shape){.link = LINK_ETHERNET}, &last));
	listen_for(&l, last);
	for (size_t i = 0; i < COUNT_OF(expectations); i++) {
		const struct expectation *e = &expectations[i];
		unsigned want = any ? e->on_any : e->on_ethernet;
		bool part = e->shape.fragment != 0 || e->shape.extension[0] == 44;

		if (l.heard.times[i] != want)
			fail_msg("%s: heard %u times", e->what, l.heard.times[i]);
		if (want != 0)
			assert_int_equal(l.heard.result[i], part ? LAYERS_FRAGMENT : LAYERS_OK);
	}
	assert_int_equal(l.heard.ifindex, if_nametoindex(LIVE_NEAR));
	assert_int_equal(l.heard.last.link,
	    any ? (method == &capture_pcap ? LINK_SLL2 : LINK_IPV4) : LINK_ETHERNET);
	uint64_t now = clock_real_ns();
	assert_true(l.heard.last.seen_ns <= now);
	assert_true(now - l.heard.last.seen_ns < (uint64_t)LIVE_PATIENCE_MS * NS_PER_MS);
	l.method->close(l.self);
	(void)close(sender);
}

static void hears_on_ethernet(void **state)
{
	hears(*state, LIVE_NEAR, false);
}

static void hears_on_any(void **state)
{
	hears(*state, "any", true);
}

/* What we send ourselves is not heard; what comes in after it is. */
static void hears_only_what_comes_in(void **state)
{
	const struct capture_method *method = *state;
	static const char *const sources[] = {LIVE_NEAR, "any"};
	static const uint8_t out = 1, in = 2;

	for (size_t i = 0; i < COUNT_OF(sources); i++) {
		struct listener l;

		live_make_pair();
		int near = live_sender(LIVE_NEAR), far = live_sender(LIVE_FAR);
		assert_int_equal(open_on(&l, method, sources[i]), CAPTURE_UP);
		live_send(near, with_id((struct shape){.link = LINK_ETHERNET}, &out));
		live_send(far, with_id((struct shape){.link = LINK_ETHERNET}, &in));
		listen_for(&l, in);
		/* On "any" once, where it came in at the other end; never as our own. */
		assert_int_equal(l.heard.times[out], i == 0 ? 0 : 1);
		assert_int_equal(l.heard.times[in], 1);
		l.method->close(l.self);
		(void)close(near);
		(void)close(far);
	}
}

static void send_by_loopback(bool v6, uint8_t id)
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

/* The loopback shows each packet on its way out and on its way in. */
static void hears_the_loopback_once(void **state)
{
	const struct capture_method *method = *state;
	static const char *const sources[] = {"lo", "any"};

	for (size_t i = 0; i < COUNT_OF(sources); i++) {
		struct listener l;

		assert_int_equal(open_on(&l, method, sources[i]), CAPTURE_UP);
		send_by_loopback(false, 1);
		send_by_loopback(true, 2);
		send_by_loopback(false, 3);
		listen_for(&l, 3);
		assert_int_equal(l.heard.times[1], 1);
		assert_int_equal(l.heard.times[2], 1);
		assert_int_equal(l.heard.times[3], 1);
		l.method->close(l.self);
	}
}

static int tun_open(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &r), 0);
	return fd;
}

/* A tunnel has no link header. */
static void hears_a_tunnel(void **state)
{
	const struct capture_method *method = *state;
	static const uint8_t four = 4, six = 6;
	struct listener l;
	struct frame f;
	int tun = tun_open("tun0");

	if (tun < 0)
		skip();
	live_run("ip link set tun0 addrgenmode none up");
	assert_int_equal(open_on(&l, method, "tun0"), CAPTURE_UP);
	struct shape s = with_id((struct shape){.link = LINK_RAW}, &four);
	frame_make(&f, &s);
	assert_int_equal(write(tun, f.bytes, f.len), f.len);
	s = with_id(
	    (struct shape){.link = LINK_RAW, .v6 = true, .extensions = 1, .extension = {60}}, &six);
	frame_make(&f, &s);
	assert_int_equal(write(tun, f.bytes, f.len), f.len);
	listen_for(&l, six);
	assert_int_equal(l.heard.times[four], 1);
	assert_int_equal(l.heard.last.link, method == &capture_pcap ? LINK_RAW : LINK_IPV6);
	l.method->close(l.self);
	(void)close(tun);
}

static void refuses_what_is_not_there(void **state)
{
	const struct capture_method *method = *state;
	struct listener l;
	struct capture_want nonsense = {
	    .source = LIVE_NEAR, .filter = "udp dst prot 1", .buffer_bytes = 1 << 20};

	live_make_pair();
	assert_int_equal(open_on(&l, method, "nowhere0"), CAPTURE_ABSENT);
	live_run("ip link set " LIVE_NEAR " down");
	assert_int_equal(open_on(&l, method, LIVE_NEAR), CAPTURE_ABSENT);
	live_up();
	assert_int_equal(l.method->open(&l.self, &nonsense), CAPTURE_REFUSED);
	assert_int_equal(open_on(&l, method, LIVE_NEAR), CAPTURE_UP);
	l.method->close(l.self);
}

/* A taken process can neither widen the filter nor take it off, nor is the interface promiscuous. */
static void locks_what_it_sees(void **state)
{
	const struct capture_method *method = *state;
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_fprog program = {.len = 1, .filter = &all};
	struct listener l;
	int none = 0;

	live_make_pair();
	assert_int_equal(open_on(&l, method, LIVE_NEAR), CAPTURE_UP);
	int fd = l.method->fd(l.self);
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &none, sizeof(none)), -1);
	live_run("ip -d link show " LIVE_NEAR " | grep -q 'promiscuity 0'");
	l.method->close(l.self);
}

static void follows_an_interface_down_and_up(void **state)
{
	const struct capture_method *method = *state;
	static const uint8_t before = 1, after = 2;
	struct listener l;

	live_make_pair();
	int sender = live_sender(LIVE_FAR);
	assert_int_equal(open_on(&l, method, LIVE_NEAR), CAPTURE_UP);
	assert_int_equal(l.method->tick(l.self), CAPTURE_UP);
	live_send(sender, with_id((struct shape){.link = LINK_ETHERNET}, &before));
	live_run("ip link set " LIVE_NEAR " down");
	/* What came before is not lost, and the error that the socket tells is none. */
	listen_for(&l, before);
	assert_int_equal(l.method->read(l.self, BATCH, hear, &l.heard), CAPTURE_UP);
	assert_int_equal(l.method->tick(l.self), CAPTURE_DOWN);
	live_up();
	assert_int_equal(l.method->tick(l.self), CAPTURE_UP);
	live_send(sender, with_id((struct shape){.link = LINK_ETHERNET}, &after));
	listen_for(&l, after);
	l.method->close(l.self);
	(void)close(sender);
}

static void notices_an_interface_that_goes(void **state)
{
	const struct capture_method *method = *state;
	struct listener l;

	live_make_pair();
	assert_int_equal(open_on(&l, method, LIVE_NEAR), CAPTURE_UP);
	live_run("ip link del " LIVE_NEAR);
	live_await(l.method->fd(l.self));
	assert_int_equal(l.method->read(l.self, BATCH, hear, &l.heard), CAPTURE_GONE);
	l.method->close(l.self);

	/* One that was down tells nobody; and one of the same name is another. */
	live_make_pair();
	assert_int_equal(open_on(&l, method, LIVE_NEAR), CAPTURE_UP);
	live_run("ip link set " LIVE_NEAR " down");
	assert_int_equal(l.method->tick(l.self), CAPTURE_DOWN);
	live_run("ip link del " LIVE_NEAR);
	live_make_pair();
	assert_int_equal(l.method->tick(l.self), CAPTURE_GONE);
	l.method->close(l.self);
}

static void reads_in_bounded_batches(void **state)
{
	const struct capture_method *method = *state;
	enum { FRAMES = 10 };
	static const uint8_t id = 1;
	struct capture_stats stats;
	struct listener l;

	live_make_pair();
	int sender = live_sender(LIVE_FAR);
	assert_int_equal(open_on(&l, method, LIVE_NEAR), CAPTURE_UP);
	for (unsigned i = 0; i < FRAMES; i++)
		live_send(sender, with_id((struct shape){.link = LINK_ETHERNET}, &id));
	for (unsigned i = 1; i <= FRAMES; i++) {
		live_await(l.method->fd(l.self));
		assert_int_equal(l.method->read(l.self, 1, hear, &l.heard), CAPTURE_UP);
		assert_int_equal(l.heard.times[id], i);
	}
	l.method->stats(l.self, &stats);
	assert_int_equal(stats.seen, FRAMES);
	assert_int_equal(stats.lost, 0);
	l.method->close(l.self);
	(void)close(sender);
}

/* What had no room is counted as seen and lost, and all that was not lost is there. */
static void counts_what_it_lost(void **state)
{
	enum { FRAMES = 20000 };
	static const uint8_t id = 1;
	const struct capture_method *method = *state;
	struct capture_want want = {.source = LIVE_NEAR, .filter = "udp", .buffer_bytes = 1 << 16};
	struct listener l = {.method = method};
	struct capture_stats stats;
	unsigned before;

	live_make_pair();
	int sender = live_sender(LIVE_FAR);
	assert_int_equal(method->open(&l.self, &want), CAPTURE_UP);
	for (unsigned i = 0; i < FRAMES; i++)
		live_send(sender, with_id((struct shape){.link = LINK_ETHERNET}, &id));
	method->stats(l.self, &stats);
	assert_int_equal(stats.seen, FRAMES);
	assert_in_range(stats.lost, 1, FRAMES - 1);
	do {
		before = l.heard.times[id];
		assert_int_equal(method->read(l.self, BATCH, hear, &l.heard), CAPTURE_UP);
	} while (l.heard.times[id] != before);
	assert_int_equal(l.heard.times[id], FRAMES - stats.lost);
	method->close(l.self);
	(void)close(sender);
}

/* From here on: the whole process, with us in auth's place. */

struct live_scene {
	struct live_capture capture;
	int sender;
	struct veil_keys keys;
};

static void start(struct live_scene *s, const struct capture_method *method, const char *interface)
{
	char config[512];
	struct msg_plain ready;
	struct door_keys keys;

	live_make_pair();
	/* What is to no address of ours, xdp leaves to its slow path. */
	live_run("ip addr add 198.51.100.1/32 dev " LIVE_NEAR);
	s->sender = live_sender(LIVE_FAR);
	door_keys_derive(&keys, door_key);
	s->keys = keys.to_server;
	s->capture = live_start(
	    interface, live_config(config, sizeof(config), method->name, interface, "nobody"));
	live_expect(&s->capture, MSG_CAPTURE_READY, &ready, sizeof(ready));
}

/* We go away, and so does it. */
static void stop(struct live_scene *s)
{
	(void)shutdown(s->capture.peer, SHUT_RDWR);
	assert_int_equal(live_end(&s->capture), CAPTURE_EXIT_OK);
	(void)close(s->sender);
}

static void knock(const struct live_scene *s, struct shape shape, uint8_t id)
{
	uint8_t veil[VEIL_ROOM];
	struct veiled v = {.kind = KIND_M1, .body = &id, .body_len = 1};

	veil_seal(&s->keys, CARRIER_UDP, &v, veil, 500);
	shape.payload = veil;
	shape.payload_len = 500;
	live_send(s->sender, shape);
}

static void expect_knock(const struct live_scene *s, uint8_t id)
{
	struct msg_knock k;
	struct veiled v;

	live_expect(&s->capture, MSG_KNOCK, &k, sizeof(k));
	assert_int_equal(veil_parse(k.plain, k.plain_len, &v), 0);
	assert_int_equal(v.body_len, 1);
	assert_int_equal(v.body[0], id);
	assert_int_equal(k.ifindex, if_nametoindex(LIVE_NEAR));
}

static void knock_and_expect(const struct live_scene *s, uint8_t id)
{
	knock(s, (struct shape){.link = LINK_ETHERNET}, id);
	expect_knock(s, id);
}

/* What comes between "ready" and the keys waits in the ring. */
static void keeps_knocks_until_it_has_keys(void **state)
{
	const struct capture_method *method = *state;
	struct live_scene s;
	struct msg_capture_stats stats;

	start(&s, method, LIVE_NEAR);
	knock(&s, (struct shape){.link = LINK_ETHERNET}, 1);
	knock(&s, (struct shape){.link = LINK_ETHERNET, .v6 = true}, 2);
	live_stats(&s.capture, &stats);
	assert_int_equal(stats.counter[CAPTURE_MATCHED], 0);
	live_keys(&s.capture, door_key);
	expect_knock(&s, 1);
	expect_knock(&s, 2);
	knock_and_expect(&s, 3);
	stop(&s);
}

static void counts_and_tells(void **state)
{
	const struct capture_method *method = *state;
	static const uint8_t junk[400];
	struct live_scene s;
	struct msg_capture_stats stats;

	start(&s, method, "any");
	live_keys(&s.capture, door_key);
	for (int i = 0; i < 5; i++)
		live_send(s.sender,
		    (struct shape){
			.link = LINK_ETHERNET, .payload = junk, .payload_len = sizeof(junk)});
	knock_and_expect(&s, 1);
	live_expect_log(&s.capture, "stranger dropped reason=gate from=192.0.2.7 count=1");
	live_stats(&s.capture, &stats);
	assert_int_equal(stats.counter[CAPTURE_SEEN], 6);
	assert_int_equal(stats.counter[CAPTURE_GATE], 5);
	assert_int_equal(stats.counter[CAPTURE_MATCHED], 1);
	assert_int_equal(stats.counter[CAPTURE_LOST], 0);
	stop(&s);
}

#ifdef POSTERN_XDP
/* Strangers by the fast path, and by the slow one: with options, or to no address of ours. */
static void counts_what_the_kernel_dropped(void **state)
{
	const struct capture_method *method = *state;
	static const uint8_t junk[400];
	struct shape plain = {.link = LINK_ETHERNET, .payload = junk, .payload_len = sizeof(junk)};
	struct shape options = plain, brief = plain, v6 = plain;
	struct live_scene s;
	struct msg_capture_stats stats;

	options.option_bytes = 8;
	brief.payload_len = 20;
	v6.v6 = true;
	start(&s, method, LIVE_NEAR);
	live_keys(&s.capture, door_key);
	knock_and_expect(&s, 1); /* the program has the keys by then */
	for (int i = 0; i < 5; i++)
		live_send(s.sender, plain);
	live_send(s.sender, brief);
	live_send(s.sender, options);
	live_send(s.sender, v6);
	knock_and_expect(&s, 2);
	knock(&s, (struct shape){.link = LINK_ETHERNET, .option_bytes = 4}, 3);
	expect_knock(&s, 3);
	live_expect_log(&s.capture, "stranger dropped reason=gate from=192.0.2.7 count=1");
	live_expect_log(&s.capture, "strangers dropped by=kernel interface=near0 count=6");
	live_stats(&s.capture, &stats);
	assert_int_equal(stats.counter[CAPTURE_SEEN], 11);
	assert_int_equal(stats.counter[CAPTURE_GATE], 7);
	assert_int_equal(stats.counter[CAPTURE_LENGTH], 1);
	assert_int_equal(stats.counter[CAPTURE_MATCHED], 3);
	assert_int_equal(stats.counter[CAPTURE_LOST], 0);
	stop(&s);
}
#endif

/* A line of /proc/PID/status, without its name. */
static void process_status(pid_t pid, const char *name, char *out, int cap)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	do
		assert_non_null(fgets(out, cap, f));
	while (strncmp(out, name, strlen(name)) != 0);
	(void)fclose(f);
	memmove(out, out + strlen(name), strlen(out + strlen(name)) + 1);
}

static void gives_everything_up(void **state)
{
	const struct capture_method *method = *state;
	static const struct {
		const char *name, *value;
	} lines[] = {
	    {"Uid:", "\t65534\t65534\t65534\t65534\n"},
	    {"Gid:", "\t65534\t65534\t65534\t65534\n"},
	    {"Groups:", "\t \n"},
	    {"CapInh:", "\t0000000000000000\n"},
	    {"CapPrm:", "\t0000000000000000\n"},
	    {"CapEff:", "\t0000000000000000\n"},
	    {"CapAmb:", "\t0000000000000000\n"},
	    {"NoNewPrivs:", "\t1\n"},
	    {"Seccomp:", "\t2\n"},
	};
	struct live_scene s;
	char line[256];

	start(&s, method, LIVE_NEAR);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		process_status(s.capture.pid, lines[i].name, line, sizeof(line));
		assert_string_equal(line, lines[i].value);
	}
	stop(&s);
}

/* The sandbox is strict here as everywhere: a call that its list lacks would kill the process. */
static void lives_through_down_and_up(void **state)
{
	const struct capture_method *method = *state;
	struct live_scene s;

	start(&s, method, LIVE_NEAR);
	live_keys(&s.capture, door_key);
	knock_and_expect(&s, 1);
	live_run("ip link set " LIVE_NEAR " down");
	live_expect_log(&s.capture, "interface_down interface=" LIVE_NEAR);
	live_up();
	knock_and_expect(&s, 2);
	live_expect_log(&s.capture, "interface_up interface=" LIVE_NEAR);
	stop(&s);
}

static void says_how_it_ended(void **state)
{
	const struct capture_method *method = *state;
	static const struct {
		const char *interface, *user;
		int status;
	} starts[] = {
	    {"nowhere0", "nobody", CAPTURE_EXIT_NO_INTERFACE},
	    {LIVE_NEAR, "nosuchuser", CAPTURE_EXIT_CONFIG},
	};
	struct live_scene s;
	struct msg_capture_stats stats;
	char config[512];

	live_make_pair();
	for (size_t i = 0; i < COUNT_OF(starts); i++) {
		s.capture = live_start(
		    starts[i].interface, live_config(config, sizeof(config), method->name,
					     starts[i].interface, starts[i].user));
		assert_int_equal(live_end(&s.capture), starts[i].status);
	}
	s.capture = live_start(LIVE_NEAR, "udp-port = many\n");
	assert_int_equal(live_end(&s.capture), CAPTURE_EXIT_CONFIG);

	start(&s, method, LIVE_NEAR);
	live_keys(&s.capture, door_key);
	knock_and_expect(&s, 1);
	live_run("ip link del " LIVE_NEAR);
	live_expect(&s.capture, MSG_CAPTURE_STATS, &stats, sizeof(stats));
	assert_int_equal(stats.counter[CAPTURE_MATCHED], 1);
	assert_int_equal(live_end(&s.capture), CAPTURE_EXIT_LOST);
	(void)close(s.sender);
}

static void ends_politely(void **state)
{
	const struct capture_method *method = *state;
	struct live_scene s;
	struct msg_capture_stats stats;

	start(&s, method, LIVE_NEAR);
	live_keys(&s.capture, door_key);
	knock_and_expect(&s, 1);
	assert_int_equal(kill(s.capture.pid, SIGHUP), 0);
	assert_int_equal(kill(s.capture.pid, SIGINT), 0);
	knock_and_expect(&s, 2);
	assert_int_equal(kill(s.capture.pid, SIGTERM), 0);
	live_expect(&s.capture, MSG_CAPTURE_STATS, &stats, sizeof(stats));
	assert_int_equal(stats.counter[CAPTURE_MATCHED], 2);
	assert_int_equal(live_end(&s.capture), CAPTURE_EXIT_OK);
	(void)close(s.sender);
}

static void obeys_only_what_is_of_ours(void **state)
{
	const struct capture_method *method = *state;
	struct msg_keys strange[] = {
	    {.head = {MSG_KNOCK, sizeof(struct msg_keys)}},
	    {.head = {MSG_KEYS, sizeof(struct msg_plain)}, .count = 1},
	    {.head = {MSG_KEYS, sizeof(struct msg_keys)}, .count = 3},
	};

	for (size_t i = 0; i < COUNT_OF(strange); i++) {
		struct live_scene s;

		start(&s, method, LIVE_NEAR);
		assert_int_equal(ipc_send(s.capture.peer, &strange[i], NULL, 0), 0);
		assert_int_equal(live_end(&s.capture), CAPTURE_EXIT_FAILED);
		(void)close(s.sender);
	}
}

/* auth does not keep up: what it cannot take is counted, and all goes on afterwards. */
static void drops_what_auth_cannot_take(void **state)
{
	const struct capture_method *method = *state;
	enum { KNOCKS = 4000 };
	struct live_scene s;
	struct msg_capture_stats stats = {0};
	struct msg_knock k;
	uint64_t got = 0;

	start(&s, method, LIVE_NEAR);
	live_keys(&s.capture, door_key);
	for (int i = 0; i < KNOCKS; i++)
		knock(&s, (struct shape){.link = LINK_ETHERNET}, 1);
	struct msg_plain query = {{MSG_STATS_QUERY, sizeof(query)}};
	assert_int_equal(ipc_send(s.capture.peer, &query, NULL, 0), 0);
	while (stats.head.type != MSG_CAPTURE_STATS) {
		live_await(s.capture.peer);
		int len = ipc_recv(s.capture.peer, &k, sizeof(k), NULL, 0, NULL);
		assert_true(len > 0);
		if (k.head.type == MSG_KNOCK)
			got++;
		else
			memcpy(&stats, &k, sizeof(stats));
	}
	/* The answer may have overtaken frames that were not read yet. */
	while (stats.counter[CAPTURE_MATCHED] + stats.counter[CAPTURE_QUEUE_FULL] +
		   stats.counter[CAPTURE_LOST] <
	       KNOCKS) {
		while (ipc_recv(s.capture.peer, &k, sizeof(k), NULL, 0, NULL) > 0)
			got++;
		assert_int_equal(ipc_send(s.capture.peer, &query, NULL, 0), 0);
		do {
			live_await(s.capture.peer);
			assert_true(ipc_recv(s.capture.peer, &k, sizeof(k), NULL, 0, NULL) > 0);
			got += k.head.type == MSG_KNOCK;
		} while (k.head.type == MSG_KNOCK);
		memcpy(&stats, &k, sizeof(stats));
	}
	assert_true(stats.counter[CAPTURE_QUEUE_FULL] > 0);
	assert_int_equal(stats.counter[CAPTURE_MATCHED], got);
	knock_and_expect(&s, 2);
	stop(&s);
}

/* Junk as fast as we can send it, a knock in its middle. */
static void finds_a_knock_in_a_burst(void **state)
{
	const struct capture_method *method = *state;
	enum { JUNK = 200000, AT_ONCE = 500 };
	static const uint8_t junk[400];
	struct live_scene s;
	struct msg_capture_stats stats;
	struct frame f;
	struct mmsghdr batch[AT_ONCE] = {0};
	struct iovec iov = {.iov_base = f.bytes};

	start(&s, method, LIVE_NEAR);
	live_keys(&s.capture, door_key);
	frame_make(&f,
	    &(struct shape){.link = LINK_ETHERNET, .payload = junk, .payload_len = sizeof(junk)});
	iov.iov_len = f.len;
	for (int i = 0; i < AT_ONCE; i++)
		batch[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	for (int sent = 0; sent < JUNK; sent += AT_ONCE) {
		assert_int_equal(sendmmsg(s.sender, batch, AT_ONCE, 0), AT_ONCE);
		if (sent == JUNK / 2)
			knock(&s, (struct shape){.link = LINK_ETHERNET}, 9);
	}
	expect_knock(&s, 9);
	do
		live_stats(&s.capture, &stats);
	while (stats.counter[CAPTURE_GATE] + stats.counter[CAPTURE_LOST] < JUNK);
	print_message("of %d junk frames %llu were lost\n", JUNK,
	    (unsigned long long)stats.counter[CAPTURE_LOST]);
	assert_int_equal(stats.counter[CAPTURE_SEEN], JUNK + 1);
	stop(&s);
}

#ifdef POSTERN_FAULT_HOOKS
/* Test builds can be told to die at a step, and to call what the sandbox forbids. */
static void dies_where_it_is_told(void **state)
{
	const struct capture_method *method = *state;
	static const struct {
		const char *step;
		int signal;
		bool handed;
	} faults[] = {
	    {"capture.received", SIGKILL, false},
	    {"capture.handed", SIGKILL, true},
	    {"capture.forbidden", SIGSYS, false},
	};

	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct live_scene s;
		struct msg_knock k;

		assert_int_equal(setenv("POSTERN_FAULT", faults[i].step, 1), 0);
		start(&s, method, LIVE_NEAR);
		assert_int_equal(unsetenv("POSTERN_FAULT"), 0);
		live_keys(&s.capture, door_key);
		knock(&s, (struct shape){.link = LINK_ETHERNET}, 1);
		live_await(s.capture.peer);
		int len = ipc_recv(s.capture.peer, &k, sizeof(k), NULL, 0, NULL);
		assert_int_equal(len, faults[i].handed ? sizeof(k) : 0);
		assert_int_equal(live_end(&s.capture), -faults[i].signal);
		(void)close(s.sender);
	}
}
#endif

/* Every method keeps the same promises. */
#define BOTH(f) \
	{#f " pcap", f, NULL, NULL, (void *)(uintptr_t)&capture_pcap}, \
	{ \
#f " afpacket", f, NULL, NULL, (void *)(uintptr_t)&capture_afpacket \
	}

#ifdef POSTERN_XDP
#define XDP(f) \
	{ \
#f " xdp", f, NULL, NULL, (void *)(uintptr_t)&capture_xdp \
	}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(hears_on_ethernet),
	    BOTH(hears_on_any),
	    BOTH(hears_only_what_comes_in),
	    BOTH(hears_the_loopback_once),
	    BOTH(hears_a_tunnel),
	    BOTH(refuses_what_is_not_there),
	    BOTH(locks_what_it_sees),
	    BOTH(follows_an_interface_down_and_up),
	    BOTH(notices_an_interface_that_goes),
	    BOTH(reads_in_bounded_batches),
	    BOTH(counts_what_it_lost),
	    BOTH(keeps_knocks_until_it_has_keys),
	    BOTH(counts_and_tells),
	    BOTH(gives_everything_up),
	    BOTH(lives_through_down_and_up),
	    BOTH(says_how_it_ended),
	    BOTH(ends_politely),
	    BOTH(obeys_only_what_is_of_ours),
	    BOTH(drops_what_auth_cannot_take),
	    BOTH(finds_a_knock_in_a_burst),
#ifdef POSTERN_FAULT_HOOKS
	    BOTH(dies_where_it_is_told),
#endif
#ifdef POSTERN_XDP
	    XDP(hears_on_ethernet),
	    XDP(refuses_what_is_not_there),
	    XDP(follows_an_interface_down_and_up),
	    XDP(notices_an_interface_that_goes),
	    XDP(reads_in_bounded_batches),
	    XDP(keeps_knocks_until_it_has_keys),
	    XDP(counts_what_the_kernel_dropped),
	    XDP(gives_everything_up),
	    XDP(lives_through_down_and_up),
	    XDP(says_how_it_ended),
	    XDP(ends_politely),
	    XDP(obeys_only_what_is_of_ours),
	    XDP(drops_what_auth_cannot_take),
	    XDP(finds_a_knock_in_a_burst),
#ifdef POSTERN_FAULT_HOOKS
	    XDP(dies_where_it_is_told),
#endif
#endif
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	(void)alarm(TEST_S);
	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
