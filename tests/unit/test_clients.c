#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients.h"
#include "secret.h"

enum { SAID_MAX = 8192 };

static char said[SAID_MAX];
static struct config config = {.services = 3,
    .sequences = 2,
    .sequence = {{.id = 0}, {.name = "alpha", .id = 7}, {.name = "beta", .id = 63}}};

struct fixture {
	struct clients *clients;
	struct report report;
	unsigned line;
};

static void keep(void *arg, const char *line)
{
	(void)arg;
	(void)snprintf(said + strlen(said), SAID_MAX - strlen(said), "%s\n", line);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	(void)strcpy(config.service[0].name, "ssh");
	(void)strcpy(config.service[1].name, "web");
	(void)strcpy(config.service[2].name, "dns");
	f->clients = clients_new(&config);
	f->report.say = keep;
	said[0] = '\0';
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	clients_free(f->clients);
	free(f);
	return 0;
}

static int add(struct fixture *f, const char *text)
{
	char line[2 * CLIENT_LINE_MAX];

	(void)snprintf(line, sizeof(line), "%s", text);
	return clients_line(f->clients, "c", ++f->line, line, &f->report);
}

/* A line with keys that come from its number. */
static int add_number(struct fixture *f, const char *name, uint32_t number, const char *options)
{
	uint8_t key[KEY_BYTES] = {0};
	char cid[BASE64_8], public[BASE64_32];
	char line[512];

	memcpy(key, &number, sizeof(number));
	base64_encode(cid, sizeof(cid), key, CID_BYTES);
	key[KEY_BYTES - 1] = 1;
	base64_encode(public, sizeof(public), key, KEY_BYTES);
	(void)snprintf(line, sizeof(line), "%s %s %s %s%s%s", name, cid, public, public,
	    options != NULL ? " " : "", options != NULL ? options : "");
	return add(f, line);
}

static const struct client *only(struct fixture *f, const char *options)
{
	static uint32_t number = 1000;
	char name[16];

	number++;
	(void)snprintf(name, sizeof(name), "c%u", number);
	assert_int_equal(add_number(f, name, number, options), 0);
	return clients_by_name(f->clients, name);
}

static void assert_fault(struct fixture *f, const char *options, const char *want)
{
	size_t count = clients_count(f->clients);

	said[0] = '\0';
	f->line = 6;
	assert_int_equal(add_number(f, "bob", 7, options), -1);
	assert_string_equal(said, want);
	assert_int_equal(clients_count(f->clients), count);
}

#define CID "AQIDBAUGBwg="
#define KEY "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define KEY2 "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A="

