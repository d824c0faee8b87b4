/*
 * side - one family of a knock: its sockets, and which address is used.
 *
 * A family may have several addresses. The first is knocked at twice, then the
 * next, and so on, until something is heard from one; an address that this host
 * cannot reach at all is left at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "errors.h"
#include "knock.h"

enum {
	TRIES_EACH = 2,
	PACKETS_EACH_TURN = 64,
	RECEIVE_MAX = 2048,
	DOOR_MS = 100, /* a door is open by then, if it is not far away */
};

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) < 0)
		abort();
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct moment moment_now(void)
{
	return (struct moment){read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_REALTIME)};
}

static int draw(void *arg, uint64_t clock_ns, uint64_t *t_ns)
{
	return state_draw(arg, clock_ns, t_ns);
}

static int learn(void *arg, uint64_t server_ns, uint64_t clock_ns)
{
	return state_learn(arg, server_ns, clock_ns);
}

static uint64_t server_time(void *arg, uint64_t clock_ns)
{
	return state_server_time(arg, clock_ns);
}

static void path_close(struct path *p)
{
	if (p->way)
		p->way->sender->close(p->way);
	p->way = NULL;
}

/* Some learn only later what they send from. */
static void name_local(struct path *p)
{
	if (p->way->local.ss_family != AF_UNSPEC)
		address_of(&p->way->local, p->way->local_len, p->local);
}

static void path_open(const struct postern_profile *profile, const struct sender *sender,
    const struct target *t, struct path *p)
{
	struct sender_want want = {
	    .to = (const struct sockaddr *)&t->addr, .len = t->len, .settings = &profile->settings};

	*p = (struct path){.way = NULL};
	if (sender->open(&p->way, &want, &p->error) == SENDER_OK)
		name_local(p);
	else
		p->way = NULL;
}

/*
 * The address that must be seen when it is to be strict: the one that the current way sends from.
 */
static void set_own_address(struct side *s)
{
	struct request *q = &s->exchange->request;
	const char *local = s->path[s->current].local;
	char plain[POSTERN_ADDRESS_TEXT];

	(void)memccpy(plain, local, '\0', sizeof(plain));
	plain[strcspn(plain, "%")] = '\0'; /* the scope is no part of it */
	q->has_own_address = address_parse(plain, &q->own_address) == 0;
}

/*
 * The next way that is open, from the one after s->current on; s->current itself when there is no
 * other.
 */
static bool use_next(struct side *s)
{
	for (unsigned i = 1; i <= s->targets.len; i++) {
		unsigned next = (s->current + i) % s->targets.len;
		if (s->path[next].way) {
			s->current = next;
			return true;
		}
	}
	return false;
}

static const struct lane *lane_of(const struct postern_knock *k, const struct side *s)
{
	return &k->lanes.at[s->lane];
}

/* Where the lane leads: for http to the web server, best in the side's own family. */
static void find_targets(const struct postern_knock *k, struct side *s)
{
	s->targets = s->server;
	if (lane_of(k, s)->sender->id != CARRIER_HTTP)
		return;
	s->targets.len = 0;
	for (unsigned i = 0; i < k->webs; i++) {
		if (s->targets.len == 0 || k->web[i].family == s->server.family)
			s->targets = k->web[i];
	}
}

/* Returns whether there is a way; if not, the first path says why. */
static bool open_lane(const struct postern_knock *k, struct side *s)
{
	find_targets(k, s);
	s->path[0].error = (struct sender_error){.number = EDESTADDRREQ};
	for (unsigned i = 0; i < s->targets.len; i++)
		path_open(k->profile, lane_of(k, s)->sender, &s->targets.at[i], &s->path[i]);
	s->current = s->targets.len > 0 ? s->targets.len - 1 : 0;
	if (s->targets.len > 0 && use_next(s))
		return true;
	s->current = 0;
	return false;
}

static void close_lane(struct side *s)
{
	probe_end(&s->probe);
	for (unsigned i = 0; i < s->targets.len; i++)
		path_close(&s->path[i]);
}

/* By each carrier but the last only so long that the last has its turn soon. */
static unsigned retries_in(const struct postern_knock *k, const struct side *s)
{
	bool last = s->lane + 1 == k->lanes.len;

	return last || k->retries < LANE_RETRIES ? k->retries : LANE_RETRIES;
}

static void remember(struct postern_knock *k, struct side *s, const struct sender_error *e)
{
	s->tried[s->tries++] = (struct tried){.sender = lane_of(k, s)->sender,
	    .sent = s->exchange->sent - s->sent_before,
	    .error = *e};
	s->sent_before = s->exchange->sent;
}

/*
 * Go on by the next carrier that has a way, if there is one. The attempt stays the same, so that
 * nothing is done twice.
 *   e  why it cannot be by this one; number 0: it was silent
 */
static bool next_lane(
    struct postern_knock *k, struct side *s, const struct sender_error *e, uint64_t now_ns)
{
	struct sender_error why = *e;

