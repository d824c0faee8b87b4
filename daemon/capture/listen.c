/* listen - see listen.h. */
#include "listen.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)CONFIG_COOKIE_MAX == (int)HTTP_COOKIE_MAX, "config.h and carrier.h agree");
_Static_assert((int)CONFIG_WEB_PATH_MAX == (int)HTTP_PATH_MAX, "config.h and carrier.h agree");
_Static_assert((int)CONFIG_PREFIXES_MAX == (int)HTTP_PROXIES_MAX, "config.h and carrier.h agree");

static void listen_http(const struct config *c, struct carrier_http *out)
{
	out->port = c->http_port;
	(void)snprintf(out->cookie, sizeof(out->cookie), "%s", c->http_cookie);
	(void)snprintf(out->path, sizeof(out->path), "%s", c->http_path);
	out->proxies = c->http_proxy.len;
	memcpy(out->proxy, c->http_proxy.at, sizeof(out->proxy));
}

_Static_assert((int)CONFIG_SEQUENCE_MAX == (int)SEQUENCE_PORTS_MAX, "config.h and carrier.h agree");
_Static_assert(CONFIG_SEQUENCES_MAX + 1 == (int)SEQUENCES_MAX &&
		   (int)CONFIG_SEQUENCE_ID_MAX == (int)SEQUENCE_ID_MAX &&
		   (int)CONFIG_SEQUENCE_LISTED_MAX == (int)SEQUENCES_LISTED_MAX,
    "config.h and carrier.h agree");
_Static_assert((int)PIECES_UDP == (int)SEQUENCE_UDP && (int)PIECES_TCP == (int)SEQUENCE_TCP &&
		   (int)PIECES_CLEAN == (int)SEQUENCE_CLEAN,
    "config.h and carrier.h agree");
_Static_assert(
    (int)SEQUENCE_BARE == (int)SEQUENCE_COVER_NONE && (int)SEQUENCE_PNG == (int)SEQUENCE_COVER_PNG,
    "config.h and carrier.h agree");

static void listen_sequences(const struct config *c, struct carrier_ports *ports)
{
	for (unsigned i = 0; i <= c->sequences; i++) {
		const struct sequence_config *s = &c->sequence[i];
		struct carrier_sequence *out = &ports->sequence[ports->sequences];

		if (!sequence_in_use(s))
			continue;
		*out = (struct carrier_sequence){.id = s->id,
		    .pieces = s->pieces,
		    .covers = s->cover,
		    .lo = s->range.lo,
		    .hi = s->range.hi,
		    .ports = (uint8_t)(s->range.lo != 0 ? s->count : s->ports.len)};
		memcpy(out->port, s->ports.at, sizeof(out->port));
		ports->sequences++;
	}
}

void listen_ports(const struct config *c, struct carrier_ports *out)
{
	*out = (struct carrier_ports){.udp = c->udp_port, .tcp = c->tcp_port, .icmp = c->icmp != 0};
	listen_http(c, &out->http);
	listen_sequences(c, out);
}
