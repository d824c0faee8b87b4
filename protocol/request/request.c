#include "request.h"

#include <string.h>

#include "errors.h"
#include "secret.h"
#include "tlv.h"

enum {
	HEAD_BYTES = 12,
	FLAGS_KNOWN = REQUEST_REPLY | REQUEST_CHALLENGE | REQUEST_STRICT | REQUEST_CUT,
};

enum type {
	TYPE_SERVICE = 1,
	TYPE_PORT = 2,
	TYPE_ADMIT = 3,
	TYPE_OWN_ADDRESS = 4,
	TYPE_SOURCE_PORT = 5,
	TYPE_HOLD = 6,
	TYPE_IDLE = 7,
	TYPE_SINGLE_USE = 8,
	TYPE_CODE = 9,
	TYPE_PIN = 10,
	TYPE_COMMAND = 11,
	TYPE_ARGUMENT = 12,
	TYPE_SESSION = 13,
	TYPE_REPLY_KEY = 15,
};

/* Which fields a verb may have beside those of every verb, and of which of them it must have
 * exactly one. */
static const struct {
	uint32_t may, one_of;
} rules[] = {
    [VERB_OPEN] =
	{
	    .may = TLV_BIT(TYPE_SERVICE) | TLV_BIT(TYPE_PORT) | TLV_BIT(TYPE_ADMIT) |
		   TLV_BIT(TYPE_OWN_ADDRESS) | TLV_BIT(TYPE_SOURCE_PORT) | TLV_BIT(TYPE_HOLD) |
		   TLV_BIT(TYPE_IDLE) | TLV_BIT(TYPE_SINGLE_USE) | TLV_BIT(TYPE_CODE) |
		   TLV_BIT(TYPE_PIN),
	    .one_of = TLV_BIT(TYPE_SERVICE) | TLV_BIT(TYPE_PORT),
	},
    [VERB_CLOSE] =
	{
	    .may = TLV_BIT(TYPE_SERVICE) | TLV_BIT(TYPE_SESSION),
	    .one_of = TLV_BIT(TYPE_SERVICE) | TLV_BIT(TYPE_SESSION),
	},
    [VERB_RUN] =
	{
	    .may = TLV_BIT(TYPE_COMMAND) | TLV_BIT(TYPE_ARGUMENT) | TLV_BIT(TYPE_CODE) |
		   TLV_BIT(TYPE_PIN),
	    .one_of = TLV_BIT(TYPE_COMMAND),
	},
    [VERB_PING] = {0},
    [VERB_LIST] = {0},
};

/* Whether it has an envelope for it, only the envelope knows. */
static const uint32_t any_verb_may = TLV_BIT(TYPE_REPLY_KEY);

static int read_service(void *into, struct reader *v)
{
	struct request *q = into;

	if (q->services == SERVICES_MAX)
		return -E_FORMAT;
	char *name = q->service[q->services++];
	int err = tlv_read_text(v, name, SERVICE_NAME_MAX);
	return err == 0 && name_is_valid(name) ? 0 : -E_FORMAT;
}

static int read_port(void *into, struct reader *v)
{
	struct request *q = into;

	if (q->ports == SERVICES_MAX)
		return -E_FORMAT;
	q->port[q->ports].proto = read_u8(v);
	q->port[q->ports].number = read_u16(v);
	q->ports++;
	return 0;
}

/* One prefix a family. One of IPv4 in IPv6 writing is IPv4's. */
static int read_admit(void *into, struct reader *v)
{
	struct request *q = into;
	uint8_t len = read_u8(v);
	bool long_form = v->left == ADDRESS_BYTES;
	struct prefix p = {.len = len};

	if (q->admits == ADMITS_MAX || tlv_read_address(v, &p.addr) < 0)
		return -E_FORMAT;
	if (long_form && address_is_v4(&p.addr)) {
		if (len < 96)
			return -E_FORMAT;
		p.len = (uint8_t)(len - 96);
	}
	if (!prefix_is_canonical(&p))
		return -E_FORMAT;
	if (q->admits == 1 && address_is_v4(&q->admit[0].addr) == address_is_v4(&p.addr))
		return -E_FORMAT;
	q->admit[q->admits++] = p;
	return 0;
}

