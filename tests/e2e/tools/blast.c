/*
 * blast - send junk datagrams as fast as asked, for the tests.
 *
 *   blast DEVICE DST-MAC SRC DST DPORT COUNT SIZE RATE
 *
 * SRC is an address, or "random" for another forged one in each packet (of the
 * family of DST). SIZE is of the UDP payload, which is random. RATE is packets
 * a second, 0 for no limit. Whole Ethernet frames go out of DEVICE.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

enum {
	BATCH = 64,
	FRAME_MAX = 1514,
	IPV4_HEAD = 20,
	IPV6_HEAD = 40,
	UDP_HEAD = 8,
	PAYLOAD_MAX = 1400
};

struct blast {
	bool six, forge;
	uint8_t src[16], dst[16];
	struct ether_header ether;
	uint16_t dport;
	unsigned long count, rate;
	size_t size;
	uint64_t random;
	int sock;
	struct sockaddr_ll out;
};

struct batch {
	uint8_t frame[BATCH][FRAME_MAX];
	struct iovec iov[BATCH];
	struct mmsghdr msg[BATCH];
};

static uint64_t next_random(struct blast *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

static void fill_random(struct blast *b, uint8_t *out, size_t len)
{
	for (size_t at = 0; at < len; at += 8) {
		uint64_t r = next_random(b);
		memcpy(out + at, &r, len - at < 8 ? len - at : 8);
	}
}

static void put16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t sum(uint32_t acc, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		acc += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (len % 2)
		acc += (uint32_t)bytes[len - 1] << 8;
	return acc;
}

static uint16_t fold(uint32_t acc)
{
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)~acc;
}

/* Puts the IP header before ip_len bytes of UDP; returns its length. */
static size_t put_ip(const struct blast *b, uint8_t *ip, const uint8_t *src, size_t udp_len)
{
	size_t head = b->six ? IPV6_HEAD : IPV4_HEAD;

	memset(ip, 0, head);
	if (b->six) {
		ip[0] = 6 << 4;
		put16(ip + 4, udp_len);
		ip[6] = IPPROTO_UDP;
		ip[7] = 64;
		memcpy(ip + 8, src, 16);
		memcpy(ip + 24, b->dst, 16);
		return head;
	}
	ip[0] = 4 << 4 | IPV4_HEAD / 4;
	put16(ip + 2, IPV4_HEAD + udp_len);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, src, 4);
	memcpy(ip + 16, b->dst, 4);
	put16(ip + 10, fold(sum(0, ip, IPV4_HEAD)));
	return head;
}

/* A global unicast address that is nobody's. */
static void forge_source(struct blast *b, uint8_t src[static 16])
{
	fill_random(b, src, 16);
	src[0] = b->six ? 0x20 : (uint8_t)(11 + src[0] % 100);
	src[1] = b->six ? 0x01 : src[1];
}

static size_t make_frame(struct blast *b, uint8_t frame[static FRAME_MAX])
{
	uint8_t src[16];
	size_t addr_len = b->six ? 16 : 4, udp_len = UDP_HEAD + b->size;

	memcpy(src, b->src, sizeof(src));
	if (b->forge)
		forge_source(b, src);
	memcpy(frame, &b->ether, sizeof(b->ether));
	size_t at = sizeof(b->ether) + put_ip(b, frame + sizeof(b->ether), src, udp_len);
	uint8_t *udp = frame + at;
	put16(udp, 1024 + next_random(b) % 60000);
	put16(udp + 2, b->dport);
	put16(udp + 4, udp_len);
	put16(udp + 6, 0);
	fill_random(b, udp + UDP_HEAD, b->size);
	uint32_t acc = sum(IPPROTO_UDP + (uint32_t)udp_len, src, addr_len);
	put16(udp + 6, fold(sum(sum(acc, b->dst, addr_len), udp, udp_len)));
	return at + udp_len;
}

static void send_batch(struct blast *b, struct batch *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		t->iov[i] = (struct iovec){t->frame[i], make_frame(b, t->frame[i])};
		t->msg[i].msg_hdr = (struct msghdr){.msg_name = &b->out,
		    .msg_namelen = sizeof(b->out),
		    .msg_iov = &t->iov[i],
		    .msg_iovlen = 1};
	}
	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(b->sock, t->msg + done, n - done, 0);
		if (sent < 0)
			err(1, "sendmmsg");
		done += (unsigned)sent;
	}
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(double when)
{
	double left = when - now_s();

	if (left > 0) {
		struct timespec t = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
		nanosleep(&t, NULL);
	}
}

static void run(struct blast *b)
{
	static struct batch t;
	unsigned most = b->rate && b->rate < 64000 ? (unsigned)(1 + b->rate / 1000) : BATCH;
	double start = now_s();

	for (unsigned long sent = 0; sent < b->count;) {
		unsigned long left = b->count - sent;
		unsigned n = left < most ? (unsigned)left : most;
		send_batch(b, &t, n);
		sent += n;
		if (b->rate)
			wait_until(start + (double)sent / (double)b->rate);
	}
	double took = now_s() - start;
	printf("sent %lu in %.3f s, %.0f a second\n", b->count, took, (double)b->count / took);
}

static void open_device(struct blast *b, const char *device, const char *dst_mac)
{
	struct ether_addr mac;
	struct sockaddr_ll me;
	socklen_t len = sizeof(me);

	b->sock = socket(AF_PACKET, SOCK_RAW, 0);
	b->out = (struct sockaddr_ll){
	    .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device)};
	if (b->sock < 0 || !b->out.sll_ifindex ||
	    bind(b->sock, (struct sockaddr *)&b->out, sizeof(b->out)))
		err(1, "%s", device);
	if (getsockname(b->sock, (struct sockaddr *)&me, &len))
		err(1, "getsockname");
	if (!ether_aton_r(dst_mac, &mac))
		errx(1, "%s: not a hardware address", dst_mac);
	memcpy(b->ether.ether_shost, me.sll_addr, ETH_ALEN);
	memcpy(b->ether.ether_dhost, &mac, ETH_ALEN);
	b->ether.ether_type = htons(b->six ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
}

int main(int argc, char **argv)
{
	static struct blast b;

	if (argc != 9)
		errx(3, "usage: blast DEVICE DST-MAC SRC|random DST DPORT COUNT SIZE RATE");
	b.six = strchr(argv[4], ':') != NULL;
	b.forge = !strcmp(argv[3], "random");
	int family = b.six ? AF_INET6 : AF_INET;
	if ((!b.forge && inet_pton(family, argv[3], b.src) != 1) ||
	    inet_pton(family, argv[4], b.dst) != 1)
		errx(3, "%s, %s: two addresses of one family are needed", argv[3], argv[4]);
	open_device(&b, argv[1], argv[2]);
	b.dport = (uint16_t)strtoul(argv[5], NULL, 10);
	b.count = strtoul(argv[6], NULL, 10);
	b.size = strtoul(argv[7], NULL, 10);
	b.rate = strtoul(argv[8], NULL, 10);
	if (b.size > PAYLOAD_MAX)
		errx(3, "SIZE is at most %d", PAYLOAD_MAX);
	if (getrandom(&b.random, sizeof(b.random), 0) != sizeof(b.random))
		err(1, "getrandom");
	b.random |= 1;
	run(&b);
	return 0;
}
