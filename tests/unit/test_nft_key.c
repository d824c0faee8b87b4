/* nft_element: keys as the kernel lays them out, and back; firewall.h's table and its dry run. */
#include "unit.h"

#include <stdlib.h>

#include "firewall.h"
#include "nft_door.h"
#include "nft_element.h"

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void check_key(const struct nft_key *k, const char *hex)
{
	uint8_t expected[NFT_KEY_MAX];
	size_t len = unhex(expected, sizeof(expected), hex);

	assert_int_equal(k->len, len);
	assert_memory_equal(k->b, expected, len);
}

static struct firewall_pass pass_of(const char *text)
{
	return (struct firewall_pass){.from = prefix_of(text)};
}

static void test_layout(void **state)
{
	struct firewall_pass v4 = pass_of("10.1.2.3"), v6 = pass_of("fd88::1:2"),
			     net = pass_of("10.1.0.0/16"), exact = v4;
	struct nft_key k;

	(void)state;
	exact.source_port = 40000;
	k = nft_door_key(&v4, 6, 22);
	check_key(&k, "0a010203"
		      "06000000"
		      "00160000");
	k = nft_door_key(&net, 17, 0xabcd);
	check_key(&k, "0a010000"
		      "11000000"
		      "abcd0000");
	k = nft_door_key(&exact, 6, 22);
	check_key(&k, "0a010203"
		      "9c400000"
		      "06000000"
		      "00160000");
	k = nft_door_key(&v6, 6, 22);
	check_key(&k, "fd880000000000000000000000010002"
		      "06000000"
		      "00160000");
	k = nft_key_service(17, 5353);
	check_key(&k, "11000000"
		      "14e90000");
}

struct case_of_pass {
	const char *from;
	uint32_t idle_s;
	uint16_t source_port;
	bool once;
	const char *set;
};

static const struct case_of_pass passes[] = {
    {"10.0.0.1", 0, 0, false, "doors4"},
    {"10.0.0.1/32", 0, 0, false, "doors4"},
    {"fd88::1", 0, 0, false, "doors6"},
    {"10.0.0.0/31", 0, 0, false, "nets4_31"},
    {"0.0.0.0/0", 0, 0, false, "nets4_0"},
    {"::/0", 0, 0, false, "nets6_0"},
    {"fd88::/32", 0, 0, false, "nets6_32"},
    {"fd88::/127", 0, 0, false, "nets6_127"},
    {"10.0.0.1", 300, 0, false, "held4_300"},
    {"fd88::1", 2592000, 0, false, "held6_2592000"},
    {"10.0.0.1", 0, 0, true, "once4"},
    {"fd88::1", 0, 0, true, "once6"},
    {"fd88::1", 0, 65535, false, "exact6"},
    {"10.0.0.1", 0, 1, true, "exonce4"},
};

static void test_which_set_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(passes); i++) {
		const struct case_of_pass *c = &passes[i];
		const struct firewall_pass in = {.from = prefix_of(c->from),
		    .idle_s = c->idle_s,
		    .source_port = c->source_port,
		    .once = c->once};
		const struct nft_door_set s = nft_door_set("", &in);
		const struct nft_key k = nft_door_key(&in, 17, 443);
		struct nft_door_set again;
		struct firewall_pass out;
		char name[NFT_NAME_MAX];
		uint8_t proto;
		uint16_t port;

		assert_string_equal(nft_door_set_name(name, &s), c->set);
		assert_true(nft_door_set_parse(name, &again));
		assert_true(nft_door_key_read(&again, &k, &out, &proto, &port));
		assert_true(prefix_equal(&in.from, &out.from));
		assert_int_equal(out.idle_s, in.idle_s);
		assert_int_equal(out.source_port, in.source_port);
		assert_int_equal(out.once, in.once);
		assert_int_equal(proto, 17);
		assert_int_equal(port, 443);
	}
}

static void test_what_is_no_set_of_doors(void **state)
{
	static const char *const names[] = {"", "doors", "doors5", "doors44", "doors4_1", "nets4",
	    "nets4_", "nets4_32", "nets4_024", "nets6_128", "nets4_+8", "nets4_ 8", "nets4_8x",
	    "nets4_-1", "nets4_99999999999999999999", "nets6_4294967304", "held4_", "held4_1x",
	    "guarded", "trial", "once4_1", "exact", "exonce", "gate4", "gate4_", "gate4_A",
	    "gate4_a b"};
	struct nft_door_set s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_false(nft_door_set_parse(names[i], &s));
	assert_true(nft_door_set_parse("idle4_60", &s));
	assert_int_equal(s.form, NFT_IDLE);
}