static void test_line_with_all_options(void **state)
{
	static const uint8_t cid[CID_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct fixture *f = *state;
	const struct client *c;
	char text[PREFIX_TEXT];

	assert_int_equal(add(f, "# a comment"), 0);
	assert_int_equal(add(f, ""), 0);
	assert_int_equal(add(f, "   \t\r"), 0);
	assert_int_equal(
	    add(f, "alice " CID "\t" KEY "  " KEY2 " service=ssh,service=dns,from=10.0.0.0/8,"
		   "from=2001:db8::/32,address=list,admit=192.0.2.7,expires=2030-02-28T18:05Z,"
		   "max-hold=90,challenge,disabled\r"),
	    0);
	assert_int_equal(clients_finish(f->clients, "c", &f->report), 0);
	assert_string_equal(said, "");
	assert_int_equal(clients_count(f->clients), 1);
	c = clients_by_cid(f->clients, cid);
	assert_non_null(c);
	assert_ptr_equal(c, clients_by_name(f->clients, "alice"));
	assert_ptr_equal(c, clients_at(f->clients, 0));
	assert_int_equal(clients_index(f->clients, c), 0);
	assert_string_equal(c->name, "alice");
	assert_memory_equal(c->cid, cid, sizeof(cid));
	assert_int_equal(c->public_key[31], 32);
	assert_int_equal(c->secret[0], 33);
	assert_true(client_has_service(c, 0));
	assert_false(client_has_service(c, 1));
	assert_true(client_has_service(c, 2));
	assert_false(client_has_service(c, 255));
	assert_false(client_has_service(c, 256));
	assert_int_equal(c->from_len, 2);
	assert_string_equal(prefix_text(&c->from[0], text), "10.0.0.0/8");
	assert_string_equal(prefix_text(&c->from[1], text), "2001:db8::/32");
	assert_int_equal(c->address, ADDRESS_LIST);
	assert_int_equal(c->admit_len, 1);
	assert_string_equal(prefix_text(&c->admit[0], text), "192.0.2.7");
	assert_int_equal(c->expires_s, 1898532300);
	assert_int_equal(c->max_hold_s, 90);
	assert_true(c->challenge);
	assert_true(c->disabled);
}

static void test_defaults(void **state)
{
	const struct client *c = only(*state, NULL);

	assert_int_equal(c->address, ADDRESS_NAMED);
	assert_null(c->from);
	assert_null(c->admit);
	assert_int_equal(c->expires_s, 0);
	assert_int_equal(c->max_hold_s, 0);
	assert_false(c->challenge);
	assert_false(c->disabled);
	assert_false(client_has_service(c, 0));
}

static void test_the_line_is_wiped(void **state)
{
	struct fixture *f = *state;
	char line[] = "alice " CID " " KEY " " KEY2 " service=ssh";
	size_t secret = strlen("alice " CID " " KEY " ");
	size_t i;

	assert_int_equal(clients_line(f->clients, "c", 1, line, &f->report), 0);
	for (i = 0; i < strlen(KEY2); i++)
		assert_int_equal(line[secret + i], 0);
}

static void test_dates(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(only(f, "expires=1970-01-02")->expires_s, 86400);
	assert_int_equal(only(f, "expires=2024-02-29")->expires_s, 1709164800);
	assert_int_equal(only(f, "expires=2038-01-20T00:00Z")->expires_s, 2147558400);
	assert_fault(f, "expires=2023-02-29",
	    "c:7: bob: \"2023-02-29\" is a date that no calendar has, or before 1970\n");
	assert_fault(f, "expires=2024-01-01T24:00Z",
	    "c:7: bob: \"2024-01-01T24:00Z\" is a date that no calendar has, or before 1970\n");
	assert_fault(f, "expires=1969-12-31",
	    "c:7: bob: \"1969-12-31\" is a date that no calendar has, or before 1970\n");
	assert_fault(f, "expires=24-1-1",
	    "c:7: bob: \"24-1-1\" is not a date; write expires=2030-12-31 or 2030-12-31T18:00Z\n");
	assert_fault(f, "expires=2024-01-01T10:00",
	    "c:7: bob: \"2024-01-01T10:00\" is not a date; write expires=2030-12-31 or "
	    "2030-12-31T18:00Z\n");
}

static void test_all_faults_of_a_line(void **state)
{
	assert_fault(*state,
	    "service=shh,max-hold=0,foo,challenge=1,expires,disabled,disabled,address=any,from=1.2."
	    "3.4/8,max-hold=2592001",
	    "c:7: bob: \"shh\" is not a service of posternd.conf; name it there, or take service= "
	    "away here\n"
	    "c:7: bob: \"0\" is not a number of seconds from 1 to 2592000\n"
	    "c:7: bob: \"foo\" is not an option; see postern-clients(5)\n"
	    "c:7: bob: \"challenge\" takes no value\n"
	    "c:7: bob: \"expires\" needs a value: expires=...\n"
	    "c:7: bob: \"disabled\" is given twice; keep one of them\n"
	    "c:7: bob: \"any\" is not known; address= can be source, named or list\n"
	    "c:7: bob: \"1.2.3.4/8\" is not an address or prefix, such as 10.0.0.0/8 or "
	    "2001:db8::/32 with no bit set behind its length\n"
	    "c:7: bob: \"max-hold\" is given twice; keep one of them\n");
}

static void test_list_and_admit_go_together(void **state)
{
	struct fixture *f = *state;

	assert_fault(
	    f, "address=list", "c:7: bob: \"address=list\" needs a list; add admit=PREFIX\n");
	assert_fault(f, "admit=10.0.0.0/8",
	    "c:7: bob: \"admit\" does nothing without address=list; add that\n");
	assert_fault(f,
	    "from=1.1.1.1,from=1.1.1.2,from=1.1.1.3,from=1.1.1.4,from=1.1.1.5,from=1.1.1.6,from=1."
	    "1.1.7,from=1.1.1.8,from=1.1.1.9",
	    "c:7: bob: \"1.1.1.9\" is one prefix too many; there may be 8\n");
}

static void test_words(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, "Alice " CID " " KEY " " KEY2), -1);
	assert_int_equal(add(f, "a\x1b[0m " CID " " KEY " " KEY2), -1);
	assert_int_equal(add(f, "alice " CID " " KEY), -1);
	assert_int_equal(add(f, "alice " CID " " KEY " " KEY2 " service=ssh service=web"), -1);
	assert_int_equal(add(f, "alice x y z"), -1);
	assert_int_equal(
	    add(f, "alice " CID " " KEY2 " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), -1);
	assert_string_equal(said,
	    "c:1: \"Alice\" is not a name: it has 1 to 32 of the characters a-z, 0-9, - and _\n"
	    "c:2: \"a\\x1b[0m\" is not a name: it has 1 to 32 of the characters a-z, 0-9, - and _\n"
	    "c:3: alice: a line has a name, cid, public key, secret and options; copy the line "
	    "that posternctl wrote\n"
	    "c:4: alice: there are too many words; join the options with commas, without spaces\n"
	    "c:5: alice: the second word is not 8 bytes in base64; copy the line that posternctl "
	    "wrote\n"
	    "c:5: alice: the third word is not a public key in base64; copy the line that "
	    "posternctl wrote\n"
	    "c:5: alice: the fourth word is not a secret in base64; copy the line that posternctl "
	    "wrote\n"
	    "c:6: alice: the fourth word is not a secret in base64; copy the line that posternctl "
	    "wrote\n");
	assert_int_equal(clients_count(f->clients), 0);
}

static void test_nobody_twice(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add_number(f, "alice", 1, NULL), 0);
	assert_int_equal(add_number(f, "bob", 2, NULL), 0);
	assert_int_equal(add_number(f, "alice", 3, NULL), -1);
	assert_int_equal(add_number(f, "carol", 2, NULL), -1);
	assert_string_equal(said,
	    "c:3: alice: this name stands in line 1, too; give each client its own\n"
	    "c:4: carol: the cid is that of bob in line 2; give each device a profile of its "
	    "own\n");
	assert_int_equal(clients_count(f->clients), 2);
}

