#include "sift.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cover.h"
#include "errors.h"
#include "gather.h"
#include "layers.h"
#include "secret.h"
#include "veil.h"

enum {
	REPEATS = 1024, /* a power of two */
	REPEAT_VEIL_BYTES = VEIL_GATE_BYTES + VEIL_NONCE_BYTES,
	REPEAT_BYTES = REPEAT_VEIL_BYTES + sizeof(uint64_t),
};

static_assert((int)KNOCK_PLAIN_MAX == (int)VEIL_PLAIN_MAX, "message.h and veil.h agree");
static_assert((int)MESSAGE_KEY_BYTES == (int)KEY_BYTES, "message.h and keys.h agree");
static_assert((int)MESSAGE_SHORT_KEY_BYTES == (int)SHORT_KEY_BYTES, "message.h and keys.h agree");

/*
 * Packets whose gate held a moment ago, by gate and nonce: together they
 * stand for the whole packet, so that nobody who has the door key can take a
 * nonce's place with another packet. A stranger cannot fill it: he makes no
 * gate that holds. And by the sequences that it came along: whoever copies its
 * pieces to the ports of another does not take its place, either.
 */
struct repeats {
	uint8_t slot[REPEATS][REPEAT_BYTES];
};

struct sift {
	struct carrier_ports ports;
	unsigned keys;
	struct veil_keys *key; /* DOOR_KEYS_MAX, the current one first */
	struct gather *gather;
	struct repeats repeats;
	uint8_t *handing; /* the slot of the knock that is being handed over */
	struct address sender;
	uint8_t veil[VEIL_ROOM]; /* of the frame at hand */
	uint64_t counter[CAPTURE_COUNTERS];
};

struct sift *sift_new(void)
{
	struct sift *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	s->key = secret_new(DOOR_KEYS_MAX * sizeof(s->key[0]));
	s->gather = gather_new();
	return s;
}

void sift_free(struct sift *s)
{
	if (s == NULL)
		return;
	secret_free(s->key);
	gather_free(s->gather);
	free(s);
}

void sift_forget(struct sift *s)
{
	secret_wipe(s->key, DOOR_KEYS_MAX * sizeof(s->key[0]));
	s->keys = 0;
	gather_forget(s->gather);
}

void sift_listen(struct sift *s, const struct carrier_ports *ports)
{
	s->ports = *ports;
	gather_listen(s->gather, ports);
}

int sift_keys(struct sift *s, struct msg_keys *keys)
{
	unsigned i;

	if (keys->count < 1 || keys->count > DOOR_KEYS_MAX)
		return -1;
	for (i = 0; i < keys->count; i++) {
		memcpy(s->key[i].veil, keys->key[i].veil, KEY_BYTES);
		memcpy(s->key[i].gate, keys->key[i].gate, SHORT_KEY_BYTES);
	}
	s->keys = keys->count;
	gather_keys(s->gather, keys);
	/* What one key did not open another may. */
	memset(&s->repeats, 0, sizeof(s->repeats));
	secret_wipe(keys, sizeof(*keys));
	return 0;
}

void sift_tell(const struct sift *s, const struct capture_method *method, void *source)
{
	if (method->keys != NULL)
		method->keys(source, s->key, s->keys);
}

/* From multicast or broadcast addresses nobody can answer, and no client sends there. */
static bool is_one_host(const struct address *a)
{
	if (address_is_v4(a))
		return a->b[12] != 0 && a->b[12] < 224;
	return a->b[0] != 0xff && !address_is_zero(a);
}

static bool recognise(const struct sift *s, const struct packet *p, struct route *route,
    const uint8_t **bytes, size_t *len)
{
	const struct carrier *const *c;

	if (!is_one_host(&p->dst))
		return false;
	for (c = carrier_table(); *c != NULL; c++) {
		if ((*c)->recognise(&s->ports, p, route, bytes, len))
			return true;
	}
	return false;
}

/* Which door key's gate holds, or -1. */
static int find_key(const struct sift *s, const uint8_t *veil, size_t len)
{
	unsigned i;

	for (i = 0; i < s->keys; i++) {
		if (veil_gate_ok(&s->key[i], veil, len))
			return (int)i;
	}
	return -1;
}

