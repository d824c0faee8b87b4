/* trap_cookie - see trap_cookie.h. */
#include <sodium.h>

#include "cursor.h"
#include "trap_cookie.h"

_Static_assert((int)TRAP_KEY_BYTES == (int)crypto_shorthash_KEYBYTES, "SipHash's key");

enum { MS_A_STEP = TRAP_STEP_S * 1000, COVERED = 2 * ADDRESS_BYTES + 2 + 2 + 4 + 8 };

static uint32_t cookie_of(
    const struct trap_key *k, const struct route *r, uint32_t isn, uint64_t step)
{
	uint8_t covered[COVERED], hash[crypto_shorthash_BYTES];
	struct writer w = writer_of(covered, sizeof(covered));
	struct reader out = reader_of(hash, sizeof(hash));

	write_bytes(&w, r->client.b, ADDRESS_BYTES);
	write_bytes(&w, r->server.b, ADDRESS_BYTES);
	write_u16(&w, r->client_port);
	write_u16(&w, r->server_port);
	write_u32(&w, isn);
	write_u64(&w, step);
	crypto_shorthash(hash, covered, w.len, k->b);
	return read_u32(&out);
}

uint32_t trap_cookie(const struct trap_key *k, const struct route *r, uint32_t isn, uint64_t now_ms)
{
	return cookie_of(k, r, isn, now_ms / MS_A_STEP);
}

bool trap_cookie_holds(const struct trap_key *k, const struct route *r, uint32_t isn,
    uint32_t cookie, uint64_t now_ms, unsigned steps)
{
	const uint64_t step = now_ms / MS_A_STEP;

	for (unsigned i = 0; i < steps && i <= step; i++)
		if (cookie_of(k, r, isn, step - i) == cookie)
			return true;
	return false;
}
