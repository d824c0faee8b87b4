/* auth_lab - see auth_lab.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
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

static int world_run(void *arg, const struct msg_command *m)
{
	struct lab *l = arg;

	if (l->deaf)
		return -1;
	l->run = *m;
	l->runs++;
	return 0;
}

/* --- gpg: a seal of wax says from whom and to whom, and hides nothing --- */

enum { WAX_BYTES = 2, FINGERPRINT_DIGITS = 40, WAX_SERVER = 'S' };

static void fingerprint_of(unsigned i, char out[static FINGERPRINT_TEXT])
{
	memset(out, '0', FINGERPRINT_DIGITS);
	out[FINGERPRINT_DIGITS - 1] = (char)('1' + i);
	out[FINGERPRINT_DIGITS] = '\0';
}

static int wax_seal(const uint8_t *plain, size_t len, const char *from_to, uint8_t *out, size_t cap)
{
	if (len + WAX_BYTES > cap)
		return -1;
	memcpy(out, from_to, WAX_BYTES);
	memcpy(out + WAX_BYTES, plain, len);
	return (int)len + WAX_BYTES;
}

static int wax_open(const uint8_t *in, size_t len, const char *from_to, uint8_t *out, size_t cap)
{
	if (len < WAX_BYTES || len - WAX_BYTES > cap || memcmp(in, from_to, WAX_BYTES) != 0)
		return -1;
	memcpy(out, in + WAX_BYTES, len - WAX_BYTES);
	return (int)len - WAX_BYTES;
}

static int client_seals(void *arg, const uint8_t *plain, size_t len, uint8_t *out, size_t cap)
{
	const char from_to[] = {((const struct lab_client *)arg)->wax, WAX_SERVER};

	return wax_seal(plain, len, from_to, out, cap);
}

static int client_opens(void *arg, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	const char from_to[] = {WAX_SERVER, ((const struct lab_client *)arg)->wax};

	return wax_open(in, len, from_to, out, cap);
}

void lab_pgp(struct lab *l, unsigned i, enum pgp_status status)
{
	struct msg_pgp *m = &l->pgp_ask[i];
	struct msg_pgp done = {.head = {MSG_PGP_DONE, sizeof(done)}, .id = m->id};
	const char wax = m->fingerprint[FINGERPRINT_DIGITS - 1];
	const char in[] = {wax, WAX_SERVER}, out[] = {WAX_SERVER, wax};
	int len = m->head.type == MSG_PGP_OPEN
		      ? wax_open(m->data, m->len, in, done.data, sizeof(done.data))
		      : wax_seal(m->data, m->len, out, done.data, sizeof(done.data));

	assert_true(i < l->pgp_asked);
	done.status = status == PGP_OK && len < 0 ? PGP_REFUSED : (uint32_t)status;
	if (done.status == PGP_OK)
		done.len = (uint16_t)len;
	else
		memset(done.data, 0, sizeof(done.data));
	assert_true(pgp_message_ok(&done, true));
	*m = l->pgp_ask[--l->pgp_asked];
	core_pgp_done(l->core, &done);
}

