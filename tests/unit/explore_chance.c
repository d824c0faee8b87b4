/* explore_chance - see explore_chance.h. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "explore_chance.h"
#include "freshness.h"
#include "keys.h"
#include "record.h"

static enum bug bug_planted;

void plant(enum bug b)
{
	bug_planted = b;
}

enum bug planted(void)
{
	return bug_planted;
}

bool __real_freshness_newer(uint64_t mark, uint64_t t);
bool __wrap_freshness_newer(uint64_t mark, uint64_t t);
enum freshness __real_freshness_judge(
    const struct client_record *r, uint64_t t, uint64_t now_ns, uint64_t window_ns, bool must);
enum freshness __wrap_freshness_judge(
    const struct client_record *r, uint64_t t, uint64_t now_ns, uint64_t window_ns, bool must);
struct attempt *__real_client_record_find(struct client_record *r, uint64_t id);
struct attempt *__wrap_client_record_find(struct client_record *r, uint64_t id);

bool __wrap_freshness_newer(uint64_t mark, uint64_t t)
{
	return __real_freshness_newer(mark, t) || (bug_planted == BUG_MARK_NOT_SPENT && t == mark);
}

enum freshness __wrap_freshness_judge(
    const struct client_record *r, uint64_t t, uint64_t now_ns, uint64_t window_ns, bool must)
{
	struct client_record other = *r;

	if (bug_planted == BUG_MARK_NOT_SPENT && t == r->mark)
		other.mark--;
	if (bug_planted == BUG_TRUSTS_MISSING && r->mark == 0)
		other.proven = true;
	if (bug_planted == BUG_NO_WINDOW)
		window_ns = UINT64_MAX;
	return __real_freshness_judge(&other, t, now_ns, window_ns, must);
}

struct attempt *__wrap_client_record_find(struct client_record *r, uint64_t id)
{
	return bug_planted == BUG_FORGETS_ATTEMPTS ? NULL : __real_client_record_find(r, id);
}

/* --- Diffie-Hellman, remembered --- */

enum { MEMO_SLOTS = 1 << 17 };

struct memo {
	uint8_t in[64], out[32];
	bool used;
};

static struct memo *memo;

int __real_crypto_scalarmult_curve25519(
    unsigned char *q, const unsigned char *n, const unsigned char *p);
int __wrap_crypto_scalarmult_curve25519(
    unsigned char *q, const unsigned char *n, const unsigned char *p);
int __real_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n);
int __wrap_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n);

static struct memo *memo_slot(const uint8_t in[static 64])
{
	static const uint8_t key[crypto_shorthash_KEYBYTES];
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, in, 64, key);
	return &memo[hash % MEMO_SLOTS];
}

int __wrap_crypto_scalarmult_curve25519(
    unsigned char *q, const unsigned char *n, const unsigned char *p)
{
	uint8_t in[64];
	struct memo *m;

	memcpy(in, n, 32);
	memcpy(in + 32, p, 32);
	m = memo_slot(in);
	if (!m->used || memcmp(m->in, in, sizeof(in)) != 0) {
		if (__real_crypto_scalarmult_curve25519(m->out, n, p) != 0)
			return -1;
		memcpy(m->in, in, sizeof(in));
		m->used = true;
	}
	memcpy(q, m->out, 32);
	return 0;
}

int __wrap_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n)
{
	static const uint8_t base[32] = {9};

	return __wrap_crypto_scalarmult_curve25519(q, n, base);
}

/* --- chance, the same for a seed --- */

static uint64_t chance_state;
static unsigned keys_drawn;

static uint64_t chance64(void)
{
	uint64_t z = chance_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned below(unsigned n)
{
	return (unsigned)(chance64() % n);
}

bool percent(unsigned p)
{
	return below(100) < p;
}

static const char *chance_name(void)
{
	return "explorer";
}

static uint32_t chance32(void)
{
	return (uint32_t)chance64();
}

/*
 * Keys are drawn in the same order in each history, so that their products can
 * be remembered; none comes twice in one, or an old answer would fit a new challenge.
 */
static void chance_bytes(void *out, const size_t size)
{
	uint8_t *o = out;

	if (size == KEY_BYTES) {
		keys_drawn++;
		memset(out, 0x40, size);
		o[1] = (uint8_t)(keys_drawn >> 8);
		o[2] = (uint8_t)keys_drawn;
		return;
	}
	for (size_t i = 0; i < size; i++)
		o[i] = (uint8_t)chance64();
}

static randombytes_implementation chance_implementation = {
    .implementation_name = chance_name, .random = chance32, .buf = chance_bytes};

void chance_install(void)
{
	memo = calloc(MEMO_SLOTS, sizeof(*memo));
	if (!memo || randombytes_set_implementation(&chance_implementation) != 0)
		abort();
}

void chance_remove(void)
{
	free(memo);
	memo = NULL;
}

void chance_start(uint64_t seed)
{
	chance_state = seed * UINT64_C(0x100000001b3);
	keys_drawn = 0;
}
