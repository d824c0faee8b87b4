#include "raw_tcp.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "checksum.h"
#include "cursor.h"

enum {
	HEAD_BYTES = 20,
	OPTION_BYTES = 20,
	WORDS_AND_SYN = (HEAD_BYTES + OPTION_BYTES) / 4 << 12 | 0x02,
	WINDOW = 64240,
	CHECKSUM_AT = 16,
	SEGMENT_V4 = 1460, /* what Linux says on a link of 1,500 bytes */
	SEGMENT_V6 = 1440,
	PACKET_MAX = 2048,
	PORT_AT = 2, /* of the destination, in a TCP header */
};

/* Hand over only what is for our port: the user's other connections to that host are none of our business. */
static int hear_port(int sock, int family, uint16_t port)
{
	/* IPv4's raw sockets show the IP header, IPv6's do not. */
	struct sock_filter v4[] = {
	    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	    BPF_STMT(BPF_LD | BPF_H | BPF_IND, PORT_AT),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, PACKET_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_filter v6[] = {
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, PORT_AT),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, PACKET_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof(v4) / sizeof(v4[0]), v4};

	if (family == AF_INET6)
		program = (struct sock_fprog){sizeof(v6) / sizeof(v6[0]), v6};
	return setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static struct address address_of(const struct sockaddr *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (a->sa_family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		return address_v4((const uint8_t *)&v4.sin_addr);
	}
	memcpy(&v6, a, sizeof(v6));
	return address_v6(v6.sin6_addr.s6_addr);
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
					     : ((const struct sockaddr_in6 *)a)->sin6_port);
}

/* A port of our own, which the kernel chooses. */
static int reserve(struct raw_tcp *r, const struct sockaddr *local, socklen_t len)
{
	struct sockaddr_storage own = {0};
	socklen_t own_len = sizeof(own);

	memcpy(&own, local, len);
	set_port(&own, 0);
	r->reserved = socket(local->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->reserved < 0 || bind(r->reserved, (struct sockaddr *)&own, len) < 0 ||
	    getsockname(r->reserved, (struct sockaddr *)&own, &own_len) < 0)
		return -1;
	r->port = port_of(&own);
	return 0;
}

/* Bound and connected, so that it hears the server alone; raw sockets have no ports. */
static int aim(int sock, const struct sockaddr *local, const struct sockaddr *remote, socklen_t len)
{
	struct sockaddr_storage a = {0};

	memcpy(&a, local, len);
	set_port(&a, 0);
	if (bind(sock, (struct sockaddr *)&a, len) < 0)
		return -1;
	memcpy(&a, remote, len);
	set_port(&a, 0);
	return connect(sock, (struct sockaddr *)&a, len);
}

int raw_tcp_open(
    struct raw_tcp *r, const struct sockaddr *remote, const struct sockaddr *local, socklen_t len)
{
	*r = (struct raw_tcp){
	    .reserved = -1, .local = address_of(local), .remote = address_of(remote)};
	r->sock = socket(remote->sa_family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (r->sock >= 0 && reserve(r, local, len) == 0 &&
	    hear_port(r->sock, remote->sa_family, r->port) == 0 &&
	    aim(r->sock, local, remote, len) == 0)
		return 0;
	int why = errno;
	raw_tcp_close(r);
	errno = why;
	return -1;
}

void raw_tcp_close(struct raw_tcp *r)
{
	if (r->sock >= 0)
		(void)close(r->sock);
	if (r->reserved >= 0)
		(void)close(r->reserved);
	r->sock = -1;
	r->reserved = -1;
}

/* In the order that Linux has. */
static void write_options(struct writer *w, uint16_t segment, uint32_t tsval)
{
	static const uint8_t sack_and_time[] = {4, 2, 8, 10};
	static const uint8_t scale[] = {1, 3, 3, 7};

	write_u8(w, 2);
	write_u8(w, 4);
	write_u16(w, segment);
	write_bytes(w, sack_and_time, sizeof(sack_and_time));
	write_u32(w, tsval);
	write_u32(w, 0);
	write_bytes(w, scale, sizeof(scale));
}

int raw_tcp_send(const struct raw_tcp *r, const struct raw_syn *s)
{
	const struct pseudo_header pseudo = {
	    .src = &r->local, .dst = &r->remote, .proto = IPPROTO_TCP};
	uint8_t segment[PACKET_MAX];
	struct writer w = writer_of(segment, sizeof(segment));

	write_u16(&w, r->port);
	write_u16(&w, s->port);
	write_u32(&w, s->seq);
	write_u32(&w, 0);
	write_u16(&w, WORDS_AND_SYN);
	write_u16(&w, WINDOW);
	write_u32(&w, 0); /* checksum, urgent pointer */
	write_options(&w, address_is_v4(&r->local) ? SEGMENT_V4 : SEGMENT_V6, s->tsval);
	write_bytes(&w, s->bytes, s->len);
	if (w.failed) {
		errno = EMSGSIZE;
		return -1;
	}
	struct writer field = writer_of(segment + CHECKSUM_AT, sizeof(uint16_t));
	write_u16(&field, checksum_segment(&pseudo, segment, w.len));
	return send(r->sock, segment, w.len, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int raw_tcp_receive(const struct raw_tcp *r, uint8_t *out, size_t cap, uint16_t *from)
{
	uint8_t packet[PACKET_MAX];
	ssize_t got = recv(r->sock, packet, sizeof(packet), 0);

	if (got < 0)
		return -1;
	struct reader in = reader_of(packet, (size_t)got);
	if (address_is_v4(&r->local) && got > 0)
		(void)read_view(&in, (size_t)(packet[0] & 0xf) * 4);
	*from = read_u16(&in);
	(void)read_view(&in, 10); /* our port, the numbers */
	size_t head = (size_t)(read_u8(&in) >> 4) * 4;
	(void)read_view(&in, head > 13 ? head - 13 : 0);
	if (in.failed || head < HEAD_BYTES || in.left > cap)
		return 0;
	memcpy(out, in.at, in.left);
	return (int)in.left;
}
