/* copies - see copies.h. */
#include "copies.h"

#include <sodium.h>
#include <string.h>

#include "clock.h"

_Static_assert(sizeof(((struct copies *)0)->key) == crypto_shorthash_KEYBYTES, "SipHash");

/* Of whence and whither, and what was inside. */
static uint64_t sum_of(const struct copies *cs, const struct msg_knock *m)
{
	uint8_t bytes[sizeof(m->client) + sizeof(m->client_port) + sizeof(m->carrier) +
		      sizeof(m->along) + KNOCK_PLAIN_MAX];
	uint64_t sum = 0;
	size_t len = 0;

	memcpy(bytes, m->client, sizeof(m->client));
	len += sizeof(m->client);
	memcpy(bytes + len, &m->client_port, sizeof(m->client_port));
	len += sizeof(m->client_port);
	bytes[len++] = m->carrier;
	memcpy(bytes + len, &m->along, sizeof(m->along));
	len += sizeof(m->along);
	memcpy(bytes + len, m->plain, m->plain_len);
	len += m->plain_len;
	crypto_shorthash((uint8_t *)&sum, bytes, len, cs->key);
	sodium_memzero(bytes, len);
	return sum;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Returns whether it was not there yet; one that comes from too many is no copy any more. */
static bool add_capture(struct copy *c, uint32_t capture)
{
	for (unsigned i = 0; i < COPIES_CAPTURES; i++) {
		if (c->capture[i] == capture)
			return false;
		if (c->capture[i] == 0) {
			c->capture[i] = capture;
			return true;
		}
	}
	return false;
}

bool copies_has(struct copies *cs, const struct msg_knock *m, uint32_t capture)
{
	if (capture == 0)
		return false;
	const uint64_t sum = sum_of(cs, m);

	for (unsigned i = 0; i < COPIES; i++) {
		struct copy *c = &cs->at[i];

		if (c->sum == sum && c->capture[0] != 0 &&
		    apart(c->seen_ns, m->seen_ns) < (uint64_t)COPIES_APART_MS * NS_PER_MS)
			return add_capture(c, capture);
	}
	cs->at[cs->next] = (struct copy){.sum = sum, .seen_ns = m->seen_ns, .capture = {capture}};
	cs->next = (cs->next + 1) % COPIES;
	return false;
}
