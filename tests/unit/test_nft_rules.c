/* nft_rules: the text of the table, word for word, because each word of it was tried on a kernel. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "nft_rules.h"

static struct config config_of(enum silence silence)
{
	struct config c = {.udp_port = 20123, .silence = silence, .services = 2};

	c.service[0] = (struct service){.name = "ssh", .proto = 6, .port = 22};
	c.service[1] = (struct service){.name = "dns", .proto = 17, .port = 5353, .idle_s = 300};
	return c;
}

static char *text_of_rules(
    enum silence silence, const struct nft_lengths *lengths, enum nft_arming arming)
{
	struct config c = config_of(silence);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	nft_rules_write(out, &c, lengths, arming, NFT_QUEUE_HERE);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *golden_text(const char *name)
{
	char path[512], *text = NULL;
	size_t size = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	(void)fclose(f);
	return text;
}

static void check_golden(char *text, const char *name)
{
	char *expected = golden_text(name);

	assert_string_equal(text, expected);
	free(expected);
	free(text);
}

static void test_drop(void **state)
{
	const struct nft_lengths none = {0};

	(void)state;
	check_golden(text_of_rules(SILENCE_DROP, &none, NFT_ARM_INSTALL), "guard-drop.nft");
}

static void test_closed_with_networks(void **state)
{
	struct nft_lengths lengths = {0};

	(void)state;
	lengths.v4[0] = lengths.v4[12] = lengths.v4[31] = true;
	lengths.v6[0] = lengths.v6[56] = lengths.v6[127] = true;
	check_golden(
	    text_of_rules(SILENCE_CLOSED, &lengths, NFT_ARM_UNLESS_TRIAL), "guard-closed.nft");
}

static char *text_of_config(const struct config *c)
{
	const struct nft_lengths none = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	nft_rules_write(out, c, &none, NFT_ARM_KEEP, NFT_QUEUE_HERE);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_pieces(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text;

	(void)state;
	c.sequence[0].ports = (struct port_list){.at = {7001, 9, 65535, 4, 5}, .len = 5};
	c.sequence[0].pieces = PIECES_UDP | PIECES_CLEAN;
	c.sequences = 1;
	c.sequence[1] = (struct sequence_config){
	    .name = "alpha", .id = 1, .range = {400, 500}, .pieces = PIECES_UDP};
	text = text_of_config(&c);
	assert_non_null(strstr(text,
	    "postern pieces counter name knocks drop\n"
	    "add rule inet postern knocks udp dport { 7001, 9, 65535, 4, 5 } goto pieces\n"
	    "add rule inet postern knocks tcp dport { 7001, 9, 65535, 4, 5 } tcp flags & (fin | "
	    "syn | rst | ack) == syn goto pieces\n"
	    "add rule inet postern knocks udp dport 400-500 goto pieces\n"));
	assert_null(strstr(text, "tcp dport 400"));
	free(text);
	c.sequence[0] = (struct sequence_config){.range = {20000, 29999}, .pieces = PIECES_TCP};
	text = text_of_config(&c);
	assert_null(strstr(text, "udp dport 20000"));
	assert_non_null(strstr(text, "tcp dport 20000-29999 tcp flags"));
	free(text);
	c.silence = SILENCE_CLOSED; /* a closed port answers, and nothing stands out */
	text = text_of_config(&c);
	assert_null(strstr(text, "pieces"));
	free(text);
	c.needs = NEED_NFLOG_1;
	text = text_of_config(&c);
	assert_non_null(strstr(text, "postern pieces log group 4478 "));
	assert_null(strstr(text, "pieces counter"));
	free(text);
}

/* Whichever of its ports a door is at: the guard knows, and what came through it has the mark. */
static void test_random_port_leads_on(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	struct service *s = &c.service[0];
	char *text;

	(void)state;
	s->port = 20000;
	s->ports = (struct port_ranges){.at = {{20000, 20999}}, .len = 1, .random = 1};
	s->forward = (struct forwards){.at = {{.port = 22}}, .len = 1};
	text = text_of_config(&c);
	assert_non_null(strstr(text,
	    "forwards meta nfproto 2 meta l4proto 6 th dport 20000-20999 ct mark and 0x10000 == "
	    "0x10000 redirect to :22\n"));
	assert_non_null(
	    strstr(text, "forwards meta nfproto 10 meta l4proto 6 th dport 20000-20999"));
	free(text);
}

#define BANNED "add rule inet postern banned "
#define OURS_ALONE \
	"fib daddr type { unicast, blackhole, unreachable, prohibit }" \
	" fib daddr . iif type { unicast, blackhole, unreachable, prohibit } return\n"
#define ASKED \
	"add rule inet postern guard ip saddr @banned4 jump banned\n" \
	"add rule inet postern guard ip6 saddr @banned6 jump banned\n"
#define LINK \
	BANNED OURS_ALONE BANNED "meta l4proto 1 icmp type != echo-request return\n" BANNED \
				 "meta l4proto 58 icmpv6 type != echo-request return\n"

