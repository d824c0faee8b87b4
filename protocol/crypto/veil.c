#include "veil.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cursor.h"
#include "errors.h"
#include "secret.h"

static const uint8_t veil_context[] = {'p', 'o', 's', 't', 'e', 'r', 'n', '1'};

enum {
	AD_BYTES = sizeof(veil_context) + 1,
	SEALED_AT = VEIL_GATE_BYTES + VEIL_NONCE_BYTES,
	/* What the label's MAC covers before the body: kind, carrier, cid, t. */
	SIGNED_HEAD_BYTES = 1 + 1 + CID_BYTES + 8,
};

static_assert(VEIL_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
static_assert(VEIL_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
static_assert(KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "veil key");
static_assert(SHORT_KEY_BYTES == crypto_shorthash_siphash24_KEYBYTES, "gate key");
static_assert(VEIL_GATE_BYTES == crypto_shorthash_siphash24_BYTES, "gate");
static_assert(
    VEIL_OVERHEAD_SERVER == SEALED_AT + VEIL_TAG_BYTES + VEIL_HEAD_BYTES, "server's overhead");
static_assert(VEIL_OVERHEAD_CLIENT == VEIL_OVERHEAD_SERVER + LABEL_BYTES, "client's overhead");
static_assert(LABEL_BYTES == CID_BYTES + 8 + sizeof((struct label){0}.mac), "label");

bool kind_from_client(enum kind k)
{
	return k % 2 == 1;
}

static bool kind_is_known(uint8_t k)
{
	return k >= KIND_M1 && k <= KIND_PGP_RESULT;
}

static void associated_data(uint8_t ad[static AD_BYTES], enum carrier_id carrier)
{
	memcpy(ad, veil_context, sizeof(veil_context));
	ad[sizeof(veil_context)] = (uint8_t)carrier;
}

static void gate_of(uint8_t gate[static VEIL_GATE_BYTES], const struct veil_keys *k,
    const uint8_t *packet, size_t len)
{
	crypto_shorthash_siphash24(gate, packet + VEIL_GATE_BYTES, len - VEIL_GATE_BYTES, k->gate);
}

bool veil_gate_ok(const struct veil_keys *k, const uint8_t *packet, size_t len)
{
	uint8_t gate[VEIL_GATE_BYTES];

	if (len < VEIL_OVERHEAD_SERVER || len > VEIL_ROOM)
		return false;
	gate_of(gate, k, packet, len);
	return secret_equal(gate, packet, VEIL_GATE_BYTES);
}

int veil_parse(const uint8_t *plain, size_t len, struct veiled *out)
{
	struct reader r = reader_of(plain, len);
	uint8_t kind = read_u8(&r);
	uint16_t body_len = read_u16(&r);
	struct veiled v = {.kind = (enum kind)kind, .body_len = body_len};

	if (r.failed)
		return -E_SHORT;
	if (!kind_is_known(kind))
		return -E_FORMAT;
	if (kind_from_client(v.kind)) {
		read_bytes(&r, v.label.cid, CID_BYTES);
		v.label.t = read_u64(&r);
		read_bytes(&r, v.label.mac, sizeof(v.label.mac));
	}
	v.body = read_view(&r, body_len);
	/* A second message could hide in padding that nobody looks at. */
	if (r.failed || !sodium_is_zero(r.at, r.left))
		return -E_FORMAT;
	*out = v;
	return 0;
}

int veil_open(const struct veil_keys *k, enum carrier_id carrier, const uint8_t *packet, size_t len,
    uint8_t plain[static VEIL_PLAIN_MAX], struct veiled *out)
{
	uint8_t ad[AD_BYTES];
	unsigned long long plain_len = 0;

	if (len < VEIL_OVERHEAD_SERVER || len > VEIL_ROOM)
		return -E_SHORT;
	associated_data(ad, carrier);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &plain_len, NULL, packet + SEALED_AT,
		len - SEALED_AT, ad, sizeof(ad), packet + VEIL_GATE_BYTES, k->veil) != 0)
		return -E_FORGED;
	int err = veil_parse(plain, (size_t)plain_len, out);
	return err < 0 ? err : (int)plain_len;
}

