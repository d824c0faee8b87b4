#include "firewall_advice.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "output.h"

enum { TEXT_BYTES = 2048, COMMAND_BYTES = 512, NAME_BYTES = 384, MATCH_BYTES = 96 };

#define ADVICE "advice"
#define NOTE "note"
#define DOORS "doors"
#define REPLIES "replies"
#define EARLY "early"
#define KNOCKS "knocks"

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

static void set_number(json_t *object, const char *member, json_int_t n)
{
	if (json_object_set_new(object, member, json_integer(n)) != 0)
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

void advice_add_chain(json_t *list, const struct place *base, const struct service *s)
{
	json_t *one = about(list, ADVICE, s ? DOORS : REPLIES, base);

	if (s)
		add_service(one, s->name);
}

void advice_add_early(json_t *list, const struct place *base, const struct service *s)
{
	json_t *one = about(list, ADVICE, EARLY, base);

	/* One rule a service is needed here; the first is told, the next when that is there. */
	if (json_array_size(json_object_get(one, "services")) > 0)
		return;
	add_service(one, s->name);
	set_number(one, "proto", s->proto);
	set_number(one, "port", s->port);
}

void advice_add_knocks(json_t *list, const struct place *base, uint16_t port)
{
	json_t *one = about(list, ADVICE, KNOCKS, base);

	set_number(one, "proto", IPPROTO_UDP);
	set_number(one, "port", port);
}

void advice_note_chain(json_t *list, const struct place *base, const struct service *s)
{
	add_service(about(list, NOTE, DOORS, base), s->name);
}

void advice_note_legacy(json_t *list, const char *program)
{
	char text[TEXT_BYTES];

	(void)snprintf(text, sizeof(text),
	    "There are rules of %s, which cannot be read here. If they drop by default, add:\n"
	    "    %s -I INPUT -m connmark --mark 0x%x/0x%x -j ACCEPT",
	    program, program, MARK_DOOR, MARK_DOOR);
	advice_note(list, text);
}

static const char *proto_of(const json_t *one)
{
	return json_integer_value(json_object_get(one, "proto")) == IPPROTO_TCP ? "tcp" : "udp";
}

static unsigned port_of(const json_t *one)
{
	return (unsigned)json_integer_value(json_object_get(one, "port"));
}

static struct place place_of(const json_t *one)
{
	return (struct place){text_of(one, "family"), text_of(one, "table"), text_of(one, "name")};
}

static bool is_about(const json_t *one, const char *what)
{
	return strcmp(text_of(one, "about"), what) == 0;
}

/* Its rule is by port: no mark of ours is on the packet. */
static bool names_port(const json_t *one)
{
	return is_about(one, EARLY) || is_about(one, KNOCKS);
}

static void iptables_rule(char out[static COMMAND_BYTES], const json_t *one, const struct place *p)
{
	const unsigned mark = is_about(one, REPLIES) ? MARK_REPLY : MARK_DOOR;
	const bool plain = strcmp(p->table, "filter") == 0;
	const char *program = strcmp(p->family, "ip6") == 0 ? "ip6tables" : "iptables";
	char match[MATCH_BYTES];

	if (names_port(one))
		(void)snprintf(
		    match, sizeof(match), "-p %s --dport %u", proto_of(one), port_of(one));
	else
		(void)snprintf(match, sizeof(match), "-m %s --mark 0x%x/0x%x",
		    is_about(one, REPLIES) ? "mark" : "connmark", mark, mark);
	(void)snprintf(out, COMMAND_BYTES, "%s %s%s%s-I %s %s -j ACCEPT", program,
	    plain ? "" : "-t ", plain ? "" : p->table, plain ? "" : " ", p->name, match);
}

static void nft_rule(char out[static COMMAND_BYTES], const json_t *one, const struct place *p)
{
	const unsigned mark = is_about(one, REPLIES) ? MARK_REPLY : MARK_DOOR;
	char match[MATCH_BYTES];

	if (names_port(one))
		(void)snprintf(match, sizeof(match), "%s dport %u", proto_of(one), port_of(one));
	else
		(void)snprintf(match, sizeof(match), "%s mark and 0x%x == 0x%x",
		    is_about(one, REPLIES) ? "meta" : "ct", mark, mark);
	(void)snprintf(out, COMMAND_BYTES, "nft insert rule %s %s %s %s accept", p->family,
	    p->table, p->name, match);
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
	char text[TEXT_BYTES], command[COMMAND_BYTES], services[NAME_BYTES], what[NAME_BYTES + 32];

	join(services, json_object_get(one, "services"));
	if (strcmp(text_of(one, "severity"), NOTE) == 0) {
		(void)snprintf(text, sizeof(text),
		    "Chain %s lets %s in under conditions of its own; a knock does not overrule "
		    "them",
		    text_of(one, "chain"), services);
		set_text(one, "text", text);
		return;
	}
	(place_is_iptables(&p) ? iptables_rule : nft_rule)(command, one, &p);
	if (is_about(one, REPLIES))
		(void)snprintf(what, sizeof(what), "postern's replies");
	else if (is_about(one, KNOCKS))
		(void)snprintf(what, sizeof(what), "knocks, which a socket waits for behind it");
	else
		(void)snprintf(what, sizeof(what), "what %s (%s)",
		    is_about(one, EARLY) ? "the guard never sees then" : "the guard lets in",
		    services);
	(void)snprintf(text, sizeof(text), "Chain %s ends %s. Add this one rule to it:\n    %s\n%s",
	    text_of(one, "chain"), what, command, how_to_keep(&p));
	set_text(one, "text", text);
	set_text(one, "command", command);
}

static void drop_details(json_t *one)
{
	(void)json_object_del(one, "family");
	(void)json_object_del(one, "table");
	(void)json_object_del(one, "name");
	(void)json_object_del(one, "proto");
	(void)json_object_del(one, "port");
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
