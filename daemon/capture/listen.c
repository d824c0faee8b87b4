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

void listen_ports(const struct config *c, struct carrier_ports *out)
{
	*out = (struct carrier_ports){.udp = c->udp_port, .tcp = c->tcp_port, .icmp = c->icmp != 0};
	listen_http(c, &out->http);
}
