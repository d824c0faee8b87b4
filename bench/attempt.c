#include "attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "secret.h"
#include "veil.h"

int target_read(struct target *t, const char *server_public, const char *door_key_file)
{
	uint8_t door_key[KEY_BYTES];
	char line[256];
	int found = -1;
	FILE *f = fopen(door_key_file, "r");

	if (!f)
		return -1;
	while (found < 0 && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] != '#' && base64_decode(door_key, sizeof(door_key), line) == 0)
			found = 0;
	}
	fclose(f);
	if (found == 0)
		door_keys_derive(&t->door, door_key);
	secret_wipe(door_key, sizeof(door_key));
	if (base64_decode(t->server_key, sizeof(t->server_key), server_public) < 0)
		return -1;
	return found;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int must(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "bench: %s: error %d\n", what, result);
		abort();
	}
	return result;
}

static size_t plain_make(struct attempt *a, const struct target *t, uint8_t *plain, size_t cap)
{
	struct request q = {
	    .verb = VERB_OPEN, .flags = REQUEST_REPLY, .attempt = a->id, .services = 1};

	snprintf(q.service[0], sizeof(q.service[0]), "%s", t->service);
	if (t->hold_s) {
		q.has_hold = true;
		q.hold_s = t->hold_s;
	}
	return (size_t)must(request_encode(&q, plain, cap), "request");
}

void attempt_make(struct attempt *a, const struct person *who, const struct target *t, size_t size)
{
	struct client_keys ck;
	struct envelope_keys k = {.own = &who->pair, .peer = t->server_key};
	uint8_t plain[REQUEST_MAX], body[BODY_MAX];
	struct veiled v = {.kind = KIND_M1, .body = body};
	struct envelope_bind bind = {.carrier = CARRIER_UDP, .t = now_ns()};
	size_t len, need;

	a->who = who;
	secret_random(&a->id, sizeof(a->id));
	client_keys_derive(&ck, who->secret);
	k.psk = ck.psk;
	memcpy(bind.cid, who->cid, sizeof(bind.cid));
	len = plain_make(a, t, plain, sizeof(plain));
	v.body_len = (uint16_t)must(
	    envelope_noise.seal_request(&a->state, &bind, &k, plain, len, body, sizeof(body)),
	    "seal");
	memcpy(v.label.cid, who->cid, sizeof(v.label.cid));
	v.label.t = bind.t;
	label_sign(&v.label, ck.label, v.kind, bind.carrier, body, v.body_len);
	need = veil_need(v.kind, v.body_len);
	a->packet_len = size ? size : veil_length_client(need, VEIL_ROOM);
	veil_seal(&t->door.to_server, bind.carrier, &v, a->packet, a->packet_len);
}

bool attempt_answered(struct attempt *a, const struct target *t, const uint8_t *datagram,
    size_t len, struct reply *reply)
{
	struct client_keys ck;
	struct envelope_keys k = {.own = &a->who->pair, .peer = t->server_key};
	uint8_t opened[VEIL_PLAIN_MAX], plain[ENVELOPE_PLAIN_MAX];
	struct veiled v;
	int n;

	if (!veil_gate_ok(&t->door.to_client, datagram, len))
		return false;
	if (veil_open(&t->door.to_client, CARRIER_UDP, datagram, len, opened, &v) < 0)
		return false;
	client_keys_derive(&ck, a->who->secret);
	k.psk = ck.psk;
	n = envelope_noise.open_reply(&a->state, &k, v.body, v.body_len, plain, sizeof(plain));
	return n >= 0 && reply_decode(reply, plain, (size_t)n) == 0 && reply->attempt == a->id;
}
