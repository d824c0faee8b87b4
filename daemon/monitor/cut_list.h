/*
 * cut_list - whose connections were cut and may bear the mark still, so that
 * who opens a door for somebody else need not look through all of conntrack.
 * Process: monitor. No I/O.
 */
#ifndef POSTERN_MONITOR_CUT_LIST_H
#define POSTERN_MONITOR_CUT_LIST_H

#include <stdbool.h>

#include "address.h"

enum { CUT_LIST_MAX = 256 };

struct cut_list {
	bool full; /* there are more than are listed */
	unsigned len;
	struct prefix at[CUT_LIST_MAX];
};

void cut_list_add(struct cut_list *l, const struct prefix *p);
/* May somebody of p have been cut? */
bool cut_list_concerns(const struct cut_list *l, const struct prefix *p);
/* Nobody of p bears the mark any more. */
void cut_list_drop(struct cut_list *l, const struct prefix *p);
/* Nobody at all does. */
void cut_list_clear(struct cut_list *l);

#endif
