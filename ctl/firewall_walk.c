#include "firewall_walk.h"

#include <netinet/in.h>
#include <string.h>

#include "nft_rules.h"

enum { DEPTH_MAX = 16 }; /* the kernel's own bound of jumps */

struct walker {
	const struct ruleset *rs;
	const struct probe *probe;
	struct walk seen; /* the flags of it */
	bool by_port;	  /* the last decision came by a rule that names the port */
	unsigned depth;
};

/* A rule's condition so far. */
struct state {
	enum tri holds;
	bool names_port;
	bool ends;    /* "return" or "goto": the chain ends here */
	bool may_end; /* it does when an unsure condition holds */
};

/* Chains jump to chains, DEPTH_MAX deep. NOLINTBEGIN(misc-no-recursion) */
static enum fate walk_rules(struct walker *w, const struct place *chain);

static void note(struct walk *seen, enum fate fate, bool names_port)
{
	switch (fate) {
	case FATE_ON:
		break;
	case FATE_ACCEPT:
		seen->may_accept = true;
		seen->port_accept = seen->port_accept || names_port;
		break;
	case FATE_DROP:
	case FATE_CLOSED:
	case FATE_REJECT:
		seen->may_drop = true;
		break;
	case FATE_DNAT:
		seen->may_dnat = true;
		break;
	}
}

/* By which answer a "reject" is told from a closed port: a reset for TCP, port unreachable for UDP. */
static enum fate fate_of_reject(const struct probe *p, const json_t *reject)
{
	const char *type = text_of(reject, "type"), *expr = text_of(reject, "expr");

	if (p->proto == IPPROTO_TCP)
		return strcmp(type, "tcp reset") == 0 ? FATE_CLOSED : FATE_REJECT;
	if (strcmp(type, "tcp reset") == 0)
		return FATE_ON;
	return expr[0] == '\0' || strcmp(expr, "port-unreachable") == 0 ? FATE_CLOSED : FATE_REJECT;
}

static enum fate into(struct walker *w, const struct place *from, const json_t *jump)
{
	const struct place target = {from->family, from->table, text_of(jump, "target")};
	enum fate fate;

	if (w->depth == DEPTH_MAX)
		return FATE_ON;
	w->depth++;
	fate = walk_rules(w, &target);
	w->depth--;
	return fate;
}

/* What a statement that decides says; FATE_ON when it is none. */
static enum fate decide(struct walker *w, const struct place *chain, const json_t *part, bool *ends)
{
	const json_t *value;

	if (json_object_get(part, "accept"))
		return FATE_ACCEPT;
	if (json_object_get(part, "drop"))
		return FATE_DROP;
	if ((value = json_object_get(part, "reject")) != NULL)
		return fate_of_reject(w->probe, value);
	if (json_object_get(part, "dnat") || json_object_get(part, "redirect"))
		return FATE_DNAT;
	if ((value = json_object_get(part, "jump")) != NULL)
		return into(w, chain, value);
	*ends = *ends || json_object_get(part, "return") || json_object_get(part, "goto");
	if ((value = json_object_get(part, "goto")) != NULL)
		return into(w, chain, value);
	return FATE_ON;
}

/* Statements that are no condition, and those that decide() knows. */
static bool is_neutral(const json_t *part)
{
	static const char *const kinds[] = {"counter", "log", "mangle", "notrack", "ct helper",
	    "accept", "drop", "reject", "dnat", "redirect", "jump", "goto", "return"};
	const json_t *set = json_object_get(part, "set");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (json_object_get(part, kinds[i]))
			return true;
	return set && !json_object_get(
			  set, "stmt"); /* putting an element into a set, unless under a limit */
}

static enum tri both(enum tri a, enum tri b)
{
	return a < b ? a : b;
}

/* A verdict under a condition: sure ones decide, unsure ones are noted. */
static enum fate weigh(
    struct walker *w, const struct place *chain, const json_t *part, struct state *s)
{
	bool ends = false;
	enum fate fate;

	w->by_port = false;
	fate = decide(w, chain, part, &ends);
	w->by_port = w->by_port || s->names_port;
	if (s->holds == TRI_YES) {
		s->ends = s->ends || ends;
		return fate;
	}
	s->may_end = s->may_end || ends;
	note(&w->seen, fate, w->by_port);
	return FATE_ON;
}

