#include "model.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ERROR_MAX = 1024, SESSION_TEXT = 17 };

static json_t *must(json_t *value)
{
	if (!value)
		abort();
	return value;
}

void model_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, must(value)) < 0)
		abort();
}

static void append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, must(value)) < 0)
		abort();
}

json_t *model_new(const char *command)
{
	json_t *model = must(json_object());

	model_set(model, "command", json_string(command));
	return model;
}

json_t *model_text(const char *text)
{
	return model_bytes(text, strlen(text));
}

json_t *model_bytes(const char *text, size_t bytes)
{
	size_t room = 4 * bytes + 1;
	char *out = malloc(room);
	size_t len = 0;

	if (!out)
		abort();
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t')
			out[len++] = text[i];
		else
			len += (size_t)snprintf(out + len, room - len, "\\x%02x", c);
	}
	out[len] = '\0';
	json_t *value = must(json_string(out));
	free(out);
	return value;
}

static const char *result_word(int status)
{
	switch ((enum postern_status)status) {
	case POSTERN_OK:
		return "done";
	case POSTERN_DENIED:
		return "denied";
	case POSTERN_NO_ANSWER:
		return "no answer";
	case POSTERN_BAD_ARGUMENT:
		return "bad usage";
	case POSTERN_BAD_PROFILE:
		return "bad profile";
	case POSTERN_SYSTEM:
		return "system error";
	case POSTERN_AGAIN:
		return "left alone";
	}
	return "system error";
}

/* What the server allowed is granted; what was never asked of it is done. */
void model_result(json_t *model, int status)
{
	bool granted = status == POSTERN_OK && json_object_get(model, "answers");

	model_set(model, "result", json_string(granted ? "granted" : result_word(status)));
	model_set(model, "exit", json_integer(status));
}

int model_status(json_t *model, const struct postern *p, int status)
{
	model_result(model, status);
	if (status != POSTERN_OK)
		model_set(model, "error", model_text(postern_error(p)));
	if (postern_note(p)[0])
		model_set(model, "note", model_text(postern_note(p)));
	return status;
}

int model_error(json_t *model, int status, const char *format, ...)
{
	char line[ERROR_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	model_result(model, status);
	model_set(model, "error", model_text(line));
	return status;
}

static json_t *protocol_word(uint8_t protocol)
{
	char number[4];

	if (protocol == IPPROTO_TCP)
		return json_string("tcp");
	if (protocol == IPPROTO_UDP)
		return json_string("udp");
	(void)snprintf(number, sizeof(number), "%u", (unsigned)protocol);
	return json_string(number);
}

static json_t *door(const struct postern_door *d)
{
	json_t *out = must(json_object());
	char session[SESSION_TEXT];

	/* As text: 64 bits are more than many readers of JSON hold in a number. */
	(void)snprintf(session, sizeof(session), "%016" PRIx64, d->session);
	model_set(out, "service", d->service ? model_text(d->service) : json_null());
	model_set(out, "protocol", protocol_word(d->protocol));
	model_set(out, "port", json_integer(d->port));
	model_set(out, "seconds", json_integer(d->seconds));
	model_set(out, "session", json_string(session));
	return out;
}

static void add_reply(json_t *out, const struct postern_answer *a, const char *named)
{
	json_t *doors = must(json_array());

	model_set(out, "verdict", json_string(postern_verdict_word(a->verdict)));
	if (a->reason[0])
		model_set(out, "reason", model_text(a->reason));
	model_set(out, "for", model_text(named ? named : a->seen));
	model_set(out, "clock_ahead_ms", json_real((double)a->clock_ahead_ns / 1e6));
	model_set(out, "round_trip_ms", json_real((double)a->round_trip_ns / 1e6));
	for (size_t i = 0; i < a->doors; i++)
		append(doors, door(&a->door[i]));
	model_set(out, "doors", doors);
	if (a->idle_s > 0)
		model_set(out, "idle", json_integer(a->idle_s));
}

json_t *model_answer(const struct postern_answer *a, const char *named)
{
	json_t *out = must(json_object());

	model_set(out, "family", json_string(a->family == AF_INET6 ? "ipv6" : "ipv4"));
	model_set(out, "result",
	    json_string(a->status == POSTERN_OK ? "granted" : result_word((int)a->status)));
	model_set(out, "server", model_text(a->server));
	model_set(out, "local", model_text(a->local));
	if (a->seen[0])
		model_set(out, "seen", model_text(a->seen));
	model_set(out, "challenged", json_boolean(a->challenged));
	model_set(out, "carrier", model_text(a->carrier));
	model_set(out, "tested", json_boolean(a->tested));
	model_set(out, "unconfirmed", json_boolean(a->unconfirmed));
	model_set(out, "packets", json_integer(a->sent));
	if (a->answered)
		add_reply(out, a, named);
	return out;
}

json_t *model_profile(const struct postern_profile *profile)
{
	json_t *out = must(json_object());
	json_t *servers = must(json_array());
	json_t *services = must(json_array());
	const struct postern_service *service;
	const char *server;

	for (size_t i = 0; (server = postern_profile_server(profile, i)); i++)
		append(servers, model_text(server));
	for (size_t i = 0; (service = postern_profile_service(profile, i)); i++) {
		json_t *one = must(json_object());
		model_set(one, "service", model_text(service->name));
		model_set(one, "protocol", protocol_word(service->protocol));
		model_set(
		    one, "port", service->port != 0 ? json_integer(service->port) : json_null());
		append(services, one);
	}
	model_set(out, "name", model_text(postern_profile_name(profile)));
	model_set(out, "servers", servers);
	model_set(out, "port", json_integer(postern_profile_port(profile)));
	model_set(out, "services", services);
	return out;
}

void model_print_json(const json_t *model)
{
	(void)json_dumpf(model, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	(void)putchar('\n');
}
