/* How a profile's knocks travel: carriers, covers, envelopes and what they need. */
#include <stdio.h>
#include <string.h>

#include "preset.h"
#include "profile_keys.h"

int profile_read_port(struct profile_reading *s, char *value)
{
	if (profile_read_number(value, &s->p->port) < 0)
		return profile_complain(s, "must be a number from 1 to 65535");
	s->p->settings.udp_port = s->p->port;
	return 0;
}

int profile_read_tcp_port(struct profile_reading *s, char *value)
{
	if (profile_read_number(value, &s->p->settings.tcp_port) < 0)
		return profile_complain(s, "must be a number from 1 to 65535");
	return 0;
}

int profile_read_http(struct profile_reading *s, char *value)
{
	if (web_parse(value, &s->p->settings.http) < 0)
		return profile_complain(
		    s, "must be the address of a web server, like http://www.example.org/");
	return 0;
}

int profile_read_http_cookie(struct profile_reading *s, char *value)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	char *cookie = s->p->settings.http.cookie;

	if (strspn(value, letters) != strlen(value) || strlen(value) > WEB_COOKIE_MAX)
		return profile_complain(s, "must be at most 32 letters, digits, '-' and '_'");
	memcpy(cookie, value, strlen(value) + 1);
	return 0;
}

/* Never quotes the value: it may have a password. */
int profile_read_via(struct profile_reading *s, char *value)
{
	if (web_parse_via(value, &s->p->settings.via) < 0)
		return profile_complain(s,
		    "must be a proxy, like socks5://HOST:PORT, socks5://USER:PASSWORD@HOST:PORT or "
		    "http://HOST:PORT");
	return 0;
}

/* In order of preference; the old list stays when there is a fault in the new one. */
int profile_read_carrier(struct profile_reading *s, char *value)
{
	const struct sender *list[PROFILE_CARRIERS_MAX];
	unsigned len = 0;
	char *rest = NULL;

	for (char *word = strtok_r(value, ", \t", &rest); word;
	     word = strtok_r(NULL, ", \t", &rest)) {
		const struct sender *sender = sender_by_name(word);
		if (!sender)
			return profile_complain(s,
			    "is not known to this program (udp, tcp, icmp, http, sequence): update "
			    "postern");
		for (unsigned i = 0; i < len; i++) {
			if (list[i] == sender)
				return profile_complain(s, "names a carrier twice: remove one");
		}
		if (len == PROFILE_CARRIERS_MAX)
			return profile_complain(s, "names too many: remove some");
		list[len++] = sender;
	}
	if (len == 0)
		return profile_complain(s, "names none");
	for (unsigned i = 0; i < len; i++)
		s->p->carrier[i] = list[i];
	s->p->carriers = len;
	return 0;
}

int profile_read_envelope(struct profile_reading *s, char *value)
{
	const struct envelope *e = envelope_by_name(value);

	if (!e)
		return profile_complain(
		    s, "is not known to this program (noise, openpgp): update postern");
	s->p->envelope = e;
	return 0;
}

int profile_read_cover(struct profile_reading *s, char *value)
{
	const struct cover *c = cover_by_name(value);

	if (!c)
		return profile_complain(
		    s, "is not known to this program (none, png): update postern");
	s->p->cover = c;
	return 0;
}

int profile_read_confirm(struct profile_reading *s, char *value)
{
	if (confirm_by_name(value, &s->p->confirm) < 0)
		return profile_complain(
		    s, "is not known to this program (reply, none, challenge): update postern");
	return 0;
}

static const struct profile_key *key_named(const char *key)
{
	const struct profile_key *k = profile_keys;

	while (strcmp(k->key, key) != 0)
		k++;
	return k;
}

/* Holds from here on: what is said below, or after it, changes a part of it. */
int profile_read_preset(struct profile_reading *s, char *value)
{
	const struct preset *preset = preset_by_name(value);
	char copy[PRESET_VALUE_MAX + 1];
	int status = 0;

	if (!preset)
		return profile_complain(
		    s, "is not known to this program (quick, hybrid): update postern");
	for (unsigned i = 0; preset->line[i].key && status == 0; i++) {
		(void)snprintf(copy, sizeof(copy), "%s", preset->line[i].value);
		status = key_named(preset->line[i].key)->read(s, copy);
	}
	return status;
}

/* ---- all of them together ---- */

/* What the carrier cannot do without; NULL when it has all. */
static const char *missing(const struct postern_profile *p, const struct sender *s)
{
	if (s->id == CARRIER_UDP && p->settings.udp_port == 0)
		return "port";
	if (s->id == CARRIER_TCP && p->settings.tcp_port == 0)
		return "tcp-port";
	if (s->id == CARRIER_HTTP && !p->settings.http.host[0])
		return "http";
	if (s->id == CARRIER_SEQUENCE && p->settings.sequence.ports.ports == 0)
		return "sequence";
	return NULL;
}

int profile_check_travel(const struct postern_profile *p, const char *file, struct trouble *t)
{
	const char *fault = profile_sequence_fault(&p->settings.sequence);
	unsigned before = t->count;

	if (fault)
		trouble_say(t, "%s: %s", file, fault);
	if (p->envelope == &envelope_openpgp && !(p->openpgp.own[0] && p->openpgp.server[0]))
		trouble_say(t,
		    "%s: envelope: openpgp needs openpgp-key and openpgp-server, which this "
		    "profile "
		    "does not have: ask for a new one, made with 'client add --openpgp'",
		    file);
	if (p->cover->has_picture && !p->photos)
		trouble_say(t,
		    "%s: photos: is missing, and the cover png needs it: add 'photos = FOLDER', "
		    "with "
		    "photographs of your own in it",
		    file);
	for (unsigned i = 0; i < p->carriers; i++) {
		const struct sender *s = p->carrier[i];
		const char *key = missing(p, s);
		const char *why = fits(p->envelope, p->cover, s, p->confirm);
		if (key)
			trouble_say(t,
			    "%s: %s: is missing, and the carrier %s needs it: ask for a new "
			    "profile, or take another carrier",
			    file, key, s->name);
		if (why)
			trouble_say(t, "%s: carrier: %s", file, why);
	}
	return t->count == before ? 0 : -1;
}
