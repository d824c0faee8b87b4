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
_Static_assert((int)PIECES_UDP == (int)SEQUENCE_UDP && (int)PIECES_TCP == (int)SEQUENCE_TCP &&
		   (int)PIECES_CLEAN == (int)SEQUENCE_CLEAN,
    "config.h and carrier.h agree");
_Static_assert(
    (int)SEQUENCE_BARE == (int)SEQUENCE_COVER_NONE && (int)SEQUENCE_PNG == (int)SEQUENCE_COVER_PNG,
    "config.h and carrier.h agree");

static void listen_sequence(const struct config *c, struct carrier_ports *ports)
{
	struct carrier_sequence *out = &ports->sequence[ports->sequences];

	if (!config_has_sequence(c))
		return;
	ports->sequences++;
	out->pieces = c->sequence_pieces;
	out->covers = c->sequence_cover;
	out->lo = c->sequence_range.lo;
	out->hi = c->sequence_range.hi;
	out->ports = (uint8_t)(out->lo != 0 ? c->sequence_count : c->sequence.len);
	memcpy(out->port, c->sequence.at, sizeof(out->port));
}

void listen_ports(const struct config *c, struct carrier_ports *out)
{
	*out = (struct carrier_ports){.udp = c->udp_port, .tcp = c->tcp_port, .icmp = c->icmp != 0};
	listen_http(c, &out->http);
	listen_sequence(c, out);
}