static void test_public_keys_differ(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, "alice AQIDBAUGBwg= " KEY " " KEY2), 0);
	assert_int_equal(add(f, "bob AgIDBAUGBwg= " KEY2 " " KEY2), 0);
	assert_int_equal(add(f, "carol AwIDBAUGBwg= " KEY " " KEY2), 0);
	assert_int_equal(clients_finish(f->clients, "c", &f->report), -1);
	assert_string_equal(said, "c:3: carol: the public key is that of alice in line 1; give "
				  "each device a profile of its own\n");
}

static void test_long_line(void **state)
{
	struct fixture *f = *state;
	char line[CLIENT_LINE_MAX + 1];

	memset(line, 'a', CLIENT_LINE_MAX);
	line[CLIENT_LINE_MAX] = '\0';
	assert_int_equal(clients_line(f->clients, "c", 1, line, &f->report), -1);
	assert_string_equal(said, "c:1: the line is longer than 4095 bytes\n");
	memset(line, '#', CLIENT_LINE_MAX - 1);
	line[CLIENT_LINE_MAX - 1] = '\0';
	assert_int_equal(clients_line(f->clients, "c", 2, line, &f->report), 0);
}

static void test_nobody_is_a_warning(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(clients_finish(f->clients, "c", &f->report), 0);
	assert_string_equal(said,
	    "c: warning: no client is named, so nobody can knock; see posternctl(8), client add\n");
}

#define FINGERPRINT "0123456789abcdef0123456789ABCDEF01234567"

