#include "firewall_probe.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

enum { STRING_MAX = 64, SYN = 2 };

/* What is known of one side of a comparison. */
struct value {
	enum { UNKNOWN, ABSENT, NUMBER, WORD } kind;
	uint64_t number;
	const char *word;
};

static const struct value unknown = {.kind = UNKNOWN};
static const struct value absent = {
    .kind = ABSENT}; /* the condition is about another kind of packet */

static struct value number(uint64_t n)
{
	return (struct value){.kind = NUMBER, .number = n};
}

static struct value word(const char *w)
{
	return (struct value){.kind = WORD, .word = w};
}

/* Words that stand for numbers where libnftables likes words. */
static const struct {
	const char *key, *word;
	uint64_t number;
} names[] = {
    {"l4proto", "tcp", IPPROTO_TCP},
    {"l4proto", "udp", IPPROTO_UDP},
    {"flags", "fin", 1},
    {"flags", "syn", SYN},
    {"flags", "rst", 4},
    {"flags", "psh", 8},
    {"flags", "ack", 16},
    {"flags", "urg", 32},
    {"flags", "ecn", 64},
    {"flags", "cwr", 128},
};

/* Which words a key's values may be: a payload's or meta's name as in the table above. */
static const char *vocabulary(const json_t *key)
{
	const json_t *payload = json_object_get(key, "payload");
	const char *field = text_of(payload, "field");

	if (strcmp(field, "flags") == 0)
		return "flags";
	if (strcmp(text_of(json_object_get(key, "meta"), "key"), "l4proto") == 0 ||
	    strcmp(field, "nexthdr") == 0 || (payload && strcmp(field, "protocol") == 0))
		return "l4proto";
	return "";
}

static struct value constant(const json_t *v, const char *vocabulary)
{
	if (json_is_integer(v))
		return number((uint64_t)json_integer_value(v));
	if (!json_is_string(v))
		return unknown;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].key, vocabulary) == 0 &&
		    strcmp(names[i].word, json_string_value(v)) == 0)
			return number(names[i].number);
	return word(json_string_value(v));
}

static struct value of_meta(const struct probe *p, const char *key)
{
	if (strcmp(key, "l4proto") == 0)
		return number(p->proto);
	if (strcmp(key, "nfproto") == 0)
		return word(p->v6 ? "ipv6" : "ipv4");
	if (strcmp(key, "protocol") == 0)
		return word(p->v6 ? "ip6" : "ip");
	if (strcmp(key, "mark") == 0)
		return number(p->mark);
	if (strcmp(key, "pkttype") == 0)
		return word("host");
	return unknown;
}

static struct value of_l4(const struct probe *p, const char *field)
{
	if (strcmp(field, "dport") == 0)
		return p->dport != 0 ? number(p->dport) : unknown;
	if (strcmp(field, "sport") == 0)
		return p->sport != 0 ? number(p->sport) : unknown;
	if (strcmp(field, "flags") == 0 && strcmp(p->state, "new") == 0)
		return number(SYN);
	return unknown;
}

static struct value of_payload(const struct probe *p, const char *protocol, const char *field)
{
	bool v4_header = strcmp(protocol, "ip") == 0, v6_header = strcmp(protocol, "ip6") == 0;

	if (v4_header || v6_header) {
		if (v6_header != p->v6)
			return absent;
		return strcmp(field, "protocol") == 0 || strcmp(field, "nexthdr") == 0
			   ? number(p->proto)
			   : unknown;
	}
	if (strcmp(protocol, "th") == 0 ||
	    strcmp(protocol, p->proto == IPPROTO_TCP ? "tcp" : "udp") == 0)
		return of_l4(p, field);
	if (strcmp(protocol, "ether") == 0)
		return unknown;
	return absent; /* icmp, sctp and the like */
}

/* Keys and values nest, two or three deep. NOLINTBEGIN(misc-no-recursion) */
static struct value of_key(const struct probe *p, const json_t *key);

