/* bans - see bans.h. */
#include "bans.h"

static enum bans_verdict judge_ban(const struct config *c, const struct msg_ban *m)
{
	const struct address a = address_v6(m->address);

	if (c->ban_after == 0)
		return BANS_OFF;
	if (!address_is_admissible(&a))
		return BANS_ADDRESS;
	if (prefixes_contain(&c->ban_except, &a))
		return BANS_EXCEPT;
	return m->seconds == 0 || m->seconds > c->ban_for_s ? BANS_TIME : BANS_FINE;
}

enum bans_verdict bans_judge(const struct config *c, const struct msg_ban *m)
{
	if (m->unused != 0)
		return BANS_FORM;
	if (m->head.type == MSG_BAN)
		return judge_ban(c, m);
	return m->seconds == 0 ? BANS_FINE : BANS_FORM;
}

const char *bans_verdict_text(enum bans_verdict v)
{
	switch (v) {
	case BANS_FINE:
		return "fine";
	case BANS_OFF:
		return "ban-after is 0";
	case BANS_FORM:
		return "not well-formed";
	case BANS_ADDRESS:
		return "inadmissible address";
	case BANS_EXCEPT:
		return "excepted by ban-except";
	case BANS_TIME:
		return "longer than ban-for";
	}
	return "unknown";
}
