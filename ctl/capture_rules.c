#include "capture_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "nft_run.h"
#include "xt_queue.h"

#define TABLE "postern_compare"
#define RULE "add rule inet " TABLE " "

struct rules {
	struct nft_run *run;
	int stamps; /* a socket: as long as one asks for it, the kernel stamps all packets early */
	bool queues_outside; /* by iptables' chain, which has to be taken away */
};

static void explain(const struct rules *r, char why[static RULES_WHY_MAX])
{
	(void)snprintf(why, RULES_WHY_MAX,
	    "the kernel does not take the rules that count packets (is another comparison "
	    "running?): %s",
	    nft_run_error(r->run));
}

struct rules *rules_new(char why[static RULES_WHY_MAX])
{
	/* Before the guard's own chains: after them there is nothing left. */
	static const char empty[] =
	    "table inet " TABLE " {\n\tflags owner;\n\tcounter offered {\n\t}\n"
	    "\tchain offered {\n\t\ttype filter hook prerouting priority raw - 20; policy "
	    "accept;\n\t}\n"
	    "\tchain taken {\n\t\ttype filter hook prerouting priority raw + 20; policy "
	    "accept;\n\t}\n}\n";
	struct rules *r = calloc(1, sizeof(*r));
	const int on = 1;

	if (r == NULL)
		abort();
	r->stamps = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(r->stamps, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	r->run = nft_run_new();
	if (r->run != NULL && nft_run(r->run, empty) == 0)
		return r;
	if (r->run != NULL)
		explain(r, why);
	else
		(void)snprintf(why, RULES_WHY_MAX, "there is no netlink");
	rules_free(r);
	return NULL;
}

/* The condition of all rules. */
static void write_match(FILE *out, const struct rules_want *w, const char *chain)
{
	(void)fprintf(out, RULE "%s ", chain);
	if (strcmp(w->interface, "any") != 0)
		(void)fprintf(out, "iifname \"%s\" ", w->interface);
	(void)fprintf(out, "udp dport %" PRIu16 " ", w->port);
}

static void write_rules(FILE *out, const struct rules_want *w, bool queue)
{
	(void)fputs("flush table inet " TABLE "\nreset counter inet " TABLE " offered\n", out);
	write_match(out, w, "offered");
	if (w->until_s != 0)
		(void)fprintf(out, "meta time >= %" PRIu64 " meta time < %" PRIu64 " ", w->from_s,
		    w->until_s);
	(void)fputs("counter name offered\n", out);
	if (w->log) {
		write_match(out, w, "offered");
		(void)fprintf(out, "log group %d queue-threshold 1\n", RULES_GROUP);
	}
	if (queue) {
		write_match(out, w, "offered");
		(void)fprintf(out, "queue num %d bypass\n", RULES_GROUP);
	}
	if (w->divert) {
		write_match(out, w, "offered");
		(void)fprintf(out, "udp dport set %d\n", RULES_UDP_PORT);
	}
	if (w->drop) {
		write_match(out, w, "taken");
		(void)fputs("drop\n", out);
	}
}

static int set_rules(struct rules *r, const struct rules_want *want, bool queue)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int status = -1;

	if (out == NULL)
		abort();
	write_rules(out, want, queue);
	if (fclose(out) == 0)
		status = nft_run(r->run, text);
	free(text);
	return status;
}

int rules_set(struct rules *r, const struct rules_want *want, char why[static RULES_WHY_MAX])
{
	if (set_rules(r, want, want->queue) == 0)
		return 0;
	/* Many a kernel has no such expression for nftables: then by the other way that there is. */
	if (want->queue && set_rules(r, want, false) == 0) {
		r->queues_outside = true;
		if (xt_queue_put(want->port, RULES_GROUP) == 0)
			return 0;
	}
	explain(r, why);
	return -1;
}

uint64_t rules_counted(struct rules *r)
{
	static const char word[] = "packets ";
	char *text = nft_run_output(r->run, "list counter inet " TABLE " offered", NFT_FORMAT_TEXT);
	const char *at = text != NULL ? strstr(text, word) : NULL;
	uint64_t n = at != NULL ? strtoull(at + sizeof(word) - 1, NULL, 10) : 0;

	free(text);
	return n;
}

void rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	if (r->queues_outside && xt_queue_remove(r->run) != 0)
		log_warning("compare_rest", "the chain that queues packets could not be removed");
	if (r->stamps >= 0)
		(void)close(r->stamps);
	nft_run_free(r->run); /* its socket owns the table */
	free(r);
}
