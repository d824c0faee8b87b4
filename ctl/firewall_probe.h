/*
 * firewall_probe - a packet that is only thought of, and whether a rule's
 * condition holds for it: yes, no, or that depends on what is not known of it
 * (where it comes from, for one). No I/O.
 */
#ifndef POSTERN_CTL_FIREWALL_PROBE_H
#define POSTERN_CTL_FIREWALL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "firewall_ruleset.h"

enum tri { TRI_NO, TRI_MAYBE, TRI_YES };

struct probe {
	bool v6;
	uint8_t proto;	       /* 6 or 17 */
	uint16_t sport, dport; /* 0: not known */
	const char *state;     /* "new", "untracked": conntrack's word for it */
	uint32_t ct_mark, mark;
	bool translated; /* it went through DNAT */
};

/* Does a statement {"match": ...} hold? family and table say where sets are looked up. */
enum tri probe_match(const struct probe *p, const struct ruleset *rs, const struct place *where,
    const json_t *match);
/* Does a key (of a verdict map) have this value? */
enum tri probe_has(const struct probe *p, const struct ruleset *rs, const struct place *where,
    const json_t *key, const json_t *value);
/* Is the condition about the port that the probe goes to? */
bool probe_is_about_port(const json_t *match);

#endif