static int read_own_address(void *into, struct reader *v)
{
	struct request *q = into;

	q->has_own_address = true;
	return tlv_read_address(v, &q->own_address);
}

static int read_source_port(void *into, struct reader *v)
{
	struct request *q = into;

	q->has_source_port = true;
	q->source_port = read_u16(v);
	return 0;
}

static int read_hold(void *into, struct reader *v)
{
	struct request *q = into;

	q->has_hold = true;
	q->hold_s = read_u32(v);
	return 0;
}

static int read_idle(void *into, struct reader *v)
{
	struct request *q = into;

	q->has_idle = true;
	q->idle_s = read_u32(v);
	return 0;
}

static int read_single_use(void *into, struct reader *v)
{
	struct request *q = into;

	(void)v; /* empty: being there is all it says */
	q->single_use = true;
	return 0;
}

static int read_code(void *into, struct reader *v)
{
	struct request *q = into;

	return tlv_read_code(v, q->code);
}

static int read_pin(void *into, struct reader *v)
{
	struct request *q = into;

	return tlv_read_pin(v, q->pin, &q->pin_len);
}

static int read_command(void *into, struct reader *v)
{
	struct request *q = into;
	int err = tlv_read_text(v, q->command, COMMAND_NAME_MAX);

	return err == 0 && name_is_valid(q->command) ? 0 : -E_FORMAT;
}

static int read_argument(void *into, struct reader *v)
{
	struct request *q = into;

	if (q->arguments == ARGUMENTS_MAX)
		return -E_FORMAT;
	return tlv_read_text(v, q->argument[q->arguments++], ARGUMENT_MAX);
}

static int read_session(void *into, struct reader *v)
{
	struct request *q = into;

	q->has_session = true;
	q->session = read_u64(v);
	return 0;
}

static int read_reply_key(void *into, struct reader *v)
{
	struct request *q = into;

	q->has_reply_key = true;
	read_bytes(v, q->reply_key, sizeof(q->reply_key));
	return 0;
}

static const struct tlv_field fields[] = {
    {TYPE_SERVICE, true, read_service},
    {TYPE_PORT, true, read_port},
    {TYPE_ADMIT, true, read_admit},
    {TYPE_OWN_ADDRESS, false, read_own_address},
    {TYPE_SOURCE_PORT, false, read_source_port},
    {TYPE_HOLD, false, read_hold},
    {TYPE_IDLE, false, read_idle},
    {TYPE_SINGLE_USE, false, read_single_use},
    {TYPE_CODE, false, read_code},
    {TYPE_PIN, false, read_pin},
    {TYPE_COMMAND, false, read_command},
    {TYPE_ARGUMENT, true, read_argument},
    {TYPE_SESSION, false, read_session},
    {TYPE_REPLY_KEY, false, read_reply_key},
    {0, false, NULL},
};

static bool verb_is_known(uint8_t verb)
{
	return verb >= VERB_OPEN && verb <= VERB_LIST;
}

static int check_rules(enum verb verb, uint32_t seen)
{
	uint32_t chosen = seen & rules[verb].one_of;

	if (seen & ~(rules[verb].may | any_verb_may))
		return -E_FORMAT;
	if (rules[verb].one_of == 0)
		return 0;
	return chosen != 0 && (chosen & (chosen - 1)) == 0 ? 0 : -E_FORMAT;
}

int request_decode(struct request *q, const uint8_t *bytes, size_t len, uint8_t *unknown)
{
	struct reader r = reader_of(bytes, len);
	struct tlv_found found;

	*q = (struct request){0};
	*unknown = 0;
	uint8_t version = read_u8(&r);
	uint8_t verb = read_u8(&r);
	q->flags = read_u16(&r);
	q->attempt = read_u64(&r);
	if (r.failed)
		return -E_SHORT;
	if (version != REQUEST_VERSION)
		return -E_VERSION;
	if (len > REQUEST_MAX || !verb_is_known(verb) || (q->flags & ~FLAGS_KNOWN))
		return -E_FORMAT;
	if ((q->flags & REQUEST_CUT) && verb != VERB_CLOSE)
		return -E_FORMAT;
	q->verb = (enum verb)verb;
	int err = tlv_read(&r, fields, q, &found);
	if (err < 0)
		return err;
	/* Before the verb's rules: a field of a later version may be what makes up for a missing
	 * one. */
	if (found.has_unknown) {
		*unknown = found.unknown;
		return -E_UNKNOWN;
	}
	return check_rules(q->verb, found.seen);
}

