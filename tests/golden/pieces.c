#include "pieces.h"

#include <stdlib.h>

#include "carrier.h"
#include "errors.h"
#include "request.h"

enum { PLAIN_MAX = 512 };

/* Some time on 14 November 2023, in ns. */
static const uint64_t server_time = UINT64_C(0x17979cfe362a0000);

static size_t must(int len)
{
	if (len < 0)
		abort();
	return (size_t)len;
}

static struct address address_of(const char *text)
{
	struct address a;

	if (address_parse(text, &a) < 0)
		abort();
	return a;
}

static void tell_request(struct emit *e, const char *name, const struct request *q)
{
	uint8_t out[REQUEST_MAX];

	emit_hex(e, name, out, must(request_encode(q, out, sizeof(out))));
}

static void tell_requests(struct emit *e)
{
	struct request all = {.verb = VERB_OPEN,
	    .flags = REQUEST_CHALLENGE | REQUEST_STRICT,
	    .attempt = 1,
	    .ports = 2,
	    .port = {{6, 443}, {17, 51820}},
	    .admits = 2,
	    .has_own_address = true,
	    .own_address = address_of("192.0.2.7"),
	    .has_source_port = true,
	    .source_port = 40000,
	    .has_hold = true,
	    .hold_s = 3600,
	    .has_idle = true,
	    .idle_s = 120,
	    .single_use = true,
	    .code = "492039",
	    .pin = "tulip",
	    .pin_len = 5};

	if (prefix_parse("192.0.2.0/24", &all.admit[0]) < 0 ||
	    prefix_parse("2001:db8::7", &all.admit[1]) < 0)
		abort();
	emit_open(e, "requests", '{');
	tell_request(e, "open_with_everything", &all);
	tell_request(e, "close_session",
	    &(struct request){.verb = VERB_CLOSE,
		.flags = REQUEST_REPLY,
		.attempt = 2,
		.has_session = true,
		.session = UINT64_C(0x5152535455565758)});
	tell_request(e, "close_services",
	    &(struct request){.verb = VERB_CLOSE,
		.flags = REQUEST_REPLY,
		.attempt = 3,
		.services = 2,
		.service = {"ssh", "web"}});
	tell_request(e, "run",
	    &(struct request){.verb = VERB_RUN,
		.flags = REQUEST_REPLY,
		.attempt = 4,
		.command = "wake",
		.arguments = 2,
		.argument = {"nas", ""}});
	tell_request(
	    e, "list", &(struct request){.verb = VERB_LIST, .flags = REQUEST_REPLY, .attempt = 5});
	emit_close(e, '}');
}

static void tell_reply(struct emit *e, const char *name, const struct reply *p, size_t cap)
{
	uint8_t out[PLAIN_MAX];

	emit_hex(e, name, out, must(reply_encode(p, out, cap)));
}

static void tell_replies(struct emit *e)
{
	struct reply run = {.verdict = VERDICT_COMMAND,
	    .server_time = server_time,
	    .attempt = 4,
	    .has_exit_status = true,
	    .exit_status = 3,
	    .output = "no such host\n",
	    .output_len = 13,
	    .reason = "wake ended with status 3"};

	emit_open(e, "replies", '{');
	tell_reply(e, "list",
	    &(struct reply){.server_time = server_time,
		.attempt = 5,
		.doors = 2,
		.door = {{{6, 22}, 17, UINT64_C(0x5152535455565758)},
		    {{17, 51820}, 3600, UINT64_C(0x6162636465666768)}}},
	    PLAIN_MAX);
	tell_reply(e, "idle",
	    &(struct reply){.server_time = server_time,
		.attempt = 6,
		.doors = 1,
		.door = {{{6, 2200}, 3600, UINT64_C(0x7172737475767778)}},
		.idle_s = 120},
	    PLAIN_MAX);
	tell_reply(e, "denied",
	    &(struct reply){.verdict = VERDICT_DENIED, .server_time = server_time, .attempt = 1},
	    PLAIN_MAX);
	tell_reply(e, "unknown_field",
	    &(struct reply){.verdict = VERDICT_UNKNOWN_FIELD,
		.server_time = server_time,
		.attempt = 1,
		.reason = "unknown field 16"},
	    PLAIN_MAX);
	tell_reply(e, "run", &run, PLAIN_MAX);
	tell_reply(e, "run_cut_to_60", &run, 60);
	emit_close(e, '}');
}

static const struct {
	const char *why;
	uint8_t len;
	uint8_t bytes[32];
} wrong_requests[] = {
    {"eleven bytes", 11, {1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0}},
    {"version 2", 12, {2, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}},
    {"verb 6", 12, {1, 6, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}},
    {"flag 8", 12, {1, 4, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1}},
    {"open without a service", 12, {1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}},
    {"a service in capitals", 18, {1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 3, 'S', 'S', 'H'}},
    {"a service in a ping", 18, {1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 3, 's', 's', 'h'}},
    {"a field beyond the end", 18, {1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 4, 's', 's', 'h'}},
    {"a trailing byte", 13, {1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0}},
    {"fields in falling order", 30,
	{1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 6, 0, 4, 0, 0, 0, 60, 1, 0, 3, 's', 's', 'h', 0x80, 0,
	    2, 0, 0}},
    {"a host bit in a prefix", 26,
	{1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 3, 's', 's', 'h', 3, 0, 5, 24, 192, 0, 2, 7}},
    {"field 16", 15, {1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0}},
    {"field 144, which may be ignored", 15, {1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x90, 0, 0}},
};

static const char *judgement(int err)
{
	return err == 0 ? "good" : err == -E_UNKNOWN ? "unknown field" : "malformed";
}

static void tell_judgements(struct emit *e)
{
	emit_open(e, "judgements", '[');
	for (size_t i = 0; i < sizeof(wrong_requests) / sizeof(wrong_requests[0]); i++) {
		struct request q;
		uint8_t unknown;
		int err =
		    request_decode(&q, wrong_requests[i].bytes, wrong_requests[i].len, &unknown);
		emit_open(e, NULL, '{');
		emit_text(e, "why", wrong_requests[i].why);
		emit_hex(e, "request", wrong_requests[i].bytes, wrong_requests[i].len);
		emit_text(e, "judgement", judgement(err));
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void tell_datagram(struct emit *e, const char *name, const char *server, const char *client)
{
	struct route r = {.carrier = CARRIER_UDP,
	    .server = address_of(server),
	    .client = address_of(client),
	    .server_port = 62201,
	    .client_port = 40000};
	uint8_t payload[51];
	uint8_t out[CRAFT_MAX];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(1 + i);
	emit_hex(e, name, out, must(carrier_udp.craft(&r, payload, sizeof(payload), out)));
}

void tell_pieces(struct emit *e)
{
	tell_requests(e);
	tell_replies(e);
	tell_judgements(e);
	emit_open(e, "datagrams", '{');
	tell_datagram(e, "v4", "192.0.2.1", "192.0.2.7");
	tell_datagram(e, "v6", "2001:db8::1", "2001:db8::7");
	emit_close(e, '}');
}
