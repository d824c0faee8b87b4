/*
 * bench-knock: many valid knocks at a steady rate, each answer opened and checked.
 *
 *   bench-knock SERVER PORT BASE-ADDRESS SERVER-PUBLIC DOOR-KEY-FILE KEYS-FILE SERVICE COUNT RATE FIRST CLIENTS REPLAYS
 *               [FIRST-ADMITTED [END]]
 *
 * RATE a second; 0: as fast as the server answers, at most WINDOW unanswered at a time.
 * COUNT knocks by the CLIENTS people that begin at FIRST, in turn, from 50
 * addresses, BASE-ADDRESS upwards. Then all of them REPLAYS times more, at the
 * same rate: those want silence. With FIRST-ADMITTED each knock asks for an
 * address of its own, from that one upwards, and with END so that all doors end
 * END seconds after the first knock, in the same second. Prints one JSON object;
 * besides all latencies, those of the first, the middle and the last hundred.
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

enum {
	SOCKETS = 50,
	LINGER_MS = 1500,
	DATAGRAM_MAX = 2048,
	RECEIVE_BUFFER = 1 << 20,
	PART = 100, /* knocks that are told of apart */
	WINDOW = 4,
	PATIENCE_MS = 1000,
	V4_HOST = 32,
};

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
	const struct person *people;
	size_t clients;
	uint64_t gap_ns; /* 0: WINDOW decides */
	bool names_admitted;
	uint32_t first_admitted; /* host byte order */
	uint64_t end_s;		 /* 0: as the service has it */
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

static void receive_within(struct run *r, uint64_t left_ns)
{
	const struct timespec wait = {
	    .tv_sec = (time_t)(left_ns / 1000000000U), .tv_nsec = (long)(left_ns % 1000000000U)};

	if (ppoll(r->fd, SOCKETS, &wait, NULL) <= 0)
		return;
	for (uint16_t i = 0; i < SOCKETS; i++)
		if (r->fd[i].revents)
			receive_one(r, i);
}

static void receive_until(struct run *r, uint64_t until_ns)
{
	do {
		const uint64_t now = measure_now_ns();

		receive_within(r, until_ns > now ? until_ns - now : 0);
	} while (measure_now_ns() < until_ns);
}

/* Until fewer than WINDOW of the first n are unanswered; what is lost is waited for once. */
static void receive_most(struct run *r, size_t n, size_t *lost)
{
	const uint64_t until = measure_now_ns() + PATIENCE_MS * 1000000ULL;

	while (n >= r->arrivals + *lost + WINDOW && measure_now_ns() < until)
		receive_within(r, PATIENCE_MS * 1000000ULL);
	if (n >= r->arrivals + *lost + WINDOW)
		*lost = n - r->arrivals;
}

/* Knock i: whom it is for, and for how long when it is sent then. */
static void make_one(struct run *r, size_t i, uint64_t after_ns)
{
	const uint32_t address = htonl(r->first_admitted + (uint32_t)i);
	const uint64_t after_s = after_ns / 1000000000U;
	uint8_t bytes[sizeof(address)];

	memcpy(bytes, &address, sizeof(bytes));
	r->target.names_admit = r->names_admitted;
	r->target.admit = (struct prefix){.addr = address_v4(bytes), .len = V4_HOST};
	r->target.hold_s = r->end_s > after_s ? (uint32_t)(r->end_s - after_s) : 0;
	attempt_make(&r->attempt[i], &r->people[i % r->clients], &r->target);
}

/* Returns the seconds that sending took. */
static double send_all(struct run *r)
{
	const uint64_t start = measure_now_ns();
	size_t lost = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct attempt *a = &r->attempt[i];

		if (r->gap_ns > 0)
			receive_until(r, start + i * r->gap_ns);
		else
			receive_most(r, i, &lost);
		if (!a->who)
			make_one(r, i, measure_now_ns() - start);
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
				latency_ns[i] = a->at_ns - r->sent_ns[i], (*ok)++;
			else
				(*refused)++;
			break;
		}
	}
	free(done);
}

/* Of the knocks from first on, as many as were granted. */
static void report_part(
    const struct run *r, const uint64_t *latency_ns, const char *name, size_t first, size_t count)
{
	uint64_t *part_ns = calloc(count + 1, sizeof(*part_ns));
	size_t n = 0;

	if (!part_ns)
		err(1, "memory");
	for (size_t i = first; i < first + count && i < r->count; i++)
		if (latency_ns[i] > 0)
			part_ns[n++] = latency_ns[i];
	printf(",\"%s_us\":", name);
	measure_print_us(part_ns, n);
	free(part_ns);
}

