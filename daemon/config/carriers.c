/* What the directives about carriers may be together. */
#include <netinet/in.h>
#include <string.h>

#include "sections.h"

/* Is there anything that knocks can travel by? */
static bool has_carrier(const struct config *c)
{
	return c->udp_port != 0 || c->tcp_port != 0 || c->icmp || c->http_port != 0 ||
	       config_has_sequence(c);
}

static bool same_sequence(const struct sequence_config *a, const struct sequence_config *b)
{
	return a->id == b->id && memcmp(&a->ports, &b->ports, sizeof(a->ports)) == 0 &&
	       memcmp(&a->range, &b->range, sizeof(a->range)) == 0 && a->count == b->count &&
	       a->pieces == b->pieces && a->cover == b->cover;
}

static bool same_sequences(const struct config *a, const struct config *b)
{
	for (unsigned i = 0; i <= a->sequences && a->sequences == b->sequences; i++)
		if (!same_sequence(&a->sequence[i], &b->sequence[i]))
			return false;
	return a->sequences == b->sequences;
}

static bool same_prefixes(const struct prefixes *a, const struct prefixes *b)
{
	for (unsigned i = 0; i < a->len && a->len == b->len; i++)
		if (!prefix_equal(&a->at[i], &b->at[i]))
			return false;
	return a->len == b->len;
}

bool config_same_carriers(const struct config *a, const struct config *b)
{
	return a->udp_port == b->udp_port && a->tcp_port == b->tcp_port && a->icmp == b->icmp &&
	       a->http_port == b->http_port && strcmp(a->http_cookie, b->http_cookie) == 0 &&
	       strcmp(a->http_path, b->http_path) == 0 &&
	       same_prefixes(&a->http_proxy, &b->http_proxy) && same_sequences(a, b);
}

/* A knock port that is a service's would be silent to the wrong ones. */
static void check_port(
    const struct config *c, const struct section_place *at, uint8_t proto, uint16_t port)
{
	int i = port != 0 ? config_service_by_port(c, proto, port) : -1;

	if (i >= 0)
		report_error(at->r, at->file, c->service[i].line,
		    "service \"%s\": %s port %u is the knock port; change one of them",
		    c->service[i].name, proto == IPPROTO_TCP ? "tcp" : "udp", port);
}

static void check_http(const struct config *c, const struct section_place *at)
{
	unsigned line = at->line_of(at->slots, "http-port");
	int i = config_service_by_port(c, IPPROTO_TCP, c->http_port);

	if (c->http_port == 0)
		return;
	if (i >= 0)
		report_error(at->r, at->file, c->service[i].line,
		    "service \"%s\": tcp port %u is http-port, which everybody must reach; change "
		    "one of them",
		    c->service[i].name, c->http_port);
	if (c->http_port == c->tcp_port)
		report_error(at->r, at->file, line,
		    "http-port: %u is tcp-port, where nobody listens; give that of a web server",
		    c->http_port);
	if (c->http_cookie[0] == '\0' && c->http_path[0] == '\0')
		report_error(at->r, at->file, line,
		    "http-port: neither http-cookie nor http-path says where knocks are; give one");
}

/* What the firewall queues, and what comes to a socket; all other ways show whatever comes in. */
static bool hears_udp_alone(const char *capture)
{
	return strcmp(capture, "udp") == 0 || strcmp(capture, "nfqueue") == 0;
}

enum hearing config_hearing(const struct config *c, const char *capture)
{
	const bool others =
	    c->tcp_port != 0 || c->icmp != 0 || c->http_port != 0 || config_has_sequence(c);

	if (!others || !hears_udp_alone(capture))
		return HEARS_ALL;
	return c->udp_port != 0 ? HEARS_SOME : HEARS_NONE;
}

static void check_hearing(
    const struct config *c, const struct source_config *s, const struct section_place *at)
{
	const enum hearing h = config_hearing(c, s->capture);

	if (h != HEARS_ALL)
		(h == HEARS_SOME ? report_warning : report_error)(at->r, at->file, s->line,
		    "source \"%s\": %s hears knocks by udp alone; for what else is in use take "
		    "another capture",
		    s->name, s->capture);
}

/* A value that was refused is no reason to say that there is none. */
static bool was_given(const struct section_place *at)
{
	static const char *const name[] = {
	    "udp-port", "tcp-port", "icmp", "http-port", "sequence", "sequence-range"};

	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		if (at->line_of(at->slots, name[i]) != 0)
			return true;
	return false;
}

void carriers_check(const struct config *c, const struct section_place *at)
{
	check_port(c, at, IPPROTO_UDP, c->udp_port);
	check_port(c, at, IPPROTO_TCP, c->tcp_port);
	check_http(c, at);
	sequences_check(c, at);
	for (unsigned i = 0; i < c->sources; i++)
		check_hearing(c, &c->source[i], at);
	if (!has_carrier(c) && (at->r->errors == 0 || !was_given(at)))
		report_error(at->r, at->file, 0,
		    "no carrier is in use; give udp-port, tcp-port, icmp = yes, http-port or "
		    "sequence");
}
