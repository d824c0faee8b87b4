/* record - client and session records to bytes and back. Integers are big-endian, a version byte leads. */
#include <sodium.h>
#include <string.h>

#include "cursor.h"
#include "errors.h"
#include "record.h"
#include "request.h"

enum {
	RECORD_VERSION = 3, /* 1 had no one-time codes, 2 no strikes */
	CODES_VERSION = 2,
	JOURNAL_VERSION = 1,
	SESSION_VERSION = 2, /* 1 had no narrowing */
	FIRST_VERSION = 1,
	RECORD_PROVEN = 1,
	SESSION_ONCE = 1,
	JOURNAL_HAS_FROM = 1,
	JOURNAL_HAS_ADMIT = 2,
	JOURNAL_HAS_EXIT = 4,
	JOURNAL_HAS_ALL = 7,
	SUM_BYTES = crypto_shorthash_BYTES,
};

_Static_assert(44 + ATTEMPTS_KEPT * (10 + ATTEMPT_REPLY_MAX) + SUM_BYTES <= STORE_VALUE_MAX,
    "a client's record fits");

/* Against disks, not against enemies: the key is no secret. */
static void checksum(
    uint8_t sum[static SUM_BYTES], const uint8_t *key, const uint8_t *bytes, size_t len)
{
	static const uint8_t domain[crypto_shorthash_KEYBYTES] = "postern record";
	uint8_t keyed[crypto_shorthash_KEYBYTES];

	for (size_t i = 0; i < sizeof(keyed); i++)
		keyed[i] = domain[i] ^ key[i % STORE_KEY_BYTES];
	crypto_shorthash(sum, bytes, len, keyed);
}

static size_t finish(struct writer *w, const uint8_t *key)
{
	uint8_t sum[SUM_BYTES];

	checksum(sum, key, w->start, w->len);
	write_bytes(w, sum, sizeof(sum));
	return w->len;
}

/* What is before a checksum that holds. */
static int begin(struct reader *r, const uint8_t *key, const uint8_t *bytes, size_t len)
{
	uint8_t sum[SUM_BYTES];

	if (len < SUM_BYTES)
		return -E_FORMAT;
	checksum(sum, key, bytes, len - SUM_BYTES);
	if (memcmp(sum, bytes + len - SUM_BYTES, SUM_BYTES) != 0)
		return -E_FORMAT;
	*r = reader_of(bytes, len - SUM_BYTES);
	return 0;
}

size_t client_record_encode(const struct client_record *r,
    const uint8_t key[static STORE_KEY_BYTES], uint8_t out[static STORE_VALUE_MAX])
{
	struct writer w = writer_of(out, STORE_VALUE_MAX);

	write_u8(&w, RECORD_VERSION);
	write_u8(&w, r->proven ? RECORD_PROVEN : 0);
	write_u64(&w, r->mark);
	write_u64(&w, r->code_step);
	write_u8(&w, r->strikes);
	write_u64(&w, r->strike_s);
	write_u64(&w, r->suspended_until_s);
	write_u64(&w, r->forged_t);
	write_u8(&w, r->attempts);
	for (unsigned i = 0; i < r->attempts; i++) {
		write_u64(&w, r->attempt[i].id);
		write_u16(&w, r->attempt[i].reply_len);
		write_bytes(&w, r->attempt[i].reply, r->attempt[i].reply_len);
	}
	return finish(&w, key);
}

static int read_head(struct reader *r, struct client_record *out)
{
	uint8_t version = read_u8(r), flags = read_u8(r);

	out->mark = read_u64(r);
	out->proven = (flags & RECORD_PROVEN) != 0;
	out->code_step = version < CODES_VERSION ? 0 : read_u64(r);
	if (version > CODES_VERSION) {
		out->strikes = read_u8(r);
		out->strike_s = read_u64(r);
		out->suspended_until_s = read_u64(r);
		out->forged_t = read_u64(r);
	}
	return r->failed || version < FIRST_VERSION || version > RECORD_VERSION ||
		       flags > RECORD_PROVEN
		   ? -E_FORMAT
		   : 0;
}

int client_record_mark(
    uint64_t *mark, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *bytes, size_t len)
{
	struct client_record head;
	struct reader r;

	*mark = 0;
	if (begin(&r, key, bytes, len) < 0 || read_head(&r, &head) < 0)
		return -E_FORMAT;
	*mark = head.mark;
	return 0;
}

int client_record_decode(struct client_record *out, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len)
{
	struct reader r;

	memset(out, 0, sizeof(*out));
	if (begin(&r, key, bytes, len) < 0 || read_head(&r, out) < 0)
		return -E_FORMAT;
	out->attempts = read_u8(&r);
	if (out->attempts > ATTEMPTS_KEPT)
		return -E_FORMAT;
	for (unsigned i = 0; i < out->attempts; i++) {
		struct attempt *a = &out->attempt[i];

		a->id = read_u64(&r);
		a->reply_len = read_u16(&r);
		if (a->reply_len > ATTEMPT_REPLY_MAX)
			return -E_FORMAT;
		read_bytes(&r, a->reply, a->reply_len);
	}
	return r.failed || r.left != 0 ? -E_FORMAT : 0;
}

