#include "gather.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "assembly.h"
#include "cover.h"
#include "secret.h"
#include "sequence.h"

enum { PROTO_TCP = 6, PORTS = UINT16_MAX + 1, NS_PER_S = 1000000000, PNG_HEAD = 8 };

static_assert((int)SEQUENCES_MAX <= 32, "bits of heard[]");
static_assert((int)MESSAGE_SHORT_KEY_BYTES == (int)SHORT_KEY_BYTES, "message.h and keys.h agree");

struct keys {
	uint8_t tag[SHORT_KEY_BYTES], mask[SHORT_KEY_BYTES];
	uint8_t picture[KEY_BYTES], ports[KEY_BYTES];
};

struct gather {
	unsigned sequences;
	struct carrier_sequence listen[SEQUENCES_MAX];
	unsigned keys;
	struct keys *key; /* DOOR_KEYS_MAX, the current one first */
	/* The ports of each in their order, by key, for the step before, this and the next. */
	uint64_t ports_step;
	bool ports_known;
	uint16_t order[SEQUENCES_MAX][DOOR_KEYS_MAX][SEQUENCE_STEPS][SEQUENCE_PORTS_MAX];
	uint32_t heard[PORTS];	   /* by which of them: bit i: listen[i] */
	struct assembly *assembly; /* NULL: the carrier is not in use */
};

struct gather *gather_new(void)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (g == NULL)
		abort();
	g->key = secret_new(DOOR_KEYS_MAX * sizeof(g->key[0]));
	return g;
}

void gather_free(struct gather *g)
{
	if (g == NULL)
		return;
	assembly_free(g->assembly);
	secret_free(g->key);
	free(g);
}

void gather_forget(struct gather *g)
{
	secret_wipe(g->key, DOOR_KEYS_MAX * sizeof(g->key[0]));
	g->keys = 0;
}

void gather_listen(struct gather *g, const struct carrier_ports *ports)
{
	g->sequences = ports->sequences;
	memcpy(g->listen, ports->sequence, sizeof(g->listen));
	g->ports_known = false;
	if (g->assembly != NULL)
		assembly_forget(g->assembly);
	else if (g->sequences > 0)
		g->assembly = assembly_new();
}

void gather_keys(struct gather *g, const struct msg_keys *keys)
{
	for (unsigned i = 0; i < keys->count; i++) {
		memcpy(g->key[i].tag, keys->key[i].tag, sizeof(g->key[i].tag));
		memcpy(g->key[i].mask, keys->key[i].mask, sizeof(g->key[i].mask));
		memcpy(g->key[i].picture, keys->key[i].picture, sizeof(g->key[i].picture));
		memcpy(g->key[i].ports, keys->key[i].ports, sizeof(g->key[i].ports));
	}
	g->keys = keys->count;
	g->ports_known = false;
	if (g->assembly != NULL)
		assembly_forget(g->assembly);
}

/* ---- ports ---- */

static void learn_order(struct gather *g, unsigned which, uint64_t now_ns)
{
	const struct carrier_sequence *s = &g->listen[which];

	for (unsigned k = 0; k < g->keys; k++) {
		for (int off = 0; off < SEQUENCE_STEPS; off++) {
			uint16_t *order = g->order[which][k][off];
			sequence_ports(s, g->key[k].ports, now_ns, off - 1, order);
			for (unsigned i = 0; i < s->ports; i++)
				g->heard[order[i]] |= 1U << which;
		}
	}
}

static void learn_ports(struct gather *g, uint64_t now_ns)
{
	uint64_t step = now_ns / NS_PER_S / SEQUENCE_PORTS_STEP_S;

	if (g->ports_known && step == g->ports_step)
		return;
	memset(g->heard, 0, sizeof(g->heard));
	for (unsigned i = 0; i < g->sequences; i++)
		learn_order(g, i, now_ns);
	g->ports_known = true;
	g->ports_step = step;
}

/* Those that the packet may be of, by its port and its kind. */
static uint32_t candidates(const struct gather *g, const struct packet *p)
{
	uint32_t heard = g->heard[p->dport], out = 0;

	for (unsigned i = 0; i < g->sequences && heard >> i != 0; i++) {
		if ((heard >> i & 1) != 0 && sequence_may_be(&g->listen[i], p))
			out |= 1U << i;
	}
	return out;
}

static uint64_t ids_of(const struct gather *g, uint32_t which)
{
	uint64_t ids = 0;

	for (unsigned i = 0; i < g->sequences; i++)
		ids |= (uint64_t)(which >> i & 1) << g->listen[i].id;
	return ids;
}

uint64_t gather_hears(struct gather *g, const struct packet *p, uint64_t now_ns)
{
	learn_ports(g, now_ns);
	return ids_of(g, candidates(g, p));
}

/* Piece i belongs to port i mod n, of any step that is heard. */
static bool is_at_its_port(
    const struct gather *g, unsigned which, unsigned key, unsigned index, uint16_t port)
{
	for (int off = 0; off < SEQUENCE_STEPS; off++) {
		if (g->order[which][key][off][index % g->listen[which].ports] == port)
			return true;
	}
	return false;
}

