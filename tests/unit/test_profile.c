#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lane.h"
#include "profile.h"

#define KEY_A "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_B "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define KEY_0 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define CID "CQkJCQkJCQk="
#define FPR "0123456789ABCDEF0123456789ABCDEF01234567"
#define FIRST "# postern profile\n"
#define NEEDED \
	"version = 1\nname = alice\nserver = host.example.org\nport = 62201\n" \
	"server-key = " KEY_A "\ndoor-key = " KEY_B "\ncid = " CID "\nprivate-key = " KEY_A \
	"\nsecret = " KEY_B "\n"

static struct postern_profile *parse(const char *text, size_t len, struct trouble *t)
{
	struct postern_profile *p = profile_new();

	assert_non_null(p);
	trouble_clear(t);
	if (profile_parse(p, "a.postern", text, len, t) == 0)
		return p;
	profile_free(p);
	return NULL;
}

static struct postern_profile *parse_good(const char *text)
{
	static struct trouble t;
	struct postern_profile *p = parse(text, strlen(text), &t);

	if (!p)
		fail_msg("%s", t.text);
	assert_int_equal(t.count, 0);
	return p;
}

static void reads_all_of_it(void **state)
{
	(void)state;
	struct postern_profile *p = parse_good(FIRST
	    "# a comment\n\n" NEEDED "server = 2001:db8::1\n  service =  ssh   tcp 22 \r\n"
	    "service = dns udp 53\ncarrier = udp\nenvelope = noise\ncover = none\nconfirm = reply\n"
	    "former-door-key = " KEY_A); /* without a last newline */
	struct keypair own;

	keypair_from_secret(&own, (const uint8_t *)"\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
						   "\1\1\1\1\1\1\1\1\1");
	assert_string_equal(p->name, "alice");
	assert_int_equal(p->servers, 2);
	assert_string_equal(p->server[0], "host.example.org");
	assert_string_equal(p->server[1], "2001:db8::1");
	assert_int_equal(p->port, 62201);
	assert_int_equal(p->services, 2);
	assert_string_equal(p->service[0].name, "ssh");
	assert_int_equal(p->service[0].protocol, 6);
	assert_int_equal(p->service[0].port, 22);
	assert_int_equal(p->service[1].protocol, 17);
	assert_string_equal(profile_service_name(p, 17, 53), "dns");
	assert_null(profile_service_name(p, 6, 53));
	assert_true(p->has_former_key);
	assert_int_equal(p->server_key[31], 1);
	assert_int_equal(p->cid[7], 9);
	assert_memory_equal(p->secrets->own.public, own.public, KEY_BYTES);
	assert_int_equal(p->secrets->door_key[DOOR_KEY_CURRENT][0], 2);
	assert_int_equal(p->secrets->door_key[DOOR_KEY_FORMER][0], 1);
	profile_free(p);
}

static void knows_services_without_a_port_of_their_own(void **state)
{
	(void)state;
	struct postern_profile *p =
	    parse_good(FIRST NEEDED "service = db tcp random\nservice = ssh tcp 22\n"
				    "service = vpn udp random\nservice = net gateway\n");

	assert_int_equal(p->service[0].port, 0);
	assert_string_equal(profile_service_name(p, 6, 0), "db");
	assert_ptr_equal(profile_service(p, "vpn"), &p->service[2]);
	assert_null(profile_service(p, "web"));
	assert_ptr_equal(profile_only_random(p, 6), &p->service[0]);
	assert_ptr_equal(profile_only_random(p, 17), &p->service[2]);
	assert_ptr_equal(profile_only_random(p, 0), &p->service[3]);
	p->service[1].port = 0;
	assert_null(profile_only_random(p, 6));
	profile_free(p);
}

static uint16_t door_of(const struct postern_profile *p, const char *first, const char *second)
{
	struct request q = {.verb = VERB_OPEN};

	for (; first; first = second, second = NULL)
		(void)memccpy(q.service[q.services++], first, '\0', sizeof(q.service[0]));
	return lane_door(p, &q);
}