static enum fate walk_map(
    struct walker *w, const struct place *chain, const json_t *vmap, struct state *s)
{
	const json_t *key = json_object_get(vmap, "key");
	const json_t *data = json_object_get(vmap, "data"), *pairs = json_object_get(data, "set"),
		     *pair;
	size_t i;

	if (json_is_string(data)) {
		const struct place at = {chain->family, chain->table, json_string_value(data) + 1};

		pairs = json_object_get(ruleset_set(w->rs, &at), "elem");
	}
	json_array_foreach(pairs, i, pair)
	{
		struct state one = *s;
		enum fate fate;

		one.holds =
		    both(s->holds, probe_has(w->probe, w->rs, chain, key, json_array_get(pair, 0)));
		if (one.holds == TRI_NO)
			continue;
		fate = weigh(w, chain, json_array_get(pair, 1), &one);
		s->ends = s->ends || one.ends;
		s->may_end = s->may_end || one.may_end;
		if (fate != FATE_ON || one.holds == TRI_YES)
			return fate;
	}
	return FATE_ON;
}

/* Returns what the rule decides; *s tells how sure, and whether the chain ends with it. */
static enum fate walk_rule(
    struct walker *w, const struct place *chain, const json_t *rule, struct state *s)
{
	const json_t *part, *value;
	enum fate fate;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part)
	{
		if ((value = json_object_get(part, "match")) != NULL) {
			s->names_port = s->names_port || probe_is_about_port(value);
			s->holds = both(s->holds, probe_match(w->probe, w->rs, chain, value));
		} else if ((value = json_object_get(part, "vmap")) != NULL) {
			fate = walk_map(w, chain, value, s);
			if (fate != FATE_ON || s->ends)
				return fate;
		} else if (!is_neutral(part)) {
			s->holds = both(
			    s->holds, TRI_MAYBE); /* a limit, or something that is not known here */
		}
		if (s->holds == TRI_NO)
			return FATE_ON;
		fate = weigh(w, chain, part, s);
		if (fate != FATE_ON || s->ends)
			return fate;
	}
	return FATE_ON;
}

static enum fate walk_rules(struct walker *w, const struct place *chain)
{
	enum tri reached = TRI_YES;
	const json_t *rule;
	size_t i;

	json_array_foreach(ruleset_rules(w->rs, chain), i, rule)
	{
		struct state s = {.holds = reached};
		enum fate fate = walk_rule(w, chain, rule, &s);

		if (fate != FATE_ON || s.ends)
			return fate;
		if (s.may_end)
			reached = TRI_MAYBE; /* whether the rest is asked at all is not known */
	}
	return FATE_ON;
}

/* NOLINTEND(misc-no-recursion) */

struct walk walk_chain(const struct ruleset *rs, const struct place *base, const struct probe *p)
{
	struct walker w = {.rs = rs, .probe = p};

	w.seen.fate = walk_rules(&w, base);
	if (w.seen.fate == FATE_ON)
		w.seen.fate = strcmp(text_of(ruleset_chain(rs, base), "policy"), "drop") == 0
				  ? FATE_DROP
				  : FATE_ACCEPT;
	return w.seen;
}

static bool sees(const struct place *base, const struct probe *p)
{
	return strcmp(base->family, "inet") == 0 || strcmp(base->family, p->v6 ? "ip6" : "ip") == 0;
}

static bool is_ours(const struct place *base)
{
	return strcmp(base->family, "inet") == 0 && strcmp(base->table, NFT_TABLE) == 0;
}

void walk_hook(const struct ruleset *rs, const char *type, const char *hook, const struct probe *p,
    walk_fn *fn, void *arg)
{
	const json_t *entry;
	const char *key;

	json_object_foreach(rs->chains, key, entry)
	{
		const json_t *chain = json_object_get(entry, "chain");
		const struct place base = {
		    text_of(chain, "family"), text_of(chain, "table"), text_of(chain, "name")};
		struct walk w;

		if (strcmp(text_of(chain, "hook"), hook) != 0 ||
		    strcmp(text_of(chain, "type"), type) != 0 || !sees(&base, p) || is_ours(&base))
			continue;
		w = walk_chain(rs, &base, p);
		fn(arg, &base, &w);
	}
}
