/*
 * text - makes the text of posternd.conf ready for libConfuse, which
 * counts lines wrongly after comments, is silent about a section or comment
 * that nobody closed, drops characters that it does not know, lets a string
 * run on over lines, replaces ${...} from the environment (which the
 * processes do not share), and knows no word that is a directive and a section.
 */
#ifndef POSTERN_CONFIG_TEXT_H
#define POSTERN_CONFIG_TEXT_H

#include "config.h"
#include "report.h"

enum {
	TEXT_SECTIONS_MAX = CONFIG_SERVICES_MAX + CONFIG_SOURCES_MAX + CONFIG_COMMANDS_MAX +
			    CONFIG_SEQUENCES_MAX + 1
}; /* the one too many has a line, too */

/* What the word "sequence" becomes where a section begins: no longer, and another in its first letter. */
#define TEXT_SEQUENCE_OPTION "Sequence"

struct text {
	char *copy; /* comments blanked, every line still where it was; NULL when it is too long */
	unsigned sections;
	unsigned section_line[TEXT_SECTIONS_MAX]; /* where the first of them begin, in order */
};

/*
 * Copies text and reports all that is wrong with its quotes, braces and
 * comments. What can be mended is, so that libConfuse can go on behind it.
 * Returns 0, or -1 when the copy is not fit for libConfuse (reported).
 */
int text_prepare(struct text *t, const char *name, const char *text, struct report *r)
    __attribute__((warn_unused_result));
void text_free(struct text *t);

#endif
