/*
 * resolve - the addresses behind the servers of a profile.
 */
#ifndef LIBPOSTERN_RESOLVE_H
#define LIBPOSTERN_RESOLVE_H

#include <stddef.h>
#include <sys/socket.h>

#include "postern.h"
#include "profile.h"

enum { TARGETS_MAX = 4 }; /* of one family */

struct target {
	struct sockaddr_storage addr; /* with the port to knock at */
	socklen_t len;
	char text[POSTERN_ADDRESS_TEXT];
};

struct targets {
	int family; /* AF_INET or AF_INET6 */
	unsigned len;
	struct target at[TARGETS_MAX];
};

/*
 * Resolve every server, in order. Blocks.
 *   family  AF_UNSPEC, AF_INET, AF_INET6
 *   out     one for each family that has an address, in the order that the system prefers
 * Returns how many families there are; 0 when none (told). What did not
 * resolve beside what did is told as a note.
 */
unsigned resolve(const struct postern_profile *p, int family, struct targets out[static 2],
    struct trouble *errors, struct trouble *notes);

/* The same for one host (told in errors), without a port. */
unsigned resolve_host(const char *host, struct targets out[static 2], struct trouble *errors);

/* Numeric text, "" when it cannot be said. */
void address_of(
    const struct sockaddr_storage *addr, socklen_t len, char out[static POSTERN_ADDRESS_TEXT]);

#endif