static int world_pgp(void *arg, const struct msg_pgp *m)
{
	struct lab *l = arg;

	assert_true(pgp_message_ok(m, false) && m->head.len == sizeof(*m));
	assert_true(l->pgp_asked < PGP_WAITING_MAX); /* the core asks no more at once */
	l->pgp_ask[l->pgp_asked++] = *m;
	return 0;
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
		fingerprint_of(i, key);
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
	    .run = world_run,
	    .pgp = world_pgp,
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
	c->pgp = (struct pgp_ops){client_seals, client_opens, c};
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

static const struct envelope *envelope_of(const struct lab *l)
{
	return l->pgp ? &envelope_openpgp : &envelope_noise;
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

/* --- clients --- */

struct request lab_request(enum verb v)
{
	struct request q = {.verb = v, .flags = REQUEST_REPLY};

	secret_random(&q.attempt, sizeof(q.attempt));
	return q;
}

struct request lab_open(const char *service)
{
	struct request q = lab_request(VERB_OPEN);

	q.services = 1;
	snprintf(q.service[0], sizeof(q.service[0]), "%s", service);
	return q;
}

static uint64_t next_t(struct lab *l, struct lab_client *c, uint64_t t)
{
	if (t == 0)
		t = l->real_ns > c->last_t ? l->real_ns : c->last_t + 1;
	if (t > c->last_t)
		c->last_t = t;
	return t;
}

static struct envelope_keys keys_of(const struct lab *l, const struct lab_client *c)
{
	return (struct envelope_keys){
	    .own = &c->keys, .peer = l->server.public, .psk = c->derived.psk, .pgp = &c->pgp};
}

static void wrap(struct lab *l, struct lab_message *m, enum kind kind, uint64_t t,
    const uint8_t *body, size_t len)
{
	struct veiled v = {.kind = kind, .body = body, .body_len = (uint16_t)len};
	struct door_keys keys;

	memcpy(v.label.cid, m->client->cid, CID_BYTES);
	v.label.t = t;
	label_sign(&v.label, m->client->derived.label, kind, CARRIER_UDP, body, len);
	door_keys_derive(&keys, l->door_key[m->door_key]);
	m->len = (uint16_t)veil_length_client(veil_need(kind, len), VEIL_ROOM);
	veil_seal(&keys.to_server, CARRIER_UDP, &v, m->veil, m->len);
}

static struct lab_message m1_at(
    struct lab *l, struct lab_client *c, const uint8_t *plain, size_t plain_len, uint64_t t)
{
	struct lab_message m = {.client = c, .from = c->address, .port = c->port};
	struct envelope_bind bind = {.carrier = CARRIER_UDP};
	struct envelope_keys keys = keys_of(l, c);
	uint8_t body[BODY_MAX];
	int len;

	m.t = bind.t = next_t(l, c, t);
	memcpy(bind.cid, c->cid, CID_BYTES);
	len = envelope_of(l)->seal_request(
	    &m.state, &bind, &keys, plain, plain_len, body, sizeof(body));
	assert_true(len > 0);
	wrap(l, &m, envelope_of(l)->request, m.t, body, (size_t)len);
	return m;
}

struct lab_message lab_m1_plain(
    struct lab *l, struct lab_client *c, const uint8_t *plain, size_t len)
{
	return m1_at(l, c, plain, len, 0);
}

struct lab_message lab_m1(struct lab *l, struct lab_client *c, const struct request *q, uint64_t t)
{
	uint8_t plain[REQUEST_MAX];
	struct request own = *q;
	struct lab_message m;
	int len;

	own.has_reply_key = l->pgp && (q->flags & REQUEST_REPLY);
	if (own.has_reply_key)
		secret_random(own.reply_key, sizeof(own.reply_key));
	len = request_encode(&own, plain, sizeof(plain));
	assert_true(len > 0);
	m = m1_at(l, c, plain, (size_t)len, t);
	m.attempt = q->attempt;
	return m;
}

static struct lab_message m3_at(struct lab *l, struct lab_client *c, struct lab_message *m1,
    const uint8_t *plain, size_t plain_len, uint64_t t)
{
	struct lab_message m = *m1;
	int len = envelope_of(l)->seal_answer(&m1->state, plain, plain_len, m.body, sizeof(m.body));

	assert_true(len > 0);
	m.state = m1->state;
	m.body_len = (uint16_t)len;
	wrap(l, &m, envelope_of(l)->answer, next_t(l, c, t), m.body, m.body_len);
	return m;
}

struct lab_message lab_m3_plain(
    struct lab *l, struct lab_client *c, struct lab_message *m1, const uint8_t *plain, size_t len)
{
	return m3_at(l, c, m1, plain, len, 0);
}

struct lab_message lab_m3(struct lab *l, struct lab_client *c, struct lab_message *m1,
    const struct reply *p, uint64_t t, const struct answer *a)
{
	struct answer truth = {.attempt = m1->attempt, .t = m1->t, .seen = p->address_seen};
	uint8_t plain[REQUEST_MAX];
	int len = answer_encode(a ? a : &truth, plain, sizeof(plain));

	assert_true(len > 0);
	return m3_at(l, c, m1, plain, (size_t)len, t);
}

struct lab_message lab_m3_again(struct lab *l, struct lab_client *c, const struct lab_message *m3)
{
	struct lab_message m = *m3;

	wrap(l, &m, envelope_of(l)->answer, next_t(l, c, 0), m.body, m.body_len);
	return m;
}

/* --- the way in --- */

/* The server's address of the client's family. */
static struct address server_address(const struct address *client)
{
	const uint8_t v4[4] = {192, 0, 2, 1}, v6[16] = {0x20, 1, 0xd, 0xb8, [7] = 1, [15] = 1};

	return address_is_v4(client) ? address_v4(v4) : address_v6(v6);
}

int lab_deliver(struct lab *l, const struct lab_message *m)
{
	struct msg_knock k = {.head = {.type = MSG_KNOCK, .len = sizeof(k)},
	    .seen_ns = l->real_ns,
	    .client_port = m->port,
	    .server_port = LAB_PORT,
	    .request_len = m->len,
	    .carrier = CARRIER_UDP};
	struct address server = server_address(&m->from);
	struct door_keys keys;
	struct veiled v;
	int len = -1;

	memcpy(k.client, m->from.b, ADDRESS_BYTES);
	memcpy(k.server, server.b, ADDRESS_BYTES);
	for (unsigned i = 0; i < l->door_keys && len < 0; i++) {
		door_keys_derive(&keys, l->door_key[i]);
		if (!veil_gate_ok(&keys.to_server, m->veil, m->len))
			continue;
		len = veil_open(&keys.to_server, CARRIER_UDP, m->veil, m->len, k.plain, &v);
		k.door_key = (uint8_t)i;
	}
	if (len < 0)
		return 0;
	k.plain_len = (uint16_t)len;
	return core_receive(l->core, &k, l->capture);
}

void lab_turn(struct lab *l)
{
	while (core_turn(l->core)) {
	}
}

/* --- the monitor --- */

static struct lab_door *find_door(struct lab *l, const struct msg_door *m)
{
	for (unsigned i = 0; i < l->doors; i++) {
		struct lab_door *d = &l->door[i];

		if (d->m.service == m->service && d->m.prefix_len == m->prefix_len &&
		    memcmp(d->m.address, m->address, sizeof(m->address)) == 0)
			return d;
	}
	return NULL;
}

static enum door_status open_door(struct lab *l, const struct msg_door *m, uint32_t *seconds)
{
	struct lab_door *d = find_door(l, m);
	enum door_status status = l->next_status;

	if (status != DOOR_OK && l->fail_after == 0) {
		l->next_status = DOOR_OK;
		return status;
	}
	if (status != DOOR_OK)
		l->fail_after--;
	if (!d) {
		assert_true(l->doors < LAB_DOORS_MAX);
		d = &l->door[l->doors++];
		d->opened = 0;
	}
	d->m = *m;
	d->end_ms = l->boot_ms + (uint64_t)m->seconds * 1000;
	d->opened++;
	*seconds = m->seconds;
	if (l->acted)
		l->acted(l->acted_arg, m);
	return DOOR_OK;
}

static enum door_status serve(struct lab *l, const struct msg_door *m, uint32_t *seconds)
{
	struct lab_door *d = find_door(l, m);

	*seconds = 0;
	if (m->generation != l->generation)
		return DOOR_REFUSED;
	if (m->head.type == MSG_DOOR_OPEN)
		return open_door(l, m, seconds);
	l->cuts += m->cut;
	if (!d || d->end_ms <= l->boot_ms)
		return DOOR_NOT_THERE;
	if (m->head.type == MSG_DOOR_CLOSE)
		d->end_ms = 0;
	else
		*seconds = (uint32_t)((d->end_ms - l->boot_ms + 999) / 1000);
	return DOOR_OK;
}

void lab_monitor(struct lab *l)
{
	for (unsigned i = 0; i < l->asked; i++) {
		struct msg_door_done done = {
		    .head = {.type = MSG_DOOR_DONE, .len = sizeof(done)}, .id = l->ask[i].id};

		done.status = serve(l, &l->ask[i], &done.seconds);
		assert_int_equal(core_door_done(l->core, &done), 0);
	}
	l->asked = 0;
}

void lab_orphans(struct lab *l)
{
	uint32_t seconds;

	for (unsigned i = 0; i < l->asked; i++)
		(void)serve(l, &l->ask[i], &seconds);
	l->asked = 0;
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

struct lab_door *lab_door(struct lab *l, const struct address *a, unsigned service)
{
	for (unsigned i = 0; i < l->doors; i++) {
		struct lab_door *d = &l->door[i];

		if (d->m.service == service && memcmp(d->m.address, a->b, ADDRESS_BYTES) == 0 &&
		    d->end_ms > l->boot_ms)
			return d;
	}
	return NULL;
}

/* --- the way back --- */

bool lab_take(struct lab *l, struct lab_packet *out)
{
	if (l->sent == 0)
		return false;
	*out = l->packet[0];
	memmove(&l->packet[0], &l->packet[1], --l->sent * sizeof(l->packet[0]));
	return true;
}

bool lab_read(struct lab *l, struct lab_message *m, const struct lab_packet *p, struct reply *out)
{
	struct envelope_keys keys = keys_of(l, m->client);
	uint8_t plain[VEIL_PLAIN_MAX], reply[ENVELOPE_PLAIN_MAX];
	struct door_keys door;
	struct envelope_state trial = m->state;
	struct address server = server_address(&m->from);
	const struct envelope *e = envelope_of(l);
	struct veiled v;
	int len;

	door_keys_derive(&door, l->door_key[m->door_key]);
	if (!address_equal(&p->to, &m->from) || p->to_port != m->port)
		return false;
	/* From where the knock was sent to, or no NAT and no client takes it. */
	assert_true(address_equal(&p->from, &server) && p->from_port == LAB_PORT);
	if (veil_open(&door.to_client, CARRIER_UDP, p->veil, p->len, plain, &v) < 0)
		return false;
	if (v.kind == e->challenge)
		len = e->open_challenge(&trial, &keys, v.body, v.body_len, reply, sizeof(reply));
	else
		len = e->open_result(&trial, v.body, v.body_len, reply, sizeof(reply));
	if (len < 0 || reply_decode(out, reply, (size_t)len) < 0)
		return false;
	assert_true(p->len <= m->len);
	m->state = trial;
	return true;
}

bool lab_reply(struct lab *l, struct lab_message *m, struct reply *out)
{
	struct lab_packet p;

	return lab_take(l, &p) && lab_read(l, m, &p, out);
}

bool lab_prove(struct lab *l, struct lab_client *c)
{
	struct request q = lab_request(VERB_PING);
	struct lab_message m1 = lab_m1(l, c, &q, 0), m3;
	struct reply p;

	lab_knock(l, &m1);
	if (!lab_reply(l, &m1, &p) || p.verdict != VERDICT_CHALLENGE)
		return false;
	m3 = lab_m3(l, c, &m1, &p, 0, NULL);
	lab_knock(l, &m3);
	return lab_reply(l, &m3, &p) && p.verdict == VERDICT_OK;
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

int lab_ask(struct lab *l, struct lab_client *c, const struct request *q, struct reply *p)
{
	struct lab_message m = lab_m1(l, c, q, 0);
	struct reply own;

	lab_knock(l, &m);
	return lab_reply(l, &m, p ? p : &own) ? (int)(p ? p : &own)->verdict : -1;
}

int lab_open_service(struct lab *l, struct lab_client *c, const char *service, struct reply *p)
{
	struct request q = lab_open(service);

	return lab_ask(l, c, &q, p);
}
