/*
 * running - what is asked of the daemon that runs: sessions, close, reload, resume.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "command.h"
#include "closes.h"
#include "daemon.h"
#include "output.h"

enum { SESSION_TEXT = 17, HEXADECIMAL = 16, PROTO_TEXT = 8 };

static const char *proto_word(uint8_t proto, char number[static PROTO_TEXT])
{
	if (proto == IPPROTO_TCP)
		return "tcp";
	if (proto == IPPROTO_UDP)
		return "udp";
	(void)snprintf(number, PROTO_TEXT, "%u", proto);
	return number;
}

static void add_session(void *arg, const struct control_session *s)
{
	json_t *row = output_row(arg);
	struct prefix admitted = {.addr = address_v6(s->address), .len = s->prefix_len};
	char session[SESSION_TEXT], prefix[PREFIX_TEXT], proto[PROTO_TEXT], closes[CLOSES_TEXT];

	/* As text: 64 bits are more than many readers of JSON hold in a number. */
	(void)snprintf(session, sizeof(session), "%016" PRIx64, s->session);
	row_text(row, "session", session);
	row_text(row, "client", s->client);
	row_text(row, "service", s->service);
	row_text(row, "protocol", proto_word(s->proto, proto));
	row_number(row, "port", s->port);
	row_text(row, "address", prefix_text(&admitted, prefix));
	row_number(row, "rest_s", s->rest_s);
	row_text(row, "closes", closes_text(s->idle_s, s->source_port, s->once != 0, closes));
}

int cmd_sessions(struct ctl *c, const struct arguments *a)
{
	json_t *table = output_table(c, "sessions", "no door is open");
	const struct daemon_listener l = {.session = add_session, .arg = table};
	const struct daemon_question q = {.type = CONTROL_SESSIONS, .listener = &l};
	char text[CONTROL_TEXT_MAX];
	int status = daemon_ask(c, &q, text);

	(void)a;
	if (status != CTL_OK)
		output_drop(c, "sessions");
	return status;
}

static int close_session(struct ctl *c, const char *id)
{
	char text[CONTROL_TEXT_MAX];
	struct daemon_question q = {.type = CONTROL_CLOSE};
	size_t len = strlen(id);
	int status;

	if (len == 0 || len >= SESSION_TEXT || strspn(id, "0123456789abcdefABCDEF") != len)
		return output_fail(c, CTL_USAGE,
		    "'%s' is not a session: it has up to 16 hexadecimal digits; posternctl "
		    "sessions lists them",
		    id);
	q.session = strtoull(id, NULL, HEXADECIMAL);
	status = daemon_ask(c, &q, text);
	if (status == CTL_OK)
		output_say(c, "session %s is closed", id);
	return status;
}

/* Asks for something about a client; what the daemon says to it is in text. */
static int ask_about(
    struct ctl *c, enum control_type type, const char *name, char text[static CONTROL_TEXT_MAX])
{
	const struct daemon_question q = {.type = type, .name = name};

	if (!config_is_name(name))
		return output_fail(c, CTL_USAGE, "'%s' is not the name of a client", name);
	return daemon_ask(c, &q, text);
}

static int close_client(struct ctl *c, const char *name)
{
	char text[CONTROL_TEXT_MAX];
	const int status = ask_about(c, CONTROL_CLOSE_CLIENT, name, text);

	if (status == CTL_OK)
		output_say(c, "doors of %s: %s", name, text);
	return status;
}

int cmd_close(struct ctl *c, const struct arguments *a)
{
	const char *client = arguments_value(a, "client");

	if ((client != NULL) == (a->operands == 1))
		return output_fail(c, CTL_USAGE, "say which: a session, or --client NAME");
	return client != NULL ? close_client(c, client) : close_session(c, a->operand[0]);
}

int cmd_client_resume(struct ctl *c, const struct arguments *a)
{
	const char *name = a->operand[0];
	char text[CONTROL_TEXT_MAX];
	const int status = ask_about(c, CONTROL_RESUME, name, text);

	if (status == CTL_OK)
		output_say(c, "%s %s", name, text);
	return status;
}

int cmd_reload(struct ctl *c, const struct arguments *a)
{
	const struct daemon_question q = {.type = CONTROL_RELOAD};
	char text[CONTROL_TEXT_MAX];
	int status = daemon_ask(c, &q, text);

	(void)a;
	if (status == CTL_OK)
		output_say(c, "configuration, clients and keys were read again");
	else if (status == CTL_REFUSED)
		output_say(c, "posternd goes on by what it had");
	return status;
}
