/* challenge - those that wait for their M3: one a client, a bounded number, ten seconds, in memory alone. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "secret.h"

struct challenge *challenge_find(struct core *c, const uint8_t *cid)
{
	struct challenge *ch = NULL;

	HASH_FIND(hh, c->challenges, cid, CID_BYTES, ch);
	return ch;
}

void challenge_drop(struct core *c, struct challenge *ch)
{
	/* The analyzer takes the table for the element. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_DELETE(hh, c->challenges, ch);
	secret_wipe(ch, sizeof(*ch));
	free(ch);
}

struct challenge *challenge_new(struct core *c, const uint8_t *cid)
{
	struct challenge *ch = challenge_find(c, cid);

	if (ch)
		challenge_drop(c, ch);
	if (HASH_COUNT(c->challenges) >= CHALLENGES_MAX)
		return NULL;
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		abort();
	memcpy(ch->cid, cid, CID_BYTES);
	ch->until_ms = c->w.boot_ms(c->w.arg) + CHALLENGE_MS;
	HASH_ADD(hh, c->challenges, cid, CID_BYTES, ch);
	return ch;
}

/* All live equally long, so the hash's own order of insertion is the order of their ends. */
void challenge_prolong(struct core *c, struct challenge *ch)
{
	HASH_DELETE(hh, c->challenges, ch);
	ch->until_ms = c->w.boot_ms(c->w.arg) + CHALLENGE_MS;
	HASH_ADD(hh, c->challenges, cid, CID_BYTES, ch);
}

void challenges_expire(struct core *c, uint64_t now_ms)
{
	while (c->challenges && c->challenges->until_ms <= now_ms)
		challenge_drop(c, c->challenges);
}

void challenges_free(struct core *c)
{
	struct challenge *ch, *next;

	HASH_ITER(hh, c->challenges, ch, next)
		challenge_drop(c, ch);
}
