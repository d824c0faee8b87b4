#include "answers.h"

#include <stdlib.h>

#include "carrier.h"
#include "script.h"

enum { PAYLOAD = 51, RANDOM_BYTES = 4 };

static struct route route_of(bool v4)
{
	struct route r = {
	    .client_port = 40000, .server_port = 62202, .tcp_seq = 0x01020304, .request_len = 400};

	if (address_parse(v4 ? "192.0.2.1" : "2001:db8::1", &r.server) < 0 ||
	    address_parse(v4 ? "192.0.2.7" : "2001:db8::7", &r.client) < 0)
		abort();
	return r;
}

static void tell(struct emit *e, const char *name, const struct carrier *c, const struct route *r)
{
	uint8_t payload[PAYLOAD], out[CRAFT_MAX];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(1 + i);
	int len = c->craft(r, payload, sizeof(payload), out);
	if (len < 0)
		abort();
	emit_hex(e, name, out, (size_t)len);
}

/* The sequence number is 83828180; with options the clock says 87868584. (A number of our own is drawn as the machine has it.) */
static void tell_tcp(struct emit *e, const char *name, bool v4, uint32_t tsval)
{
	struct route r = route_of(v4);

	r.tcp_tsval = tsval;
	(void)script_add(0x80, tsval != 0 ? 2 * RANDOM_BYTES : RANDOM_BYTES);
	tell(e, name, &carrier_tcp, &r);
	script_end();
}

static void tell_icmp(struct emit *e, const char *name, bool v4)
{
	struct route r = route_of(v4);

	r.client_port = 0x1234;
	r.server_port = 7;
	tell(e, name, &carrier_icmp, &r);
}

void tell_answers(struct emit *e)
{
	emit_open(e, "answers", '{');
	tell_tcp(e, "tcp_v4", true, 0xa1a2a3a4);
	tell_tcp(e, "tcp_v6", false, 0xa1a2a3a4);
	tell_tcp(e, "tcp_bare", true, 0);
	tell_icmp(e, "icmp_v4", true);
	tell_icmp(e, "icmp_v6", false);
	emit_close(e, '}');
}
