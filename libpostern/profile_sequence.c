/* The keys of a profile that are about the carrier sequence. */
#include <string.h>

#include "profile_keys.h"
#include "sequence_plan.h"

enum { COUNT_DEFAULT = 8, GAP_DEFAULT_MS = 5 };

void profile_sequence_defaults(struct sequence_settings *q)
{
	*q = (struct sequence_settings){.count = COUNT_DEFAULT, .gap_ms = GAP_DEFAULT_MS};
	q->ports.pieces = SEQUENCE_UDP;
}

/* A list and a range do not go together in a file; of a program the last word counts. */
static bool clashes(const struct profile_reading *s, bool rolling)
{
	const struct carrier_sequence *q = &s->p->settings.sequence.ports;

	return s->line != 0 && q->ports > 0 && sequence_is_rolling(q) != rolling;
}

/* Other ports, of the same kind and id. */
static struct carrier_sequence anew(const struct carrier_sequence *q)
{
	return (struct carrier_sequence){.id = q->id, .pieces = q->pieces};
}

int profile_read_sequence(struct profile_reading *s, char *value)
{
	struct carrier_sequence fresh = anew(&s->p->settings.sequence.ports);
	char *rest = NULL;

	if (clashes(s, false))
		return profile_complain(s, "stands beside sequence-range: remove one");
	for (char *word = strtok_r(value, ", \t", &rest); word;
	     word = strtok_r(NULL, ", \t", &rest)) {
		uint16_t port;
		if (profile_read_number(word, &port) < 0)
			return profile_complain(s, "must be port numbers from 1 to 65535");
		for (unsigned i = 0; i < fresh.ports; i++) {
			if (fresh.port[i] == port)
				return profile_complain(s, "names a port twice: remove one");
		}
		if (fresh.ports == SEQUENCE_PORTS_MAX)
			return profile_complain(s, "names more than 32 ports: remove some");
		fresh.port[fresh.ports++] = port;
	}
	if (fresh.ports < SEQUENCE_PORTS_MIN)
		return profile_complain(s, "must name at least 5 ports");
	s->p->settings.sequence.ports = fresh;
	return 0;
}

/* "LOW-HIGH" in small numbers or ports; high may be left out. Returns 0 or -1. */
static int read_pair(char *value, uint16_t *low, uint16_t *high)
{
	char *dash = strchr(value, '-');

	if (dash)
		*dash = '\0';
	if (profile_read_number(value, low) < 0 && strcmp(value, "0") != 0)
		return -1;
	if (strcmp(value, "0") == 0)
		*low = 0;
	*high = *low;
	if (dash && profile_read_number(dash + 1, high) < 0)
		return -1;
	return *high >= *low ? 0 : -1;
}

/* How many roll is known only when all was read. */
static void settle(struct sequence_settings *q)
{
	if (sequence_is_rolling(&q->ports))
		q->ports.ports = q->count;
}

int profile_read_sequence_range(struct profile_reading *s, char *value)
{
	struct sequence_settings *q = &s->p->settings.sequence;
	struct carrier_sequence fresh = anew(&q->ports);

	if (clashes(s, true))
		return profile_complain(s, "stands beside sequence: remove one");
	if (!strchr(value, '-') || read_pair(value, &fresh.lo, &fresh.hi) < 0 || fresh.lo == 0)
		return profile_complain(s, "must be a range of ports, like 20000-29999");
	q->ports = fresh;
	settle(q);
	return 0;
}

int profile_read_sequence_count(struct profile_reading *s, char *value)
{
	struct sequence_settings *q = &s->p->settings.sequence;
	uint16_t n;

	if (profile_read_number(value, &n) < 0 || n < SEQUENCE_PORTS_MIN || n > SEQUENCE_PORTS_MAX)
		return profile_complain(s, "must be a number from 5 to 32");
	q->count = (uint8_t)n;
	settle(q);
	return 0;
}

int profile_read_sequence_id(struct profile_reading *s, char *value)
{
	uint16_t id;

	if (profile_read_number(value, &id) < 0 || id > SEQUENCE_ID_MAX)
		return profile_complain(s, "must be a number from 1 to 63");
	s->p->settings.sequence.ports.id = (uint8_t)id;
	return 0;
}

int profile_read_sequence_pieces(struct profile_reading *s, char *value)
{
	uint8_t *pieces = &s->p->settings.sequence.ports.pieces;

	if (strcmp(value, "udp") == 0)
		*pieces = SEQUENCE_UDP;
	else if (strcmp(value, "tcp") == 0)
		*pieces = SEQUENCE_TCP;
	else if (strcmp(value, "clean") == 0)
		*pieces = SEQUENCE_CLEAN;
	else
		return profile_complain(s, "must be udp, tcp or clean");
	return 0;
}

int profile_read_dummies(struct profile_reading *s, char *value)
{
	struct sequence_settings *q = &s->p->settings.sequence;
	uint16_t low, high;

	if (read_pair(value, &low, &high) < 0 || high > PLAN_DUMMIES_MAX)
		return profile_complain(
		    s, "must be how many packets that say nothing go along, like 4-12; at most 64");
	q->dummies_min = (uint8_t)low;
	q->dummies_max = (uint8_t)high;
	return 0;
}

int profile_read_gap(struct profile_reading *s, char *value)
{
	uint16_t ms = 0;

	if ((profile_read_number(value, &ms) < 0 && strcmp(value, "0") != 0) ||
	    ms > PLAN_GAP_MAX_MS)
		return profile_complain(
		    s, "must be the longest pause between two packets in milliseconds, up to 1000");
	s->p->settings.sequence.gap_ms = ms;
	return 0;
}

const char *profile_sequence_fault(const struct sequence_settings *q)
{
	unsigned span = (unsigned)(q->ports.hi - q->ports.lo) + 1;

	if (sequence_is_rolling(&q->ports) && span < 4U * q->ports.ports)
		return "sequence-range must have four times as many ports as sequence-count: ask "
		       "for a new profile";
	return NULL;
}