/* ---- pieces ---- */

/* All that these hear. */
static uint8_t kinds_of(const struct gather *g, uint32_t which)
{
	uint8_t kinds = 0;

	for (unsigned i = 0; i < g->sequences; i++)
		kinds |= (which >> i & 1) != 0 ? g->listen[i].pieces : 0;
	return kinds;
}

static bool open_piece(const struct gather *g, unsigned key, uint8_t kinds, const struct packet *p,
    uint64_t now_ns, struct arrival *out)
{
	const struct sequence_keys k = {g->key[key].tag, g->key[key].mask};
	const struct piece_clean head = {p->tcp_seq, p->tcp_tsval};
	uint32_t step = sequence_step(now_ns);
	bool is_tcp = p->proto == PROTO_TCP;

	out->door_key = (uint8_t)key;
	out->clean = is_tcp && (kinds & SEQUENCE_CLEAN) != 0;
	if (out->clean &&
	    piece_open_clean(&k, step, &head, p->payload, p->payload_len, &out->piece) == 0)
		return true;
	out->clean = false;
	if (is_tcp && (kinds & SEQUENCE_TCP) == 0)
		return false;
	return piece_open_plain(&k, step, p->payload, p->payload_len, &out->piece) == 0;
}

/* Of these, the sequences that hear such pieces and have this one at its port. */
static uint32_t fitting(
    const struct gather *g, uint32_t which, const struct arrival *x, const struct packet *p)
{
	uint8_t kind = x->clean		       ? SEQUENCE_CLEAN
		       : p->proto == PROTO_TCP ? SEQUENCE_TCP
					       : SEQUENCE_UDP;
	uint32_t out = 0;

	for (unsigned i = 0; i < g->sequences; i++) {
		if ((which >> i & 1) != 0 && (g->listen[i].pieces & kind) != 0 &&
		    is_at_its_port(g, i, x->door_key, x->piece.index, p->dport))
			out |= 1U << i;
	}
	return out;
}

/* Of these, the sequences that take such a cover. */
static uint32_t covering(const struct gather *g, uint32_t which, uint8_t cover)
{
	uint32_t out = 0;

	for (unsigned i = 0; i < g->sequences; i++) {
		if ((which >> i & 1) != 0 && (g->listen[i].covers & cover) != 0)
			out |= 1U << i;
	}
	return out;
}

/* The veil under its cover, and along which sequences it came. Returns its length; 0 when there is none. */
static size_t uncover(const struct gather *g, const struct assembled *a, uint64_t *along,
    uint8_t veil[static VEIL_ROOM])
{
	static const uint8_t png_head[PNG_HEAD] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	const struct cover_args args = {
	    .picture_key = g->key[a->door_key].picture, .set_id = a->set_id};
	bool is_png = a->len >= PNG_HEAD && memcmp(a->bytes, png_head, PNG_HEAD) == 0;
	const struct cover *cover = is_png ? &cover_png : &cover_none;
	uint32_t which = covering(g, a->along, is_png ? SEQUENCE_COVER_PNG : SEQUENCE_COVER_NONE);

	*along = ids_of(g, which);
	if (which == 0)
		return 0;
	int len = cover->unwrap(&args, a->bytes, a->len, veil, VEIL_ROOM);
	return len > 0 ? (size_t)len : 0;
}

static enum capture_counter finish(const struct gather *g, const struct assembled *a,
    struct route *r, uint8_t veil[static VEIL_ROOM], size_t *len)
{
	*r = a->route;
	r->request_len = (uint16_t)(a->len < UINT16_MAX ? a->len : UINT16_MAX);
	*len = uncover(g, a, &r->along, veil);
	return *len > 0 ? CAPTURE_MATCHED : CAPTURE_COVER;
}

enum capture_counter gather_take(struct gather *g, const struct packet *p, uint64_t now_ns,
    struct route *r, uint8_t veil[static VEIL_ROOM], size_t *len)
{
	struct arrival x = {.route = *r};
	struct assembled whole;
	const uint32_t which = candidates(g, p);
	const uint8_t kinds = kinds_of(g, which);
	unsigned key = 0;

	while (key < g->keys && !open_piece(g, key, kinds, p, now_ns, &x))
		key++;
	if (key < g->keys)
		x.along = fitting(g, which, &x, p);
	if (x.along == 0)
		return CAPTURE_PIECE_TAG;
	switch (assembly_take(g->assembly, &x, now_ns, &whole)) {
	case ASSEMBLY_KEPT:
		return CAPTURE_PIECE;
	case ASSEMBLY_WHOLE:
		return finish(g, &whole, r, veil, len);
	case ASSEMBLY_AGAIN:
		return CAPTURE_PIECE_AGAIN;
	case ASSEMBLY_OLD:
		return CAPTURE_SET_OLD;
	case ASSEMBLY_FULL:
		return CAPTURE_SET_FULL;
	case ASSEMBLY_ODD:
		break;
	}
	return CAPTURE_FORM;
}

uint64_t gather_lost(const struct gather *g)
{
	return g->assembly != NULL ? assembly_use(g->assembly).lost : 0;
}
