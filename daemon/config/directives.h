/*
 * directives - the one table of what posternd.conf may say. The parser, the
 * checks, --print-config and the manual's table come from it.
 */
#ifndef POSTERN_CONFIG_DIRECTIVES_H
#define POSTERN_CONFIG_DIRECTIVES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"

enum directive_kind {
	DIRECTIVE_NUMBER, /* least to most */
	DIRECTIVE_WORD,	  /* one of words, stored as its value */
	DIRECTIVE_NAME,	  /* one of words, stored as text */
	DIRECTIVE_PATH,
	DIRECTIVE_USER,
	DIRECTIVE_TEXT,
	DIRECTIVE_TOKEN,    /* letters, digits, - and _, or nothing */
	DIRECTIVE_WEB_PATH, /* from / on, or nothing */
	DIRECTIVE_PREFIXES, /* a list, perhaps empty; stored into a struct prefixes */
	DIRECTIVE_PORTS,    /* a list, perhaps empty; stored into a struct port_list */
	DIRECTIVE_RANGE,    /* of ports, or nothing; stored into a struct port_range */
	DIRECTIVE_RANGES,   /* a list of ports and ranges; stored into a struct port_ranges */
	DIRECTIVE_WORDS,    /* a list, perhaps empty; stored into a struct words */
	DIRECTIVE_ANY_USER, /* root as well, or nothing */
	DIRECTIVE_FORWARDS, /* a list, perhaps empty; stored into a struct forwards */
	DIRECTIVE_BITS,	    /* a list of words, stored as the bits that they stand for */
	DIRECTIVE_INTERFACE,
	DIRECTIVE_INTERFACES, /* a list; stored into a struct plain_sources */
};

enum { DIRECTIVE_WHY_MAX = 400 };

/* A table of words ends with word NULL. */
struct directive_word {
	const char *word;
	int value;
};

struct directive {
	const char *name;
	enum directive_kind kind;
	size_t offset; /* in struct config, or that of the section */
	size_t size;
	uint32_t least, most;
	const char *standard; /* the default, as text; NULL: must be given */
	const struct directive_word *words;
	const char *help; /* for the manual and the comments that init writes */
};

enum { DIRECTIVES_MAX = 48 };

/* The directives outside of sections, and those within each kind; all end with name NULL. */
extern const struct directive directives_global[];
extern const struct directive directives_service[];
extern const struct directive directives_source[];
extern const struct directive directives_command[];
extern const struct directive directives_gateway[];
extern const struct directive directives_sequence[];
/* The ways to capture, by number. */
extern const struct directive_word directives_captures[];
/* The firewalls. */
extern const struct directive_word directives_firewalls[];

/* Given as {a, b}. */
bool directive_is_list(const struct directive *d);
size_t directives_count(const struct directive *table);

/*
 * Store a value given as text at its place in base. Returns 0; or -1, with what
 * is wrong and what to do in why, and base unchanged.
 */
int directive_set(const struct directive *d, void *base, const char *value,
    char why[static DIRECTIVE_WHY_MAX]) __attribute__((warn_unused_result));
/* One that stands outside of sections, but that source sections take the place of. */
bool directive_is_plain(const struct directive *d);
/* The value as the file would have it. */
void directive_print(const struct directive *d, const void *base, FILE *out);
/* "1 to 65535", "drop, closed": what may be given, for the manual. */
void directive_range(const struct directive *d, FILE *out);
/* Its words, with joint between them. */
void directive_list_words(const struct directive *d, const char *joint, FILE *out);
/* What may be said, for people; and the same in scdoc's form, which stands in posternd.conf(5). */
void directives_table(const struct directive *table, FILE *out);
void directives_manual(const struct directive *table, FILE *out);

#endif
