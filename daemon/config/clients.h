/*
 * clients - who may knock: a line-based file like authorized_keys.
 *
 *   NAME CID PUBLIC-KEY SECRET [OPTION[,OPTION...]]
 *
 * CID, PUBLIC-KEY and SECRET are base64 (8, 32, 32 bytes). Options:
 *   service=ssh (repeated)   from=PREFIX (repeated)   address=source|named|list
 *   admit=PREFIX (repeated; for address=list)  expires=YYYY-MM-DD[THH:MMZ]
 *   command=restart-web (repeated)  command-line (any line: see posternd.conf)
 *   cut (may end connections with its doors)
 *   max-hold=SECONDS   challenge (must always prove itself)   disabled
 *   hours=mon-fri@08:00-18:00 (repeated; UTC)   doors=N (at once)
 *   carrier=udp|tcp|icmp|http|sequence (repeated)
 *   sequence=alpha (repeated; without it the one that has no name)
 *   pin=KIB:PASSES:SALT:HASH   totp=SECRET[:DIGITS] (see factors.h)
 *   openpgp=FINGERPRINT (of its OpenPGP key, which it must use then)
 *   envelope=openpgp|any (any: it may use its other keys instead)
 * '#' begins a comment line. The file is 0600: SECRET is the client's preshared half.
 *
 * init, line, finish; no I/O. A million lines load in about a second.
 */
#ifndef POSTERN_CONFIG_CLIENTS_H
#define POSTERN_CONFIG_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "config.h"
#include "factors.h"
#include "hours.h"
#include "keys.h"
#include "report.h"
#include "veil.h"

enum {
	CLIENT_LINE_MAX = 4096,
	CLIENT_PREFIXES_MAX = 8,
	CLIENT_DOORS_MAX = 64, /* of one client, at once */
	CLIENT_SERVICE_WORDS = CONFIG_SERVICES_MAX / 64,
	CLIENT_COMMAND_WORDS = CONFIG_COMMANDS_MAX / 64,
	FINGERPRINT_TEXT = 65, /* of an OpenPGP key: 40 or 64 hexadecimal digits, and a NUL */
};

/* Which address a client may have a door opened for. */
enum address_policy {
	ADDRESS_SOURCE, /* the one that its packet comes from */
	ADDRESS_NAMED,	/* that, or any admissible host that it names (default) */
	ADDRESS_LIST,	/* only what lies within admit= */
};

struct client {
	char name[CONFIG_NAME_MAX + 1];
	uint8_t cid[CID_BYTES];
	uint8_t public_key[KEY_BYTES];
	uint8_t secret[KEY_BYTES];
	uint64_t service[CLIENT_SERVICE_WORDS]; /* bit i: config.service[i] */
	uint64_t command[CLIENT_COMMAND_WORDS]; /* bit i: config.command[i] */
	bool command_line;
	bool cut; /* it may end connections when it closes a door */
	enum address_policy address;
	struct prefix *from;  /* NULL when from anywhere */
	struct prefix *admit; /* ADDRESS_LIST */
	uint8_t from_len, admit_len;
	struct hours *hours; /* NULL: at any time */
	uint8_t hours_len;
	uint8_t doors_max;   /* at once; 0: CLIENT_DOORS_MAX */
	uint8_t carriers;    /* bit i: of enum carrier_id; 0: all */
	uint64_t sequences;  /* bit i: the one with id i; 0: the one without a name */
	int64_t expires_s;   /* seconds since 1970, 0 never */
	uint32_t max_hold_s; /* 0: the service's */
	char *openpgp;	     /* fingerprint in upper case; NULL: it has none */
	struct pin_check pin;
	struct code_check code;
	bool any_envelope; /* has one, and may do without it all the same */
	bool challenge, disabled;
};

/* What carrier= may say. */
enum { CLIENT_CARRIERS = 5 };
extern const struct client_carrier {
	const char *name;
	enum carrier_id id;
} client_carriers[CLIENT_CARRIERS];

struct clients;

/*
 * c is borrowed until clients_free(). Memory for secrets is never moved, locked as far as the limit goes, left out
 * of core dumps, and wiped. Aborts when there is none. In a sandbox it needs mmap, munmap, madvise and mlock.
 */
struct clients *clients_new(const struct config *c);
/* One line without its newline (changed while it is read; its secret is wiped). Returns 0 or -1, reported. */
int clients_line(
    struct clients *cs, const char *file, unsigned line_no, char *line, struct report *r);
/* Checks what only the whole can show. Returns 0 or -1 (r->errors). */
int clients_finish(struct clients *cs, const char *file, struct report *r);
void clients_free(struct clients *cs);

size_t clients_count(const struct clients *cs);
/* O(1) on average; NULL when there is none. Valid until clients_free(). */
const struct client *clients_by_cid(const struct clients *cs, const uint8_t cid[static CID_BYTES]);
const struct client *clients_by_name(const struct clients *cs, const char *name);
const struct client *clients_at(const struct clients *cs, size_t i); /* in file order */
size_t clients_index(const struct clients *cs, const struct client *c);
bool client_has_service(const struct client *c, unsigned service);
bool client_has_command(const struct client *c, unsigned command);
/* May it knock with this kind of envelope, the one that is OpenPGP's or the other? */
bool client_may_use(const struct client *c, bool openpgp);
bool client_may_knock_by(const struct client *c, enum carrier_id carrier);
/* By the carrier sequence, along one of these? Bits as above. */
bool client_may_knock_along(const struct client *c, uint64_t sequences);
/* How many have an OpenPGP key. */
size_t clients_openpgp(const struct clients *cs);
/* 40 or 64 hexadecimal digits; lower case is made upper. */
bool fingerprint_read(char out[static FINGERPRINT_TEXT], const char *text);

#endif
