/*
 * bench-capture - what a frame costs the capture process, and which of
 * libpcap's ways to wake us is the better one.
 *
 *   bench-capture sift    nanoseconds a frame, from the ring's callback to the drop
 *   bench-capture modes   immediate mode and 1 ms blocks beside each other, on a
 *                         veth pair in a namespace of its own: latency of knocks
 *                         and CPU a frame, with and without strangers. Needs root.
 *
 * Prints one JSON object a line.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "capture.h"
#include "cursor.h"
#include "measure.h"
#include "secret.h"
#include "sift.h"
#include "veil.h"

enum {
	PORT = 62201,
	HEADS_BYTES = 14 + 20 + 8,
	FRAME_MAX = HEADS_BYTES + VEIL_ROOM,
	PORT_AT = 14 + 20 + 3, /* the destination port's lower byte */
	FRAMES = 2000,
	PASSES = 100,
	REPEATS = 16,
	JUNK_BYTES = 204,
	PROBES = 200,
	PROBE_EVERY_US = 10000,
	AT_ONCE = 20, /* strangers' frames in one system call */
	SNAP = 1968,
	RING_BYTES = 16 << 20,
	BATCH = 256,
	NS_PER_US = 1000,
	US_PER_S = 1000000,
};

/* An IPv4 datagram to the knock port with this much inside; returns where that is to go. */
static uint8_t *make_frame(uint8_t frame[static FRAME_MAX], size_t inside)
{
	struct writer w = writer_of(frame, FRAME_MAX);

	write_zeros(&w, 12);
	write_u16(&w, 0x0800);
	write_u16(&w, 0x4500);
	write_u16(&w, (uint16_t)(28 + inside));
	write_zeros(&w, 4);
	write_u16(&w, 64 << 8 | 17);
	write_u16(&w, 0);
	write_u32(&w, 0xc0000207);
	write_u32(&w, 0xc6336401);
	write_u16(&w, 40000);
	write_u16(&w, PORT);
	write_u16(&w, (uint16_t)(8 + inside));
	write_u16(&w, 0);
	return write_gap(&w, inside);
}

/* A new sift with so many door keys; the first is what knocks are sealed with. */
static struct sift *make_sift(uint32_t keys, struct veil_keys *seal)
{
	struct msg_keys m = {.count = keys};
	struct sift *s = sift_new();

	sift_listen(s, &(struct carrier_ports){.udp = PORT});
	secret_random(m.key, sizeof(m.key));
	memcpy(seal->veil, m.key[0].veil, KEY_BYTES);
	memcpy(seal->gate, m.key[0].gate, SHORT_KEY_BYTES);
	if (sift_keys(s, &m) != 0)
		abort();
	return s;
}

static uint64_t user_ns(void)
{
	struct rusage r;

	(void)getrusage(RUSAGE_SELF, &r);
	return ((uint64_t)r.ru_utime.tv_sec * US_PER_S + (uint64_t)r.ru_utime.tv_usec) * NS_PER_US;
}

static uint64_t system_ns(void)
{
	struct rusage r;

	(void)getrusage(RUSAGE_SELF, &r);
	return ((uint64_t)r.ru_stime.tv_sec * US_PER_S + (uint64_t)r.ru_stime.tv_usec) * NS_PER_US;
}

/* What the frames of one measurement are. */
enum load { LOAD_STRANGER, LOAD_REPEAT, LOAD_OTHER_PORT, LOAD_KNOCK };

static void fill(enum load load, const struct veil_keys *keys, uint8_t *inside, size_t len)
{
	uint8_t body[200] = {0};
	struct veiled v = {.kind = KIND_M1, .body = body, .body_len = sizeof(body)};

	if (load == LOAD_REPEAT || load == LOAD_KNOCK)
		veil_seal(keys, CARRIER_UDP, &v, inside, len);
	else
		secret_random(inside, len);
}

static void pass(struct sift *s, uint8_t (*frames)[FRAME_MAX], size_t len)
{
	static struct msg_knock knock;

	for (size_t i = 0; i < FRAMES; i++) {
		struct capture_frame f = {
		    .bytes = frames[i], .caplen = len, .len = len, .link = LINK_ETHERNET};
		if (sift_frame(s, &f, &knock) == CAPTURE_MATCHED)
			sift_handed(s, true);
	}
}

