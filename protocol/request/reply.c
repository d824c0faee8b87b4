#include "request.h"

#include <string.h>

#include "errors.h"
#include "secret.h"
#include "tlv.h"

enum { DOOR_BYTES = 1 + 2 + 4 + 8, ASKED_KNOWN = 0x03 };

enum type {
	TYPE_ADDRESS_SEEN = 1,
	TYPE_DOOR = 2,
	TYPE_EXIT_STATUS = 3,
	TYPE_OUTPUT = 4,
	TYPE_REASON = 5,
	TYPE_ASKED = 6,
	TYPE_WAIT = 7,
	TYPE_DOOR_KEY = 0x88,
	TYPE_IDLE = 0x89,
};

/* A reason goes to a terminal: nothing but plain text may be in it. */
static void make_printable(char *text)
{
	for (char *c = text; *c; c++) {
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
}

static int read_address_seen(void *into, struct reader *v)
{
	struct reply *p = into;

	p->has_address_seen = true;
	return tlv_read_address(v, &p->address_seen);
}

static int read_door(void *into, struct reader *v)
{
	struct reply *p = into;

	if (p->doors == DOORS_MAX)
		return -E_FORMAT;
	struct door *d = &p->door[p->doors++];
	d->port.proto = read_u8(v);
	d->port.number = read_u16(v);
	d->seconds = read_u32(v);
	d->session = read_u64(v);
	return 0;
}

static int read_exit_status(void *into, struct reader *v)
{
	struct reply *p = into;

	p->has_exit_status = true;
	p->exit_status = read_u8(v);
	return 0;
}

static int read_output(void *into, struct reader *v)
{
	struct reply *p = into;

	if (v->left > OUTPUT_MAX)
		return -E_FORMAT;
	p->output_len = (uint16_t)v->left;
	read_bytes(v, p->output, v->left);
	return 0;
}

static int read_reason(void *into, struct reader *v)
{
	struct reply *p = into;
	size_t len = v->left;

	if (len > REASON_MAX)
		return -E_FORMAT;
	read_bytes(v, p->reason, len);
	for (size_t i = 0; i < len; i++) {
		if (p->reason[i] == '\0')
			p->reason[i] = '?';
	}
	make_printable(p->reason);
	return 0;
}

static int read_asked(void *into, struct reader *v)
{
	struct reply *p = into;

	p->has_asked = true;
	p->asked = read_u8(v);
	return p->asked & ~ASKED_KNOWN ? -E_FORMAT : 0;
}

static int read_wait(void *into, struct reader *v)
{
	struct reply *p = into;

	p->has_wait = true;
	p->wait_s = read_u16(v);
	return 0;
}

static int read_door_key(void *into, struct reader *v)
{
	struct reply *p = into;

	p->has_door_key = true;
	read_bytes(v, p->door_key, sizeof(p->door_key));
	return 0;
}

static int read_idle(void *into, struct reader *v)
{
	struct reply *p = into;

	p->idle_s = read_u32(v);
	return p->idle_s == 0 ? -E_FORMAT : 0;
}

static const struct tlv_field fields[] = {
    {TYPE_ADDRESS_SEEN, false, read_address_seen},
    {TYPE_DOOR, true, read_door},
    {TYPE_EXIT_STATUS, false, read_exit_status},
    {TYPE_OUTPUT, false, read_output},
    {TYPE_REASON, false, read_reason},
    {TYPE_ASKED, false, read_asked},
    {TYPE_WAIT, false, read_wait},
    {TYPE_DOOR_KEY, false, read_door_key},
    {TYPE_IDLE, false, read_idle},
    {0, false, NULL},
};

/* A challenge says what it must and no more: nothing was decided yet. */
static int check_challenge(const struct reply *p, uint32_t seen)
{
	static const uint32_t all =
	    TLV_BIT(TYPE_ADDRESS_SEEN) | TLV_BIT(TYPE_ASKED) | TLV_BIT(TYPE_WAIT);

	return seen == all && !p->has_door_key && p->idle_s == 0 ? 0 : -E_FORMAT;
}

int reply_decode(struct reply *p, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_of(bytes, len);
	struct tlv_found found;

	*p = (struct reply){0};
	uint8_t version = read_u8(&r);
	uint8_t verdict = read_u8(&r);
	uint16_t flags = read_u16(&r);
	p->server_time = read_u64(&r);
	p->attempt = read_u64(&r);
	if (r.failed)
		return -E_SHORT;
	if (version != REQUEST_VERSION)
		return -E_VERSION;
	if (verdict > VERDICT_EXPIRED || flags != 0)
		return -E_FORMAT;
	p->verdict = (enum verdict)verdict;
	int err = tlv_read(&r, fields, p, &found);
	if (err < 0)
		return err;
	if (found.has_unknown)
		return -E_UNKNOWN;
	return p->verdict == VERDICT_CHALLENGE ? check_challenge(p, found.seen) : 0;
}

/* How much of what may be cut is sent. */
struct cut {
	size_t output, reason, doors;
};

/* How much of a text of len bytes goes into so much room, the head of its field included. */
static size_t fit_text(size_t len, size_t room)
{
	if (len + TLV_HEAD_BYTES <= room)
		return len;
	return room > TLV_HEAD_BYTES ? room - TLV_HEAD_BYTES : 0;
}

/* What does not fit goes: the output first, then the reason, then doors from the end. */
static struct cut cut_to_fit(const struct reply *p, size_t room)
{
	size_t doors_room = room / (TLV_HEAD_BYTES + DOOR_BYTES);
	struct cut c = {.doors = p->doors < doors_room ? p->doors : doors_room};

	if (c.doors < p->doors)
		return c;
	room -= c.doors * (TLV_HEAD_BYTES + DOOR_BYTES);
	c.reason = fit_text(strnlen(p->reason, REASON_MAX), room);
	if (c.reason > 0)
		room -= TLV_HEAD_BYTES + c.reason;
	c.output = fit_text(p->output_len, room);
	return c;
}

static void write_head(struct writer *w, const struct reply *p)
{
	write_u8(w, REQUEST_VERSION);
	write_u8(w, (uint8_t)p->verdict);
	write_u16(w, 0);
	write_u64(w, p->server_time);
	write_u64(w, p->attempt);
}

static void write_fields(struct writer *w, const struct reply *p, const struct cut *c)
{
	if (p->has_address_seen)
		tlv_address(w, TYPE_ADDRESS_SEEN, &p->address_seen);
	for (size_t i = 0; i < c->doors; i++) {
		tlv_head(w, TYPE_DOOR, DOOR_BYTES);
		write_u8(w, p->door[i].port.proto);
		write_u16(w, p->door[i].port.number);
		write_u32(w, p->door[i].seconds);
		write_u64(w, p->door[i].session);
	}
	if (p->has_exit_status)
		tlv_bytes(w, TYPE_EXIT_STATUS, &p->exit_status, 1);
	if (c->output > 0)
		tlv_bytes(w, TYPE_OUTPUT, p->output, c->output);
	if (c->reason > 0)
		tlv_bytes(w, TYPE_REASON, p->reason, c->reason);
	if (p->has_asked)
		tlv_bytes(w, TYPE_ASKED, &p->asked, 1);
	if (p->has_wait)
		tlv_u16(w, TYPE_WAIT, p->wait_s);
	if (p->has_door_key)
		tlv_bytes(w, TYPE_DOOR_KEY, p->door_key, sizeof(p->door_key));
	if (p->idle_s != 0)
		tlv_u32(w, TYPE_IDLE, p->idle_s);
}

/* The length of all that may not be cut. */
static size_t fixed_size(const struct reply *p)
{
	static const struct cut nothing;
	uint8_t scratch[128];
	struct writer w = writer_of(scratch, sizeof(scratch));

	write_head(&w, p);
	write_fields(&w, p, &nothing);
	secret_wipe(scratch, sizeof(scratch)); /* the door key was in it */
	return w.len;
}

int reply_encode(const struct reply *p, uint8_t *out, size_t cap)
{
	struct writer w = writer_of(out, cap);
	struct reply again;

	if (p->doors > DOORS_MAX || p->output_len > OUTPUT_MAX)
		return -E_FORMAT;
	size_t fixed = fixed_size(p);
	if (fixed > cap)
		return -E_SHORT;
	struct cut c = cut_to_fit(p, cap - fixed);
	write_head(&w, p);
	write_fields(&w, p, &c);
	if (w.failed)
		return -E_SHORT;
	int err = reply_decode(&again, out, w.len);
	secret_wipe(&again, sizeof(again));
	return err < 0 ? -E_FORMAT : (int)w.len;
}
