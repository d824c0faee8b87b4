/* The ways to capture: what sources can be, alone and together, and what they need. See config.h. */
#include "config.h"

#include <string.h>

#include "directives.h"

enum trait {
	ALL_AT_ONCE = 1 << 0, /* takes what comes in at all interfaces: interface = any */
	ONE_ALONE = 1 << 1,   /* takes one interface, not any, and has it alone */
	NO_SECOND = 1 << 2,   /* there cannot be two of it */
	FROM_FILE = 1 << 3,   /* no two can read the same file */
	SHARED = 1 << 4,      /* several processes can share one */
	BY_LOG = 1 << 5,      /* what it needs of the firewall */
	BY_QUEUE = 1 << 6,
	BY_SOCKET = 1 << 7,
};

const struct directive_word directives_captures[] = {
    {"pcap", 0},
    {"savefile", FROM_FILE},
    {"tcpdump", 0},
    {"afpacket", SHARED},
    {"nflog", ALL_AT_ONCE | NO_SECOND | BY_LOG},
    {"nfqueue", ALL_AT_ONCE | NO_SECOND | BY_QUEUE},
    {"xdp", ONE_ALONE},
    {"udp", BY_SOCKET},
    {NULL, 0},
};

enum { CAPTURES = sizeof(directives_captures) / sizeof(directives_captures[0]) - 1 };

const char *config_capture_name(unsigned number)
{
	return number < CAPTURES ? directives_captures[number].word : NULL;
}

int config_capture(const char *name)
{
	for (unsigned i = 0; i < CAPTURES; i++) {
		if (strcmp(directives_captures[i].word, name) == 0)
			return (int)i;
	}
	return -1;
}

/* Names that were right once. */
static const struct {
	const char *name, *said;
} past[] = {
    {"ulog", "Linux 3.17 dropped ULOG; use nflog, which took its place"},
    {"queue", "Linux 3.5 dropped QUEUE; use nfqueue, which took its place"},
};

const char *config_capture_past(const char *name)
{
	for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
		if (strcmp(name, past[i].name) == 0)
			return past[i].said;
	}
	return NULL;
}

static unsigned traits_of(const char *capture)
{
	int i = config_capture(capture);

	return i < 0 ? 0 : (unsigned)directives_captures[i].value;
}

unsigned config_needs(const char *capture, unsigned turn)
{
	const unsigned t = traits_of(capture);

	if ((t & BY_LOG) != 0)
		return turn == 0 ? NEED_NFLOG_0 : NEED_NFLOG_1;
	if ((t & BY_QUEUE) != 0)
		return turn == 0 ? NEED_NFQUEUE_0 : NEED_NFQUEUE_1;
	return (t & BY_SOCKET) != 0 ? NEED_UDP : 0;
}

unsigned source_needs(const struct source_config *s, unsigned turn)
{
	if (s->trap)
		return turn == 0 ? NEED_TRAP_0 : NEED_TRAP_1;
	return config_needs(s->capture, turn);
}

static bool is_any(const struct source_config *s)
{
	return strcmp(s->interface, "any") == 0;
}

/* Returns 0, or -1 with why. */
static int fault_alone(const struct source_config *s, char *why)
{
	const unsigned t = traits_of(s->capture);

	if ((t & ALL_AT_ONCE) != 0 && !is_any(s))
		(void)snprintf(why, CONFIG_WHY_MAX,
		    "%s takes what comes in at all interfaces at once; use interface = any",
		    s->capture);
	else if ((t & ONE_ALONE) != 0 && is_any(s))
		(void)snprintf(why, CONFIG_WHY_MAX,
		    "%s takes one interface; name it instead of any", s->capture);
	else if ((t & ONE_ALONE) != 0 && s->filter[0] != '\0')
		(void)snprintf(why, CONFIG_WHY_MAX,
		    "%s knows knocks by their gate and takes no filter; take it away, or use "
		    "capture = afpacket",
		    s->capture);
	else if (s->workers > 1 && (t & SHARED) == 0)
		(void)snprintf(why, CONFIG_WHY_MAX,
		    "%s has one process alone; use workers = 1, or capture = afpacket", s->capture);
	else
		return 0;
	return -1;
}

/* What one that is alone at its interface takes no other sees. */
static int fault_of_two_kinds(
    const struct source_config *s, const struct source_config *other, char *why)
{
	if (((traits_of(s->capture) | traits_of(other->capture)) & ONE_ALONE) == 0 ||
	    strcmp(s->interface, other->interface) != 0)
		return 0;
	(void)snprintf(why, CONFIG_WHY_MAX,
	    "source \"%s\" is at this interface, too, and one of them is xdp, which leaves nothing "
	    "for others; take one of them away",
	    other->name);
	return -1;
}

static int fault_together(
    const struct source_config *s, const struct source_config *other, char *why)
{
	const unsigned t = traits_of(s->capture);

	if (strcmp(s->capture, other->capture) != 0)
		return fault_of_two_kinds(s, other, why);
	if ((t & NO_SECOND) != 0)
		(void)snprintf(why, CONFIG_WHY_MAX,
		    "source \"%s\" is %s, too, and there can be one alone; take one of them away",
		    other->name, s->capture);
	else if ((t & FROM_FILE) != 0 && strcmp(s->file, other->file) == 0)
		(void)snprintf(why, CONFIG_WHY_MAX,
		    "source \"%s\" reads the same file, and it has one reader; give each a file of "
		    "its own",
		    other->name);
	else if ((t & ONE_ALONE) != 0 && strcmp(s->interface, other->interface) == 0)
		(void)snprintf(why, CONFIG_WHY_MAX,
		    "source \"%s\" is %s at this interface, too, which has room for one; take one "
		    "of them away",
		    other->name, s->capture);
	else
		return 0;
	return -1;
}

int config_sources_fault(const struct source_config *s, unsigned sources, unsigned *source,
    char why[static CONFIG_WHY_MAX])
{
	unsigned processes = 0;

	for (unsigned i = 0; i < sources; i++) {
		*source = i;
		processes += s[i].workers;
		if (fault_alone(&s[i], why) != 0)
			return -1;
		for (unsigned j = 0; j < i; j++) {
			if (s[i].trap == s[j].trap && fault_together(&s[i], &s[j], why) != 0)
				return -1;
		}
		if (processes > CONFIG_CAPTURES_MAX) {
			(void)snprintf(why, CONFIG_WHY_MAX,
			    "with its workers there are %u captures, and there can be %d; take "
			    "some away",
			    processes, CONFIG_CAPTURES_MAX);
			return -1;
		}
	}
	return 0;
}

void config_change_capture(
    struct source_config *s, const struct source_config *from, const char *capture)
{
	(void)snprintf(s->capture, sizeof(s->capture), "%s", capture);
	s->workers = (traits_of(capture) & SHARED) != 0 ? from->workers : 1;
}

bool config_excludes(const struct source_config *a, const struct source_config *b)
{
	const unsigned t = traits_of(a->capture);

	if (strcmp(a->capture, b->capture) != 0)
		return false;
	return ((t & FROM_FILE) != 0 && strcmp(a->file, b->file) == 0) ||
	       ((t & ONE_ALONE) != 0 && strcmp(a->interface, b->interface) == 0);
}