/* Different frames each, as many as do not fit the nearest cache. */
static void measure_sift(const char *name, enum load load, uint32_t keys, size_t len)
{
	static uint8_t frames[FRAMES][FRAME_MAX];
	struct veil_keys seal;
	struct sift *s = make_sift(keys, &seal);
	unsigned passes = load == LOAD_KNOCK ? 1 : PASSES;

	for (size_t i = 0; i < FRAMES; i++) {
		fill(load, &seal, make_frame(frames[i], len), len);
		if (load == LOAD_OTHER_PORT)
			frames[i][PORT_AT] ^= 1;
		if (load == LOAD_REPEAT)
			memcpy(frames[i], frames[i % REPEATS], FRAME_MAX);
	}
	if (load == LOAD_REPEAT)
		pass(s, frames, HEADS_BYTES + len);
	uint64_t from = measure_now_ns();
	for (unsigned i = 0; i < passes; i++)
		pass(s, frames, HEADS_BYTES + len);
	(void)printf("{\"what\":\"%s\",\"door_keys\":%u,\"bytes\":%zu,\"ns\":%.0f}\n", name, keys,
	    len, (double)(measure_now_ns() - from) / FRAMES / passes);
	sift_free(s);
}

static int bench_sift(void)
{
	static const size_t lengths[] = {204, VEIL_MIN_CLIENT, 800, VEIL_ROOM};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		measure_sift("other port", LOAD_OTHER_PORT, 1, lengths[i]);
		measure_sift("stranger", LOAD_STRANGER, 1, lengths[i]);
		measure_sift("stranger", LOAD_STRANGER, 2, lengths[i]);
		if (lengths[i] < VEIL_MIN_CLIENT)
			continue;
		measure_sift("repeat", LOAD_REPEAT, 1, lengths[i]);
		measure_sift("knock", LOAD_KNOCK, 1, lengths[i]);
	}
	return 0;
}

/* How libpcap shall wake us. */
struct mode {
	const char *name;
	int immediate, timeout_ms;
};

/* What the reader tells the sender, in memory that both have. */
struct shared {
	volatile int ready, stop;
	uint64_t frames, knocks, lost;
	uint64_t user_ns, system_ns;
	uint64_t latency_ns[PROBES];
};

struct reader_state {
	struct sift *sift;
	struct shared *shared;
	struct msg_knock knock;
};

static void on_packet(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
	struct reader_state *r = (struct reader_state *)user;
	struct capture_frame f = {
	    .bytes = bytes, .caplen = head->caplen, .len = head->len, .link = LINK_ETHERNET};
	struct veiled v;

	r->shared->frames++;
	if (sift_frame(r->sift, &f, &r->knock) != CAPTURE_MATCHED)
		return;
	sift_handed(r->sift, true);
	/* A probe's label says when it was sent. */
	if (veil_parse(r->knock.plain, r->knock.plain_len, &v) == 0 && r->shared->knocks < PROBES)
		r->shared->latency_ns[r->shared->knocks++] = measure_now_ns() - v.label.t;
}

static pcap_t *open_mode(const struct mode *mode)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program program;
	pcap_t *p = pcap_create("near0", why);

	(void)pcap_set_snaplen(p, SNAP);
	(void)pcap_set_immediate_mode(p, mode->immediate);
	(void)pcap_set_timeout(p, mode->timeout_ms);
	(void)pcap_set_buffer_size(p, RING_BYTES);
	if (pcap_activate(p) < 0 ||
	    pcap_compile(p, &program, "udp dst port 62201", 1, PCAP_NETMASK_UNKNOWN) != 0 ||
	    pcap_setfilter(p, &program) != 0 || pcap_setnonblock(p, 1, why) != 0) {
		(void)fprintf(stderr, "bench-capture: %s%s\n", pcap_geterr(p), why);
		exit(1);
	}
	pcap_freecode(&program);
	return p;
}

static void pin(size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static _Noreturn void be_reader(const struct mode *mode, struct sift *sift, struct shared *shared)
{
	static struct reader_state r;
	struct pcap_stat stat;

	pin(1);
	r.sift = sift;
	r.shared = shared;
	pcap_t *p = open_mode(mode);
	struct pollfd ring = {.fd = pcap_get_selectable_fd(p), .events = POLLIN};
	shared->ready = 1;
	uint64_t user = user_ns(), system = system_ns();
	while (!shared->stop) {
		(void)poll(&ring, 1, 100);
		(void)pcap_dispatch(p, BATCH, on_packet, (u_char *)&r);
	}
	shared->user_ns = user_ns() - user;
	shared->system_ns = system_ns() - system;
	if (pcap_stats(p, &stat) == 0)
		shared->lost = stat.ps_drop;
	_exit(0);
}

static int sender_socket(void)
{
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("far0")};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("bench-capture: sender");
		exit(1);
	}
	return fd;
}

