/*
 * trap - connections to guarded ports without a door, where the service asks
 * for it: completed, so that the address is proven, told, counted against it,
 * and then reset or left hanging. No socket and no state: what a connection is
 * known by is in the sequence number that we sent it (trap_cookie.h).
 *
 * A stranger's segment costs a few SipHashes and at most one answer, which is
 * no longer than it. Forged ones that acknowledge nothing count for nothing.
 */
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "inside.h"
#include "segment.h"
#include "trap_cookie.h"

enum {
	ANSWERS_A_SECOND = 500,
	COUNTED = 4096, /* connections that are remembered to be counted */
	TOLD = 1024,	/* addresses that are remembered to be told of */
	TOLD_MS = 60000,
	TELL_BURST = 30, /* of all addresses together, in that time */
	WINDOW = 64240,
};

_Static_assert((COUNTED & (COUNTED - 1)) == 0 && (TOLD & (TOLD - 1)) == 0, "powers of two");

struct told {
	uint64_t tag, until_ms;
};

/* Of fixed size, the newest in place of whom it falls on: what is forgotten is told or counted once more. */
struct trap_book {
	struct trap_key cookie, tag;
	uint64_t counted[COUNTED]; /* tags; 0: none */
	struct told told[TOLD];
	uint64_t second;
	unsigned answers; /* in that second */
	struct log_limit tell;
};

struct trap_book *traps_new(void)
{
	struct trap_book *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	randombytes_buf(&b->cookie, sizeof(b->cookie));
	randombytes_buf(&b->tag, sizeof(b->tag));
	b->tell = (struct log_limit){.burst = TELL_BURST, .period_ms = TOLD_MS};
	return b;
}

void traps_free(struct trap_book *b)
{
	free(b);
}

/* Never 0. */
static uint64_t tag_of(const struct trap_book *b, const void *bytes, size_t len)
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint64_t tag;

	crypto_shorthash(hash, bytes, len, b->tag.b);
	memcpy(&tag, hash, sizeof(tag));
	return tag == 0 ? 1 : tag;
}

static uint64_t now_ms(const struct core *c)
{
	return c->w.boot_ms(c->w.arg);
}

static bool may_answer(struct core *c)
{
	struct trap_book *b = c->traps;
	const uint64_t second = now_ms(c) / MS_PER_S;

	if (b->second != second) {
		b->second = second;
		b->answers = 0;
	}
	if (b->answers < ANSWERS_A_SECOND) {
		b->answers++;
		return true;
	}
	count(&c->counters, COUNT_TRAP_RATE);
	return false;
}

static void answer(struct core *c, const struct route *r, const struct segment *s)
{
	uint8_t packet[SEGMENT_MAX];
	int len;

	if (c->w.dry_run || !may_answer(c))
		return;
	len = segment_craft(r, s, packet);
	if (len > 0 && c->w.send(c->w.arg, r, packet, (size_t)len) == 0)
		count(&c->counters, COUNT_TRAP_ANSWER);
}

/* False: this connection was counted already. */
static bool count_once(struct core *c, const struct route *r, uint32_t cookie)
{
	struct trap_book *b = c->traps;
	struct {
		struct address client;
		uint32_t cookie;
		uint16_t client_port, server_port;
	} of = {r->client, cookie, r->client_port, r->server_port};
	const uint64_t tag = tag_of(b, &of, sizeof(of));
	uint64_t *at = &b->counted[tag & (COUNTED - 1)];

	if (*at == tag)
		return false;
	*at = tag;
	return true;
}

/* An address once a minute, and not many of them: the journal is bounded, and not for strangers to fill. */
static bool may_tell(struct core *c, const struct address *a)
{
	struct trap_book *b = c->traps;
	const uint64_t tag = tag_of(b, a, sizeof(*a)), now = now_ms(c);
	struct told *at = &b->told[tag & (TOLD - 1)];
	uint64_t missed = 0;

	if ((at->tag == tag && now < at->until_ms) || !log_allowed(&b->tell, now, &missed))
		return false;
	*at = (struct told){tag, now + TOLD_MS};
	return true;
}

