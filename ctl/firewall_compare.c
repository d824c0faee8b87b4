#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "firewall_cmd.h"
#include "firewall_scratch.h"
#include "nft_table.h"
#include "xt_queue.h"

static const char list_table[] = "list table inet " NFT_TABLE;

/* The table as the kernel tells of it, after it was made in the scratch namespace. */
static char *make_and_list(struct nft_run *r, const void *rules)
{
	return nft_run(r, rules) == 0 ? nft_run_output(r, list_table, NFT_FORMAT_RULES) : NULL;
}

/* What posternd would install, with the same prefix lengths as are in use. NULL: cannot be made. */
static char *wanted_table(
    const struct config *config, const struct nft_lengths *lengths, enum nft_queueing queueing)
{
	char *rules = NULL, *listed = NULL;
	size_t size;
	FILE *out = open_memstream(&rules, &size);

	if (!out)
		return NULL;
	nft_rules_write(out, config, lengths, NFT_ARM_INSTALL, queueing);
	if (fclose(out) == 0)
		listed = scratch_run(make_and_list, rules);
	free(rules);
	return listed;
}

/* And how this host's kernel lets knocks be queued, if they shall be. *rest: is all well beside the table? */
static char *present_table(const struct config *config, struct nft_lengths *lengths,
    enum nft_queueing *queueing, bool *rest)
{
	struct nft_table t = {.run = nft_run_new()};
	char *listed = NULL;

	if (t.run && nft_link_open(&t.link) == 0 && nft_table_lengths(&t, lengths) == 0) {
		*queueing = nft_run_queueing(t.run, config);
		*rest = *queueing == NFT_QUEUE_HERE || xt_queue_stands(t.run);
		listed = nft_run_output(t.run, list_table, NFT_FORMAT_RULES);
	}
	nft_link_close(&t.link);
	nft_run_free(t.run);
	return listed;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * Sets are listed in the order in which they were made, which means nothing.
 * So blocks (what stands between empty lines) are put in order before they are
 * compared; the order of rules, inside a block, counts.
 */
static void sort_blocks(char *text, char *block[], size_t most)
{
	size_t n = 0;
	char *at = text;

	while (at && n < most - 1) {
		char *gap = strstr(at, "\n\n");

		block[n++] = at;
		if (gap)
			*gap = '\0';
		at = gap ? gap + 2 : NULL;
	}
	block[n] = NULL;
	qsort(block, n, sizeof(block[0]), by_text);
}

/* Without the lines that open and close the table, so that each block stands alone. */
static char *inside(char *listed)
{
	char *start = strchr(listed, '\n'), *end = strrchr(listed, '}');

	if (!start || !end || end < start)
		return NULL;
	while (end > start && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	*end = '\0';
	return start + 1;
}

enum { BLOCKS_MAX = 256 };

static bool same_blocks(char *a, char *b)
{
	char *x[BLOCKS_MAX], *y[BLOCKS_MAX];
	size_t i = 0;

	if (!a || !b)
		return false;
	sort_blocks(a, x, BLOCKS_MAX);
	sort_blocks(b, y, BLOCKS_MAX);
	while (x[i] && y[i] && strcmp(x[i], y[i]) == 0)
		i++;
	return !x[i] && !y[i];
}

static enum firewall_likeness compare(const struct config *config)
{
	struct nft_lengths lengths = {0};
	enum nft_queueing queueing = NFT_QUEUE_HERE;
	enum firewall_likeness like = FIREWALL_UNKNOWN;
	bool rest = true;
	char *present = present_table(config, &lengths, &queueing, &rest),
	     *wanted = present ? wanted_table(config, &lengths, queueing) : NULL;

	if (present && wanted)
		like = rest && same_blocks(inside(present), inside(wanted)) ? FIREWALL_LIKE
									    : FIREWALL_UNLIKE;
	free(wanted);
	free(present);
	return like;
}

static void take_needs(void *arg, const struct control_source *s)
{
	unsigned *needs = arg;

	*needs = s->needs;
}

/* Captures may be others than those of the file: switched, or the second in turn. */
enum firewall_likeness firewall_cmd_compare(struct ctl *c, const struct config *config)
{
	struct config *as_is = malloc(sizeof(*as_is));
	unsigned needs = 0; /* nobody captures */
	const struct daemon_listener l = {.source = take_needs, .arg = &needs};
	const struct daemon_question q = {
	    .type = CONTROL_STATS, .listener = &l, .may_be_away = true};
	char text[CONTROL_TEXT_MAX];
	enum firewall_likeness like;

	if (!as_is)
		abort();
	const bool away = daemon_ask(c, &q, text) != CTL_OK;

	*as_is = *config;
	as_is->needs = needs;
	like = compare(as_is);
	/* As posternctl firewall install makes them. */
	if (like == FIREWALL_UNLIKE && away && needs != config->needs)
		like = compare(config);
	free(as_is);
	return like;
}
