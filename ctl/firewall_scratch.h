/*
 * firewall_scratch - try rules out in an empty network namespace of a child
 * process, so that nothing of the host's is touched.
 */
#ifndef POSTERN_CTL_FIREWALL_SCRATCH_H
#define POSTERN_CTL_FIREWALL_SCRATCH_H

#include "nft_run.h"

/* Runs in the child; what it returns (malloc) comes back from scratch_run(). */
typedef char *scratch_fn(struct nft_run *r, const void *arg);

/* Given to the caller (free() it); NULL when there is no such namespace to be had, or fn returned NULL. */
char *scratch_run(scratch_fn *fn, const void *arg);

#endif