	while (s->lane + 1 < k->lanes.len) {
		remember(k, s, &why);
		close_lane(s);
		s->lane++;
		if (open_lane(k, s)) {
			exchange_move(s->exchange, lane_of(k, s)->sender, retries_in(k, s), now_ns);
			return true;
		}
		why = s->path[0].error;
	}
	return false;
}

/* None where the cover takes none. */
static int take_picture(void *arg, size_t veil_len, size_t longest, struct picture *out)
{
	struct postern_knock *k = arg;

	if (!k->photos) {
		errno = ENODATA;
		return -1;
	}
	photos_limit(k->photos, longest);
	return photos_take(k->photos, veil_len, out, &k->lib->errors);
}

void side_open(struct postern_knock *k, struct side *s)
{
	struct memory memory = {draw, learn, server_time, &k->state};
	bool found = open_lane(k, s);

	probe_init(&s->probe);
	s->exchange = exchange_new(k->profile, &memory);
	s->exchange->pictures = (struct pictures){take_picture, k};
	s->exchange->user = (struct user){user_give, user_tell, k};
	/* What is run, is run once, whichever family the word comes over. */
	uint64_t attempt =
	    k->request.verb == VERB_RUN ? k->request.attempt : s->exchange->request.attempt;
	s->exchange->request = k->request;
	s->exchange->request.attempt = attempt;
	exchange_carrier(s->exchange, lane_of(k, s)->sender, k->profile->cover);
	s->exchange->retries = retries_in(k, s);
	if (k->profile->envelope == &envelope_openpgp)
		s->exchange->least = VEIL_OVERHEAD_SERVER + k->profile->openpgp.challenge_most;
	if (found)
		return;
	struct sender_error why = s->path[0].error;
	if (next_lane(k, s, &why, 0))
		s->exchange->phase = EXCHANGE_ASLEEP; /* it is still to be woken */
	else
		exchange_stop(s->exchange, EXCHANGE_FAILED, s->path[0].error.number);
}

void side_close(struct side *s)
{
	close_lane(s);
	exchange_free(s->exchange);
	s->exchange = NULL;
}

/* One request of a web server is enough for all that it names, and for the families named. */
static unsigned keep_admitted(
    const struct postern_knock *k, struct targets t[static PAIR_MAX], unsigned len)
{
	const struct request *q = &k->request;
	unsigned kept = 0;

	for (unsigned i = 0; i < len; i++) {
		for (unsigned a = 0; a < q->admits; a++) {
			if (address_is_v4(&q->admit[a].addr) == (t[i].family == AF_INET)) {
				t[kept++] = t[i];
				break;
			}
		}
	}
	return kept > 0 ? kept : (len > 0);
}

/* Where requests go that bear a knock; found once, since it blocks. */
static bool resolve_web(struct postern_knock *k)
{
	const struct settings *s = &k->profile->settings;
	const char *host = s->via.kind == WEB_STRAIGHT ? s->http.host : s->via.host;
	bool alone = k->lanes.len == 1;

	for (unsigned i = 0; i < k->lanes.len; i++) {
		if (k->lanes.at[i].sender->id != CARRIER_HTTP)
			continue;
		k->webs = resolve_host(host, k->web, alone ? &k->lib->errors : &k->lib->notes);
		return k->webs > 0 || !alone;
	}
	return true;
}

static bool any_lane_answers(const struct lanes *l)
{
	for (unsigned i = 0; i < l->len; i++) {
		if (l->at[i].answers)
			return true;
	}
	return false;
}

bool sides_open(struct postern_knock *k)
{
	struct targets targets[PAIR_MAX];
	struct trouble *notes = &k->lib->notes;
	const struct lane *first = &k->lanes.at[0];

	if (!resolve_web(k))
		return false;
	k->sides = resolve(k->profile, k->family, targets, &k->lib->errors, notes);
	if (k->lanes.len == 1 && !first->sender->has_reply)
		k->sides = keep_admitted(k, targets, k->sides);
	/* A code is good once. Where an answer comes, it tells which family that was for. */
	if (k->user->code[0] != '\0' && k->sides > 1 && !any_lane_answers(&k->lanes))
		k->sides = 1;
	for (unsigned i = 0; i < k->sides; i++) {
		k->side[i].server = targets[i];
		side_open(k, &k->side[i]);
		k->pair.side[i] = k->side[i].exchange;
	}
	k->pair.sides = k->sides;
	k->pair.any = k->any;
	k->pair.lasts_ns = sender_lasts_ns(first->sender, &k->profile->settings);
	return k->sides > 0;
}

static bool is_time_for_another(const struct side *s)
{
	const struct exchange *x = s->exchange;

	return !s->heard && x->phase == EXCHANGE_KNOCKING && x->sends > 0 &&
	       x->sends % TRIES_EACH == 0;
}

