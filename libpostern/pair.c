#include "pair.h"

enum { MS_PER_S = 1000, REST_PARTS = 3 };

static bool is_done(const struct exchange *x)
{
	return x->phase == EXCHANGE_DONE;
}

static struct exchange *sibling(const struct pair *p, unsigned i)
{
	return p->sides == PAIR_MAX ? p->side[1 - i] : NULL;
}

/*
 * An M1 that is overtaken by a newer one is met with silence. The second family
 * waits longer, so that its retries fall between those of the first: in step,
 * the quicker way would overtake the slower one each time.
 */
void pair_begin(struct pair *p, struct moment now)
{
	uint64_t delay_ms = p->any ? PAIR_DELAY_ANY_MS : PAIR_DELAY_MS;

	if (p->sides == PAIR_MAX)
		p->side[1]->least_wait_ms = PAIR_WAIT_MS;
	for (unsigned i = 0; i < p->sides; i++) {
		p->begun_ns[i] = now.mono_ns + i * (delay_ms * NS_PER_MS + p->lasts_ns);
		p->side[i]->newest_t = &p->newest_t;
		exchange_wake(p->side[i], p->begun_ns[i]);
	}
}

/*
 * Its M1 would cost the sibling its challenge. (If one went out after that challenge's, it is lost
 * anyway.)
 */
bool pair_holds(const struct pair *p, unsigned i)
{
	const struct exchange *x = p->side[i];
	const struct exchange *other = sibling(p, i);

	return other && x->phase == EXCHANGE_KNOCKING && other->phase == EXCHANGE_ANSWERING &&
	       exchange_newest_t(x) < exchange_challenge_t(other);
}

/* A family over which nothing comes is not waited for to the end when the other's door is open. */
static bool is_mute(const struct pair *p, unsigned i)
{
	const struct exchange *other = sibling(p, i);

	return other && exchange_granted(other) && p->side[i]->phase == EXCHANGE_KNOCKING &&
	       !p->side[i]->challenged;
}

/* How long the doors that x was granted are open if nobody does anything, in ms; UINT64_MAX: it was not told. */
static uint64_t rest_ms(const struct exchange *x)
{
	const struct reply *r = &x->reply;
	uint64_t rest_s = r->idle_s > 0 ? r->idle_s : UINT64_MAX / MS_PER_S;

	for (unsigned i = 0; x->outcome == EXCHANGE_REPLIED && i < r->doors; i++)
		rest_s = r->door[i].seconds < rest_s ? r->door[i].seconds : rest_s;
	return rest_s * MS_PER_S;
}

/* A door that is open for a moment is of no use to who is told of it when it is over. */
static uint64_t grace_end(const struct pair *p, unsigned i)
{
	const uint64_t most = p->begun_ns[i] + (uint64_t)PAIR_GRACE_MS * NS_PER_MS;
	const uint64_t part_ms = rest_ms(p->side[1 - i]) / REST_PARTS;

	if (!p->settled[1 - i] || part_ms >= PAIR_GRACE_MS)
		return most;
	const uint64_t end = p->ended_ns[1 - i] + part_ms * NS_PER_MS;
	return end < most ? end : most;
}

/* Side i has just ended: what is that to the other? */
static void settle_end(struct pair *p, unsigned i, uint64_t now_ns)
{
	struct exchange *other = sibling(p, i);

	p->settled[i] = true;
	p->ended_ns[i] = now_ns;
	if (!other || is_done(other))
		return;
	if ((p->any && exchange_granted(p->side[i])) || exchange_is_final(p->side[i])) {
		exchange_stop(other, EXCHANGE_STOPPED, 0);
		return;
	}
	if (other->sent == 0) {
		exchange_hurry(other, now_ns);
		p->begun_ns[1 - i] = now_ns;
	} else if (exchange_challenge_t(other) != 0 &&
		   exchange_challenge_t(other) < exchange_newest_t(p->side[i])) {
		exchange_again(other, now_ns);
	}
}

/*
 * Its M1 is still being sent, and a newer one, over the other family, was answered: the server will
 * not react to it any more.
 */
static bool is_overtaken(const struct pair *p, unsigned i)
{
	const struct exchange *x = p->side[i];
	const struct exchange *other = sibling(p, i);

	return other && x->held && x->phase == EXCHANGE_KNOCKING &&
	       exchange_newest_t(x) < exchange_answered_t(other);
}

void pair_settle(struct pair *p, struct moment now)
{
	for (unsigned i = 0; i < p->sides; i++) {
		if (is_mute(p, i) && now.mono_ns >= grace_end(p, i))
			exchange_stop(p->side[i], EXCHANGE_SILENCE, 0);
	}
	for (unsigned i = 0; i < p->sides; i++) {
		if (is_overtaken(p, i))
			exchange_hurry(p->side[i], now.mono_ns);
		if (is_done(p->side[i]) && !p->settled[i])
			settle_end(p, i, now.mono_ns);
	}
}

int pair_next(const struct pair *p, struct moment now)
{
	for (unsigned i = 0; i < p->sides; i++) {
		if (!is_done(p->side[i]) && !pair_holds(p, i) && p->side[i]->due_ns <= now.mono_ns)
			return (int)i;
	}
	return -1;
}

uint64_t pair_due(const struct pair *p)
{
	uint64_t due = UINT64_MAX;

	for (unsigned i = 0; i < p->sides; i++) {
		if (is_done(p->side[i]) || pair_holds(p, i))
			continue;
		if (p->side[i]->due_ns < due)
			due = p->side[i]->due_ns;
		if (is_mute(p, i) && grace_end(p, i) < due)
			due = grace_end(p, i);
	}
	return due;
}

bool pair_done(const struct pair *p)
{
	for (unsigned i = 0; i < p->sides; i++) {
		if (!is_done(p->side[i]))
			return false;
	}
	return true;
}
