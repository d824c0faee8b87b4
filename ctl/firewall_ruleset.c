#include "firewall_ruleset.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firewall_scratch.h"
#include "nft_run.h"

enum { KEY_MAX = 512, COMMAND_MAX = 16384 };

const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static const char *key_of(char out[static KEY_MAX], const struct place *p)
{
	(void)snprintf(out, KEY_MAX, "%s %s %s", p->family, p->table, p->name);
	return out;
}

static int add_chain(struct ruleset *rs, json_t *chain)
{
	const struct place p = {
	    text_of(chain, "family"), text_of(chain, "table"), text_of(chain, "name")};
	json_t *entry = json_pack("{s:O, s:[]}", "chain", chain, "rules");
	char key[KEY_MAX];

	return entry ? json_object_set_new(rs->chains, key_of(key, &p), entry) : -1;
}

static int add_rule(struct ruleset *rs, json_t *rule)
{
	const struct place p = {
	    text_of(rule, "family"), text_of(rule, "table"), text_of(rule, "chain")};
	char key[KEY_MAX];
	json_t *entry = json_object_get(rs->chains, key_of(key, &p));

	/* Chains come before their rules; a rule without one cannot be reached. */
	return entry ? json_array_append(json_object_get(entry, "rules"), rule) : 0;
}

static int add_set(struct ruleset *rs, json_t *set)
{
	const struct place p = {
	    text_of(set, "family"), text_of(set, "table"), text_of(set, "name")};
	char key[KEY_MAX];

	return json_object_set(rs->sets, key_of(key, &p), set);
}

static int add_object(struct ruleset *rs, const json_t *object)
{
	json_t *value;

	if ((value = json_object_get(object, "chain")) != NULL)
		return add_chain(rs, value);
	if ((value = json_object_get(object, "rule")) != NULL)
		return add_rule(rs, value);
	if ((value = json_object_get(object, "set")) != NULL ||
	    (value = json_object_get(object, "map")) != NULL)
		return add_set(rs, value);
	return 0;
}

int ruleset_parse(struct ruleset *rs, const char *json)
{
	const json_t *object;
	size_t i;

	*rs = (struct ruleset){
	    .root = json_loads(json, 0, NULL), .chains = json_object(), .sets = json_object()};
	if (!rs->root || !rs->chains || !rs->sets)
		return -1;
	json_array_foreach(json_object_get(rs->root, "nftables"), i, object)
	{
		if (add_object(rs, object) != 0)
			return -1;
	}
	return 0;
}

void ruleset_free(struct ruleset *rs)
{
	json_decref(rs->sets);
	json_decref(rs->chains);
	json_decref(rs->root);
	*rs = (struct ruleset){0};
}

static const json_t *entry_of(const struct ruleset *rs, const struct place *p)
{
	char key[KEY_MAX];

	return json_object_get(rs->chains, key_of(key, p));
}

const json_t *ruleset_chain(const struct ruleset *rs, const struct place *p)
{
	return json_object_get(entry_of(rs, p), "chain");
}

const json_t *ruleset_rules(const struct ruleset *rs, const struct place *p)
{
	return json_object_get(entry_of(rs, p), "rules");
}

const json_t *ruleset_set(const struct ruleset *rs, const struct place *p)
{
	char key[KEY_MAX];

	return json_object_get(rs->sets, key_of(key, p));
}

bool place_is_iptables(const struct place *p)
{
	static const char *const tables[] = {"filter", "nat", "mangle", "raw", "security"};

	if ((strcmp(p->family, "ip") != 0 && strcmp(p->family, "ip6") != 0) ||
	    !isupper((unsigned char)p->name[0]))
		return false;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (strcmp(p->table, tables[i]) == 0)
			return true;
	return false;
}

/*
 * Rules of iptables-nft may have parts in its own form ("xt"), of which the
 * JSON says the name alone. The text form has them translated; so such a rule
 * is taken from there, put into a scratch namespace, and read back as JSON.
 */

static bool has_foreign_part(const json_t *rule)
{
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part)
	{
		if (json_object_get(part, "xt"))
			return true;
	}
	return false;
}