static void test_openpgp(void **state)
{
	struct fixture *f = *state;
	const struct client *c;

	assert_int_equal(add_number(f, "plain", 1, "service=ssh"), 0);
	assert_int_equal(add_number(f, "must", 2, "openpgp=" FINGERPRINT ",envelope=openpgp"), 0);
	assert_int_equal(add_number(f, "may", 3, "openpgp=" FINGERPRINT ",envelope=any"), 0);
	assert_int_equal(clients_openpgp(f->clients), 2);
	c = clients_by_name(f->clients, "plain");
	assert_null(c->openpgp);
	assert_true(client_may_use(c, false) && !client_may_use(c, true));
	c = clients_by_name(f->clients, "must");
	assert_string_equal(c->openpgp, "0123456789ABCDEF0123456789ABCDEF01234567");
	assert_true(!client_may_use(c, false) && client_may_use(c, true));
	c = clients_by_name(f->clients, "may");
	assert_true(client_may_use(c, false) && client_may_use(c, true));
	assert_int_equal(f->report.errors, 0);
	assert_int_equal(add_number(f, "bad", 4, "openpgp=89ABCDEF01234567,envelope=noise"), -1);
	assert_int_equal(add_number(f, "bad", 5, "envelope=any"), -1);
	assert_int_equal(add_number(f, "bad", 6, "openpgp=" FINGERPRINT "0"), -1);
	assert_int_equal(
	    add_number(f, "bad", 7, "openpgp=" FINGERPRINT ",openpgp=" FINGERPRINT), -1);
	assert_int_equal(clients_openpgp(f->clients), 2);
	assert_non_null(strstr(said, "is not the whole fingerprint of an OpenPGP key"));
	assert_non_null(strstr(said, "envelope= can be openpgp or any"));
	assert_non_null(strstr(said, "does nothing without an OpenPGP key"));
}

/* More than one chunk: pointers stay, order stays, the last is found as the first is. */
static void test_many(void **state)
{
	enum { MANY = 5000 };
	struct fixture *f = *state;
	const struct client *first = NULL;
	uint32_t i;
	char name[16];

	for (i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		assert_int_equal(add_number(f, name, i, "service=web,from=10.0.0.0/8"), 0);
		if (i == 0)
			first = clients_at(f->clients, 0);
	}
	assert_int_equal(clients_finish(f->clients, "c", &f->report), 0);
	assert_int_equal(clients_count(f->clients), MANY);
	assert_ptr_equal(first, clients_at(f->clients, 0));
	for (i = 0; i < MANY; i++) {
		const struct client *c = clients_at(f->clients, i);

		(void)snprintf(name, sizeof(name), "c%u", i);
		assert_string_equal(c->name, name);
		assert_ptr_equal(clients_by_name(f->clients, name), c);
		assert_ptr_equal(clients_by_cid(f->clients, c->cid), c);
		assert_int_equal(clients_index(f->clients, c), i);
	}
	assert_null(clients_by_name(f->clients, "c5000"));
	assert_null(clients_by_name(f->clients, "c"));
}

static void test_carriers(void **state)
{
	struct fixture *f = *state;
	const struct client *c = only(f, "carrier=sequence,carrier=udp");

	assert_true(client_may_knock_by(c, CARRIER_SEQUENCE));
	assert_true(client_may_knock_by(c, CARRIER_UDP));
	assert_false(client_may_knock_by(c, CARRIER_TCP));
	assert_true(client_may_knock_by(only(f, NULL), CARRIER_TCP));
	assert_fault(f, "carrier=pigeon",
	    "c:7: bob: \"pigeon\" is not known; carrier= can be udp, tcp, icmp, http or "
	    "sequence\n");
}

static void test_sequences(void **state)
{
	struct fixture *f = *state;
	const struct client *c = only(f, "sequence=beta,sequence=alpha");

	assert_true(client_may_knock_along(c, UINT64_C(1) << 63));
	assert_true(client_may_knock_along(c, 1 << 7 | 1 << 3));
	assert_false(client_may_knock_along(c, 1 << 0 | 1 << 3));
	c = only(f, NULL);
	assert_true(client_may_knock_along(c, 1));
	assert_false(client_may_knock_along(c, ~UINT64_C(1)));
	assert_fault(f, "sequence=gamma",
	    "c:7: bob: \"gamma\" is not a sequence of posternd.conf; name it there, or take "
	    "sequence= away here\n");
	assert_fault(f, "sequence=alpha,carrier=udp",
	    "c:7: bob: \"sequence\" does nothing when carrier= names others alone; add "
	    "carrier=sequence\n");
	assert_fault(f, "sequence=",
	    "c:7: bob: \"\" is not a sequence of posternd.conf; name it there, or take sequence= "
	    "away here\n");
}

