/*
 * address - Internet addresses and prefixes as the protocol has them.
 *
 * One form for both families: 16 bytes, IPv4 as v4-mapped (::ffff:a.b.c.d), so
 * that comparing, hashing and encoding need no cases. address_is_v4() tells.
 */
#ifndef POSTERN_BASE_ADDRESS_H
#define POSTERN_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDRESS_BYTES = 16, ADDRESS_TEXT = 46, PREFIX_TEXT = 50 };

struct address {
	uint8_t b[ADDRESS_BYTES];
};

/* len counts within the family: 0 to 32 for IPv4, 0 to 128 for IPv6. */
struct prefix {
	struct address addr;
	uint8_t len;
};

struct address address_v4(const uint8_t b[static 4]);
struct address address_v6(const uint8_t b[static 16]); /* folds nothing: v4-mapped input is IPv4 */
bool address_is_v4(const struct address *a);
bool address_is_zero(const struct address *a); /* all 16 bytes 0: "no address" */
bool address_equal(const struct address *a, const struct address *b);
/* May a door ever be opened for it: not unspecified, loopback, multicast, link-local, broadcast. */
bool address_is_admissible(const struct address *a);
/* Numeric text only, no names. Returns 0 or -E_FORMAT. */
int address_parse(const char *text, struct address *out);
const char *address_text(const struct address *a, char out[static ADDRESS_TEXT]);

struct prefix prefix_host(const struct address *a); /* the narrowest: /32 or /128 */
bool prefix_is_host(const struct prefix *p);
bool prefix_contains(const struct prefix *p, const struct address *a);
bool prefix_within(const struct prefix *outer, const struct prefix *inner);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Host bits are 0 and len fits the family. */
bool prefix_is_canonical(const struct prefix *p);
/* "10.0.0.0/8", or an address alone. Returns 0 or -E_FORMAT (also for host bits that are set). */
int prefix_parse(const char *text, struct prefix *out);
/* The length is left out for a host. */
const char *prefix_text(const struct prefix *p, char out[static PREFIX_TEXT]);

#endif