/* What a trap would take is no door to be tried. */
static void knows_where_a_trap_is(void **state)
{
	(void)state;
	struct postern_profile *p = parse_good(FIRST NEEDED
	    "service = ssh tcp 22 trap\nservice = web tcp 80\nservice = db tcp random trap\n");
	struct request q = {.verb = VERB_OPEN, .ports = 1, .port = {{6, 22}}};

	assert_true(profile_has_trap(p, 22));
	assert_false(profile_has_trap(p, 80));
	assert_int_equal(door_of(p, "ssh", NULL), 0);
	assert_int_equal(door_of(p, "db", NULL), 0);
	assert_int_equal(door_of(p, "ssh", "web"), 80);
	assert_int_equal(lane_door(p, &q), 0);
	q.port[0].number = 23;
	assert_int_equal(lane_door(p, &q), 23);
	profile_free(p);
}

static void defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	struct postern_profile *p = parse_good(FIRST NEEDED);

	assert_int_equal(p->carriers, 1);
	assert_string_equal(p->carrier[0]->name, "udp");
	assert_string_equal(p->envelope->name, "noise");
	assert_string_equal(p->cover->name, "none");
	assert_int_equal(p->services, 0);
	assert_false(p->has_former_key);
	profile_free(p);
}

static void sequences_are_read(void **state)
{
	(void)state;
	struct postern_profile *p =
	    parse_good(FIRST NEEDED "carrier = sequence\nsequence = 7, 9 65535,1  4242\n"
				    "sequence-pieces = clean\ndummies = 4-12\ngap = 0\n");
	const struct sequence_settings *q = &p->settings.sequence;

	assert_int_equal(q->ports.ports, 5);
	assert_int_equal(q->ports.port[2], 65535);
	assert_int_equal(q->ports.pieces, SEQUENCE_CLEAN);
	assert_int_equal(q->dummies_min, 4);
	assert_int_equal(q->dummies_max, 12);
	assert_int_equal(q->gap_ms, 0);
	profile_free(p);
	p = parse_good(
	    FIRST NEEDED "sequence-range = 20000-29999\nsequence-count = 6\ndummies = 3\n");
	q = &p->settings.sequence;
	assert_int_equal(q->ports.ports, 6);
	assert_int_equal(q->ports.lo, 20000);
	assert_int_equal(q->ports.hi, 29999);
	assert_int_equal(q->ports.pieces, SEQUENCE_UDP);
	assert_int_equal(q->dummies_min, 3);
	assert_int_equal(q->dummies_max, 3);
	assert_int_equal(q->gap_ms, 5);
	assert_int_equal(q->ports.id, 0);
	profile_free(p);
	p = parse_good(FIRST NEEDED "sequence-id = 63\nsequence-pieces = tcp\n"
				    "sequence-range = 20000-29999\n");
	q = &p->settings.sequence;
	assert_int_equal(q->ports.id, 63);
	assert_int_equal(q->ports.pieces, SEQUENCE_TCP);
	assert_int_equal(q->ports.ports, 8);
	profile_free(p);
}

/* A preset's lines stand where its name does. */
static void presets_are_lines_of_their_own(void **state)
{
	(void)state;
	struct postern_profile *p = parse_good(
	    FIRST NEEDED "openpgp-key = " FPR "\nopenpgp-server = " FPR "\nphotos = /p\n"
			 "sequence = 1 2 3 4 5\ncarrier = udp\nconfirm = none\npreset = hybrid\n"
			 "dummies = 2\n");

	assert_int_equal(p->carriers, 1);
	assert_string_equal(p->carrier[0]->name, "sequence");
	assert_string_equal(p->envelope->name, "openpgp");
	assert_string_equal(p->cover->name, "png");
	assert_int_equal(p->confirm, CONFIRM_CHALLENGE);
	assert_int_equal(p->settings.sequence.ports.pieces, SEQUENCE_CLEAN);
	assert_int_equal(p->settings.sequence.ports.ports, 5);
	assert_int_equal(p->settings.sequence.dummies_max, 2);
	profile_free(p);
	p = parse_good(FIRST NEEDED "confirm = none\npreset = quick\n");
	assert_string_equal(p->carrier[0]->name, "udp");
	assert_int_equal(p->confirm, CONFIRM_REPLY);
	profile_free(p);
}

static void photographs_are_under_home(void **state)
{
	(void)state;
	struct postern_profile *p;

	assert_int_equal(setenv("HOME", "/home/a", 1), 0);
	p = parse_good(FIRST NEEDED "carrier = sequence\nsequence = 1 2 3 4 5\n"
				    "cover = png\nphotos = ~/pictures of mine\n");
	assert_string_equal(p->photos, "/home/a/pictures of mine");
	assert_string_equal(p->cover->name, "png");
	profile_free(p);
	p = parse_good(FIRST NEEDED "photos = /srv/p\n");
	assert_string_equal(p->photos, "/srv/p");
	profile_free(p);
}

