#include "clients.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Memory that is not there cannot be done without. */
#define uthash_fatal(message) abort()
#include <uthash.h>

#include "options.h"
#include "secret.h"

enum {
	CHUNK_CLIENTS = 1024, /* what is in a chunk never moves, so no secret is left behind */
	FIELDS = 5,
};

struct entry {
	struct client client; /* first, so that its address is the entry's */
	uint32_t index;
	uint32_t line;
	UT_hash_handle by_cid;
	UT_hash_handle by_name;
};

struct clients {
	const struct config *config;
	size_t count;
	size_t openpgp;
	size_t chunks;
	struct entry **chunk;
	struct entry *by_cid; /* heads of the two hash tables */
	struct entry *by_name;
};

struct clients *clients_new(const struct config *c)
{
	struct clients *cs = calloc(1, sizeof(*cs));

	if (cs == NULL)
		abort();
	cs->config = c;
	return cs;
}

static struct entry *new_chunk(void)
{
	size_t bytes = CHUNK_CLIENTS * sizeof(struct entry);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	(void)madvise(p, bytes, MADV_DONTDUMP);
	(void)mlock(p, bytes); /* as far as the limit goes */
	return p;
}

static void free_lists(struct client *c)
{
	free(c->from);
	free(c->admit);
	free(c->hours);
	free(c->openpgp);
}

static void free_chunk(struct entry *e, size_t used)
{
	size_t i;

	for (i = 0; i < used; i++)
		free_lists(&e[i].client);
	secret_wipe(e, CHUNK_CLIENTS * sizeof(*e));
	(void)munmap(e, CHUNK_CLIENTS * sizeof(*e));
}

static struct entry *entry_at(const struct clients *cs, size_t i)
{
	return &cs->chunk[i / CHUNK_CLIENTS][i % CHUNK_CLIENTS];
}

/* The place for the next client, zeroed. */
static struct entry *next_entry(struct clients *cs)
{
	struct entry **more;

	if (cs->count == cs->chunks * CHUNK_CLIENTS) {
		more = reallocarray(cs->chunk, cs->chunks + 1, sizeof(struct entry *));
		if (more == NULL)
			abort();
		cs->chunk = more;
		cs->chunk[cs->chunks++] = new_chunk();
	}
	return entry_at(cs, cs->count);
}

static void drop_entry(struct entry *e)
{
	free_lists(&e->client);
	secret_wipe(e, sizeof(*e));
}

void clients_free(struct clients *cs)
{
	size_t i, left;

	if (cs == NULL)
		return;
	HASH_CLEAR(by_cid, cs->by_cid);
	HASH_CLEAR(by_name, cs->by_name);
	for (i = 0, left = cs->count; i < cs->chunks; i++) {
		size_t used = left < CHUNK_CLIENTS ? left : CHUNK_CLIENTS;

		free_chunk(cs->chunk[i], used);
		left -= used;
	}
	free(cs->chunk);
	free(cs);
}

static size_t split(char *line, char *field[static FIELDS + 1])
{
	size_t n = 0;
	char *word;

	while (n <= FIELDS && (word = strsep(&line, " \t\r")) != NULL) {
		if (word[0] != '\0')
			field[n++] = word;
	}
	return n;
}

static bool is_zero(const uint8_t *key)
{
	static const uint8_t zero[KEY_BYTES];

	return memcmp(key, zero, sizeof(zero)) == 0;
}

static void read_keys(struct client *c, char *const field[static FIELDS], const struct place *at)
{
	if (base64_decode(c->cid, CID_BYTES, field[1]) != 0)
		report_error(at->r, at->file, at->line,
		    "%s: the second word is not 8 bytes in base64; copy the line that posternctl "
		    "wrote",
		    c->name);
	if (base64_decode(c->public_key, KEY_BYTES, field[2]) != 0 || is_zero(c->public_key))
		report_error(at->r, at->file, at->line,
		    "%s: the third word is not a public key in base64; copy the line that "
		    "posternctl wrote",
		    c->name);
	if (base64_decode(c->secret, KEY_BYTES, field[3]) != 0 || is_zero(c->secret))
		report_error(at->r, at->file, at->line,
		    "%s: the fourth word is not a secret in base64; copy the line that posternctl "
		    "wrote",
		    c->name);
}

static void read_entry(struct clients *cs, struct entry *e, char *field[static FIELDS], size_t n,
    const struct place *at)
{
	char quoted[LOG_QUOTE_MAX];
	struct client *c = &e->client;

	e->line = at->line;
	c->address = ADDRESS_NAMED;
	if (!config_is_name(field[0])) {
		report_error(at->r, at->file, at->line,
		    "%s is not a name: it has 1 to %d of the characters a-z, 0-9, - and _",
		    log_quote(quoted, field[0], strlen(field[0])), CONFIG_NAME_MAX);
		return;
	}
	(void)snprintf(c->name, sizeof(c->name), "%s", field[0]);
	if (n < FIELDS - 1 || n > FIELDS) {
		report_error(at->r, at->file, at->line,
		    n > FIELDS ? "%s: there are too many words; join the options with commas, "
				 "without spaces"
			       : "%s: a line has a name, cid, public key, secret and options; copy "
				 "the line that posternctl wrote",
		    c->name);
		return;
	}
	read_keys(c, field, at);
	if (n == FIELDS)
		options_parse(c, cs->config, field[FIELDS - 1], at);
}

