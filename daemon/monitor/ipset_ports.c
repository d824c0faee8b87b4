/* ipset_ports - see ipset_ports.h. */
#include "ipset_ports.h"

#include <string.h>

#include "ipset_link.h"
#include "ipset_rules.h"

static void add_port(void *arg, const struct ipset_element *e)
{
	struct ipset_ports *p = arg;

	p->bit[e->port / 8] |= (uint8_t)(1U << (e->port % 8));
}

void ipset_ports_of(struct ipset_ports *p, const struct config *c, uint8_t proto)
{
	memset(p, 0, sizeof(*p));
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *v = &c->service[i];

		for (unsigned k = 0; v->proto == proto && k < service_ports(v); k++)
			add_port(p, &(struct ipset_element){.port = service_port(v, k)});
	}
}

int ipset_ports_read(struct nft_link *l, const char *set, struct ipset_ports *out)
{
	memset(out, 0, sizeof(*out));
	return ipset_list(l, set, add_port, out);
}

bool ipset_ports_same(struct nft_link *l, const char *set, const struct ipset_ports *wanted)
{
	struct ipset_ports there;

	return ipset_ports_read(l, set, &there) == 0 && memcmp(&there, wanted, sizeof(there)) == 0;
}

static int fill_next(struct nft_link *l, const struct config *c, uint8_t proto)
{
	struct ipset_ports ports;
	int rc = ipset_create(l, IPSET_NEXT, IPSET_PORTS, true);

	if (rc == 0)
		rc = ipset_flush(l, IPSET_NEXT);
	ipset_ports_of(&ports, c, proto);
	for (unsigned port = 1; port <= UINT16_MAX && rc == 0; port++) {
		const struct ipset_element e = {.port = (uint16_t)port};

		if (ipset_ports_has(&ports, e.port))
			rc = ipset_add(l, IPSET_NEXT, IPSET_PORTS, &e);
	}
	return rc;
}

int ipset_ports_set(struct nft_link *l, const struct config *c, const char *set, uint8_t proto)
{
	int rc = fill_next(l, c, proto);

	if (rc == 0)
		rc = ipset_create(l, set, IPSET_PORTS, true);
	if (rc == 0)
		rc = ipset_swap(l, IPSET_NEXT, set);
	if (rc == 0)
		rc = ipset_destroy(l, IPSET_NEXT);
	return rc == 0 ? 0 : ipset_link_tell("guard", set, rc);
}
