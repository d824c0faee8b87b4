/* nft_run - see nft_run.h. */
#include "nft_run.h"

#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_MAX = 200 };

struct nft_run {
	struct nft_ctx *ctx;
	char error[ERROR_MAX];
};

struct nft_run *nft_run_new(void)
{
	struct nft_run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!r->ctx || nft_ctx_buffer_output(r->ctx) != 0 || nft_ctx_buffer_error(r->ctx) != 0) {
		nft_run_free(r);
		return NULL;
	}
	return r;
}

void nft_run_free(struct nft_run *r)
{
	if (!r)
		return;
	if (r->ctx)
		nft_ctx_free(r->ctx);
	free(r);
}

/* The library explains over several lines, with arrows; the first one says it. */
static void keep_error(struct nft_run *r)
{
	const char *text = nft_ctx_get_error_buffer(r->ctx);
	size_t len = text ? strcspn(text, "\n") : 0;

	if (len >= sizeof(r->error))
		len = sizeof(r->error) - 1;
	if (len > 0)
		memcpy(r->error, text, len);
	r->error[len] = '\0';
}

static int run(struct nft_run *r, const char *command, unsigned flags)
{
	int rc;

	nft_ctx_output_set_flags(r->ctx, flags);
	rc = nft_run_cmd_from_buffer(r->ctx, command);
	keep_error(r);
	return rc == 0 ? 0 : -1;
}

int nft_run(struct nft_run *r, const char *text)
{
	int rc = run(r, text, 0);

	(void)nft_ctx_get_output_buffer(r->ctx); /* asking for it empties it */
	return rc;
}

/* The kernel loads what it needs for a rule, or has not got it: nothing but trying tells. */
enum nft_queueing nft_run_queueing(struct nft_run *r, const struct config *c)
{
	static const char trial[] =
	    "table inet " NFT_TABLE "_trial {\n\tchain c {\n\t\tqueue num 1 "
	    "bypass\n\t}\n}\ndelete table inet " NFT_TABLE "_trial\n";

	return nft_rules_queue(c) < 0 || nft_run(r, trial) == 0 ? NFT_QUEUE_HERE
								: NFT_QUEUE_OUTSIDE;
}

const char *nft_run_error(struct nft_run *r)
{
	return r->error;
}

static unsigned format_flags(enum nft_format format)
{
	switch (format) {
	case NFT_FORMAT_TEXT:
		return NFT_CTX_OUTPUT_TERSE;
	case NFT_FORMAT_RULES:
		return NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_TERSE |
		       NFT_CTX_OUTPUT_NUMERIC_PROTO;
	case NFT_FORMAT_HANDLES:
		return NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_TERSE;
	case NFT_FORMAT_JSON:
		return NFT_CTX_OUTPUT_JSON;
	case NFT_FORMAT_ECHO:
		return NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_ECHO;
	}
	abort();
}

char *nft_run_output(struct nft_run *r, const char *command, enum nft_format format)
{
	int rc = run(r, command, format_flags(format));
	const char *text = nft_ctx_get_output_buffer(r->ctx);

	return rc == 0 && text ? strdup(text) : NULL;
}