/* The rule's line in the text, without its handle; NULL when not found. Handles are numbered by table. */
static const char *rule_text(const char *text, const json_t *rule, size_t *len)
{
	char head[KEY_MAX], tail[KEY_MAX];
	const char *table, *end, *at;

	(void)snprintf(
	    head, sizeof(head), "table %s %s {", text_of(rule, "family"), text_of(rule, "table"));
	(void)snprintf(tail, sizeof(tail), " # handle %" JSON_INTEGER_FORMAT "\n",
	    json_integer_value(json_object_get(rule, "handle")));
	table = strstr(text, head);
	if (!table)
		return NULL;
	end = strstr(table, "\n}");
	for (at = table; (at = strstr(at, tail)) != NULL && (!end || at < end); at++) {
		const char *line = at;

		while (line > table && line[-1] != '\n')
			line--;
		line += strspn(line, "\t ");
		/* Chains, sets and tables have handles, too; their lines open a block. */
		if (at > line && at[-1] != '{') {
			*len = (size_t)(at - line);
			return line;
		}
	}
	return NULL;
}

struct translation {
	const struct ruleset *rs;
	const char *text;
};

static void make_targets(FILE *out, const json_t *rule)
{
	static const char *const verbs[] = {"jump", "goto"};
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part)
	{
		for (size_t v = 0; v < 2; v++) {
			const char *target = text_of(json_object_get(part, verbs[v]), "target");

			if (target[0] != '\0')
				fprintf(out, "add chain %s scratch %s\n", text_of(rule, "family"),
				    target);
		}
	}
}

/* What the kernel makes of the rule's text, as JSON; "null" when it does not take it. */
static void translate_rule(FILE *out, struct nft_run *r, const json_t *rule, const char *text)
{
	char *command = NULL, *answer = NULL;
	const char *line, *family = text_of(rule, "family");
	size_t len = 0, size;
	FILE *stream;

	line = rule_text(text, rule, &len);
	stream = line ? open_memstream(&command, &size) : NULL;
	if (stream) {
		fprintf(stream, "add table %s scratch\nadd chain %s scratch postern_here\n", family,
		    family);
		make_targets(stream, rule);
		fprintf(stream, "add rule %s scratch postern_here %.*s\n", family, (int)len, line);
		if (fclose(stream) == 0)
			answer = nft_run_output(r, command, NFT_FORMAT_ECHO);
	}
	fputs(answer && answer[0] == '{' ? answer : "null", out);
	free(answer);
	free(command);
}

static char *translate(struct nft_run *r, const void *arg)
{
	const struct translation *t = arg;
	const char *separator = "[", *key;
	const json_t *entry, *rule;
	char *out = NULL;
	size_t size, i;
	FILE *stream = open_memstream(&out, &size);

	if (!stream)
		return NULL;
	json_object_foreach(t->rs->chains, key, entry)
	{
		json_array_foreach(json_object_get(entry, "rules"), i, rule)
		{
			if (!has_foreign_part(rule))
				continue;
			fputs(separator, stream);
			translate_rule(stream, r, rule, t->text);
			separator = ",";
		}
	}
	fputs(strcmp(separator, "[") == 0 ? "[]" : "]", stream);
	return fclose(stream) == 0 ? out : NULL;
}

/* The expressions of the rule that an answer tells of. */
static json_t *translated_expr(const json_t *answer)
{
	const json_t *object;
	size_t i;

	json_array_foreach(json_object_get(answer, "nftables"), i, object)
	{
		json_t *expr = json_object_get(
		    json_object_get(json_object_get(object, "add"), "rule"), "expr");

		if (expr)
			return expr;
	}
	return NULL;
}

static void take_translations(struct ruleset *rs, const json_t *answers)
{
	const json_t *entry;
	const char *key;
	json_t *rule, *expr;
	size_t i, n = 0;

	json_object_foreach(rs->chains, key, entry)
	{
		json_array_foreach(json_object_get(entry, "rules"), i, rule)
		{
			if (!has_foreign_part(rule))
				continue;
			expr = translated_expr(json_array_get(answers, n++));
			if (expr)
				(void)json_object_set(rule, "expr", expr);
		}
	}
}

static void translate_foreign(struct ruleset *rs, const char *text)
{
	const struct translation t = {rs, text};
	char *said = scratch_run(translate, &t);
	json_t *answers = said ? json_loads(said, 0, NULL) : NULL;

	/* What stays untranslated is taken as "may match" later on. */
	if (answers)
		take_translations(rs, answers);
	json_decref(answers);
	free(said);
}

int ruleset_read(struct ruleset *rs)
{
	struct nft_run *r = nft_run_new();
	char *json = NULL, *text = NULL;
	int rc = -1;

	*rs = (struct ruleset){0};
	if (r) {
		json = nft_run_output(r, "list ruleset", NFT_FORMAT_JSON);
		text = nft_run_output(r, "list ruleset", NFT_FORMAT_HANDLES);
	}
	if (json)
		rc = ruleset_parse(rs, json);
	if (rc == 0 && text)
		translate_foreign(rs, text);
	free(text);
	free(json);
	nft_run_free(r);
	return rc;
}