static void give_up_path(struct postern_knock *k, struct side *s, struct path *p, struct moment now)
{
	struct sender_error why = p->error;

	path_close(p);
	if (use_next(s))
		exchange_hurry(s->exchange, now.mono_ns);
	else if (s->exchange->challenged || !next_lane(k, s, &why, now.mono_ns))
		exchange_stop(s->exchange, EXCHANGE_FAILED, why.number);
}

/* Of what is as short as can be the next one may have more luck. */
static void narrow(struct exchange *x, uint64_t now_ns)
{
	exchange_narrow(x, now_ns);
	exchange_release(x, now_ns);
}

/* What a send() or step() came to. */
static void take_result(struct postern_knock *k, struct side *s, struct path *p, int result)
{
	struct exchange *x = s->exchange;
	struct moment now = moment_now();

	if (result == SENDER_TOO_LONG)
		narrow(x, now.mono_ns);
	else if (result == SENDER_NO_WAY)
		give_up_path(k, s, p, now);
	else if (way_due(p->way) != UINT64_MAX)
		exchange_hold(x);
	else
		exchange_release(x, now.mono_ns);
}

bool knock_met_trap(const struct postern_knock *k)
{
	return k->lib->has_met_trap && memcmp(k->lib->met_trap, k->profile->cid, CID_BYTES) == 0;
}

uint16_t knock_door(const struct postern_knock *k)
{
	return knock_met_trap(k) ? 0 : lane_door(k->profile, &k->request);
}

static bool may_probe(const struct postern_knock *k, const struct side *s)
{
	const struct exchange *x = s->exchange;

	return x->phase == EXCHANGE_KNOCKING && x->sends > 0 && !lane_of(k, s)->answers &&
	       knock_door(k) != 0;
}

/* Not at once: the knock is to be there first, and the door open. */
static void want_probe(const struct postern_knock *k, struct side *s, struct moment now)
{
	if (may_probe(k, s) && (!s->exchange->held || way_repeats(s->path[s->current].way)))
		probe_want(&s->probe, now.mono_ns + (uint64_t)DOOR_MS * NS_PER_MS);
}

void side_send(struct postern_knock *k, struct side *s, struct moment now)
{
	struct exchange *x = s->exchange;
	struct exchange_packet packet;

	if (exchange_is_spent(x, now) && !x->challenged &&
	    !next_lane(k, s, &(struct sender_error){0}, now.mono_ns))
		probe_end(&s->probe);
	if (is_time_for_another(s))
		(void)use_next(s);
	if (k->strict)
		set_own_address(s);
	if (!exchange_send(x, now, &packet))
		return;
	struct path *p = &s->path[s->current];
	exchange_sent(x, moment_now());
	int sent = p->way->sender->send(p->way, &packet.message, now.mono_ns, &p->error);
	name_local(p);
	take_result(k, s, p, sent);
	want_probe(k, s, now);
}

void side_go_on(struct postern_knock *k, struct side *s, struct moment now, bool held)
{
	struct path *p = &s->path[s->current];
	uint64_t before = side_due(s);

	if (before == UINT64_MAX)
		return;
	/* It is over, or must wait, or something else is to be sent: an answer has come. */
	if (held || !s->exchange->held || s->exchange->phase == EXCHANGE_DONE) {
		way_stop(p->way);
		exchange_release(s->exchange, now.mono_ns);
		return;
	}
	int result = way_step(p->way, now.mono_ns, &p->error);
	if (result == SENDER_OK && before <= now.mono_ns)
		exchange_sent(s->exchange, moment_now());
	name_local(p);
	take_result(k, s, p, result);
}

void side_probe(struct postern_knock *k, struct side *s, struct moment now)
{
	if (!may_probe(k, s)) {
		probe_end(&s->probe);
		return;
	}
	want_probe(k, s, now);
	switch (probe_step(&s->probe, &s->server.at[0], knock_door(k), now.mono_ns)) {
	case PROBE_NOTHING:
		break;
	case PROBE_THROUGH:
		exchange_stop(s->exchange, EXCHANGE_TESTED, 0);
		break;
	case PROBE_TRAPPED:
		k->lib->has_met_trap = true;
		memcpy(k->lib->met_trap, k->profile->cid, CID_BYTES);
		break;
	}
}

uint64_t side_due(const struct side *s)
{
	const struct path *p = &s->path[s->current];

	return p->way ? way_due(p->way) : UINT64_MAX;
}

static void receive_from(struct side *s, unsigned i)
{
	struct way *w = s->path[i].way;
	uint8_t packet[RECEIVE_MAX];

	for (int n = 0; n < PACKETS_EACH_TURN; n++) {
		int len = w->sender->receive(w, packet, sizeof(packet));
		if (len < 0)
			return;
		if (!exchange_receive(s->exchange, moment_now(), w->sender, packet, (size_t)len))
			continue;
		s->current = i;
		s->heard = true;
	}
}

void side_receive(struct side *s)
{
	for (unsigned i = 0; i < s->targets.len; i++) {
		if (s->path[i].way)
			receive_from(s, i);
	}
}