/* The slot for a packet. A gate that holds is uniform, so it is its own hash. */
static uint8_t *repeat_slot(struct sift *s, const uint8_t *veil)
{
	return s->repeats.slot[(veil[0] << 8 | veil[1]) & (REPEATS - 1)];
}

static void repeat_of(
    uint8_t out[static REPEAT_BYTES], const uint8_t *veil, const struct route *route)
{
	memcpy(out, veil, REPEAT_VEIL_BYTES);
	memcpy(out + REPEAT_VEIL_BYTES, &route->along, sizeof(route->along));
}

static void fill(struct msg_knock *out, const struct route *route,
    const struct capture_frame *frame, int plain_len)
{
	out->head = (struct ipc_head){.type = MSG_KNOCK, .len = sizeof(*out)};
	out->seen_ns = frame->seen_ns;
	memcpy(out->client, route->client.b, sizeof(out->client));
	memcpy(out->server, route->server.b, sizeof(out->server));
	out->client_port = route->client_port;
	out->server_port = route->server_port;
	out->tcp_seq = route->tcp_seq;
	out->tcp_tsval = route->tcp_tsval;
	out->ifindex = route->ifindex;
	out->along = route->along;
	out->request_len = route->request_len;
	out->carrier = (uint8_t)route->carrier;
	out->is_tcp = route->is_tcp;
	out->plain_len = (uint16_t)plain_len;
}

static bool begins(enum kind k)
{
	return k == KIND_M1 || k == KIND_PGP_REQUEST;
}

/* What is inside s->veil. */
static enum capture_counter open_veil(struct sift *s, const struct route *route,
    const struct capture_frame *frame, size_t len, struct msg_knock *out)
{
	const uint8_t *veil = s->veil;
	uint8_t repeat[REPEAT_BYTES];
	struct veiled inside;
	int key = find_key(s, veil, len);

	if (key < 0)
		return CAPTURE_GATE;
	uint8_t *slot = repeat_slot(s, veil);
	repeat_of(repeat, veil, route);
	if (memcmp(slot, repeat, REPEAT_BYTES) == 0)
		return CAPTURE_REPEAT;
	memcpy(slot, repeat, REPEAT_BYTES);
	*out = (struct msg_knock){.door_key = (uint8_t)key};
	int plain = veil_open(&s->key[key], route->carrier, veil, len, out->plain, &inside);
	if (plain == -E_FORGED)
		return CAPTURE_FORGED;
	if (plain < 0 || !kind_from_client(inside.kind))
		return CAPTURE_FORM;
	s->handing = slot;
	fill(out, route, frame, plain);
	return CAPTURE_MATCHED;
}

/* A veil in one packet: shorter ones no client sends, and pieces have to be told apart cheaply. */
static bool is_whole(const struct sift *s, const uint8_t *bytes, size_t len)
{
	return len >= VEIL_MIN_CLIENT && len <= VEIL_ROOM && find_key(s, bytes, len) >= 0;
}

/*
 * At a port of the sequence: what begins an exchange comes in pieces, what
 * goes on with it whole.
 */
static enum capture_counter examine_sequence(struct sift *s, const struct packet *packet,
    struct route *route, const struct capture_frame *frame, struct msg_knock *out)
{
	const uint64_t now_ns = frame->seen_ns;
	size_t len = packet->payload_len;
	bool whole = false;

	route->along = gather_hears(s->gather, packet, now_ns);
	if (route->along == 0)
		return CAPTURE_NOT_OURS;
	enum capture_counter what = gather_take(s->gather, packet, now_ns, route, s->veil, &len);
	if (what == CAPTURE_PIECE_TAG && is_whole(s, packet->payload, packet->payload_len)) {
		len = packet->payload_len;
		memcpy(s->veil, packet->payload, len);
		whole = true;
		what = CAPTURE_MATCHED;
	}
	if (what == CAPTURE_MATCHED)
		what = open_veil(s, route, frame, len, out);
	if (what != CAPTURE_MATCHED || begins((enum kind)out->plain[0]) != whole)
		return what;
	/* A copy in the wrong guise, which may come first, does not stop the right one. */
	memset(s->handing, 0, REPEAT_BYTES);
	return CAPTURE_FORM;
}

