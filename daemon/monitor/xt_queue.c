/* xt_queue - see xt_queue.h. */
#include "xt_queue.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "tool_run.h"

#define CHAIN "postern-knocks"

enum {
	TEXT_MAX = 640,
	COMMAND_MAX = 64,
	SAID_MAX = 160,
};

static const struct family {
	const char *table; /* as nft has it */
	const char *tool, *restore;
} families[] = {
    {"ip", "/usr/sbin/iptables-nft", "/usr/sbin/iptables-nft-restore"},
    {"ip6", "/usr/sbin/ip6tables-nft", "/usr/sbin/ip6tables-nft-restore"},
};

enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

/* The first line of what it said in said. */
static int run_tool(const char *const argv[], const char *input, char said[static SAID_MAX])
{
	char *text;
	int status = tool_run(argv, NULL, input, &text);

	(void)snprintf(said, SAID_MAX, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
	return status;
}

static int must(const char *const argv[], const char *input)
{
	char said[SAID_MAX], quoted[LOG_QUOTE_MAX];
	int status = run_tool(argv, input, said);

	if (status == 0)
		return 0;
	if (status == TOOL_MISSING)
		log_error("firewall",
		    "tool=%s: this kernel lacks the queue of nftables, so nfqueue needs iptables; "
		    "install it, or use capture = nflog",
		    argv[0]);
	else
		log_error("firewall", "tool=%s status=%d said=%s", argv[0], status,
		    log_quote(quoted, said, strlen(said)));
	return -1;
}

/*
 * All of the chain at once. By both tables of addresses, as the guard does:
 * inside a VRF an address is in the interface's alone.
 */
static int fill(const struct family *f, uint16_t port, uint16_t queue)
{
	const char *const argv[] = {f->restore, "--noflush", NULL};
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text),
	    "*raw\n:" CHAIN " - [0:0]\n"
	    "-A " CHAIN " -p udp --dport %" PRIu16
	    " -m addrtype --dst-type LOCAL -j NFQUEUE --queue-num %" PRIu16 " --queue-bypass\n"
	    "-A " CHAIN " -p udp --dport %" PRIu16
	    " -m addrtype --dst-type LOCAL --limit-iface-in -j NFQUEUE --queue-num %" PRIu16
	    " --queue-bypass\nCOMMIT\n",
	    port, queue, port, queue);
	return must(argv, text);
}

static bool is_asked(const struct family *f)
{
	const char *const argv[] = {
	    f->tool, "-w", "-t", "raw", "-C", "PREROUTING", "-j", CHAIN, NULL};
	char said[SAID_MAX];

	return run_tool(argv, "", said) == 0;
}

/* First of all, so that no rule of somebody else's lets knocks by. */
static int ask(const struct family *f)
{
	const char *const argv[] = {
	    f->tool, "-w", "-t", "raw", "-I", "PREROUTING", "-j", CHAIN, NULL};

	return is_asked(f) ? 0 : must(argv, "");
}

int xt_queue_put(uint16_t port, uint16_t queue)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (fill(&families[i], port, queue) != 0 || ask(&families[i]) != 0)
			return -1;
	return 0;
}

/* NULL when it is not there. */
static char *chain_text(struct nft_run *r, const struct family *f)
{
	char command[COMMAND_MAX];

	(void)snprintf(command, sizeof(command), "list chain %s raw " CHAIN, f->table);
	return nft_run_output(r, command, NFT_FORMAT_TEXT);
}

static bool is_there(struct nft_run *r, const struct family *f)
{
	char *text = chain_text(r, f);
	const bool there = text != NULL;

	free(text);
	return there;
}

static int remove_one(const struct family *f)
{
	const char *const flush[] = {f->tool, "-w", "-t", "raw", "-F", CHAIN, NULL};
	const char *const delete[] = {f->tool, "-w", "-t", "raw", "-X", CHAIN, NULL};
	const char *const forget[] = {
	    f->tool, "-w", "-t", "raw", "-D", "PREROUTING", "-j", CHAIN, NULL};

	if (is_asked(f) && must(forget, "") != 0)
		return -1;
	return must(flush, "") != 0 || must(delete, "") != 0 ? -1 : 0;
}

int xt_queue_remove(struct nft_run *r)
{
	int status = 0;

	for (size_t i = 0; i < FAMILIES; i++)
		if (is_there(r, &families[i]) && remove_one(&families[i]) != 0)
			status = -1;
	return status;
}

/* nft may know the words of iptables, or not: it writes "queue" or NFQUEUE. */
static bool queues(struct nft_run *r, const struct family *f)
{
	char *text = chain_text(r, f);
	const bool found = text != NULL && strcasestr(text, "queue") != NULL;

	free(text);
	return found;
}

bool xt_queue_stands(struct nft_run *r)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (!queues(r, &families[i]) || !is_asked(&families[i]))
			return false;
	return true;
}

void xt_queue_show(struct nft_run *r, FILE *out)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		char *text = chain_text(r, &families[i]);

		if (text != NULL)
			fputs(text, out);
		free(text);
	}
}