static void completed(
    struct core *c, const struct route *r, const struct service *s, uint32_t cookie)
{
	char from[ADDRESS_TEXT];

	if (!count_once(c, r, cookie))
		return;
	count(&c->counters, COUNT_TRAPPED);
	if (may_tell(c, &r->client)) {
		log_warning("trapped", "from=%s service=%s port=%u", address_text(&r->client, from),
		    s->name, r->server_port);
		audit_trapped(c, &r->client, s->name);
	}
	ban_strike(c, &r->client, "", "trap");
}

static void begin(
    struct core *c, const struct route *r, const struct service *s, const struct msg_trapped *m)
{
	const struct segment open = {.seq = trap_cookie(&c->traps->cookie, r, m->seq, now_ms(c)),
	    .ack = m->seq + 1,
	    .window = s->trap == TRAP_TARPIT ? 0 : WINDOW,
	    .flags = SEGMENT_SYN | SEGMENT_ACK};

	answer(c, r, &open);
}

/* seq - 1 or, as a probe of a window has it, seq is the number that the connection began with. */
static bool is_ours(const struct core *c, const struct route *r, const struct msg_trapped *m,
    bool probe, unsigned steps)
{
	return trap_cookie_holds(
	    &c->traps->cookie, r, probe ? m->seq : m->seq - 1, m->ack - 1, now_ms(c), steps);
}

/* Whoever tries whether there is room by now hears that there is none, and tries again. */
static void hold(struct core *c, const struct route *r, const struct msg_trapped *m)
{
	const struct segment no_room = {.seq = m->ack, .ack = m->seq + 1, .flags = SEGMENT_ACK};

	answer(c, r, &no_room);
}

static void go_on(
    struct core *c, const struct route *r, const struct service *s, const struct msg_trapped *m)
{
	const struct segment reset = {.seq = m->ack, .flags = SEGMENT_RST};

	if (is_ours(c, r, m, false, TRAP_STEPS_PROOF)) {
		completed(c, r, s, m->ack - 1);
		if (s->trap == TRAP_REPORT)
			answer(c, r, &reset);
	} else if (s->trap == TRAP_TARPIT && is_ours(c, r, m, true, TRAP_STEPS_HELD)) {
		hold(c, r, m);
	} else {
		count(&c->counters, COUNT_TRAP_FORGED);
	}
}

int core_trapped(struct core *c, const struct msg_trapped *m)
{
	static const uint8_t none[sizeof(m->unused)];
	const struct config *config = &c->realm->config;
	const struct route r = {.carrier = CARRIER_TCP,
	    .client = address_v6(m->client),
	    .server = address_v6(m->server),
	    .client_port = m->client_port,
	    .server_port = m->server_port,
	    .ifindex = m->ifindex};
	const int service = config_service_by_port(config, IPPROTO_TCP, m->server_port);

	if (memcmp(m->unused, none, sizeof(none)) != 0 ||
	    address_is_v4(&r.client) != address_is_v4(&r.server))
		return -E_FORMAT;
	count(&c->counters, COUNT_TRAP_SEEN);
	/* A reload took the trap away; or nobody can be there, or connects to that. */
	if (service < 0 || config->service[service].trap == TRAP_NONE ||
	    !address_is_admissible(&r.client) || !address_is_admissible(&r.server))
		return 0;
	switch (m->flags & SEGMENT_OF_STATE) {
	case SEGMENT_SYN:
		begin(c, &r, &config->service[service], m);
		break;
	case SEGMENT_ACK:
		go_on(c, &r, &config->service[service], m);
		break;
	default:
		break; /* of those that end a connection we have none */
	}
	return 0;
}
