/*
 * The client's half of sequence: M1 in pieces along the ports, in rounds, as
 * TCP repeats a SYN; what follows it as one packet, to the port that answered.
 * Pieces in datagrams need no privilege, those in SYNs a raw socket.
 */
#include "sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "raw_tcp.h"
#include "secret.h"
#include "sequence_plan.h"

enum { RECEIVE_TRIES = 16 };

static const char not_allowed[] =
    "pieces in SYNs need a raw socket: allow it with 'setcap cap_net_raw+ep' on this program, or "
    "use a profile with sequence-pieces = udp";

struct sequence_way {
	struct way way;
	struct sequence_settings settings;
	struct sockaddr_storage to;
	socklen_t len;
	bool is_raw;
	int sock; /* of datagrams */
	struct raw_tcp raw;
	uint16_t answered; /* the port that the last packet came from; 0: none yet */
	struct plan plan;
	unsigned next, round; /* packet, round */
	uint64_t due_ns;
};

static struct sequence_way *sequence(struct way *w)
{
	return (struct sequence_way *)w;
}

static void sequence_close(struct way *w)
{
	struct sequence_way *s = sequence(w);

	if (s->sock >= 0)
		(void)close(s->sock);
	if (s->is_raw)
		raw_tcp_close(&s->raw);
	free(s);
}

/* Bound to the address that leads there: what comes back must find us there. */
static int bind_local(struct sequence_way *s)
{
	struct sockaddr_storage any = {.ss_family = AF_UNSPEC};

	s->sock = socket(s->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->sock < 0 || connect(s->sock, (struct sockaddr *)&s->to, s->len) < 0)
		return -1;
	way_local(&s->way, s->sock);
	if (connect(s->sock, (struct sockaddr *)&any, sizeof(any.ss_family)) < 0)
		return -1;
	return bind(s->sock, (struct sockaddr *)&s->way.local, s->way.local_len);
}

static int open_raw(struct sequence_way *s)
{
	if (!s->is_raw)
		return 0;
	return raw_tcp_open(
	    &s->raw, (struct sockaddr *)&s->to, (struct sockaddr *)&s->way.local, s->way.local_len);
}

static int sequence_open(struct way **out, const struct sender_want *want, struct sender_error *e)
{
	struct sequence_way *s = calloc(1, sizeof(*s));

	if (!s)
		return sender_fails(e);
	s->way.sender = &sender_sequence;
	s->settings = want->settings->sequence;
	s->is_raw = s->settings.ports.pieces != SEQUENCE_UDP;
	s->raw = (struct raw_tcp){.sock = -1, .reserved = -1};
	s->due_ns = UINT64_MAX;
	memcpy(&s->to, want->to, want->len);
	s->len = want->len;
	if (bind_local(s) == 0 && open_raw(s) == 0) {
		*out = &s->way;
		return SENDER_OK;
	}
	int status = sender_fails(e);
	if (s->is_raw && e->number == EPERM)
		(void)memccpy(e->what, not_allowed, '\0', sizeof(e->what));
	sequence_close(&s->way);
	return status;
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

/* Returns a result of sender.h. What the network loses is repeated anyway. */
static int emit(struct sequence_way *s, const struct plan_packet *p, const uint8_t *bytes,
    struct sender_error *e)
{
	const struct raw_syn syn = {p->port, p->tcp_seq, p->tcp_tsval, bytes, p->len};
	int status;

	set_port(&s->to, p->port);
	if (s->is_raw)
		status = raw_tcp_send(&s->raw, &syn);
	else
		status = sendto(s->sock, bytes, p->len, MSG_NOSIGNAL, (struct sockaddr *)&s->to,
			     s->len) < 0
			     ? -1
			     : 0;
	if (status == 0)
		return SENDER_OK;
	if (errno == EMSGSIZE)
		return SENDER_TOO_LONG;
	return sender_is_local(errno) ? sender_fails(e) : SENDER_OK;
}

static uint64_t draw_gap(const struct plan *p)
{
	return p->gap_ns > 0 ? secret_random_below((uint32_t)p->gap_ns) : 0;
}

static void end_round(struct sequence_way *s, uint64_t now_ns)
{
	s->next = 0;
	s->due_ns = UINT64_MAX;
	if (++s->round < PLAN_ROUNDS)
		s->due_ns = now_ns + ((uint64_t)PLAN_PAUSE_MS << (s->round - 1)) * NS_PER_MS;
}

static int sequence_step_on(struct way *w, uint64_t now_ns, struct sender_error *e)
{
	struct sequence_way *s = sequence(w);

	while (s->due_ns <= now_ns) {
		const struct plan_packet *p = &s->plan.packet[s->next];
		int status = emit(s, p, s->plan.bytes + p->at, e);
		if (status != SENDER_OK) {
			s->due_ns = UINT64_MAX;
			return status;
		}
		if (++s->next < s->plan.packets)
			s->due_ns += draw_gap(&s->plan);
		else
			end_round(s, now_ns);
	}
	return SENDER_OK;
}

/* To the port that answered, or to any. */
static int send_whole(
    struct sequence_way *s, const struct sender_message *m, struct sender_error *e)
{
	uint16_t port[SEQUENCE_PORTS_MAX];
	struct plan_packet p = {.len = m->len};

	sequence_ports(&s->settings.ports, m->door->ports, m->server_ns, 0, port);
	p.port = s->answered != 0 ? s->answered : port[0];
	secret_random(&p.tcp_seq, sizeof(p.tcp_seq));
	secret_random(&p.tcp_tsval, sizeof(p.tcp_tsval));
	return emit(s, &p, m->bytes, e);
}

static int sequence_send(
    struct way *w, const struct sender_message *m, uint64_t now_ns, struct sender_error *e)
{
	struct sequence_way *s = sequence(w);

	s->due_ns = UINT64_MAX;
	if (!m->first)
		return send_whole(s, m, e);
	if (plan_make(&s->plan, &s->settings, m) < 0) {
		errno = EMSGSIZE;
		return sender_fails(e);
	}
	s->next = 0;
	s->round = 0;
	s->due_ns = now_ns;
	return sequence_step_on(w, now_ns, e);
}

static uint64_t sequence_due(const struct way *w)
{
	return ((const struct sequence_way *)w)->due_ns;
}

static bool sequence_repeats(const struct way *w)
{
	return ((const struct sequence_way *)w)->round > 0;
}

static void sequence_stop(struct way *w)
{
	sequence(w)->due_ns = UINT64_MAX;
}

static bool is_from_server(const struct sequence_way *s, const struct sockaddr_storage *from)
{
	if (from->ss_family != s->to.ss_family)
		return false;
	if (from->ss_family == AF_INET)
		return ((const struct sockaddr_in *)from)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)&s->to)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)from)->sin6_addr,
		   &((const struct sockaddr_in6 *)&s->to)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memcpy(&v4, a, sizeof(v4));
	memcpy(&v6, a, sizeof(v6));
	return ntohs(a->ss_family == AF_INET ? v4.sin_port : v6.sin6_port);
}

