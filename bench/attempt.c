#include "attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "secret.h"
#include "veil.h"

enum { PROVE_TRIES = 5 };

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

/* Label and veil around a body. */
static void wrap(struct attempt *a, const struct target *t, const struct veiled *body)
{
	struct veiled v = *body;
	struct client_keys ck;

	client_keys_derive(&ck, a->who->secret);
	memcpy(v.label.cid, a->who->cid, sizeof(v.label.cid));
	label_sign(&v.label, ck.label, v.kind, CARRIER_UDP, v.body, v.body_len);
	a->packet_len = veil_length_client(veil_need(v.kind, v.body_len), VEIL_ROOM);
	veil_seal(&t->door.to_server, CARRIER_UDP, &v, a->packet, a->packet_len);
}

static void make(
    struct attempt *a, const struct person *who, const struct target *t, struct request *q)
{
	struct client_keys ck;
	struct envelope_keys k = {.own = &who->pair, .peer = t->server_key, .psk = ck.psk};
	struct envelope_bind bind = {.carrier = CARRIER_UDP, .t = now_ns()};
	uint8_t plain[REQUEST_MAX], body[BODY_MAX];
	struct veiled v = {.kind = KIND_M1, .body = body, .label.t = bind.t};
	int len;

	a->who = who;
	secret_random(&a->id, sizeof(a->id));
	q->attempt = a->id;
	client_keys_derive(&ck, who->secret);
	memcpy(bind.cid, who->cid, sizeof(bind.cid));
	len = must(request_encode(q, plain, sizeof(plain)), "request");
	v.body_len = (uint16_t)must(envelope_noise.seal_request(&a->state, &bind, &k, plain,
					(size_t)len, body, sizeof(body)),
	    "seal");
	wrap(a, t, &v);
}

void attempt_make(struct attempt *a, const struct person *who, const struct target *t)
{
	struct request q = {.verb = VERB_OPEN, .flags = REQUEST_REPLY, .services = 1};

	snprintf(q.service[0], sizeof(q.service[0]), "%s", t->service);
	if (t->hold_s) {
		q.has_hold = true;
		q.hold_s = t->hold_s;
	}
	if (t->names_admit) {
		q.admits = 1;
		q.admit[0] = t->admit;
	}
	make(a, who, t, &q);
}

/* The packet becomes the M3 that answers a challenge. */
static void answer(struct attempt *a, const struct target *t, const struct reply *challenge)
{
	struct answer said = {
	    .attempt = a->id, .t = a->state.bind.t, .seen = challenge->address_seen};
	uint8_t plain[REQUEST_MAX], body[BODY_MAX];
	struct veiled v = {.kind = KIND_M3, .body = body, .label.t = now_ns()};
	int len = must(answer_encode(&said, plain, sizeof(plain)), "answer");

	v.body_len = (uint16_t)must(
	    envelope_noise.seal_answer(&a->state, plain, (size_t)len, body, sizeof(body)), "seal");
	wrap(a, t, &v);
}

/* Waits for the answer to a; late ones to earlier tries are passed over. Returns 0, or -1 after a second of silence. */
static int receive(struct attempt *a, const struct target *t, int sock, struct reply *reply)
{
	uint8_t datagram[VEIL_ROOM + 1];
	ssize_t n;

	while ((n = recv(sock, datagram, sizeof(datagram), 0)) >= 0)
		if (attempt_answered(a, t, datagram, (size_t)n, reply))
			return 0;
	return -1;
}

static int prove_once(const struct person *who, const struct target *t, int sock)
{
	struct request q = {.verb = VERB_PING, .flags = REQUEST_REPLY};
	uint8_t datagram[VEIL_ROOM + 1];
	struct attempt a;
	struct reply reply;

	make(&a, who, t, &q);
	if (send(sock, a.packet, a.packet_len, 0) < 0 || receive(&a, t, sock, &reply) < 0)
		return -1;
	if (reply.verdict != VERDICT_CHALLENGE)
		return 0;
	answer(&a, t, &reply);
	if (send(sock, a.packet, a.packet_len, 0) < 0)
		return -1;
	return recv(sock, datagram, sizeof(datagram), 0) < 0 ? -1 : 0;
}

int attempt_prove(const struct person *who, const struct target *t, int sock)
{
	const struct timeval second = {.tv_sec = 1};

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	for (int i = 0; i < PROVE_TRIES; i++)
		if (prove_once(who, t, sock) == 0)
			return 0;
	return -1;
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