struct attempt *client_record_find(struct client_record *r, uint64_t id)
{
	for (unsigned i = 0; i < r->attempts; i++)
		if (r->attempt[i].id == id)
			return &r->attempt[i];
	return NULL;
}

struct attempt *client_record_push(struct client_record *r, uint64_t id)
{
	if (r->attempts < ATTEMPTS_KEPT)
		r->attempts++;
	memmove(&r->attempt[1], &r->attempt[0], (r->attempts - 1U) * sizeof(r->attempt[0]));
	memset(&r->attempt[0], 0, sizeof(r->attempt[0]));
	r->attempt[0].id = id;
	return &r->attempt[0];
}

size_t session_record_encode(const struct session_record *r,
    const uint8_t key[static STORE_KEY_BYTES], uint8_t out[static STORE_VALUE_MAX])
{
	struct writer w = writer_of(out, STORE_VALUE_MAX);
	size_t name_len = strlen(r->service);

	write_u8(&w, SESSION_VERSION);
	write_bytes(&w, r->cid, CID_BYTES);
	write_u8(&w, r->proto);
	write_u16(&w, r->port);
	write_bytes(&w, r->admit.addr.b, ADDRESS_BYTES);
	write_u8(&w, r->admit.len);
	write_u64(&w, r->end_ms);
	write_u32(&w, r->narrowing.idle_s);
	write_u16(&w, r->narrowing.source_port);
	write_u8(&w, r->narrowing.once ? SESSION_ONCE : 0);
	write_u8(&w, (uint8_t)name_len);
	write_bytes(&w, r->service, name_len);
	return finish(&w, key);
}

static int read_narrowing(struct reader *r, struct narrowing *out)
{
	uint8_t flags;

	out->idle_s = read_u32(r);
	out->source_port = read_u16(r);
	flags = read_u8(r);
	out->once = flags == SESSION_ONCE;
	return r->failed || flags > SESSION_ONCE ? -E_FORMAT : 0;
}

int session_record_decode(struct session_record *out, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len)
{
	struct reader r;
	uint8_t version, name_len;

	memset(out, 0, sizeof(*out));
	if (begin(&r, key, bytes, len) < 0)
		return -E_FORMAT;
	version = read_u8(&r);
	read_bytes(&r, out->cid, CID_BYTES);
	out->proto = read_u8(&r);
	out->port = read_u16(&r);
	read_bytes(&r, out->admit.addr.b, ADDRESS_BYTES);
	out->admit.len = read_u8(&r);
	out->end_ms = read_u64(&r);
	if (version > FIRST_VERSION && read_narrowing(&r, &out->narrowing) < 0)
		return -E_FORMAT;
	name_len = read_u8(&r);
	if (r.failed || version < FIRST_VERSION || version > SESSION_VERSION ||
	    name_len > CONFIG_NAME_MAX)
		return -E_FORMAT;
	read_bytes(&r, out->service, name_len);
	if (r.failed || r.left != 0 || !name_is_valid(out->service) ||
	    !prefix_is_canonical(&out->admit))
		return -E_FORMAT;
	return 0;
}

void journal_key(uint64_t number, uint8_t key[static STORE_KEY_BYTES])
{
	struct writer w = writer_of(key, STORE_KEY_BYTES);

	write_u64(&w, number % JOURNAL_MAX);
}

static void write_text(struct writer *w, const char *text)
{
	const size_t len = strlen(text);

	write_u16(w, (uint16_t)len);
	write_bytes(w, (const uint8_t *)text, len);
}

/* out has room for cap bytes, its NUL included, and is zeros. */
static void read_text(struct reader *r, char *out, size_t cap)
{
	const uint16_t len = read_u16(r);

	if (len >= cap)
		r->failed = true;
	else
		read_bytes(r, (uint8_t *)out, len);
}

static uint8_t journal_flags(const struct journal_record *r)
{
	return (uint8_t)((r->has_from ? JOURNAL_HAS_FROM : 0) |
			 (r->has_admit ? JOURNAL_HAS_ADMIT : 0) |
			 (r->has_exit_status ? JOURNAL_HAS_EXIT : 0));
}

