/* auth_lab - see auth_lab.h. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "auth_lab_inside.h"
#include "carrier.h"
#include "clock.h"
#include "cursor.h"
#include "secret.h"

static const char default_config[] =
    "udp-port = 62201\n"
    "service \"ssh\" { proto = tcp port = 22 hold = 60 max-hold = 3600 }\n"
    "service \"web\" { proto = tcp port = 443 hold = 30 max-hold = 300 min-prefix-v4 = 24 }\n";

static void say(void *arg, const char *line)
{
	(void)arg;
	printf("%s\n", line);
}

static uint64_t world_real(void *arg)
{
	return ((struct lab *)arg)->real_ns;
}

static uint64_t world_boot(void *arg)
{
	return ((struct lab *)arg)->boot_ms;
}

static int world_ask(void *arg, const struct msg_door *m)
{
	struct lab *l = arg;

	if (l->deaf || l->asked == LAB_ASKED_MAX)
		return -1;
	l->ask[l->asked++] = *m;
	return 0;
}

/* Into the same queue, for it is answered in the same order. */
static int world_ban(void *arg, const struct msg_ban *m)
{
	struct msg_door as_door = {.head = m->head, .id = m->id, .seconds = m->seconds};

	memcpy(as_door.address, m->address, sizeof(as_door.address));
	return world_ask(arg, &as_door);
}

static int world_event(void *arg, const struct msg_event *m)
{
	struct lab *l = arg;

	assert_true(m->event < EVENTS);
	l->events[m->event]++;
	return 0;
}

static int world_run(void *arg, const struct msg_command *m)
{
	struct lab *l = arg;

	if (l->deaf)
		return -1;
	l->run = *m;
	l->runs++;
	return 0;
}

static bool is_bare_tcp(const uint8_t *bytes, size_t len)
{
	const bool v4 = bytes[0] >> 4 == 4;

	return len == (v4 ? 40U : 60U) && bytes[v4 ? 9 : 6] == IPPROTO_TCP;
}

/* Reads the UDP packet that the carrier made. */
static int world_send(void *arg, const struct route *r, const uint8_t *bytes, size_t len)
{
	struct lab *l = arg;
	struct lab_packet *p = &l->packet[l->sent];
	struct reader in = reader_of(bytes, len);
	bool v4 = bytes[0] >> 4 == 4;
	uint8_t raw[16];

	(void)r;
	if (l->send_error != 0)
		return l->send_error;
	if (is_bare_tcp(bytes, len)) {
		memcpy(l->segment, bytes, len);
		l->segment_len = len;
		l->segments++;
		return 0;
	}
	assert_true(l->sent < LAB_SENT_MAX);
	read_view(&in, v4 ? 12 : 8);
	read_bytes(&in, raw, v4 ? 4 : 16);
	p->from = v4 ? address_v4(raw) : address_v6(raw);
	read_bytes(&in, raw, v4 ? 4 : 16);
	p->to = v4 ? address_v4(raw) : address_v6(raw);
	p->from_port = read_u16(&in);
	p->to_port = read_u16(&in);
	read_view(&in, 4);
	p->len = (uint16_t)in.left;
	read_bytes(&in, p->veil, in.left);
	assert_false(in.failed);
	l->sent++;
	return 0;
}

struct realm *lab_realm(struct lab *l)
{
	struct report r = {.say = say};
	struct realm *realm = realm_new(++l->generation);
	char cid[BASE64_8], public[BASE64_32], secret[BASE64_32], line[CLIENT_LINE_MAX];
	char key[FINGERPRINT_TEXT];