static void send_probe(int fd, const struct veil_keys *keys)
{
	uint8_t frame[FRAME_MAX], body[100] = {0};
	struct veiled v = {.kind = KIND_M1, .body = body, .body_len = sizeof(body)};
	uint8_t *inside = make_frame(frame, VEIL_MIN_CLIENT);

	v.label.t = measure_now_ns();
	veil_seal(keys, CARRIER_UDP, &v, inside, VEIL_MIN_CLIENT);
	(void)send(fd, frame, HEADS_BYTES + VEIL_MIN_CLIENT, 0);
}

/* Strangers at a rate, and a knock every 10 ms. Returns how many strangers' frames were sent. */
static uint64_t send_load(int fd, const struct veil_keys *keys, unsigned rate)
{
	static uint8_t frame[FRAME_MAX];
	struct iovec iov = {.iov_base = frame, .iov_len = HEADS_BYTES + JUNK_BYTES};
	struct mmsghdr many[AT_ONCE] = {0};
	uint64_t start = measure_now_ns(), sent = 0;

	secret_random(make_frame(frame, JUNK_BYTES), JUNK_BYTES);
	for (unsigned i = 0; i < AT_ONCE; i++)
		many[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	for (unsigned probe = 0; probe < PROBES;) {
		uint64_t now = measure_now_ns() - start;
		if (now >= (uint64_t)probe * PROBE_EVERY_US * NS_PER_US) {
			send_probe(fd, keys);
			probe++;
		} else if (sent * US_PER_S * NS_PER_US < now * rate) {
			(void)sendmmsg(fd, many, AT_ONCE, 0);
			sent += AT_ONCE;
		} else if (rate == 0) {
			(void)usleep(NS_PER_US);
		}
	}
	return sent;
}

static void measure_mode(const struct mode *mode, unsigned rate, struct shared *shared)
{
	struct veil_keys keys;
	struct sift *sift = make_sift(2, &keys);
	int fd = sender_socket();

	*shared = (struct shared){0};
	pid_t reader = fork();
	if (reader == 0)
		be_reader(mode, sift, shared);
	while (!shared->ready)
		(void)usleep(NS_PER_US);
	uint64_t sent = send_load(fd, &keys, rate);
	(void)usleep(100 * NS_PER_US);
	shared->stop = 1;
	(void)waitpid(reader, NULL, 0);
	(void)printf(
	    "{\"mode\":\"%s\",\"strangers_per_s\":%u,\"sent\":%llu,\"frames\":%llu,\"lost\":%llu,"
	    "\"knocks\":%llu,\"user_us_per_frame\":%.2f,\"system_us_per_frame\":%.2f,\"latency_"
	    "us\":",
	    mode->name, rate, (unsigned long long)sent, (unsigned long long)shared->frames,
	    (unsigned long long)shared->lost, (unsigned long long)shared->knocks,
	    (double)shared->user_ns / 1e3 / (double)shared->frames,
	    (double)shared->system_ns / 1e3 / (double)shared->frames);
	measure_print_us(shared->latency_ns, shared->knocks);
	(void)printf("}\n");
	(void)fflush(stdout);
	(void)close(fd);
	sift_free(sift);
}

static int bench_modes(void)
{
	static const struct mode modes[] = {{"immediate", 1, 0}, {"blocks of 1 ms", 0, 1}};
	static const unsigned rates[] = {0, 20000, 100000, 10000000};
	struct shared *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED || unshare(CLONE_NEWNET) != 0 ||
	    system("ip link add near0 type veth peer name far0 && ip link set near0 up && ip link "
		   "set far0 up") != 0) {
		(void)fprintf(
		    stderr, "bench-capture: no namespace with a veth pair: are you root?\n");
		return 1;
	}
	pin(0);
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
		for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
			measure_mode(&modes[m], rates[r], shared);
	return 0;
}

int main(int argc, char **argv)
{
	if (secret_init() != 0)
		return 1;
	if (argc == 2 && strcmp(argv[1], "sift") == 0)
		return bench_sift();
	if (argc == 2 && strcmp(argv[1], "modes") == 0)
		return bench_modes();
	(void)fprintf(stderr, "usage: bench-capture sift|modes\n");
	return 2;
}
