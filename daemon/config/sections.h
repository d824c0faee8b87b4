/*
 * sections - the kinds of titled sections that posternd.conf may have: what
 * each is made of, and what must hold when it is closed.
 */
#ifndef POSTERN_CONFIG_SECTIONS_H
#define POSTERN_CONFIG_SECTIONS_H

#include <stdbool.h>

#include "config.h"
#include "directives.h"

/* While it is read. Each begins with its name. */
union section_item {
	char name[CONFIG_NAME_MAX + 1];
	struct service service;
	struct source_config source;
	struct command_config command;
	struct sequence_config sequence;
};

/* Where to complain, and in which line a directive of the section was given (0: it was not). */
struct section_place {
	const char *file;
	struct report *r;
	unsigned (*line_of)(const void *slots, const char *directive);
	const void *slots;
};

struct section {
	const char *word; /* "service" */
	const char
	    *option; /* as libConfuse knows it, which has one option of a name; NULL: by the word */
	const struct directive *table;
	unsigned most;
	/* The line of the one of that name, or 0. */
	unsigned (*line_of)(const struct config *c, const char *name);
	void (*name)(union section_item *i, const char *name, unsigned line);
	/* Directives and defaults are in i; reports what is wrong with it. */
	void (*check)(
	    const struct config *c, const union section_item *i, const struct section_place *at);
	/* Returns false when there is no room for one more. */
	bool (*keep)(struct config *c, const union section_item *i);
};

enum { SECTIONS = 5 };

extern const struct section sections[SECTIONS];

static inline const char *section_name(const union section_item *i)
{
	return i->name;
}

/* One more source, where a service asks for a trap; when all others were checked. */
void sections_trap(struct config *c, const struct section_place *at);

/* What knocks travel by, once all directives and services are known. at: outside of sections. */
void carriers_check(const struct config *c, const struct section_place *at);

/* sequences.c: the members of the section, and what must hold of all sequences together, likewise. */
unsigned sequence_line(const struct config *c, const char *name);
void sequence_name(union section_item *i, const char *name, unsigned line);
void sequence_check(
    const struct config *c, const union section_item *item, const struct section_place *at);
bool sequence_keep(struct config *c, const union section_item *i);
void sequences_check(const struct config *c, const struct section_place *at);

/* What the firewall has not, likewise. */
void firewalls_check(const struct config *c, const struct section_place *at);

/* Are there the commands that services name? */
void approvals_check(const struct config *c, const struct section_place *at);

/* Do random ports lead where one needs a door? */
void randoms_check(const struct config *c, const struct section_place *at);

/* Where no source has a section: one for each interface. */
void sections_plain(struct config *c);

#endif