/* Returns a length; 0 for what is not the server's; -1 with errno. */
static int receive_datagram(const struct sequence_way *s, uint8_t *out, size_t cap, uint16_t *port)
{
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof(from);
	ssize_t got = recvfrom(s->sock, out, cap, MSG_TRUNC, (struct sockaddr *)&from, &len);

	if (got < 0)
		return -1;
	if ((size_t)got > cap || !is_from_server(s, &from))
		return 0;
	*port = port_of(&from);
	return (int)got;
}

/* Only from a port that we sent to: others shall not draw our answer to theirs. */
static bool is_of_plan(const struct plan *p, uint16_t port)
{
	for (unsigned i = 0; i < p->packets; i++) {
		if (p->packet[i].port == port)
			return true;
	}
	return false;
}

static int sequence_receive(struct way *w, uint8_t *out, size_t cap)
{
	struct sequence_way *s = sequence(w);
	uint16_t port = 0;

	for (int i = 0; i < RECEIVE_TRIES; i++) {
		int len = s->is_raw ? raw_tcp_receive(&s->raw, out, cap, &port)
				    : receive_datagram(s, out, cap, &port);
		if (len < 0 && errno == EAGAIN)
			return SENDER_NOTHING;
		if (len <= 0 || !is_of_plan(&s->plan, port))
			continue;
		s->answered = port;
		return len;
	}
	return SENDER_NOTHING;
}

static size_t sequence_fds(const struct way *w, struct pollfd *out, size_t cap)
{
	const struct sequence_way *s = (const struct sequence_way *)w;

	if (cap > 0)
		*out = (struct pollfd){.fd = s->is_raw ? s->raw.sock : s->sock, .events = POLLIN};
	return 1;
}

static size_t sequence_covered_max(const struct settings *s)
{
	return plan_covered_max(&s->sequence);
}

static uint64_t sequence_lasts_ns(const struct settings *s)
{
	return plan_lasts_ns(&s->sequence);
}

const struct sender sender_sequence = {
    .name = "sequence",
    .id = CARRIER_SEQUENCE,
    .room = VEIL_ROOM,
    .has_reply = true,
    .open = sequence_open,
    .send = sequence_send,
    .step = sequence_step_on,
    .due = sequence_due,
    .repeats = sequence_repeats,
    .stop = sequence_stop,
    .receive = sequence_receive,
    .fds = sequence_fds,
    .close = sequence_close,
    .covered_max = sequence_covered_max,
    .lasts_ns = sequence_lasts_ns,
};
