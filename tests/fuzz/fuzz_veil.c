/*
 * fuzz_veil - the input as a packet from the network, and as a plaintext that
 * somebody with the door key sealed: no gate and no MAC keeps the fuzzer out
 * of the parser. What parses must survive a veil unchanged.
 */
#include <stdlib.h>
#include <string.h>

#include "secret.h"
#include "veil.h"

static void as_packet(const struct door_keys *d, const uint8_t *data, size_t size)
{
	uint8_t plain[VEIL_PLAIN_MAX];
	struct veiled v;

	/* Who seals nothing cannot make one of these. */
	if (veil_gate_ok(&d->to_server, data, size))
		abort();
	if (veil_open(&d->to_server, CARRIER_UDP, data, size, plain, &v) >= 0)
		abort();
}

static void as_plaintext(const struct door_keys *d, const uint8_t *data, size_t size)
{
	static const uint8_t key[SHORT_KEY_BYTES];
	uint8_t packet[VEIL_ROOM];
	uint8_t plain[VEIL_PLAIN_MAX];
	struct veiled v;
	struct veiled again;

	if (size > VEIL_PLAIN_MAX || veil_parse(data, size, &v) < 0)
		return;
	if (kind_from_client(v.kind) &&
	    label_ok(&v.label, key, v.kind, CARRIER_UDP, v.body, v.body_len))
		abort();
	size_t total = size + VEIL_GATE_BYTES + VEIL_NONCE_BYTES + VEIL_TAG_BYTES;
	veil_seal(&d->to_server, CARRIER_UDP, &v, packet, total);
	if (!veil_gate_ok(&d->to_server, packet, total))
		abort();
	int len = veil_open(&d->to_server, CARRIER_UDP, packet, total, plain, &again);
	if (len != (int)size || memcmp(plain, data, size) != 0 || again.kind != v.kind ||
	    again.body_len != v.body_len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t door_key[KEY_BYTES] = {1};
	struct door_keys d;

	if (secret_init() < 0)
		abort();
	door_keys_derive(&d, door_key);
	as_packet(&d, data, size);
	as_plaintext(&d, data, size);
	return 0;
}