static const struct {
	const char *text;
	const char *told; /* one of the lines */
} bad[] = {
    {"", "a.postern:1: is not a profile: its first line must be '# postern profile'"},
    {"\n" FIRST NEEDED, "a.postern:1: is not a profile"},
    {"# postern profile 2\n" NEEDED, "a.postern:1: is not a profile"},
    {FIRST, "a.postern: version: is missing: ask for a new profile"},
    {FIRST, "a.postern: secret: is missing: ask for a new profile"},
    {FIRST NEEDED "nonsense\n", "a.postern:11: must be 'key = value', or begin with '#'"},
    {FIRST NEEDED "colour = red\n",
	"a.postern:11: colour: there is no such key: remove it, or update postern"},
    {FIRST NEEDED "bad\x1b[31mkey = 1\n", "a.postern:11: bad\\x1b[31mkey: there is no such key"},
    {FIRST NEEDED "= 1\n", "a.postern:11: : there is no such key"},
    {FIRST NEEDED "name = bob\n", "a.postern:11: name: stands in line 3 already: remove one"},
    {FIRST NEEDED "carrier =\n", "a.postern:11: carrier: has no value"},
    {FIRST NEEDED "carrier = pigeon\n", "a.postern:11: carrier: is not known to this program"},
    {FIRST NEEDED "envelope = brown\n", "a.postern:11: envelope: is not known to this program"},
    {FIRST NEEDED "preset = slow\n", "a.postern:11: preset: is not known to this program"},
    {FIRST NEEDED "preset = hybrid\n", "a.postern: photos: is missing, and the cover png"},
    {FIRST NEEDED "preset = hybrid\n", "a.postern: envelope: openpgp needs openpgp-key"},
    {FIRST NEEDED "preset = hybrid\n", "a.postern: sequence: is missing, and the carrier"},
    {FIRST NEEDED "photos = pictures\n", "a.postern:11: photos: must be a folder's whole path"},
    {FIRST NEEDED "carrier = sequence\nsequence = 1 2 3 4 5\ncover = png\n",
	"a.postern: photos: is missing, and the cover png needs it: add 'photos = FOLDER'"},
    {FIRST NEEDED "cover = png\nphotos = /p\n", "a.postern: carrier: "},
    {FIRST NEEDED "cover = hat\n", "a.postern:11: cover: is not known to this program"},
    {FIRST NEEDED "confirm = maybe\n", "a.postern:11: confirm: is not known to this program"},
    {FIRST NEEDED "sequence = 1 2 3 4\n", "a.postern:11: sequence: must name at least 5 ports"},
    {FIRST NEEDED "sequence = 1 2 3 4 0\n", "a.postern:11: sequence: must be port numbers"},
    {FIRST NEEDED "sequence = 1 2 3 4 1\n", "a.postern:11: sequence: names a port twice"},
    {FIRST NEEDED "sequence = 1 2 3 4 5\nsequence-range = 7-99\n",
	"a.postern:12: sequence-range: stands beside sequence: remove one"},
    {FIRST NEEDED "sequence-range = 99-7\n", "a.postern:11: sequence-range: must be a range"},
    {FIRST NEEDED "sequence-range = 7\n", "a.postern:11: sequence-range: must be a range"},
    {FIRST NEEDED "sequence-range = 1-31\n", "a.postern: sequence-range must have four times"},
    {FIRST NEEDED "sequence-count = 4\n", "a.postern:11: sequence-count: must be a number from 5"},
    {FIRST NEEDED "sequence-pieces = sctp\n", "a.postern:11: sequence-pieces: must be udp, tcp"},
    {FIRST NEEDED "dummies = 9-4\n", "a.postern:11: dummies: must be how many packets"},
    {FIRST NEEDED "dummies = 65\n", "a.postern:11: dummies: must be how many packets"},
    {FIRST NEEDED "gap = 1001\n", "a.postern:11: gap: must be the longest pause"},
    {FIRST NEEDED "carrier = sequence\n", "a.postern: sequence: is missing, and the carrier"},
    {FIRST NEEDED "service = ssh tcp\n", "a.postern:11: service: must be NAME PROTOCOL PORT"},
    {FIRST NEEDED "service = ssh\n", "a.postern:11: service: must be NAME PROTOCOL PORT"},
    {FIRST NEEDED "service = net gateway 22\n", "a.postern:11: service: the protocol must be"},
    {FIRST NEEDED "service = ssh tcp 22 23\n", "a.postern:11: service: must be NAME PROTOCOL PORT"},
    {FIRST NEEDED "service = ssh tcp 22 trapped\n",
	"a.postern:11: service: must be NAME PROTOCOL PORT"},
    {FIRST NEEDED "service = ssh tcp 22 trap trap\n",
	"a.postern:11: service: must be NAME PROTOCOL PORT"},
    {FIRST NEEDED "service = dns udp 53 trap\n", "a.postern:11: service: only a TCP service"},
    {FIRST NEEDED "service = SSH tcp 22\n", "a.postern:11: service: the name must be"},
    {FIRST NEEDED "service = ssh sctp 22\n",
	"a.postern:11: service: the protocol must be tcp or udp"},
    {FIRST NEEDED "service = ssh tcp 0\n", "a.postern:11: service: the port must be a number"},
    {FIRST NEEDED "service = ssh tcp randomly\n",
	"a.postern:11: service: the port must be a number"},
    {FIRST NEEDED "service = ssh tcp 65536\n", "a.postern:11: service: the port must be a number"},
    {FIRST NEEDED "service = ssh tcp +22\n", "a.postern:11: service: the port must be a number"},
    {FIRST NEEDED "service = a tcp 1\nservice = a tcp 2\n",
	"a.postern:12: service: this name stands above already"},
    {FIRST NEEDED "server = -oProxyCommand\n", "a.postern:11: server: must be a host name"},
    {FIRST NEEDED "server = a b\n", "a.postern:11: server: must be a host name"},
    {FIRST NEEDED "server = a\nserver = b\nserver = c\nserver = d\nserver = e\nserver = f\n"
		  "server = g\nserver = h\n",
	"a.postern:18: server: more than 8 servers"},
    {FIRST "version = 2\n", "a.postern:2: version: is not a version that this program speaks (1)"},
    {FIRST "name = Alice!\n", "a.postern:2: name: must be 1 to 32 of"},
    {FIRST "name = ../../x\n", "a.postern:2: name: must be 1 to 32 of"},
    {FIRST "port = 0\n", "a.postern:2: port: must be a number from 1 to 65535"},
    {FIRST "port = 022\n", "a.postern:2: port: must be a number from 1 to 65535"},
    {FIRST "port = 99999999999999999999\n", "a.postern:2: port: must be a number"},
    {FIRST "door-key = abc\n", "a.postern:2: door-key: must be 32 bytes in base64"},
    {FIRST "door-key = " CID "\n", "a.postern:2: door-key: must be 32 bytes in base64"},
    {FIRST "door-key = " KEY_A "A\n", "a.postern:2: door-key: must be 32 bytes in base64"},
    {FIRST "server-key = " KEY_0 "\n", "a.postern:2: server-key: is all zeros"},
    {FIRST "private-key = " KEY_0 "\n", "a.postern:2: private-key: is all zeros"},
    {FIRST "secret = x\n", "a.postern:2: secret: must be 32 bytes in base64"},
    {FIRST "former-door-key = x\n", "a.postern:2: former-door-key: must be 32 bytes in base64"},
    {FIRST "cid = " KEY_A "\n", "a.postern:2: cid: must be 8 bytes in base64"},
};

