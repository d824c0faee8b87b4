/* nft_door - see nft_door.h. */
#include "nft_door.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	V4_OFFSET = 12,
	V4_BYTES = 4,
	V4_HOST = 32,
	V6_HOST = 128,
	DECIMAL = 10,
	MS_PER_SECOND = 1000
};

/* Those with a number end with '_'. */
static const char *const stem[NFT_FORMS] = {
    [NFT_HOST] = "doors",
    [NFT_NETWORK] = "nets",
    [NFT_HELD] = "held",
    [NFT_IDLE] = "idle",
    [NFT_ONCE] = "once",
    [NFT_EXACT] = "exact",
    [NFT_EXACT_ONCE] = "exonce",
    [NFT_GATE] = "gate",
};

static bool has_number(enum nft_form form)
{
	return form == NFT_NETWORK || form == NFT_HELD || form == NFT_IDLE;
}

static bool has_source_port(enum nft_form form)
{
	return form == NFT_EXACT || form == NFT_EXACT_ONCE;
}

struct nft_door_set nft_door_set(const char *gateway, const struct firewall_pass *p)
{
	struct nft_door_set s = {.form = NFT_HOST, .v4 = address_is_v4(&p->from.addr)};

	if (gateway[0] != '\0') {
		s.form = NFT_GATE;
		(void)snprintf(s.gateway, sizeof(s.gateway), "%s", gateway);
	} else if (!prefix_is_host(&p->from)) {
		s.form = NFT_NETWORK;
		s.number = p->from.len;
	} else if (p->source_port != 0) {
		s.form = p->once ? NFT_EXACT_ONCE : NFT_EXACT;
	} else if (p->once) {
		s.form = NFT_ONCE;
	} else if (p->idle_s != 0) {
		s.form = NFT_HELD;
		s.number = p->idle_s;
	}
	return s;
}

struct nft_door_set nft_door_set_of(const struct service *s, const struct firewall_pass *p)
{
	return nft_door_set(service_is_gateway(s) ? s->name : "", p);
}

struct nft_door_set nft_door_idle_set(const struct firewall_pass *p)
{
	return (struct nft_door_set){
	    .form = NFT_IDLE, .v4 = address_is_v4(&p->from.addr), .number = p->idle_s};
}

const char *nft_door_set_name(char out[static NFT_NAME_MAX], const struct nft_door_set *s)
{
	const char family = s->v4 ? '4' : '6';

	if (s->form == NFT_GATE)
		(void)snprintf(out, NFT_NAME_MAX, "%s%c_%s", stem[s->form], family, s->gateway);
	else if (has_number(s->form))
		(void)snprintf(
		    out, NFT_NAME_MAX, "%s%c_%" PRIu32, stem[s->form], family, s->number);
	else
		(void)snprintf(out, NFT_NAME_MAX, "%s%c", stem[s->form], family);
	return out;
}

bool nft_door_set_parse(const char *name, struct nft_door_set *out)
{
	for (unsigned form = 0; form < NFT_FORMS; form++) {
		const size_t len = strlen(stem[form]);
		char again[NFT_NAME_MAX];

		if (strncmp(name, stem[form], len) != 0 || (name[len] != '4' && name[len] != '6'))
			continue;
		*out = (struct nft_door_set){.form = (enum nft_form)form, .v4 = name[len] == '4'};
		if (has_number(out->form) && name[len + 1] == '_')
			out->number = (uint32_t)strtoul(name + len + 2, NULL, DECIMAL);
		if (out->form == NFT_GATE && name[len + 1] == '_')
			(void)snprintf(out->gateway, sizeof(out->gateway), "%s", name + len + 2);
		if (out->form == NFT_GATE && !config_is_name(out->gateway))
			return false;
		if (out->form == NFT_NETWORK && out->number >= (out->v4 ? V4_HOST : V6_HOST))
			return false;
		/* One name a set: no "nets4_024", no rest. */
		return strcmp(nft_door_set_name(again, out), name) == 0;
	}
	return false;
}

struct nft_key nft_door_key(const struct firewall_pass *p, uint8_t proto, uint16_t port)
{
	struct nft_key k = {0};
	struct writer w = writer_of(k.b, sizeof(k.b));

	if (address_is_v4(&p->from.addr))
		write_bytes(&w, p->from.addr.b + V4_OFFSET, V4_BYTES);
	else
		write_bytes(&w, p->from.addr.b, ADDRESS_BYTES);
	if (p->source_port != 0) {
		write_u16(&w, p->source_port);
		write_zeros(&w, 2);
	}
	if (proto != 0)
		nft_key_write_service(&w, proto, port);
	k.len = (uint8_t)w.len;
	return k;
}

size_t nft_door_keys(const struct firewall_pass *p, const struct service *s,
    struct nft_key out[static CONFIG_PORTS_MAX])
{
	const unsigned n = service_ports(s);

	if (n > CONFIG_PORTS_MAX)
		abort();
	if (service_is_gateway(s)) {
		out[0] = nft_door_key(p, 0, 0);
		return 1;
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = nft_door_key(p, s->proto, service_port(s, i));
	return n;
}

bool nft_door_key_read(const struct nft_door_set *s, const struct nft_key *k,
    struct firewall_pass *p, uint8_t *proto, uint16_t *port)
{
	struct reader r = reader_of(k->b, k->len);
	uint8_t bytes[ADDRESS_BYTES] = {0};

	*p = (struct firewall_pass){.once = s->form == NFT_ONCE || s->form == NFT_EXACT_ONCE};
	read_bytes(&r, bytes, s->v4 ? V4_BYTES : ADDRESS_BYTES);
	p->from.addr = s->v4 ? address_v4(bytes) : address_v6(bytes);
	p->from.len = s->v4 ? V4_HOST : V6_HOST;
	if (s->form == NFT_NETWORK)
		p->from.len = (uint8_t)s->number;
	if (s->form == NFT_HELD || s->form == NFT_IDLE)
		p->idle_s = s->number;
	if (has_source_port(s->form)) {
		p->source_port = read_u16(&r);
		(void)read_view(&r, 2);
	}
	*proto = 0;
	*port = 0;
	if (s->form != NFT_GATE)
		nft_key_take_service(&r, proto, port);
	return !r.failed && r.left == 0;
}

uint64_t nft_door_timeout_ms(const struct firewall_pass *p, uint32_t seconds)
{
	const bool one_flow = p->once || p->source_port != 0;

	if (one_flow && p->idle_s != 0 && p->idle_s < seconds)
		seconds = p->idle_s;
	return (uint64_t)seconds * MS_PER_SECOND;
}