	assert_int_equal(config_parse(&realm->config, "lab.conf", l->config_text, &r), 0);
	realm->clients = clients_new(&realm->config);
	for (unsigned i = 0; i < l->clients; i++) {
		const struct lab_client *c = &l->client[i];

		base64_encode(cid, sizeof(cid), c->cid, CID_BYTES);
		base64_encode(public, sizeof(public), c->keys.public, KEY_BYTES);
		base64_encode(secret, sizeof(secret), c->secret, KEY_BYTES);
		lab_fingerprint(i, key);
		snprintf(line, sizeof(line), "%s %s %s %s %s%s%s", c->name, cid, public, secret,
		    l->options, l->pgp ? ",openpgp=" : "", l->pgp ? key : "");
		assert_int_equal(clients_line(realm->clients, "clients", i + 1, line, &r), 0);
	}
	assert_int_equal(clients_finish(realm->clients, "clients", &r), 0);
	realm->keys->server = l->server;
	realm->keys->doors = l->door_keys;
	memcpy(realm->keys->door_key, l->door_key, sizeof(l->door_key));
	realm_derive(realm);
	return realm;
}

static void start_core(struct lab *l)
{
	struct auth_world w = {.arg = l,
	    .real_ns = world_real,
	    .boot_ms = world_boot,
	    .ask = world_ask,
	    .ban = world_ban,
	    .run = world_run,
	    .event = world_event,
	    .pgp = lab_world_pgp,
	    .send = world_send,
	    .store = l->store,
	    .boot_id = l->boot_id,
	    .dry_run = l->dry_run};

	l->core = core_new(&w, lab_realm(l));
	assert_int_equal(core_start(l->core), 0);
}

static void make_client(struct lab_client *c, unsigned i)
{
	const uint8_t v4[4] = {198, 51, 100, (uint8_t)(i + 1)};

	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "c%u", i);
	memset(c->cid, (int)(0x10 + i), CID_BYTES);
	keypair_generate(&c->keys);
	secret_random(c->secret, KEY_BYTES);
	client_keys_derive(&c->derived, c->secret);
	c->address = address_v4(v4);
	c->port = (uint16_t)(40000 + i);
	c->wax = (char)('1' + i);
	c->pgp = lab_wax(c);
}

void lab_start(struct lab *l, const char *config, const char *options, unsigned n)
{
	assert_int_equal(secret_init(), 0);
	memset(l, 0, sizeof(*l));
	l->config_text = config ? config : default_config;
	l->options = options ? options : "service=ssh,service=web";
	l->boot_id = "boot-1";
	l->boot_ms = 1000000;
	l->real_ns = UINT64_C(1700000000) * NS_PER_S;
	l->door_keys = 1;
	keypair_generate(&l->server);
	secret_random(l->door_key, sizeof(l->door_key));
	l->clients = n;
	for (unsigned i = 0; i < LAB_CLIENTS; i++)
		make_client(&l->client[i], i);
	l->store = store_memory_new();
	start_core(l);
}

void lab_use_pgp(struct lab *l)
{
	l->pgp = true;
	core_swap(l->core, lab_realm(l));
}

void lab_stop(struct lab *l)
{
	core_free(l->core);
	l->store->ops->close(l->store);
}

void lab_restart(struct lab *l)
{
	core_free(l->core);
	l->asked = 0;
	l->pgp_asked = 0;
	l->sent = 0;
	start_core(l);
}

void lab_pass(struct lab *l, uint64_t ms)
{
	l->boot_ms += ms;
	l->real_ns += ms * NS_PER_MS;
}

void lab_turn(struct lab *l)
{
	while (core_turn(l->core)) {
	}
}

void lab_settle(struct lab *l)
{
	lab_turn(l);
	while (l->asked > 0 || (l->pgp_asked > 0 && !l->pgp_held)) {
		lab_monitor(l);
		while (l->pgp_asked > 0 && !l->pgp_held)
			lab_pgp(l, 0, PGP_OK);
		lab_turn(l);
	}
}

void lab_knock(struct lab *l, const struct lab_message *m)
{
	assert_int_equal(lab_deliver(l, m), 0);
	lab_settle(l);
}

uint64_t lab_count(const struct lab *l, enum auth_counter c)
{
	return core_counters(l->core)->n[c];
}

int lab_setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	lab_start(l, NULL, NULL, 4);
	*state = l;
	return 0;
}

int lab_teardown(void **state)
{
	lab_stop(*state);
	free(*state);
	return 0;
}