static void refuses_bad_ones(void **state)
{
	static struct trouble t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct postern_profile *p = parse(bad[i].text, strlen(bad[i].text), &t);
		if (p || !strstr(t.text, bad[i].told))
			fail_msg("case %zu: wanted '%s', was told '%s'", i, bad[i].told, t.text);
	}
}

static void tells_all_that_is_wrong(void **state)
{
	static struct trouble t;
	const char *text = FIRST NEEDED "port = 1\ncolour = red\nservice = x\n";

	(void)state;
	assert_null(parse(text, strlen(text), &t));
	assert_int_equal(t.count, 3);
	assert_non_null(strstr(t.text, "a.postern:11: port"));
	assert_non_null(strstr(t.text, "a.postern:12: colour"));
	assert_non_null(strstr(t.text, "a.postern:13: service"));
}

static void never_tells_a_secret(void **state)
{
	static struct trouble t;
	const char *text =
	    FIRST "secret = topsecret\nprivate-key = topsecret\ndoor-key = topsecret\n";

	(void)state;
	assert_null(parse(text, strlen(text), &t));
	assert_null(strstr(t.text, "topsecret"));
}

static void refuses_nul_and_overlong_values(void **state)
{
	static struct trouble t;
	static const char nul[] = FIRST NEEDED "carrier = udp\0x\n";
	char lengthy[600];

	(void)state;
	assert_null(parse(nul, sizeof(nul) - 1, &t));
	assert_non_null(strstr(t.text, "a.postern:11: carrier: is longer than 256 characters, or"));
	int len = snprintf(lengthy, sizeof(lengthy), FIRST "name = %0300d\n", 1);
	assert_null(parse(lengthy, (size_t)len, &t));
	assert_non_null(strstr(t.text, "a.postern:2: name: is longer than 256 characters, or"));
}

