/*
 * bench-door: from sendto() to a connection that succeeds.
 *
 *   bench-door SERVER KNOCK-PORT SERVICE-PORT BASE-ADDRESS COUNT postern SERVER-PUBLIC DOOR-KEY-FILE KEYS-FILE SERVICE
 *   bench-door SERVER KNOCK-PORT SERVICE-PORT BASE-ADDRESS COUNT file DATAGRAMS
 *   bench-door SERVER 0 SERVICE-PORT BASE-ADDRESS COUNT syn PORT,PORT,...
 *
 * Each sample has a source address of its own, BASE-ADDRESS upwards, so that
 * no door of an earlier one is in the way. "file": datagrams of any other
 * system, each a big-endian u16 length and the bytes, made beforehand for
 * these addresses. "syn": one SYN to each port, as knock(1) does; the time
 * counts from the last. Prints one JSON object; "opened" counts samples
 * within 5 s.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attempt.h"
#include "connect.h"
#include "measure.h"
#include "secret.h"

#define GIVE_UP_NS 5000000000ULL

enum { DATAGRAM_MAX = 2048 };

struct source {
	FILE *file;	      /* datagrams made beforehand */
	const char *sequence; /* ports */
	struct target target;
	struct person *people;
	struct attempt attempt;
	uint8_t datagram[DATAGRAM_MAX];
	size_t len;
};

static void next_datagram(struct source *s)
{
	uint8_t head[2];

	if (!s->file) {
		attempt_make(&s->attempt, &s->people[0], &s->target);
		memcpy(s->datagram, s->attempt.packet, s->attempt.packet_len);
		s->len = s->attempt.packet_len;
		return;
	}
	if (fread(head, sizeof(head), 1, s->file) != 1)
		errx(1, "too few datagrams in the file");
	s->len = (size_t)(head[0] << 8 | head[1]);
	if (s->len > sizeof(s->datagram) || fread(s->datagram, s->len, 1, s->file) != 1)
		errx(1, "a datagram in the file is broken");
}

static void source_open(struct source *s, int argc, char **argv)
{
	size_t n;

	if (strcmp(argv[6], "syn") == 0) {
		s->sequence = argv[7];
		return;
	}
	if (strcmp(argv[6], "file") == 0) {
		s->file = fopen(argv[7], "rb");
		if (!s->file)
			err(1, "%s", argv[7]);
		return;
	}
	if (argc != 11)
		errx(3, "postern needs SERVER-PUBLIC DOOR-KEY-FILE KEYS-FILE SERVICE");
	if (target_read(&s->target, argv[7], argv[8]) < 0)
		errx(1, "%s: no door key there, or the server's key is wrong", argv[8]);
	s->people = population_read(argv[9], &n);
	if (!s->people || n == 0)
		errx(1, "%s: nobody there", argv[9]);
	s->target.service = argv[10];
}

static uint64_t send_sequence(
    const struct source *s, const struct in_addr *from, struct sockaddr_in to)
{
	const char *at = s->sequence;
	uint64_t sent = 0;

	while (*at) {
		char *end;

		to.sin_port = htons((uint16_t)strtoul(at, &end, 10));
		sent = measure_now_ns();
		connect_once(from, &to, 0);
		at = *end == ',' ? end + 1 : end;
	}
	return sent;
}

static uint64_t send_datagram(
    struct source *s, const struct in_addr *from, const struct sockaddr_in *to)
{
	const struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr = *from};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t sent;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0)
		err(1, "socket");
	next_datagram(s);
	sent = measure_now_ns();
	if (sendto(fd, s->datagram, s->len, 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		err(1, "sendto");
	close(fd);
	return sent;
}

/* What is measured is a knock of a client that the server knows. */
static void prove(const struct source *s, const struct sockaddr_in *knock)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)knock, sizeof(*knock)) < 0 ||
	    attempt_prove(&s->people[0], &s->target, fd) < 0)
		err(1, "the client could not prove itself");
	close(fd);
}

/* Returns the latency in ns, or 0 when the door stayed closed. */
static uint64_t sample(struct source *s, const struct in_addr *from,
    const struct sockaddr_in *knock, const struct sockaddr_in *service)
{
	uint64_t sent, up;

	if (connect_once(from, service, 1000))
		errx(1, "the door was open before the knock");
	sent = s->sequence ? send_sequence(s, from, *knock) : send_datagram(s, from, knock);
	up = connect_poll(from, service, sent + GIVE_UP_NS);
	return up ? up - sent : 0;
}

int main(int argc, char **argv)
{
	static struct source s;
	struct sockaddr_in knock = {.sin_family = AF_INET}, service = {.sin_family = AF_INET};
	struct in_addr base;
	uint64_t *samples;
	size_t count, opened = 0;

	if (argc != 8 && argc != 11)
		errx(3, "usage: bench-door SERVER KNOCK-PORT SERVICE-PORT BASE-ADDRESS COUNT "
			"postern|file ...");
	if (secret_init() < 0)
		errx(1, "libsodium does not start");
	if (inet_pton(AF_INET, argv[1], &knock.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[4], &base) != 1)
		errx(3, "%s, %s: IPv4 addresses are needed", argv[1], argv[4]);
	service.sin_addr = knock.sin_addr;
	knock.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	service.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	count = strtoul(argv[5], NULL, 10);
	source_open(&s, argc, argv);
	if (s.people)
		prove(&s, &knock);
	samples = calloc(count + 1, sizeof(*samples));
	if (!samples)
		err(1, "memory");
	for (size_t i = 0; i < count; i++) {
		const struct in_addr from = {.s_addr = htonl(ntohl(base.s_addr) + (uint32_t)i)};
		const uint64_t ns = sample(&s, &from, &knock, &service);

		if (ns)
			samples[opened++] = ns;
	}
	printf("{\"tried\":%zu,\"opened\":%zu,\"open_us\":", count, opened);
	measure_print_us(samples, opened);
	printf("}\n");
	free(samples);
	free(s.people);
	return 0;
}
