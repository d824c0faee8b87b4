/*
 * bench-knock: many valid knocks at a steady rate, each answer opened and checked.
 *
 *   bench-knock SERVER PORT BASE-ADDRESS SERVER-PUBLIC DOOR-KEY-FILE KEYS-FILE SERVICE COUNT RATE FIRST CLIENTS REPLAYS
 *
 * COUNT knocks by the CLIENTS people that begin at FIRST, in turn, from 50
 * addresses, BASE-ADDRESS upwards. Then all of them REPLAYS times more, at the
 * same rate: those want silence. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attempt.h"
#include "measure.h"
#include "secret.h"

enum { SOCKETS = 50, LINGER_MS = 1500, DATAGRAM_MAX = 2048, RECEIVE_BUFFER = 1 << 20 };

struct arrival {
	uint64_t at_ns;
	uint16_t socket;
	uint16_t len;
	uint8_t bytes[VEIL_ROOM];
};

struct run {
	struct target target;
	struct attempt *attempt;
	uint64_t *sent_ns;
	struct arrival *arrival;
	size_t count, arrivals, arrivals_max;
	struct pollfd fd[SOCKETS];
	uint64_t gap_ns;
};

static void sockets_open(struct run *r, const char *server, uint16_t port, const char *base)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	const int buffer = RECEIVE_BUFFER;
	uint32_t first;

	if (inet_pton(AF_INET, server, &to.sin_addr) != 1 ||
	    inet_pton(AF_INET, base, &from.sin_addr) != 1)
		errx(3, "%s, %s: IPv4 addresses are needed", server, base);
	first = ntohl(from.sin_addr.s_addr);
	for (uint32_t i = 0; i < SOCKETS; i++) {
		int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

		from.sin_addr.s_addr = htonl(first + i);
		if (s < 0 || bind(s, (struct sockaddr *)&from, sizeof(from)) < 0 ||
		    connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
			err(1, "socket to %s", server);
		setsockopt(s, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
		r->fd[i] = (struct pollfd){.fd = s, .events = POLLIN};
	}
}

static void receive_one(struct run *r, uint16_t s)
{
	uint8_t datagram[DATAGRAM_MAX];
	ssize_t n;

	while ((n = recv(r->fd[s].fd, datagram, sizeof(datagram), 0)) > 0) {
		struct arrival *a = &r->arrival[r->arrivals];

		if (r->arrivals == r->arrivals_max || n > VEIL_ROOM)
			continue;
		a->at_ns = measure_now_ns();
		a->socket = s;
		a->len = (uint16_t)n;
		memcpy(a->bytes, datagram, (size_t)n);
		r->arrivals++;
	}
}

static void receive_until(struct run *r, uint64_t until_ns)
{
	do {
		const uint64_t now = measure_now_ns();
		const uint64_t left = until_ns > now ? until_ns - now : 0;
		const struct timespec wait = {
		    .tv_sec = (time_t)(left / 1000000000U), .tv_nsec = (long)(left % 1000000000U)};

		if (ppoll(r->fd, SOCKETS, &wait, NULL) <= 0)
			continue;
		for (uint16_t i = 0; i < SOCKETS; i++)
			if (r->fd[i].revents)
				receive_one(r, i);
	} while (measure_now_ns() < until_ns);
}

/* Returns the seconds that sending took. */
static double send_all(struct run *r)
{
	const uint64_t start = measure_now_ns();

	for (size_t i = 0; i < r->count; i++) {
		const struct attempt *a = &r->attempt[i];

		receive_until(r, start + i * r->gap_ns);
		r->sent_ns[i] = measure_now_ns();
		if (send(r->fd[i % SOCKETS].fd, a->packet, a->packet_len, 0) < 0 &&
		    errno != ECONNREFUSED)
			warn("send");
	}
	return (double)(measure_now_ns() - start) / 1e9;
}

/* Answers come in order but for a few: the oldest unanswered attempt of the socket is tried first.
 */
static void check_answers(struct run *r, uint64_t *latency_ns, size_t *ok, size_t *refused)
{
	bool *done = calloc(r->count, sizeof(*done));

	if (!done)
		err(1, "memory");
	for (size_t n = 0; n < r->arrivals; n++) {
		const struct arrival *a = &r->arrival[n];

		for (size_t i = a->socket; i < r->count; i += SOCKETS) {
			struct reply reply;

			if (done[i] || r->sent_ns[i] > a->at_ns)
				continue;
			if (!attempt_answered(&r->attempt[i], &r->target, a->bytes, a->len, &reply))
				continue;
			done[i] = true;
			if (reply.verdict == VERDICT_OK || reply.verdict == VERDICT_REFRESHED)
				latency_ns[(*ok)++] = a->at_ns - r->sent_ns[i];
			else
				(*refused)++;
			break;
		}
	}
	free(done);
}