size_t journal_record_encode(const struct journal_record *r,
    const uint8_t key[static STORE_KEY_BYTES], uint8_t out[static STORE_VALUE_MAX])
{
	struct writer w = writer_of(out, STORE_VALUE_MAX);

	write_u8(&w, JOURNAL_VERSION);
	write_u64(&w, r->number);
	write_u64(&w, r->time_ns);
	write_u8(&w, (uint8_t)r->event);
	write_u8(&w, r->verdict);
	write_u8(&w, r->verb);
	write_u8(&w, journal_flags(r));
	write_u8(&w, r->exit_status);
	write_bytes(&w, r->from.b, ADDRESS_BYTES);
	write_bytes(&w, r->admit.addr.b, ADDRESS_BYTES);
	write_u8(&w, r->admit.len);
	write_u64(&w, r->attempt);
	write_u8(&w, r->sessions);
	for (unsigned i = 0; i < r->sessions; i++)
		write_u64(&w, r->session[i]);
	write_text(&w, r->client);
	write_text(&w, r->what);
	write_text(&w, r->reason);
	write_text(&w, r->arguments);
	write_u8(&w, r->has_second);
	write_bytes(&w, r->second.addr.b, ADDRESS_BYTES);
	write_u8(&w, r->second.len);
	return finish(&w, key);
}

static void read_journal_head(struct reader *r, struct journal_record *out)
{
	uint8_t event, flags;

	out->number = read_u64(r);
	out->time_ns = read_u64(r);
	event = read_u8(r);
	out->event = (enum journal_event)event;
	out->verdict = read_u8(r);
	out->verb = read_u8(r);
	flags = read_u8(r);
	out->has_from = (flags & JOURNAL_HAS_FROM) != 0;
	out->has_admit = (flags & JOURNAL_HAS_ADMIT) != 0;
	out->has_exit_status = (flags & JOURNAL_HAS_EXIT) != 0;
	out->exit_status = read_u8(r);
	read_bytes(r, out->from.b, ADDRESS_BYTES);
	read_bytes(r, out->admit.addr.b, ADDRESS_BYTES);
	out->admit.len = read_u8(r);
	out->attempt = read_u64(r);
	out->sessions = read_u8(r);
	if (event < JOURNAL_ANSWERED || event > JOURNAL_SHORTENED || out->verb > VERB_LIST ||
	    (out->verdict > VERDICT_EXPIRED && out->verdict != JOURNAL_NO_VERDICT))
		r->failed = true;
	if (flags > JOURNAL_HAS_ALL || out->sessions > JOURNAL_SESSIONS)
		r->failed = true;
}

static void read_journal_rest(struct reader *r, struct journal_record *out)
{
	read_text(r, out->arguments, sizeof(out->arguments));
	out->has_second = read_u8(r) != 0;
	read_bytes(r, out->second.addr.b, ADDRESS_BYTES);
	out->second.len = read_u8(r);
}

int journal_record_decode(struct journal_record *out, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len)
{
	uint8_t at[STORE_KEY_BYTES];
	struct reader r;

	memset(out, 0, sizeof(*out));
	if (begin(&r, key, bytes, len) < 0 || read_u8(&r) != JOURNAL_VERSION)
		return -E_FORMAT;
	read_journal_head(&r, out);
	for (unsigned i = 0; i < out->sessions && !r.failed; i++)
		out->session[i] = read_u64(&r);
	read_text(&r, out->client, sizeof(out->client));
	read_text(&r, out->what, sizeof(out->what));
	read_text(&r, out->reason, sizeof(out->reason));
	if (r.left != 0) /* records of before end here */
		read_journal_rest(&r, out);
	journal_key(out->number, at);
	return r.failed || r.left != 0 || out->number == 0 || memcmp(at, key, sizeof(at)) != 0
		   ? -E_FORMAT
		   : 0;
}

const char *journal_event_word(enum journal_event e)
{
	switch (e) {
	case JOURNAL_ANSWERED:
		return "answered";
	case JOURNAL_GRANTED:
		return "granted";
	case JOURNAL_CHALLENGED:
		return "challenged";
	case JOURNAL_CLOSED:
		return "closed";
	case JOURNAL_ENDED:
		return "ended";
	case JOURNAL_SUSPENDED:
		return "suspended";
	case JOURNAL_RESUMED:
		return "resumed";
	case JOURNAL_BANNED:
		return "banned";
	case JOURNAL_UNBANNED:
		return "unbanned";
	case JOURNAL_DROPPED:
		return "dropped";
	case JOURNAL_SHORTENED:
		return "shortened";
	case JOURNAL_TRAPPED:
		return "trapped";
	}
	return "?";
}

int record_check(
    enum store_table t, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *bytes, size_t len)
{
	struct client_record client;
	struct session_record session;

	switch (t) {
	case STORE_META:
		return 0;
	case STORE_CLIENTS:
		return client_record_decode(&client, key, bytes, len);
	case STORE_SESSIONS:
		return session_record_decode(&session, key, bytes, len);
	case STORE_JOURNAL:
		return 0; /* what is damaged is passed over when it is read: no reason to lose the marks */
	}
	return -E_FORMAT;
}