static struct value of_mask(const struct probe *p, const json_t *both, const char *vocabulary)
{
	struct value left = of_key(p, json_array_get(both, 0));
	const json_t *right = json_array_get(both, 1);
	const json_t *bit, *bits = json_object_get(right, "|");
	uint64_t mask = 0;
	size_t i;

	if (left.kind != NUMBER)
		return left.kind == ABSENT ? absent : unknown;
	if (!bits)
		bits = json_is_array(right) ? right : NULL;
	if (!bits) {
		struct value one = constant(right, vocabulary);

		return one.kind == NUMBER ? number(left.number & one.number) : unknown;
	}
	json_array_foreach(bits, i, bit)
	{
		struct value one = constant(bit, vocabulary);

		if (one.kind != NUMBER)
			return unknown; /* deeper than "a | b" */
		mask |= one.number;
	}
	return number(left.number & mask);
}

/* The probe's value of a key; of ct state and status see below. */
static struct value of_key(const struct probe *p, const json_t *key)
{
	const json_t *part;

	if ((part = json_object_get(key, "meta")) != NULL)
		return of_meta(p, text_of(part, "key"));
	if ((part = json_object_get(key, "payload")) != NULL)
		return of_payload(p, text_of(part, "protocol"), text_of(part, "field"));
	if ((part = json_object_get(key, "ct")) != NULL) {
		if (strcmp(text_of(part, "key"), "mark") == 0)
			return number(p->ct_mark);
		return strcmp(text_of(part, "key"), "direction") == 0 ? word("original") : unknown;
	}
	if ((part = json_object_get(key, "fib")) != NULL)
		return strcmp(text_of(part, "result"), "type") == 0 ? word("local") : unknown;
	if ((part = json_object_get(key, "&")) != NULL)
		return of_mask(p, part, vocabulary(json_array_get(part, 0)));
	return unknown;
}

static enum tri not_tri(enum tri t)
{
	return t == TRI_YES ? TRI_NO : t == TRI_NO ? TRI_YES : TRI_MAYBE;
}

static enum tri either(enum tri a, enum tri b)
{
	return a > b ? a : b;
}

static enum tri equals(struct value a, struct value b)
{
	if (a.kind == UNKNOWN || b.kind == UNKNOWN)
		return TRI_MAYBE;
	if (a.kind != b.kind)
		return TRI_NO; /* a protocol by a name that is not ours, for one */
	if (a.kind == NUMBER)
		return a.number == b.number ? TRI_YES : TRI_NO;
	return strcmp(a.word, b.word) == 0 ? TRI_YES : TRI_NO;
}

/* Interfaces are not known, but lo it is not. */
static enum tri is_interface(const json_t *right)
{
	return json_is_string(right) && strcmp(json_string_value(right), "lo") == 0 ? TRI_NO
										    : TRI_MAYBE;
}

static bool key_is(const json_t *key, const char *kind, const char *name)
{
	return strcmp(text_of(json_object_get(key, kind), "key"), name) == 0;
}

static bool is_interface_key(const json_t *key)
{
	return key_is(key, "meta", "iifname") || key_is(key, "meta", "iif") ||
	       key_is(key, "meta", "oifname") || key_is(key, "meta", "oif");
}

/* One word of ct state or ct status. */
static enum tri has_bit(const struct probe *p, const json_t *key, const char *bit)
{
	if (key_is(key, "ct", "state"))
		return strcmp(bit, p->state) == 0 ? TRI_YES : TRI_NO;
	return strcmp(bit, "dnat") == 0 && p->translated ? TRI_YES : TRI_NO;
}

static enum tri in_range(struct value left, const json_t *range)
{
	const json_t *from = json_array_get(range, 0), *to = json_array_get(range, 1);
	uint64_t n = left.number;