static void many_errors_are_counted(void **state)
{
	static struct trouble t;
	static char text[PROFILE_TEXT_MAX];
	size_t len = strlen(FIRST);

	(void)state;
	memcpy(text, FIRST, len);
	for (; len + 2 <= sizeof(text); len += 2)
		memcpy(text + len, "x\n", 2);
	assert_null(parse(text, len, &t));
	assert_true(t.count > 8000);
	assert_non_null(strstr(t.text, "\n... and "));
	assert_true(strlen(t.text) < sizeof(t.text));
}

static void a_new_door_key_changes_nothing_else(void **state)
{
	const char *old =
	    FIRST "# door-key = stays\n" NEEDED "former-door-key = " KEY_A "\n# the end";
	char text[2048];
	uint8_t fresh[KEY_BYTES], former[KEY_BYTES];

	(void)state;
	memset(fresh, 1, sizeof(fresh));
	memset(former, 2, sizeof(former));
	size_t len = profile_rekey(old, strlen(old), fresh, former, text);
	text[len] = '\0';
	assert_non_null(strstr(text, "\ndoor-key = " KEY_A "\nformer-door-key = " KEY_B "\ncid ="));
	assert_non_null(strstr(text, "# door-key = stays\nversion = 1\n"));
	assert_non_null(strstr(text, "\n# the end"));
	assert_null(strstr(text, "former-door-key = " KEY_A));
	profile_free(parse_good(text));

	char again[2048];
	len = profile_rekey(text, len, former, NULL, again);
	again[len] = '\0';
	assert_null(strstr(again, "former-door-key"));
	assert_non_null(strstr(again, "\ndoor-key = " KEY_B "\n"));
	profile_free(parse_good(again));
}

/* From its first line to the fence that ends it. */
static void the_example_in_the_manual_is_one(void **state)
{
	static char page[PROFILE_TEXT_MAX];
	FILE *f = fopen(GOLDEN_DIR "/../../doc/postern-profile.5.scd", "r");

	(void)state;
	assert_non_null(f);
	size_t len = fread(page, 1, sizeof(page) - 1, f);
	(void)fclose(f);
	page[len] = '\0';
	char *example = strstr(page, "```\n# postern profile\n");
	assert_non_null(example);
	example += strlen("```\n");
	char *end = strstr(example, "```");
	assert_non_null(end);
	*end = '\0';
	struct postern_profile *p = parse_good(example);
	assert_string_equal(p->name, "alice");
	assert_int_equal(p->services, 1);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_all_of_it),
	    cmocka_unit_test(knows_services_without_a_port_of_their_own),
	    cmocka_unit_test(knows_where_a_trap_is),
	    cmocka_unit_test(defaults_are_those_of_the_manual),
	    cmocka_unit_test(sequences_are_read),
	    cmocka_unit_test(presets_are_lines_of_their_own),
	    cmocka_unit_test(photographs_are_under_home),
	    cmocka_unit_test(refuses_bad_ones),
	    cmocka_unit_test(tells_all_that_is_wrong),
	    cmocka_unit_test(never_tells_a_secret),
	    cmocka_unit_test(refuses_nul_and_overlong_values),
	    cmocka_unit_test(many_errors_are_counted),
	    cmocka_unit_test(a_new_door_key_changes_nothing_else),
	    cmocka_unit_test(the_example_in_the_manual_is_one),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