static void write_plain(struct writer *w, const struct veiled *v)
{
	write_u8(w, (uint8_t)v->kind);
	write_u16(w, v->body_len);
	if (kind_from_client(v->kind)) {
		write_bytes(w, v->label.cid, CID_BYTES);
		write_u64(w, v->label.t);
		write_bytes(w, v->label.mac, sizeof(v->label.mac));
	}
	write_bytes(w, v->body, v->body_len);
	write_zeros(w, w->cap - w->len);
}

void veil_seal(const struct veil_keys *k, enum carrier_id carrier, const struct veiled *v,
    uint8_t *packet, size_t total)
{
	uint8_t plain[VEIL_PLAIN_MAX];
	uint8_t ad[AD_BYTES];

	if (total < veil_need(v->kind, v->body_len) || total > VEIL_ROOM)
		abort();
	struct writer w = writer_of(plain, total - SEALED_AT - VEIL_TAG_BYTES);
	write_plain(&w, v);
	associated_data(ad, carrier);
	secret_random(packet + VEIL_GATE_BYTES, VEIL_NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(packet + SEALED_AT, NULL, plain, w.len, ad,
	    sizeof(ad), NULL, packet + VEIL_GATE_BYTES, k->veil);
	gate_of(packet, k, packet, total);
	secret_wipe(plain, sizeof(plain));
}

size_t veil_need(enum kind k, size_t body_len)
{
	return body_len + (kind_from_client(k) ? VEIL_OVERHEAD_CLIENT : VEIL_OVERHEAD_SERVER);
}

/* Uniform in [least, most], both included. */
static size_t uniform_length(size_t least, size_t most)
{
	if (least > most)
		abort();
	return least + secret_random_below((uint32_t)(most - least + 1));
}

size_t veil_length_client(size_t need, size_t room)
{
	return uniform_length(need > VEIL_MIN_CLIENT ? need : VEIL_MIN_CLIENT, room);
}

size_t veil_length_server(size_t need, size_t answered)
{
	return uniform_length(need, answered < VEIL_ROOM ? answered : VEIL_ROOM);
}

static void label_mac(uint8_t mac[static 8], const struct veiled *v, enum carrier_id carrier,
    const uint8_t *label_key)
{
	uint8_t bytes[SIGNED_HEAD_BYTES + BODY_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));

	write_u8(&w, (uint8_t)v->kind);
	write_u8(&w, (uint8_t)carrier);
	write_bytes(&w, v->label.cid, CID_BYTES);
	write_u64(&w, v->label.t);
	write_bytes(&w, v->body, v->body_len);
	if (w.failed)
		abort();
	crypto_shorthash_siphash24(mac, bytes, w.len, label_key);
}

/* What a label speaks of. A body is longer than any packet only by a caller's bug. */
static struct veiled labelled(
    const struct label *l, enum kind kind, const uint8_t *body, size_t body_len)
{
	if (body_len > BODY_MAX)
		abort();
	return (struct veiled){
	    .kind = kind, .label = *l, .body = body, .body_len = (uint16_t)body_len};
}

void label_sign(struct label *l, const uint8_t label_key[static SHORT_KEY_BYTES], enum kind kind,
    enum carrier_id carrier, const uint8_t *body, size_t body_len)
{
	struct veiled v = labelled(l, kind, body, body_len);

	label_mac(l->mac, &v, carrier, label_key);
}

bool label_ok(const struct label *l, const uint8_t label_key[static SHORT_KEY_BYTES],
    enum kind kind, enum carrier_id carrier, const uint8_t *body, size_t body_len)
{
	struct veiled v = labelled(l, kind, body, body_len);
	uint8_t mac[sizeof(l->mac)];

	label_mac(mac, &v, carrier, label_key);
	return secret_equal(mac, l->mac, sizeof(mac));
}
