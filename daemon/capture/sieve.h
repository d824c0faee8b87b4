/*
 * sieve - the administrator's filter of a source, for methods that have no
 * filter in the kernel, and for --check.
 */
#ifndef POSTERN_CAPTURE_SIEVE_H
#define POSTERN_CAPTURE_SIEVE_H

#include <stdbool.h>

#include "capture.h"

enum { SIEVE_WHY_MAX = 300 };

struct sieve;

/*
 * Can this method filter by that (pcap-filter(7), not "")? Needs no rights.
 * Returns 0; -1 with what is wrong in why.
 */
int sieve_check(const struct capture_method *m, const char *filter, char why[static SIEVE_WHY_MAX])
    __attribute__((warn_unused_result));
/* For all kinds of frames that it means something for. Given to the caller; aborts when there is no memory. */
struct sieve *sieve_new(const char *filter);
void sieve_free(struct sieve *s);
/* What it means nothing for does not pass. */
bool sieve_passes(const struct sieve *s, const struct capture_frame *frame);

#endif
