/*
 * firewall_ruleset - the host's whole ruleset, read through libnftables as
 * JSON and put in order. Reads only.
 */
#ifndef POSTERN_CTL_FIREWALL_RULESET_H
#define POSTERN_CTL_FIREWALL_RULESET_H

#include <stdbool.h>

#include <jansson.h>

struct ruleset {
	json_t *root;	/* as libnftables says it */
	json_t *chains; /* "family table name": {"chain": ..., "rules": [...]} */
	json_t *sets;	/* "family table name": the set or map */
};

/* A chain's or set's whole name. */
struct place {
	const char *family, *table, *name;
};

/*
 * The ruleset of this network namespace. What iptables-nft put there in its
 * own form is translated where libnftables can. Returns 0, or -1: it cannot
 * be read (needs root). To be freed in any case.
 */
int ruleset_read(struct ruleset *rs) __attribute__((warn_unused_result));
/* From JSON text. Returns 0 or -1. */
int ruleset_parse(struct ruleset *rs, const char *json) __attribute__((warn_unused_result));
void ruleset_free(struct ruleset *rs);

/* Borrowed; NULL when there is none. */
const json_t *ruleset_chain(const struct ruleset *rs, const struct place *p);
const json_t *ruleset_rules(const struct ruleset *rs, const struct place *p);
const json_t *ruleset_set(const struct ruleset *rs, const struct place *p);

/* Is the chain one of iptables-nft's, so that its rules are written by that? */
bool place_is_iptables(const struct place *p);

/* The string member of an object, "" when there is none. */
const char *text_of(const json_t *object, const char *member);

#endif