/* Why a frame has no packet of interest. */
static enum capture_counter no_packet(enum layers_result result, const struct capture_frame *frame)
{
	switch (result) {
	case LAYERS_MALFORMED:
		/* What we cut ourselves is not the sender's lie. */
		return frame->caplen < frame->len ? CAPTURE_LENGTH : CAPTURE_MALFORMED;
	case LAYERS_FRAGMENT:
		return CAPTURE_FRAGMENT;
	case LAYERS_OTHER:
	case LAYERS_OK:
		break;
	}
	return CAPTURE_NOT_OURS;
}

/* What was recognised, as a veil in s->veil. Returns its length or an error. */
static int uncover(struct sift *s, const struct carrier *carrier, const uint8_t *bytes, size_t len)
{
	const struct cover_args none = {0};

	if (carrier->undress != NULL)
		return carrier->undress(bytes, len, s->veil, sizeof(s->veil));
	return cover_none.unwrap(&none, bytes, len, s->veil, sizeof(s->veil));
}

static enum capture_counter examine(
    struct sift *s, const struct capture_frame *frame, struct msg_knock *out)
{
	struct packet packet;
	struct route route;
	const uint8_t *covered;
	size_t covered_len;
	uint32_t ifindex = frame->ifindex;

	enum layers_result result =
	    layers_parse(frame->bytes, frame->caplen, frame->link, &packet, &ifindex);
	s->sender = packet.src;
	if (result != LAYERS_OK)
		return no_packet(result, frame);
	if (!recognise(s, &packet, &route, &covered, &covered_len))
		return CAPTURE_NOT_OURS;
	route.ifindex = ifindex;
	if (route.carrier == CARRIER_SEQUENCE)
		return examine_sequence(s, &packet, &route, frame, out);
	int len = uncover(s, carrier_by_id(route.carrier), covered, covered_len);
	if (len < VEIL_OVERHEAD_CLIENT)
		return CAPTURE_LENGTH;
	return open_veil(s, &route, frame, (size_t)len, out);
}

enum capture_counter sift_frame(
    struct sift *s, const struct capture_frame *frame, struct msg_knock *out)
{
	enum capture_counter what = examine(s, frame, out);

	if (what != CAPTURE_MATCHED)
		s->counter[what]++;
	s->counter[CAPTURE_SET_LOST] = gather_lost(s->gather);
	return what;
}

void sift_handed(struct sift *s, bool handed)
{
	s->counter[handed ? CAPTURE_MATCHED : CAPTURE_QUEUE_FULL]++;
	if (!handed)
		memset(s->handing, 0, REPEAT_BYTES);
	s->handing = NULL;
}

const struct address *sift_sender(const struct sift *s)
{
	return &s->sender;
}

/*
 * pcap's words for protocols do not look behind IPv6 extension headers, so
 * packets that have them pass as well; the layers find out what is in them.
 */
static const char extended[] = "ip6 and (ip6[6] == 0 or ip6[6] == 43 or ip6[6] == 44 or "
			       "ip6[6] == 51 or ip6[6] == 60)";

int sift_filter(const struct carrier_ports *ports, char *out, size_t cap)
{
	const struct carrier *const *c;
	char one[CARRIER_FILTER_MAX];
	size_t len = 0;

	for (c = carrier_table(); *c != NULL; c++) {
		int n = (*c)->filter(ports, one, sizeof(one));

		if (n == 0)
			continue; /* not in use */
		n = n < 0 ? n
			  : snprintf(out + len, cap - len, "%s(%s)", len > 0 ? " or " : "", one);
		if (n < 0 || (size_t)n >= cap - len)
			return -1;
		len += (size_t)n;
	}
	if (len == 0)
		return 0;
	int n = snprintf(out + len, cap - len, " or (%s)", extended);

	return n >= 0 && (size_t)n < cap - len ? (int)len + n : -1;
}

const uint64_t *sift_counters(const struct sift *s)
{
	return s->counter;
}