	if (left.kind != NUMBER || !json_is_integer(from) || !json_is_integer(to))
		return TRI_MAYBE;
	return n >= (uint64_t)json_integer_value(from) && n <= (uint64_t)json_integer_value(to)
		   ? TRI_YES
		   : TRI_NO;
}

static enum tri in_named_set(const struct probe *p, const struct ruleset *rs,
    const struct place *where, const json_t *key, const char *name)
{
	const struct place at = {where->family, where->table, name};
	const json_t *element, *set = ruleset_set(rs, &at);
	enum tri found = TRI_NO;
	size_t i;

	if (!set)
		return TRI_MAYBE;
	json_array_foreach(json_object_get(set, "elem"), i, element)
	{
		const json_t *inner = json_object_get(json_object_get(element, "elem"), "val");

		found = either(found, probe_has(p, rs, where, key, inner ? inner : element));
	}
	return found;
}

static enum tri in_list(const struct probe *p, const struct ruleset *rs, const struct place *where,
    const json_t *key, const json_t *list)
{
	enum tri found = TRI_NO;
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		found = either(found, probe_has(p, rs, where, key, one));
	}
	return found;
}

enum tri probe_has(const struct probe *p, const struct ruleset *rs, const struct place *where,
    const json_t *key, const json_t *value)
{
	const json_t *part;
	struct value left;

	if (json_is_array(value))
		return in_list(p, rs, where, key, value);
	if ((part = json_object_get(value, "set")) != NULL)
		return json_is_array(part) ? in_list(p, rs, where, key, part)
					   : probe_has(p, rs, where, key, part);
	if (json_is_string(value) && json_string_value(value)[0] == '@')
		return in_named_set(p, rs, where, key, json_string_value(value) + 1);
	if (json_is_string(value) && (key_is(key, "ct", "state") || key_is(key, "ct", "status")))
		return has_bit(p, key, json_string_value(value));
	if (is_interface_key(key))
		return is_interface(value);
	left = of_key(p, key);
	if (left.kind == ABSENT)
		return TRI_NO;
	if ((part = json_object_get(value, "range")) != NULL)
		return in_range(left, part);
	return equals(left,
	    constant(value,
		vocabulary(json_object_get(key, "&") ? json_array_get(json_object_get(key, "&"), 0)
						     : key)));
}

/* NOLINTEND(misc-no-recursion) */

static enum tri compare(struct value left, const char *op, struct value right)
{
	if (left.kind != NUMBER || right.kind != NUMBER)
		return TRI_MAYBE;
	if (strcmp(op, "<") == 0)
		return left.number < right.number ? TRI_YES : TRI_NO;
	if (strcmp(op, ">") == 0)
		return left.number > right.number ? TRI_YES : TRI_NO;
	if (strcmp(op, "<=") == 0)
		return left.number <= right.number ? TRI_YES : TRI_NO;
	return strcmp(op, ">=") != 0 ? TRI_MAYBE : left.number >= right.number ? TRI_YES : TRI_NO;
}

enum tri probe_match(
    const struct probe *p, const struct ruleset *rs, const struct place *where, const json_t *match)
{
	const char *op = text_of(match, "op");
	const json_t *left = json_object_get(match, "left"),
		     *right = json_object_get(match, "right");

	/* What is not there cannot be compared: "tcp dport != 22" is no condition on UDP. */
	if (of_key(p, left).kind == ABSENT)
		return TRI_NO;
	if (strcmp(op, "==") == 0 || strcmp(op, "in") == 0)
		return probe_has(p, rs, where, left, right);
	if (strcmp(op, "!=") == 0)
		return not_tri(probe_has(p, rs, where, left, right));
	return compare(of_key(p, left), op, constant(right, vocabulary(left)));
}

bool probe_is_about_port(const json_t *match)
{
	return strcmp(text_of(json_object_get(json_object_get(match, "left"), "payload"), "field"),
		   "dport") == 0;
}
