/*
 * fuzz_openpgp - what stands in OpenPGP messages that are well signed, and in
 * those that need no OpenPGP. The first byte says which: a request to a
 * server, a challenge to a client, an answer, a result. What does not open
 * leaves the state as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "request.h"
#include "secret.h"

enum what { REQUEST, CHALLENGE, ANSWER, RESULT, KINDS };

/* gpg says that the key is the right one, whatever it found. */
static int found(void *arg, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	(void)arg;
	if (len > cap)
		return -1;
	memcpy(out, in, len);
	return (int)len;
}

static int kept(void *arg, const uint8_t *plain, size_t len, uint8_t *out, size_t cap)
{
	return found(arg, plain, len, out, cap);
}

static int open_as(enum what what, struct envelope_state *s, const struct envelope_keys *k,
    const uint8_t *data, size_t len)
{
	const struct envelope *e = &envelope_openpgp;
	struct envelope_bind bind = {.carrier = CARRIER_UDP, .t = 1};
	uint8_t plain[ENVELOPE_PLAIN_MAX];

	switch (what) {
	case REQUEST:
		return e->open_request(s, &bind, k, data, len, plain, sizeof(plain));
	case CHALLENGE:
		return e->open_challenge(s, k, data, len, plain, sizeof(plain));
	case ANSWER:
		return e->open_answer(s, data, len, plain, sizeof(plain));
	case RESULT:
		return e->open_result(s, data, len, plain, sizeof(plain));
	case KINDS:
		break;
	}
	abort();
}

/* Keys of zeros, so that a fuzzer can get them right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct keypair server;
	const struct pgp_ops ops = {kept, found, NULL};
	const struct envelope_keys keys = {.own = &server, .peer = server.public, .pgp = &ops};
	struct envelope_state s = {.u.openpgp = {.stage = PGP_CHALLENGED, .has_reply_key = true}};
	struct envelope_state before = s;
	enum what what = size > 0 ? (enum what)(data[0] % KINDS) : KINDS;
	int len;

	if (size == 0 || secret_init() < 0)
		return 0;
	len = open_as(what, &s, &keys, data + 1, size - 1);
	if (len < 0 && memcmp(&s, &before, sizeof(s)) != 0)
		abort();
	if (len > (int)size)
		abort();
	return 0;
}
