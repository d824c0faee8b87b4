/*
 * nft_run - rules as text into the kernel, by libnftables: all of a text or
 * nothing. For what is rare; elements go by nft_element.h.
 */
#ifndef POSTERN_MONITOR_NFT_RUN_H
#define POSTERN_MONITOR_NFT_RUN_H

#include <stdbool.h>

#include "nft_rules.h"

struct nft_run;

/* NULL when there is no memory or no netlink. Keeps a socket of its own. */
struct nft_run *nft_run_new(void);
void nft_run_free(struct nft_run *r);

/*
 * Returns 0, or -1: then nothing has changed. Texts are never from outside:
 * they are made of numbers and our own words.
 */
int nft_run(struct nft_run *r, const char *text) __attribute__((warn_unused_result));
/* What was wrong with the last one, in one line; borrowed until the next. */
const char *nft_run_error(struct nft_run *r);

/* How c's queue is to be filled, asked of the kernel; HERE when c has none. Changes nothing. */
enum nft_queueing nft_run_queueing(struct nft_run *r, const struct config *c);

enum nft_format {
	NFT_FORMAT_TEXT,  /* for people: without elements, with counters */
	NFT_FORMAT_RULES, /* numeric text of rules and definitions, without elements and counters */
	NFT_FORMAT_HANDLES, /* text with the number of each rule behind it */
	NFT_FORMAT_JSON,
	NFT_FORMAT_ECHO, /* a command that adds, and JSON of what the kernel then has */
};

/* Run a command and get what it prints, given to the caller (free() it); NULL when it failed. */
char *nft_run_output(struct nft_run *r, const char *command, enum nft_format format);

#endif
