/* peers - buckets in an array by client, keys in a direct-mapped cache. */
#include <stdlib.h>

#include "noise.h"
#include "peers.h"
#include "secret.h"

enum {
	TOKEN = 1000
}; /* tokens are counted in thousandths, so that a millisecond's share is a whole number */

struct bucket {
	uint64_t last_ms; /* 0: never used, full */
	uint64_t tokens;
	uint64_t queued_t, queued_answer_t;
	uint64_t paused_until_ms;
	uint64_t turn; /* the last one that it had a message in */
	uint32_t queued;
};

struct kept {
	size_t client_plus_one; /* 0: free */
	struct client_keys keys;
	uint8_t shared[KEY_BYTES];
};

struct peers {
	uint64_t rate, burst, turn;
	size_t slots;
	struct bucket *bucket;
	struct kept *kept; /* slots of them, then one for keys that are not kept */
};

struct peers *peers_new(const struct clients *cs, uint32_t rate, uint32_t burst)
{
	struct peers *ps = calloc(1, sizeof(*ps));
	size_t n = clients_count(cs);

	if (!ps)
		abort();
	ps->rate = rate;
	ps->burst = (uint64_t)burst * TOKEN;
	ps->slots = n == 0 ? 1 : n < PEERS_CACHED ? n : PEERS_CACHED;
	ps->bucket = calloc(n + 1, sizeof(*ps->bucket));
	if (!ps->bucket)
		abort();
	ps->kept = secret_new((ps->slots + 1) * sizeof(*ps->kept));
	return ps;
}

void peers_free(struct peers *ps)
{
	if (!ps)
		return;
	secret_free(ps->kept);
	free(ps->bucket);
	free(ps);
}

bool peers_allow(struct peers *ps, size_t client, uint64_t now_ms)
{
	struct bucket *b = &ps->bucket[client];
	uint64_t gained = now_ms > b->last_ms ? now_ms - b->last_ms : 0;

	if (b->last_ms == 0 || gained > ps->burst)
		b->tokens = ps->burst;
	else
		b->tokens += gained * ps->rate;
	if (b->tokens > ps->burst)
		b->tokens = ps->burst;
	b->last_ms = now_ms;
	if (b->tokens < TOKEN || now_ms < b->paused_until_ms)
		return false;
	b->tokens -= TOKEN;
	return true;
}

void peers_pause(struct peers *ps, size_t client, uint64_t until_ms)
{
	ps->bucket[client].paused_until_ms = until_ms;
}

enum peers_queued peers_queue(struct peers *ps, size_t client, uint64_t t, bool answer)
{
	struct bucket *b = &ps->bucket[client];
	uint64_t *newest = answer ? &b->queued_answer_t : &b->queued_t;

	if (b->queued == 0)
		b->queued_t = b->queued_answer_t = 0;
	if (t <= *newest)
		return PEERS_REPEAT;
	if (b->queued == QUEUED_PER_CLIENT)
		return PEERS_MANY;
	b->queued++;
	*newest = t;
	return PEERS_QUEUED;
}

void peers_unqueue(struct peers *ps, size_t client)
{
	if (ps->bucket[client].queued > 0)
		ps->bucket[client].queued--;
}

void peers_turn(struct peers *ps)
{
	ps->turn++;
}

bool peers_first_this_turn(struct peers *ps, size_t client)
{
	struct bucket *b = &ps->bucket[client];

	if (b->turn == ps->turn)
		return false;
	b->turn = ps->turn;
	return true;
}

static struct kept *slot_of(struct peers *ps, size_t client)
{
	return &ps->kept[client % ps->slots];
}

const struct client_keys *peers_keys(struct peers *ps, size_t client, const struct client *c)
{
	struct kept *k = slot_of(ps, client);

	if (k->client_plus_one != client + 1) {
		k = &ps->kept[ps->slots];
		client_keys_derive(&k->keys, c->secret);
	}
	return &k->keys;
}

const uint8_t *peers_shared(
    struct peers *ps, size_t client, const struct client *c, const struct keypair *server)
{
	struct kept *k = slot_of(ps, client);

	if (k->client_plus_one == client + 1)
		return k->shared;
	k->client_plus_one = 0;
	if (noise_static_static(k->shared, server, c->public_key) < 0)
		return NULL;
	client_keys_derive(&k->keys, c->secret);
	k->client_plus_one = client + 1;
	return k->shared;
}