/* Behind what is up and before the doors; and what carries knocks is not dropped. */
static void test_bans(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text = text_of_config(&c);

	(void)state;
	assert_null(strstr(text, BANNED));
	assert_null(strstr(text, "@banned"));
	free(text);
	c.ban_after = 1;
	text = text_of_config(&c);
	assert_non_null(
	    strstr(text, "guard iif lo accept\n" LINK BANNED "counter name shunned drop\n" ASKED
			 "add rule inet postern guard meta l4proto != { 6, 17 } accept\n"));
	free(text);
	c.needs = NEED_UDP;
	c.http_port = 80;
	text = text_of_config(&c);
	assert_non_null(strstr(text,
	    LINK BANNED "udp dport 20123 return\n" BANNED "tcp dport 80 return\n" BANNED
			"counter name shunned drop\n" ASKED));
	free(text);
}

/* The last rules before the silence, and only where services ask for it. */
static void test_traps(void **state)
{
	struct config c = config_of(SILENCE_CLOSED);
	char *text = text_of_config(&c);

	(void)state;
	assert_null(strstr(text, "trap limit"));
	free(text);
	c.service[0].trap = TRAP_TARPIT;
	c.service[0].ports = (struct port_ranges){.at = {{22, 22}, {8000, 8010}}, .len = 2};
	c.needs = NEED_TRAP_1;
	text = text_of_config(&c);
	assert_non_null(strstr(text,
	    "postern trap limit rate 500/second burst 200 packets log group 4480 queue-threshold "
	    "1\n"
	    "add rule inet postern trap counter name silenced drop\n"
	    "add rule inet postern guard tcp dport { 22-22, 8000-8010 } goto trap\n"
	    "add rule inet postern guard counter name silenced\n"));
	assert_true(strstr(text, "trap fib daddr type != local") < strstr(text, "trap limit"));
	assert_null(strstr(text, "group 4479"));
	assert_null(strstr(text, "knock log"));
	free(text);
	c.needs = 0; /* nobody hears: then nobody answers, and it is silent */
	text = text_of_config(&c);
	assert_null(strstr(text, "trap limit"));
	assert_non_null(strstr(text, "goto trap\n"));
	free(text);
}

/* What follows the rules: the arming alone. */
static char *arming_of(enum nft_arming arming)
{
	const struct nft_lengths none = {0};
	char *text = text_of_rules(SILENCE_DROP, &none, arming);
	char *keep = text_of_rules(SILENCE_DROP, &none, NFT_ARM_KEEP);
	size_t len = strlen(keep);
	char *rest;

	assert_memory_equal(text, keep, len);
	rest = strdup(text + len);
	assert_non_null(rest);
	free(keep);
	free(text);
	return rest;
}

static void check_arming(enum nft_arming arming, const char *expected)
{
	char *text = arming_of(arming);

	assert_string_equal(text, expected);
	free(text);
}

#define GUARDED \
	"flush set inet postern guarded\n" \
	"add element inet postern guarded { 6 . 22 }\n" \
	"add element inet postern guarded { 17 . 5353 }\n"

static void test_arming(void **state)
{
	(void)state;
	check_arming(NFT_ARM_KEEP, "");
	check_arming(NFT_ARM_MARK, "add element inet postern trial { 1 }\n");
	/* "create" is refused where a trial is, and all of it with it. */
	check_arming(NFT_ARM_UNLESS_TRIAL, "create element inet postern trial { 1 }\ndelete "
					   "element inet postern trial { 1 }\n" GUARDED);
	check_arming(NFT_ARM_INSTALL, "flush set inet postern trial\n" GUARDED);
}

static void test_rules_never_name_a_door(void **state)
{
	const struct nft_lengths none = {0};
	char *text = text_of_rules(SILENCE_DROP, &none, NFT_ARM_KEEP);

	(void)state;
	/* The elements of doors outlive a replacement: nothing may flush or delete their sets. */
	assert_null(strstr(text, "flush set inet postern doors"));
	assert_null(strstr(text, "delete set"));
	assert_null(strstr(text, "delete element"));
	assert_null(strstr(text, "delete table"));
	free(text);
}

#define FOREIGN \
	"fib daddr type { unicast, blackhole, unreachable, prohibit }" \
	" fib daddr . iif type { unicast, blackhole, unreachable, prohibit } accept\n"
#define KNOCK "add rule inet postern knock "
#define UNHEARD "add rule inet postern unheard "
#define ENTRY "add rule inet postern knocks udp dport 20123 goto knock\n"

/* The rules about knocks for what captures need, which are all of "mine". */
static void check_rules(
    struct config *c, unsigned needs, enum nft_queueing queueing, const char *mine)
{
	static const char before[] = "delete chain inet postern unheard\n",
			  after[] = "add rule inet postern replies ";
	const struct nft_lengths none = {0};
	char *text = NULL, *from, *to;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	c->needs = needs;
	nft_rules_write(out, c, &none, NFT_ARM_KEEP, queueing);
	assert_int_equal(fclose(out), 0);
	from = strstr(text, before);
	assert_non_null(from);
	from += sizeof(before) - 1;
	to = strstr(from, after);
	assert_non_null(to);
	*to = '\0';
	assert_string_equal(from, mine);
	free(text);
}

