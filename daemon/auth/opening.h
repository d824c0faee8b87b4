/*
 * opening - what auth opens as root, and the jail that it then goes into.
 */
#ifndef POSTERN_AUTH_OPENING_H
#define POSTERN_AUTH_OPENING_H

#include "process.h"
#include "raw.h"
#include "report.h"
#include "store.h"

enum { BOOT_ID_CAP = 64, EXIT_CONFIG = 78 };

struct opening {
	struct raw raw;
	struct store *store;
	int folder;  /* the store's, until it is open */
	int signals; /* readable when the process shall end */
	char boot_id[BOOT_ID_CAP];
};

/*
 * Returns EXIT_SUCCESS: all is open and nothing more can be; otherwise, and
 * logged or reported, the status to end with: EXIT_CONFIG when starting again
 * would not help.
 */
int opening_and_jail(struct opening *o, const struct child_args *args, struct report *r);

#endif
