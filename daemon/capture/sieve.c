/* sieve - see sieve.h. */
#include "sieve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

enum { SNAP_BYTES = 65535 };

/* Loopbacks of BSD are not among them: libpcap does not know what the family was on the other machine. */
static const enum link_type links[] = {
    LINK_ETHERNET, LINK_RAW, LINK_SLL, LINK_SLL2, LINK_IPV4, LINK_IPV6};

enum { LINKS = sizeof(links) / sizeof(links[0]) };

struct sieve {
	struct bpf_program
	    program[LINKS]; /* without instructions: the filter means nothing there */
};

/* Returns 0; -1 with what is wrong in why. */
static int compile(enum link_type link, const char *filter, struct bpf_program *out,
    char why[static SIEVE_WHY_MAX])
{
	char text[CAPTURE_FILTER_MAX];
	pcap_t *dead;
	int status = -1;

	if (capture_filter(link, filter, text, sizeof(text)) < 0) {
		(void)snprintf(why, SIEVE_WHY_MAX, "it is too long");
		return -1;
	}
	dead = pcap_open_dead((int)link, SNAP_BYTES);
	if (dead == NULL)
		abort();
	if (pcap_compile(dead, out, text, 1, PCAP_NETMASK_UNKNOWN) == 0)
		status = 0;
	else
		(void)snprintf(why, SIEVE_WHY_MAX, "%s", pcap_geterr(dead));
	pcap_close(dead);
	return status;
}

int sieve_check(const struct capture_method *m, const char *filter, char why[static SIEVE_WHY_MAX])
{
	/* Most interfaces are of Ethernet; what the firewall and a socket show begins with IP. */
	const bool from_ip = strcmp(m->name, "nflog") == 0 || strcmp(m->name, "nfqueue") == 0 ||
			     strcmp(m->name, "udp") == 0;
	struct bpf_program program = {0};

	if (compile(from_ip ? LINK_RAW : LINK_ETHERNET, filter, &program, why) != 0)
		return -1;
	pcap_freecode(&program);
	return 0;
}

struct sieve *sieve_new(const char *filter)
{
	struct sieve *s = calloc(1, sizeof(*s));
	char why[SIEVE_WHY_MAX];

	if (s == NULL)
		abort();
	for (size_t i = 0; i < LINKS; i++) {
		if (compile(links[i], filter, &s->program[i], why) != 0)
			s->program[i] = (struct bpf_program){0};
	}
	return s;
}

void sieve_free(struct sieve *s)
{
	for (size_t i = 0; i < LINKS; i++)
		pcap_freecode(&s->program[i]);
	free(s);
}

bool sieve_passes(const struct sieve *s, const struct capture_frame *frame)
{
	const struct pcap_pkthdr head = {
	    .caplen = (bpf_u_int32)frame->caplen, .len = (bpf_u_int32)frame->len};

	for (size_t i = 0; i < LINKS; i++) {
		if (links[i] == frame->link && s->program[i].bf_insns != NULL)
			return pcap_offline_filter(&s->program[i], &head, frame->bytes) != 0;
	}
	return false;
}