/* Returns how many knocks were never answered. */
static size_t report(struct run *r, double seconds)
{
	uint64_t *latency_ns = calloc(r->count, sizeof(*latency_ns));
	size_t ok = 0, refused = 0;

	if (!latency_ns)
		err(1, "memory");
	check_answers(r, latency_ns, &ok, &refused);
	printf("{\"sent\":%zu,\"began\":%.3f,\"seconds\":%.3f,\"datagrams_back\":%zu,"
	       "\"granted\":%zu,\"refused\":%zu",
	    r->count, (double)r->sent_ns[0] / 1e9, seconds, r->arrivals, ok, refused);
	report_part(r, latency_ns, "answer", 0, r->count);
	report_part(r, latency_ns, "first", 0, PART);
	report_part(r, latency_ns, "middle", r->count / 2, PART);
	report_part(r, latency_ns, "last", r->count > PART ? r->count - PART : 0, PART);
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
	r->people = people + first;
	r->clients = clients;
	for (size_t i = 0; i < r->count && r->gap_ns > 0; i++)
		make_one(r, i, i * r->gap_ns);
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
	ARGS,
	ARG_ADMITTED = ARGS,
	ARG_END,
	ARGS_MAX
};

static void read_optional(struct run *r, int argc, char **argv)
{
	struct in_addr first;

	if (argc <= ARG_ADMITTED)
		return;
	if (inet_pton(AF_INET, argv[ARG_ADMITTED], &first) != 1)
		errx(3, "%s: an IPv4 address is needed", argv[ARG_ADMITTED]);
	r->names_admitted = true;
	r->first_admitted = ntohl(first.s_addr);
	if (argc > ARG_END)
		r->end_s = strtoul(argv[ARG_END], NULL, 10);
}

/* For what is still on its way, if it is so much. */
static void linger(struct run *r, size_t expected)
{
	uint64_t now = measure_now_ns();
	const uint64_t until = now + LINGER_MS * 1000000ULL;

	for (; r->arrivals < expected && now < until; now = measure_now_ns())
		receive_within(r, until - now);
}

int main(int argc, char **argv)
{
	static struct run r;
	unsigned long replays;
	size_t unanswered;
	double seconds, rate;

	if (argc < ARGS || argc > ARGS_MAX)
		errx(3, "usage: bench-knock SERVER PORT BASE-ADDRESS SERVER-PUBLIC DOOR-KEY-FILE "
			"KEYS-FILE SERVICE "
			"COUNT RATE FIRST CLIENTS REPLAYS [FIRST-ADMITTED [END]]");
	if (secret_init() < 0)
		errx(1, "libsodium does not start");
	if (target_read(&r.target, argv[ARG_PUBLIC], argv[ARG_DOOR_KEY]) < 0)
		errx(1, "%s: no door key there, or the server's key is wrong", argv[ARG_DOOR_KEY]);
	r.target.service = argv[ARG_SERVICE];
	r.count = strtoul(argv[ARG_COUNT], NULL, 10);
	rate = strtod(argv[ARG_RATE], NULL);
	r.gap_ns = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
	read_optional(&r, argc, argv);
	replays = strtoul(argv[ARG_REPLAYS], NULL, 10);
	sockets_open(
	    &r, argv[ARG_SERVER], (uint16_t)strtoul(argv[ARG_PORT], NULL, 10), argv[ARG_BASE]);
	prepare(&r, argv[ARG_KEYS], strtoul(argv[ARG_FIRST], NULL, 10),
	    strtoul(argv[ARG_CLIENTS], NULL, 10));
	fputs(
	    "sending\n", stderr); /* what was costly is behind us: whoever adds load does it now */
	seconds = send_all(&r);
	linger(&r, r.count);
	unanswered = report(&r, seconds);
	fflush(stdout);
	for (; replays > 0; replays--) {
		r.arrivals = 0;
		send_all(&r);
		linger(&r, r.arrivals_max);
		/* What was lost on its way the first time is no replay the second. */
		if (r.arrivals > unanswered)
			errx(1, "%zu answers to replays", r.arrivals - unanswered);
		unanswered -= r.arrivals;
	}
	return 0;
}