static void test_a_gateways_set(void **state)
{
	const struct service net = {.name = "my-net_2", .inside = "lan0", .outside = "eth0"};
	const struct firewall_pass in = pass_of("fd88::7");
	const struct nft_door_set s = nft_door_set_of(&net, &in);
	struct nft_door_set again;
	struct nft_key key[CONFIG_PORTS_MAX];
	struct firewall_pass out;
	char name[NFT_NAME_MAX];
	uint8_t proto;
	uint16_t port;

	(void)state;
	assert_string_equal(nft_door_set_name(name, &s), "gate6_my-net_2");
	assert_true(nft_door_set_parse(name, &again));
	assert_string_equal(again.gateway, "my-net_2");
	assert_int_equal(nft_door_keys(&in, &net, key), 1);
	assert_int_equal(key[0].len, 16);
	assert_true(nft_door_key_read(&again, &key[0], &out, &proto, &port));
	assert_true(prefix_equal(&in.from, &out.from));
	assert_int_equal(port, 0);
}

/* Where one flow ends the door's use, idleness is nothing that traffic could set back. */
static void test_times(void **state)
{
	struct firewall_pass p = pass_of("10.0.0.1");

	(void)state;
	p.idle_s = 20;
	assert_int_equal(nft_door_timeout_ms(&p, 60), 60000);
	p.once = true;
	assert_int_equal(nft_door_timeout_ms(&p, 60), 20000);
	assert_int_equal(nft_door_timeout_ms(&p, 10), 10000);
	p.idle_s = 0;
	assert_int_equal(nft_door_timeout_ms(&p, 60), 60000);
}

static void test_keys_of_other_lengths_are_none(void **state)
{
	const struct nft_door_set v4 = {.form = NFT_HOST, .v4 = true}, v6 = {.form = NFT_HOST},
				  x4 = {.form = NFT_EXACT, .v4 = true}, x6 = {.form = NFT_EXACT};
	struct firewall_pass p;
	uint8_t proto;
	uint16_t port;

	(void)state;
	for (unsigned len = 0; len <= NFT_KEY_MAX; len++) {
		const struct nft_key k = {.len = (uint8_t)len};

		assert_int_equal(nft_door_key_read(&v4, &k, &p, &proto, &port), len == 12);
		assert_int_equal(nft_door_key_read(&x4, &k, &p, &proto, &port), len == 16);
		assert_int_equal(nft_door_key_read(&v6, &k, &p, &proto, &port), len == 24);
		assert_int_equal(nft_door_key_read(&x6, &k, &p, &proto, &port), len == 28);
		assert_int_equal(nft_key_read_service(&k, &proto, &port), len == 8);
	}
}

static void test_backends_by_name(void **state)
{
	(void)state;
	assert_non_null(firewall_by_name("nftables"));
	assert_null(firewall_by_name("nftable"));
	assert_null(firewall_by_name(""));
}

static void no_door(void *arg, const struct firewall_door *door)
{
	(void)arg;
	(void)door;
	fail();
}

static void test_a_dry_run_needs_nothing(void **state)
{
	struct config c = {.firewall = "nftables", .services = 1};
	struct firewall_pass from = pass_of("10.0.0.1");
	struct firewall *f;
	uint32_t rest = 1;

	(void)state;
	c.service[0] = (struct service){.name = "ssh", .proto = 6, .port = 22};
	f = firewall_start(&c, true);
	assert_non_null(f);
	assert_int_equal(firewall_ensure(f, &c), FIREWALL_OK);
	assert_int_equal(firewall_open(f, &c.service[0], &from, 60), FIREWALL_OK);
	assert_int_equal(firewall_query(f, &c.service[0], &from, &rest), FIREWALL_NOT_THERE);
	assert_int_equal(rest, 0);
	assert_int_equal(firewall_list(f, no_door, NULL), FIREWALL_OK);
	assert_int_equal(firewall_close(f, &c.service[0], &from), FIREWALL_OK);
	assert_int_equal(firewall_watch_fd(f), -1);
	assert_false(firewall_changed(f));
	assert_int_equal(firewall_remove(f), FIREWALL_OK);
	firewall_stop(f);
	firewall_stop(NULL);
}

static void test_an_unknown_backend_is_told(void **state)
{
	const struct config c = {.firewall = "pf"};

	(void)state;
	assert_null(firewall_start(&c, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_layout),
	    cmocka_unit_test(test_which_set_and_back),
	    cmocka_unit_test(test_what_is_no_set_of_doors),
	    cmocka_unit_test(test_a_gateways_set),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_keys_of_other_lengths_are_none),
	    cmocka_unit_test(test_backends_by_name),
	    cmocka_unit_test(test_a_dry_run_needs_nothing),
	    cmocka_unit_test(test_an_unknown_backend_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
