#include "firewall_advice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "output.h"

enum { TEXT_BYTES = 1024, COMMAND_BYTES = 512, NAME_BYTES = 384 };

#define ADVICE "advice"
#define NOTE "note"

static void append(json_t *list, json_t *value)
{
	if (!value || json_array_append_new(list, value) != 0)
		abort(); /* no memory */
}

static void set_text(json_t *object, const char *member, const char *text)
{
	if (json_object_set_new(object, member, json_string(text)) != 0)
		abort();
}

void advice_add(json_t *list, const char *text)
{
	append(list, json_pack("{s:s, s:s}", "severity", ADVICE, "text", text));
}

void advice_note(json_t *list, const char *text)
{
	append(list, json_pack("{s:s, s:s}", "severity", NOTE, "text", text));
}

/* The object about this chain, made when it is the first time. */
static json_t *about(json_t *list, const char *severity, const char *what, const struct place *base)
{
	char name[NAME_BYTES];
	json_t *one;
	size_t i;

	(void)snprintf(name, sizeof(name), "%s %s %s", base->family, base->table, base->name);
	json_array_foreach(list, i, one)
	{
		if (strcmp(text_of(one, "chain"), name) == 0 &&
		    strcmp(text_of(one, "about"), what) == 0 &&
		    strcmp(text_of(one, "severity"), severity) == 0)
			return one;
	}
	one = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[]}", "severity", severity, "about", what,
	    "chain", name, "family", base->family, "table", base->table, "name", base->name,
	    "services");
	append(list, one);
	return one;
}

static void add_service(json_t *one, const char *service)
{
	json_t *services = json_object_get(one, "services");
	const json_t *there;
	size_t i;

	json_array_foreach(services, i, there)
	{
		if (strcmp(json_string_value(there), service) == 0)
			return;
	}
	append(services, json_string(service));
}

void advice_add_chain(json_t *list, const struct place *base, const char *service)
{
	json_t *one = about(list, ADVICE, service ? "doors" : "replies", base);

	if (service)
		add_service(one, service);
}

void advice_note_chain(json_t *list, const struct place *base, const char *service)
{
	add_service(about(list, NOTE, "doors", base), service);
}

static struct place place_of(const json_t *one)
{
	return (struct place){text_of(one, "family"), text_of(one, "table"), text_of(one, "name")};
}

static void iptables_rule(char out[static COMMAND_BYTES], const struct place *p, bool replies)
{
	(void)snprintf(out, COMMAND_BYTES, "%s %s%s%s-I %s -m %s --mark 0x%x/0x%x -j ACCEPT",
	    strcmp(p->family, "ip6") == 0 ? "ip6tables" : "iptables",
	    strcmp(p->table, "filter") == 0 ? "" : "-t ",
	    strcmp(p->table, "filter") == 0 ? "" : p->table,
	    strcmp(p->table, "filter") == 0 ? "" : " ", p->name, replies ? "mark" : "connmark",
	    replies ? MARK_REPLY : MARK_DOOR, replies ? MARK_REPLY : MARK_DOOR);
}

static void nft_rule(char out[static COMMAND_BYTES], const struct place *p, bool replies)
{
	const unsigned mark = replies ? MARK_REPLY : MARK_DOOR;

	(void)snprintf(out, COMMAND_BYTES,
	    "nft insert rule %s %s %s %s mark and 0x%x == 0x%x accept", p->family, p->table,
	    p->name, replies ? "meta" : "ct", mark, mark);
}

static void join(char out[static NAME_BYTES], const json_t *services)
{
	const json_t *service;
	size_t i, at = 0;

	out[0] = '\0';
	json_array_foreach(services, i, service)
	{
		if (at < NAME_BYTES)
			at += (size_t)snprintf(out + at, NAME_BYTES - at, "%s%s", i > 0 ? ", " : "",
			    json_string_value(service));
	}
}

/* firewalld makes its table anew when it reloads; ufw reads its rules from files. */
static const char *how_to_keep(const struct place *p)
{
	if (strcmp(p->table, "firewalld") == 0)
		return "firewalld forgets it when it reloads; lasting is to open the service there "
		       "(firewall-cmd"
		       " --permanent --add-port=...): the guard stands before firewalld";
	if (place_is_iptables(p))
		return "To keep it, put it where these rules are kept (with ufw: "
		       "/etc/ufw/before.rules)";
	return "To keep it, put it where these rules are kept (/etc/nftables.conf, as a rule)";
}

static void describe_chain(json_t *one)
{
	const struct place p = place_of(one);
	const bool replies = strcmp(text_of(one, "about"), "replies") == 0;
	char text[TEXT_BYTES], command[COMMAND_BYTES], services[NAME_BYTES];

	join(services, json_object_get(one, "services"));
	if (strcmp(text_of(one, "severity"), NOTE) == 0) {
		(void)snprintf(text, sizeof(text),
		    "Chain %s lets %s in under conditions of its own; a knock does not"
		    " overrule them",
		    text_of(one, "chain"), services);
		set_text(one, "text", text);
		return;
	}
	if (place_is_iptables(&p))
		iptables_rule(command, &p, replies);
	else
		nft_rule(command, &p, replies);
	(void)snprintf(text, sizeof(text),
	    "Chain %s ends %s%s%s. Add this one rule to it:\n    %s\n%s", text_of(one, "chain"),
	    replies ? "postern's replies" : "what the guard lets in (", services,
	    replies ? "" : ")", command, how_to_keep(&p));
	set_text(one, "text", text);
	set_text(one, "command", command);
}

static void drop_details(json_t *one)
{
	(void)json_object_del(one, "family");
	(void)json_object_del(one, "table");
	(void)json_object_del(one, "name");
}

int advice_tell(struct ctl *c, json_t *list, const struct config *config)
{
	int status = CTL_OK;
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (json_object_get(one, "chain"))
			describe_chain(one);
		drop_details(one);
		if (strcmp(text_of(one, "severity"), ADVICE) == 0)
			status = CTL_ADVICE;
		output_say(c, "%s%s", strcmp(text_of(one, "severity"), NOTE) == 0 ? "Note: " : "",
		    text_of(one, "text"));
	}
	if (status == CTL_OK)
		output_say(c,
		    "The guard stands as configured, %u service%s silent, and nothing of the "
		    "host's is in its way.",
		    config->services, config->services == 1 ? " is" : "s are");
	return status;
}