static void check_knocks(
    enum silence silence, unsigned needs, enum nft_queueing queueing, const char *mine)
{
	struct config c = config_of(silence);

	check_rules(&c, needs, queueing, mine);
}

static void test_what_captures_need(void **state)
{
	static const char unheard[] =
	    "add chain inet postern unheard { type filter hook prerouting priority raw + 1; policy "
	    "accept; }\n" UNHEARD "udp dport 20123 " FOREIGN UNHEARD
	    "udp dport 20123 counter name knocks drop\n" ENTRY;
	char expected[2048];

	(void)state;
	check_knocks(SILENCE_CLOSED, 0, NFT_QUEUE_HERE, "");
	check_knocks(SILENCE_DROP, 0, NFT_QUEUE_HERE,
	    KNOCK FOREIGN KNOCK "counter name knocks drop\n" ENTRY);
	check_knocks(SILENCE_DROP, NEED_NFLOG_0 | NEED_NFLOG_1, NFT_QUEUE_HERE,
	    KNOCK FOREIGN KNOCK "log group 4477 queue-threshold 1\n" KNOCK
				"log group 4478 queue-threshold 1\n" KNOCK
				"counter name knocks drop\n" ENTRY);
	/* A socket hears what is not dropped. */
	check_knocks(SILENCE_DROP, NEED_UDP, NFT_QUEUE_HERE, KNOCK FOREIGN KNOCK "notrack\n" ENTRY);
	/* A verdict ends the chain, so the drop is in the next one. */
	check_knocks(SILENCE_CLOSED, NEED_NFQUEUE_1, NFT_QUEUE_HERE,
	    KNOCK FOREIGN KNOCK "queue num 4478 bypass\n" ENTRY);
	(void)snprintf(expected, sizeof(expected), "%s%s",
	    KNOCK FOREIGN KNOCK "queue num 4477 bypass\n", unheard);
	check_knocks(SILENCE_DROP, NEED_NFQUEUE_0, NFT_QUEUE_HERE, expected);
	(void)snprintf(expected, sizeof(expected), "%s%s", KNOCK FOREIGN, unheard);
	check_knocks(SILENCE_DROP, NEED_NFQUEUE_0, NFT_QUEUE_OUTSIDE, expected);
	check_knocks(SILENCE_DROP, NEED_NFQUEUE_0 | NEED_UDP, NFT_QUEUE_HERE,
	    KNOCK FOREIGN KNOCK "notrack\n" KNOCK "queue num 4477 bypass\n" ENTRY);
}

#define RULE "add rule inet postern "

/* All of the knocks' rules without and with nflog, each time for all carriers but udp. */
static void test_other_carriers(void **state)
{
	static const struct {
		enum silence silence;
		unsigned needs;
		const char *rules;
	} table[] = {
	    {SILENCE_DROP, 0,
		"add chain inet postern syn\n" RULE "syn " FOREIGN RULE
		"syn counter name knocks drop\n" RULE "knocks tcp dport 20124 goto syn\n"},
	    {SILENCE_CLOSED, 0,
		"add chain inet postern syn\n" RULE "syn " FOREIGN RULE
		"syn counter name knocks drop\n" RULE
		"knocks tcp dport 20124 tcp flags & (fin | syn | rst | ack) == syn meta length >= "
		"424 goto syn\n"},
	    {SILENCE_DROP, NEED_NFLOG_1,
		"add chain inet postern syn\n" RULE "syn " FOREIGN RULE
		"syn log group 4478 queue-threshold 1\n" RULE "syn counter name knocks drop\n" RULE
		"knocks tcp dport 20124 goto syn\n"
		"add chain inet postern heard\n" RULE "heard " FOREIGN RULE
		"heard log group 4478 queue-threshold 1\n" RULE
		"knocks icmp type echo-request meta length >= 412 goto heard\n" RULE
		"knocks icmpv6 type echo-request meta length >= 432 goto heard\n" RULE
		"knocks tcp dport 80 meta length >= 552 goto heard\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config c = config_of(table[i].silence);

		c.udp_port = 0;
		c.tcp_port = 20124;
		c.icmp = 1;
		c.http_port = 80;
		check_rules(&c, table[i].needs, NFT_QUEUE_HERE, table[i].rules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_drop),
	    cmocka_unit_test(test_closed_with_networks),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_random_port_leads_on),
	    cmocka_unit_test(test_bans),
	    cmocka_unit_test(test_traps),
	    cmocka_unit_test(test_arming),
	    cmocka_unit_test(test_rules_never_name_a_door),
	    cmocka_unit_test(test_what_captures_need),
	    cmocka_unit_test(test_other_carriers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
