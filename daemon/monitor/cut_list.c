/* cut_list - see cut_list.h. */
#include "cut_list.h"

void cut_list_add(struct cut_list *l, const struct prefix *p)
{
	for (unsigned i = 0; i < l->len; i++)
		if (prefix_within(&l->at[i], p))
			return;
	if (l->len == CUT_LIST_MAX)
		l->full = true;
	else
		l->at[l->len++] = *p;
}

bool cut_list_concerns(const struct cut_list *l, const struct prefix *p)
{
	for (unsigned i = 0; i < l->len; i++)
		if (prefix_within(&l->at[i], p) || prefix_within(p, &l->at[i]))
			return true;
	return l->full;
}

void cut_list_drop(struct cut_list *l, const struct prefix *p)
{
	for (unsigned i = l->len; i-- > 0;)
		if (prefix_within(p, &l->at[i]))
			l->at[i] = l->at[--l->len];
}

void cut_list_clear(struct cut_list *l)
{
	l->full = false;
	l->len = 0;
}
