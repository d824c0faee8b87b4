/*
 * answer - a reply on its way out: envelope, veil, packet. Covers dress what
 * comes in; answers travel bare.
 */
#include <errno.h>
#include <string.h>

#include "errors.h"
#include "fault.h"
#include "inside.h"
#include "secret.h"

enum { SEND_LOG_BURST = 5, SEND_LOG_MS = 10000 };

/* The keys for one client, all borrowed. Returns 0, or -1: the client is gone, or its key must not be used. */
int answer_keys(const struct core *c, const uint8_t *cid, struct envelope_keys *out, size_t *client)
{
	const struct client *cl = clients_by_cid(c->realm->clients, cid);
	const struct keypair *own = &c->realm->keys->server;

	if (!cl)
		return -1;
	*client = clients_index(c->realm->clients, cl);
	*out = (struct envelope_keys){.own = own,
	    .peer = cl->public_key,
	    .shared = peers_shared(c->peers, *client, cl, own),
	    .psk = peers_keys(c->peers, *client, cl)->psk};
	return out->shared ? 0 : -1;
}

/* Longest veil that may answer x. */
static size_t room_of(const struct exchange *x)
{
	return x->route.request_len < VEIL_ROOM ? x->route.request_len : VEIL_ROOM;
}

static void log_unsent(struct core *c, const struct exchange *x, int error)
{
	char to[ADDRESS_TEXT];
	uint64_t missed = 0;

	count(&c->counters, COUNT_SEND_FAILED);
	if (log_allowed(&c->send_log, c->w.boot_ms(c->w.arg), &missed))
		log_warning("answer-failed",
		    "to=%s error=%s missed=%llu: let packets with our mark out of this host's "
		    "firewall",
		    address_text(&x->route.client, to), strerrorname_np(error),
		    (unsigned long long)missed);
}

void answer_deliver(
    struct core *c, const struct exchange *x, enum kind kind, const uint8_t *body, size_t len)
{
	const struct carrier *carrier = carrier_by_id(x->route.carrier);
	struct veiled v = {.kind = kind, .body = body, .body_len = (uint16_t)len};
	uint8_t veil[VEIL_ROOM], packet[CRAFT_MAX];
	size_t need = veil_need(kind, len), total;
	int size, error;

	if (need > room_of(x) || !carrier || !carrier->has_reply) {
		count(&c->counters, COUNT_NO_ROOM);
		return;
	}
	total = veil_length_server(need, room_of(x));
	veil_seal(&x->veil, x->route.carrier, &v, veil, total);
	size = carrier->craft(&x->route, veil, total, packet);
	if (size < 0) {
		count(&c->counters, COUNT_NO_ROOM);
		return;
	}
	if (c->w.dry_run)
		return;
	FAULT("auth.answer");
	error = c->w.send(c->w.arg, &x->route, packet, (size_t)size);
	FAULT("auth.answered");
	if (error != 0)
		log_unsent(c, x, error);
	else
		count(&c->counters, COUNT_SENT);
}

void answer_again(struct core *c, const struct exchange *x, const uint8_t *body, size_t len)
{
	answer_deliver(c, x, x->envelope->result, body, len);
}

/* Returns the body's length, or a negative error. */
static int seal(struct core *c, struct exchange *x, const uint8_t *plain, size_t len,
    uint8_t body[static BODY_MAX])
{
	struct envelope_keys keys;
	size_t client;

	if (x->is_result)
		return x->envelope->seal_result(&x->state, plain, len, body, BODY_MAX);
	if (x->envelope->has_reply_key)
		return x->envelope->seal_reply(&x->state, NULL, plain, len, body, BODY_MAX);
	if (answer_keys(c, x->cid, &keys, &client) < 0)
		return -E_KEY;
	return x->envelope->seal_reply(&x->state, &keys, plain, len, body, BODY_MAX);
}

/* So that the same M3 gets the same M4 again. */
static void keep_result(struct core *c, const struct exchange *x, const uint8_t *body, size_t len)
{
	struct challenge *ch = challenge_find(c, x->cid);

	if (!ch || !ch->accepted || ch->t != x->state.bind.t)
		return;
	memcpy(ch->result, body, len);
	ch->result_len = (uint16_t)len;
}

void answer_send(struct core *c, struct exchange *x, const struct reply *p)
{
	size_t overhead = VEIL_OVERHEAD_SERVER + (x->is_result ? x->envelope->result_overhead
							       : x->envelope->reply_overhead);
	uint8_t plain[ENVELOPE_PLAIN_MAX], body[BODY_MAX];
	size_t room = room_of(x) > overhead ? room_of(x) - overhead : 0;
	int len;

	if (!x->wanted) {
		count(&c->counters, COUNT_UNWANTED);
		return;
	}
	len = reply_encode(p, plain, room < sizeof(plain) ? room : sizeof(plain));
	if (len < 0) {
		count(&c->counters, COUNT_NO_ROOM);
		return;
	}
	len = seal(c, x, plain, (size_t)len, body);
	if (len < 0) {
		count(&c->counters, COUNT_UNSEALED);
	} else {
		if (x->is_result)
			keep_result(c, x, body, (size_t)len);
		answer_deliver(c, x, x->is_result ? x->envelope->result : x->envelope->reply, body,
		    (size_t)len);
	}
	secret_wipe(plain, sizeof(plain));
}

/* Returns 0 or an error of errors.h. */
static int seal_challenge(struct core *c, struct exchange *x, const uint8_t *plain, size_t len)
{
	struct envelope_keys keys;
	uint8_t body[BODY_MAX];
	size_t client;
	int n;

	if (x->envelope == &envelope_openpgp)
		return pgp_challenge(c, x, plain, len);
	if (answer_keys(c, x->cid, &keys, &client) < 0)
		return -E_KEY;
	n = x->envelope->seal_challenge(&x->state, &keys, plain, len, body, sizeof(body));
	if (n < 0)
		return n;
	answer_deliver(c, x, x->envelope->challenge, body, (size_t)n);
	return 0;
}

int answer_challenge(struct core *c, struct exchange *x, const struct reply *p)
{
	uint8_t plain[ENVELOPE_PLAIN_MAX];
	int len = reply_encode(p, plain, sizeof(plain));

	if (len >= 0)
		len = seal_challenge(c, x, plain, (size_t)len);
	secret_wipe(plain, sizeof(plain));
	if (len < 0)
		count(&c->counters, len == -E_FULL ? COUNT_PGP_DOWN : COUNT_UNSEALED);
	return len < 0 ? -1 : 0;
}