static void find_same(const struct clients *cs, const struct client *c, const struct place *at)
{
	struct entry *e;

	HASH_FIND(by_name, cs->by_name, c->name, strlen(c->name), e);
	if (e != NULL)
		report_error(at->r, at->file, at->line,
		    "%s: this name stands in line %u, too; give each client its own", c->name,
		    e->line);
	HASH_FIND(by_cid, cs->by_cid, c->cid, CID_BYTES, e);
	if (e != NULL)
		report_error(at->r, at->file, at->line,
		    "%s: the cid is that of %s in line %u; give each device a profile of its own",
		    c->name, e->client.name, e->line);
}

static void keep_entry(struct clients *cs, struct entry *e)
{
	e->index = (uint32_t)cs->count++;
	cs->openpgp += e->client.openpgp != NULL;
	HASH_ADD(by_cid, cs->by_cid, client.cid, CID_BYTES, e);
	HASH_ADD(by_name, cs->by_name, client.name, strlen(e->client.name), e);
}

int clients_line(
    struct clients *cs, const char *file, unsigned line_no, char *line, struct report *r)
{
	const struct place at = {.file = file, .line = line_no, .r = r};
	unsigned before = r->errors;
	char *field[FIELDS + 1];
	struct entry *e;
	const size_t whole = strnlen(line, CLIENT_LINE_MAX);
	size_t n;

	if (whole >= CLIENT_LINE_MAX) {
		report_error(
		    r, file, line_no, "the line is longer than %d bytes", CLIENT_LINE_MAX - 1);
		return -1;
	}
	n = split(line, field);
	if (n == 0 || field[0][0] == '#')
		return 0;
	e = next_entry(cs);
	read_entry(cs, e, field, n, &at);
	if (n >= FIELDS - 1)
		secret_wipe(
		    field[3], whole - (size_t)(field[3] - line)); /* options hold some, too */
	if (r->errors == before)
		find_same(cs, &e->client, &at);
	if (r->errors != before) {
		drop_entry(e);
		return -1;
	}
	keep_entry(cs, e);
	return 0;
}

/* A public key by its first bytes, for sorting; where those are equal the rest decides. */
struct key_ref {
	uint64_t begin;
	uint64_t index;
};

static int compare_refs(const void *a, const void *b)
{
	const struct key_ref *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static void compare_keys(const struct clients *cs, const struct key_ref *a, const struct key_ref *b,
    const char *file, struct report *r)
{
	const struct entry *first = entry_at(cs, a->index), *second = entry_at(cs, b->index);

	if (memcmp(first->client.public_key, second->client.public_key, KEY_BYTES) == 0)
		report_error(r, file, second->line,
		    "%s: the public key is that of %s in line %u; give each device a profile of "
		    "its own",
		    second->client.name, first->client.name, first->line);
}

static void find_same_keys(const struct clients *cs, const char *file, struct report *r)
{
	struct key_ref *ref = calloc(cs->count + 1, sizeof(*ref));
	size_t i;

	if (ref == NULL)
		abort();
	for (i = 0; i < cs->count; i++) {
		ref[i].index = i;
		memcpy(&ref[i].begin, entry_at(cs, i)->client.public_key, sizeof(ref[i].begin));
	}
	qsort(ref, cs->count, sizeof(*ref), compare_refs);
	for (i = 1; i < cs->count; i++) {
		if (ref[i].begin == ref[i - 1].begin)
			compare_keys(cs, &ref[i - 1], &ref[i], file, r);
	}
	free(ref);
}

int clients_finish(struct clients *cs, const char *file, struct report *r)
{
	find_same_keys(cs, file, r);
	if (cs->count == 0 && r->errors == 0)
		report_warning(r, file, 0,
		    "no client is named, so nobody can knock; see posternctl(8), client add");
	return r->errors == 0 ? 0 : -1;
}

size_t clients_count(const struct clients *cs)
{
	return cs->count;
}

const struct client *clients_by_cid(const struct clients *cs, const uint8_t cid[static CID_BYTES])
{
	struct entry *e;

	HASH_FIND(by_cid, cs->by_cid, cid, CID_BYTES, e);
	return e != NULL ? &e->client : NULL;
}

const struct client *clients_by_name(const struct clients *cs, const char *name)
{
	struct entry *e;

	HASH_FIND(by_name, cs->by_name, name, strlen(name), e);
	return e != NULL ? &e->client : NULL;
}

const struct client *clients_at(const struct clients *cs, size_t i)
{
	if (i >= cs->count)
		abort();
	return &entry_at(cs, i)->client;
}

size_t clients_index(const struct clients *cs, const struct client *c)
{
	(void)cs;
	return ((const struct entry *)(const void *)c)->index;
}

bool client_may_use(const struct client *c, bool openpgp)
{
	return openpgp ? c->openpgp != NULL : c->openpgp == NULL || c->any_envelope;
}

bool client_may_knock_by(const struct client *c, enum carrier_id carrier)
{
	return c->carriers == 0 || (c->carriers >> carrier & 1) != 0;
}

bool client_may_knock_along(const struct client *c, uint64_t sequences)
{
	return ((c->sequences != 0 ? c->sequences : 1) & sequences) != 0;
}

size_t clients_openpgp(const struct clients *cs)
{
	return cs->openpgp;
}

bool client_has_command(const struct client *c, unsigned command)
{
	return (c->command[command / 64] >> (command % 64) & 1) != 0;
}

bool client_has_service(const struct client *c, unsigned service)
{
	return service < CONFIG_SERVICES_MAX &&
	       (c->service[service / 64] >> (service % 64) & 1) != 0;
}