/* They are secret: no fault may have them in it. */
static void test_factors(void **state)
{
	struct fixture *f = *state;
	const struct client *c =
	    only(f, "totp=GEZDGNBVGY3TQOJQ:8,pin=4096:3:MDEyMzQ1Njc4OWFiY2RlZg==:"
		    "yKu3VvxpnGuioOMoo23yIk+ovTMwsjQzEGrIn1aXYmc=");

	assert_int_equal(c->code.digits, 8);
	assert_int_equal(c->code.secret_len, 10);
	assert_int_equal(c->pin.kib, 4096);
	assert_int_equal(only(f, NULL)->pin.kib, 0);
	assert_fault(f, "totp=GEZDGNBV",
	    "c:7: bob: \"totp\" is not 10 to 32 bytes in base32, with :6, :7 or :8 for the digits; "
	    "or make it anew: posternctl client totp bob\n");
	assert_fault(f, "pin=4711",
	    "c:7: bob: \"pin\" is not what posternctl wrote; make it anew: posternctl client pin "
	    "bob\n");
}

static void test_options_are_wiped(void **state)
{
	struct fixture *f = *state;
	char line[] = "alice " CID " " KEY " " KEY2 " service=ssh,totp=GEZDGNBVGY3TQOJQ";
	size_t secret = strlen("alice " CID " " KEY " ");

	assert_int_equal(clients_line(f->clients, "c", 1, line, &f->report), 0);
	for (size_t i = secret; i < sizeof(line); i++)
		assert_int_equal(line[i], 0);
}

static void test_hours_and_doors(void **state)
{
	struct fixture *f = *state;
	const struct client *c = only(f, "hours=mon-fri@08:00-18:00,hours=sat@22:00-02:00,doors=3");

	assert_int_equal(c->hours_len, 2);
	assert_int_equal(c->hours[0].days, 0x1f);
	assert_int_equal(c->hours[1].days, 0x20);
	assert_int_equal(c->hours[1].len_min, 240);
	assert_int_equal(c->doors_max, 3);
	assert_int_equal(only(f, NULL)->hours_len, 0);
	assert_int_equal(only(f, NULL)->doors_max, 0);
	assert_fault(f, "hours=9-17",
	    "c:7: bob: \"9-17\" is not a time of the week; write hours=mon-fri@08:00-18:00, "
	    "sat@09:00-12:00 or 00:00-06:00, in UTC\n");
	assert_fault(f, "doors=0", "c:7: bob: \"0\" is not a number of doors from 1 to 64\n");
	assert_fault(f, "doors=65", "c:7: bob: \"65\" is not a number of doors from 1 to 64\n");
	assert_fault(f,
	    "hours=00:00-01:00,hours=00:00-01:00,hours=00:00-01:00,hours=00:00-01:00,hours=00:00-"
	    "01:00,hours=00:00-01:00,hours=00:00-01:00,hours=00:00-01:00,hours=00:00-01:00",
	    "c:7: bob: \"00:00-01:00\" is one time too many; there may be 8\n");
}

#define WITH_CLIENTS(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_CLIENTS(test_line_with_all_options),
	    WITH_CLIENTS(test_defaults),
	    WITH_CLIENTS(test_the_line_is_wiped),
	    WITH_CLIENTS(test_dates),
	    WITH_CLIENTS(test_all_faults_of_a_line),
	    WITH_CLIENTS(test_list_and_admit_go_together),
	    WITH_CLIENTS(test_words),
	    WITH_CLIENTS(test_nobody_twice),
	    WITH_CLIENTS(test_public_keys_differ),
	    WITH_CLIENTS(test_long_line),
	    WITH_CLIENTS(test_nobody_is_a_warning),
	    WITH_CLIENTS(test_openpgp),
	    WITH_CLIENTS(test_hours_and_doors),
	    WITH_CLIENTS(test_carriers),
	    WITH_CLIENTS(test_sequences),
	    WITH_CLIENTS(test_factors),
	    WITH_CLIENTS(test_options_are_wiped),
	    WITH_CLIENTS(test_many),
	};

	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