/* Returns how many knocks were never answered. */
static size_t report(struct run *r, double seconds)
{
	uint64_t *latency_ns = calloc(r->count, sizeof(*latency_ns));
	size_t ok = 0, refused = 0;

	if (!latency_ns)
		err(1, "memory");
	check_answers(r, latency_ns, &ok, &refused);
	printf(
	    "{\"sent\":%zu,\"seconds\":%.3f,\"datagrams_back\":%zu,\"granted\":%zu,\"refused\":%zu,"
	    "\"answer_us\":",
	    r->count, seconds, r->arrivals, ok, refused);
	measure_print_us(latency_ns, ok);
	printf("}\n");
	free(latency_ns);
	return r->count - ok - refused;
}

static void prove(const struct target *t, const struct person *who, int sock)
{
	const int flags = fcntl(sock, F_GETFL);

	if (fcntl(sock, F_SETFL, flags & ~O_NONBLOCK) < 0 || attempt_prove(who, t, sock) < 0 ||
	    fcntl(sock, F_SETFL, flags) < 0)
		err(1, "a client could not prove itself");
}

static void prepare(struct run *r, const char *keys, size_t first, size_t clients)
{
	size_t n;
	struct person *people = population_read(keys, &n);

	if (!people)
		err(1, "%s", keys);
	if (clients == 0 || first + clients > n)
		errx(3, "%s: holds %zu people", keys, n);
	r->attempt = calloc(r->count, sizeof(*r->attempt));
	r->sent_ns = calloc(r->count, sizeof(*r->sent_ns));
	r->arrivals_max = 2 * r->count + 16;
	r->arrival = calloc(r->arrivals_max, sizeof(*r->arrival));
	if (!r->attempt || !r->sent_ns || !r->arrival)
		err(1, "memory");
	for (size_t i = 0; i < clients; i++)
		prove(&r->target, &people[first + i], r->fd[0].fd);
	for (size_t i = 0; i < r->count; i++)
		attempt_make(&r->attempt[i], &people[first + i % clients], &r->target);
}

enum {
	ARG_SERVER = 1,
	ARG_PORT,
	ARG_BASE,
	ARG_PUBLIC,
	ARG_DOOR_KEY,
	ARG_KEYS,
	ARG_SERVICE,
	ARG_COUNT,
	ARG_RATE,
	ARG_FIRST,
	ARG_CLIENTS,
	ARG_REPLAYS,
	ARGS
};

static void linger(struct run *r)
{
	receive_until(r, measure_now_ns() + LINGER_MS * 1000000ULL);
}

int main(int argc, char **argv)
{
	static struct run r;
	unsigned long replays;
	size_t unanswered;
	double seconds;

	if (argc != ARGS)
		errx(3, "usage: bench-knock SERVER PORT BASE-ADDRESS SERVER-PUBLIC DOOR-KEY-FILE "
			"KEYS-FILE SERVICE "
			"COUNT RATE FIRST CLIENTS REPLAYS");
	if (secret_init() < 0)
		errx(1, "libsodium does not start");
	if (target_read(&r.target, argv[ARG_PUBLIC], argv[ARG_DOOR_KEY]) < 0)
		errx(1, "%s: no door key there, or the server's key is wrong", argv[ARG_DOOR_KEY]);
	r.target.service = argv[ARG_SERVICE];
	r.count = strtoul(argv[ARG_COUNT], NULL, 10);
	r.gap_ns = (uint64_t)(1e9 / strtod(argv[ARG_RATE], NULL));
	replays = strtoul(argv[ARG_REPLAYS], NULL, 10);
	sockets_open(
	    &r, argv[ARG_SERVER], (uint16_t)strtoul(argv[ARG_PORT], NULL, 10), argv[ARG_BASE]);
	prepare(&r, argv[ARG_KEYS], strtoul(argv[ARG_FIRST], NULL, 10),
	    strtoul(argv[ARG_CLIENTS], NULL, 10));
	fputs(
	    "sending\n", stderr); /* what was costly is behind us: whoever adds load does it now */
	seconds = send_all(&r);
	linger(&r);
	unanswered = report(&r, seconds);
	fflush(stdout);
	for (; replays > 0; replays--) {
		r.arrivals = 0;
		send_all(&r);
		linger(&r);
		/* What was lost on its way the first time is no replay the second. */
		if (r.arrivals > unanswered)
			errx(1, "%zu answers to replays", r.arrivals - unanswered);
		unanswered -= r.arrivals;
	}
	return 0;
}
