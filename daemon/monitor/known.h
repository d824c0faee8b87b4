/*
 * known - the doors that the monitor has opened, so that those which it has
 * not are told from them when somebody else was at the firewall.
 * Process: monitor. Times are CLOCK_BOOTTIME milliseconds.
 *
 * The kernel is what counts for a door. This is a note of what it was told, and
 * opens none: which of those that are lost shall be there again is auth's to
 * say, who knows what was closed since.
 */
#ifndef POSTERN_MONITOR_KNOWN_H
#define POSTERN_MONITOR_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "firewall.h"

enum { KNOWN_MAX = 262144 }; /* what comes beyond is not noted */

struct known;

struct known_doors {
	struct known *all;
	unsigned tidy_at;  /* when there are so many, those that have ended are thrown away */
	bool some_missing; /* there was no room: who is not noted may be ours all the same */
};

/* Begins as zeros; forget all. */
void known_free(struct known_doors *k);

/* A door was opened, or has so many seconds from now at most, or was closed. Aborts without memory. */
void known_opened(struct known_doors *k, const struct service *s, const struct firewall_pass *p,
    uint32_t seconds);
void known_shortened(struct known_doors *k, const struct service *s, const struct firewall_pass *p,
    uint32_t seconds);
void known_closed(struct known_doors *k, const struct service *s, const struct firewall_pass *p);

/*
 * Another configuration is in force: the doors of services that it has not, or
 * has elsewhere, are closed and forgotten, whichever comes after it.
 */
void known_settle(struct known_doors *k, const struct config *c);

/*
 * At the start: what the kernel has from before is ours where its time is
 * within the law; what has more gets what the law gives at most, and what has
 * no end is closed.
 */
void known_take(struct known_doors *k, struct firewall *f, const struct config *c);

/*
 * Somebody else was at the firewall, and the guard is there again. Doors that
 * nobody of ours opened are closed; those with another time than was given get
 * that; those that are missing are forgotten.
 */
void known_mend(struct known_doors *k, struct firewall *f, const struct config *c);

#endif
