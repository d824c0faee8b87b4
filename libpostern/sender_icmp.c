/*
 * The client's half of icmp: echo requests by a ping socket, which needs no
 * privilege where net.ipv4.ping_group_range has the user's group, or else by a
 * raw socket. The server's kernel answers each request with an echo, which is
 * no veil of the server's, so the exchange lets it by.
 */
#include "sender.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cursor.h"
#include "secret.h"

enum {
	ECHO_BYTES = 8,
	ICMP_MAX = ECHO_BYTES + VEIL_ROOM,
	RECEIVE_MAX = 2048,
	PENDING_ERRORS_MAX = 4,
	PACKETS_MAX = 32, /* of others, in a turn; a raw socket hears all replies of the server */
	IPV4_BYTES = 20,
};

static const char not_allowed[] =
    "allow pings to this user: 'sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"', or give "
    "this program CAP_NET_RAW";

struct icmp_way {
	struct way way;
	int sock;
	bool raw; /* then we make id and, for IPv4, the checksum, and see IPv4's header */
	bool v4;
	uint16_t id, number;
};

static struct icmp_way *icmp(struct way *w)
{
	return (struct icmp_way *)w;
}

static void icmp_close(struct way *w)
{
	if (icmp(w)->sock >= 0)
		(void)close(icmp(w)->sock);
	free(w);
}

/* Replies and errors about requests alone. */
static int hear_replies(const struct icmp_way *i)
{
	struct icmp_filter v4 = {.data = ~(1U << ICMP_ECHOREPLY)};
	struct icmp6_filter v6;

	if (i->v4)
		return setsockopt(i->sock, SOL_RAW, ICMP_FILTER, &v4, sizeof(v4));
	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6);
	return setsockopt(i->sock, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
}

_Static_assert(IP_PMTUDISC_DO == IPV6_PMTUDISC_DO, "both families have one number");

/* Returns 0, or -1 with errno: EACCES when neither kind is allowed. */
static int make_socket(struct icmp_way *i, int family)
{
	int proto = i->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int whole = IP_PMTUDISC_DO;

	i->sock = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	if (i->sock < 0 && (errno == EACCES || errno == EPROTONOSUPPORT)) {
		i->raw = true;
		i->sock = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	}
	if (i->sock < 0) {
		errno = errno == EPERM ? EACCES : errno;
		return -1;
	}
	if (i->raw && hear_replies(i) < 0)
		return -1;
	return setsockopt(i->sock, i->v4 ? IPPROTO_IP : IPPROTO_IPV6,
	    i->v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &whole, sizeof(whole));
}

static int icmp_open(struct way **out, const struct sender_want *want, struct sender_error *e)
{
	struct icmp_way *i = calloc(1, sizeof(*i));
	struct sockaddr_storage to;

	if (!i)
		return sender_fails(e);
	i->way.sender = &sender_icmp;
	i->v4 = want->to->sa_family == AF_INET;
	secret_random(&i->id, sizeof(i->id));
	sender_to_port(want, 0, &to);
	if (make_socket(i, want->to->sa_family) < 0 ||
	    connect(i->sock, (struct sockaddr *)&to, want->len) < 0) {
		int status = sender_fails(e);
		if (e->number == EACCES && i->sock < 0)
			(void)memccpy(e->what, not_allowed, '\0', sizeof(e->what));
		icmp_close(&i->way);
		return status;
	}
	way_local(&i->way, i->sock);
	*out = &i->way;
	return SENDER_OK;
}

static uint16_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t n = 0; n < len; n++)
		sum += n % 2 ? bytes[n] : (uint32_t)bytes[n] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(~sum & 0xffff);
}

/* Returns the length; 0 when it does not fit. */
static size_t make_request(
    struct icmp_way *i, const struct sender_message *m, uint8_t out[static ICMP_MAX])
{
	struct writer w = writer_of(out, ICMP_MAX);

	write_u8(&w, i->v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
	write_u8(&w, 0);
	write_u16(&w, 0); /* the kernel's, but for a raw socket of IPv4 */
	write_u16(&w, i->id);
	write_u16(&w, ++i->number);
	write_bytes(&w, m->bytes, m->len);
	if (w.failed)
		return 0;
	if (i->raw && i->v4) {
		struct writer field = writer_of(out + 2, 2);
		write_u16(&field, checksum(out, w.len));
	}
	return w.len;
}

/* As with UDP, an error that came for an earlier packet is told instead of sending. */
static int icmp_send(
    struct way *w, const struct sender_message *m, uint64_t mono_ns, struct sender_error *e)
{
	uint8_t packet[ICMP_MAX];
	size_t len = make_request(icmp(w), m, packet);
	int error = 0;

	(void)mono_ns;
	if (len == 0)
		return SENDER_TOO_LONG;
	for (int n = 0; n < PENDING_ERRORS_MAX; n++) {
		if (send(icmp(w)->sock, packet, len, MSG_NOSIGNAL) >= 0)
			return SENDER_OK;
		error = errno;
		if (error == EAGAIN || error == ENOBUFS)
			return SENDER_OK;
		if (error == EMSGSIZE)
			return SENDER_TOO_LONG;
	}
	errno = error;
	return sender_is_local(error) ? sender_fails(e) : SENDER_OK;
}

/* What an echo reply to us bears, to out. Returns its length, or -1 for another packet. */
static int read_reply(const struct icmp_way *i, struct reader r, uint8_t *out, size_t cap)
{
	if (i->raw && i->v4) {
		uint8_t head = (uint8_t)((read_u8(&r) & 0xf) * 4);
		read_view(&r, head >= IPV4_BYTES ? head - 1U : SIZE_MAX);
	}
	uint8_t type = read_u8(&r);
	read_view(&r, 3); /* code, checksum */
	uint16_t id = read_u16(&r);
	read_u16(&r);
	if (r.failed || type != (i->v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) ||
	    (i->raw && id != i->id) || r.left > cap)
		return -1;
	int len = (int)r.left;
	read_bytes(&r, out, r.left);
	return len;
}

static int icmp_receive(struct way *w, uint8_t *out, size_t cap)
{
	uint8_t packet[RECEIVE_MAX];
	int errors = 0;

	for (int n = 0; n < PACKETS_MAX && errors < PENDING_ERRORS_MAX; n++) {
		ssize_t got = recv(icmp(w)->sock, packet, sizeof(packet), 0);
		if (got < 0) {
			if (errno == EAGAIN)
				return SENDER_NOTHING;
			errors++;
			continue;
		}
		int len = read_reply(icmp(w), reader_of(packet, (size_t)got), out, cap);
		if (len >= 0)
			return len;
	}
	return SENDER_NOTHING;
}

static size_t icmp_fds(const struct way *w, struct pollfd *out, size_t cap)
{
	if (cap > 0)
		*out = (struct pollfd){.fd = ((const struct icmp_way *)w)->sock, .events = POLLIN};
	return 1;
}

const struct sender sender_icmp = {
    .name = "icmp",
    .id = CARRIER_ICMP,
    .room = VEIL_ROOM,
    .has_reply = true,
    .open = icmp_open,
    .send = icmp_send,
    .receive = icmp_receive,
    .fds = icmp_fds,
    .close = icmp_close,
};