static void write_admit(struct writer *w, const struct prefix *p)
{
	size_t at = address_is_v4(&p->addr) ? ADDRESS_BYTES - 4 : 0;

	tlv_head(w, TYPE_ADMIT, 1 + ADDRESS_BYTES - at);
	write_u8(w, p->len);
	write_bytes(w, p->addr.b + at, ADDRESS_BYTES - at);
}

static void write_what(struct writer *w, const struct request *q)
{
	for (size_t i = 0; i < q->services; i++)
		tlv_bytes(
		    w, TYPE_SERVICE, q->service[i], strnlen(q->service[i], sizeof(q->service[i])));
	for (size_t i = 0; i < q->ports; i++) {
		tlv_head(w, TYPE_PORT, 3);
		write_u8(w, q->port[i].proto);
		write_u16(w, q->port[i].number);
	}
	for (size_t i = 0; i < q->admits; i++)
		write_admit(w, &q->admit[i]);
}

static void write_how(struct writer *w, const struct request *q)
{
	if (q->has_own_address)
		tlv_address(w, TYPE_OWN_ADDRESS, &q->own_address);
	if (q->has_source_port)
		tlv_u16(w, TYPE_SOURCE_PORT, q->source_port);
	if (q->has_hold)
		tlv_u32(w, TYPE_HOLD, q->hold_s);
	if (q->has_idle)
		tlv_u32(w, TYPE_IDLE, q->idle_s);
	if (q->single_use)
		tlv_head(w, TYPE_SINGLE_USE, 0);
	tlv_code(w, TYPE_CODE, q->code);
	tlv_pin(w, TYPE_PIN, q->pin, q->pin_len);
}

static void write_rest(struct writer *w, const struct request *q)
{
	if (q->command[0])
		tlv_bytes(w, TYPE_COMMAND, q->command, strnlen(q->command, sizeof(q->command)));
	for (size_t i = 0; i < q->arguments; i++)
		tlv_bytes(w, TYPE_ARGUMENT, q->argument[i],
		    strnlen(q->argument[i], sizeof(q->argument[i])));
	if (q->has_session)
		tlv_u64(w, TYPE_SESSION, q->session);
	if (q->has_reply_key)
		tlv_bytes(w, TYPE_REPLY_KEY, q->reply_key, sizeof(q->reply_key));
}

static bool counts_are_sound(const struct request *q)
{
	return q->services <= SERVICES_MAX && q->ports <= SERVICES_MAX && q->admits <= ADMITS_MAX &&
	       q->arguments <= ARGUMENTS_MAX;
}

/* A code or PIN waits for M3, which has forward secrecy, wherever there is one. */
static bool secrets_wait(const struct request *q)
{
	return !(q->flags & REQUEST_REPLY) || (q->code[0] == '\0' && q->pin_len == 0);
}

int request_encode(const struct request *q, uint8_t *out, size_t cap)
{
	struct writer w = writer_of(out, cap);
	struct request again;
	uint8_t unknown;

	if (!counts_are_sound(q) || !secrets_wait(q))
		return -E_FORMAT;
	write_u8(&w, REQUEST_VERSION);
	write_u8(&w, (uint8_t)q->verb);
	write_u16(&w, q->flags);
	write_u64(&w, q->attempt);
	write_what(&w, q);
	write_how(&w, q);
	write_rest(&w, q);
	if (w.failed)
		return -E_SHORT;
	/* What may be sent is what would be accepted: one set of rules, not two. */
	int err = request_decode(&again, out, w.len, &unknown);
	secret_wipe(&again, sizeof(again));
	return err < 0 ? -E_FORMAT : (int)w.len;
}
