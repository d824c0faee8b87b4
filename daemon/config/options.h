/*
 * options - the last word of a line in the clients file.
 */
#ifndef POSTERN_CONFIG_OPTIONS_H
#define POSTERN_CONFIG_OPTIONS_H

#include "clients.h"

/* A line, and where to complain of it. */
struct place {
	const char *file;
	unsigned line;
	struct report *r;
};

/*
 * Reads "service=ssh,challenge,..." (changed while it is read) into c, which
 * has its defaults; from and admit are allocated. Tells every fault.
 */
void options_parse(
    struct client *c, const struct config *config, char *options, const struct place *at);

#endif
