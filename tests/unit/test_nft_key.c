/* nft_element: keys as the kernel lays them out, and back; firewall.h's table and its dry run. */
#include "unit.h"

#include <stdlib.h>

#include "firewall.h"
#include "nft_element.h"
#include "nft_table.h"

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

static void test_layout(void **state)
{
	struct prefix v4 = prefix_of("10.1.2.3"), v6 = prefix_of("fd88::1:2"),
		      net = prefix_of("10.1.0.0/16");
	struct nft_key k;

	(void)state;
	k = nft_key_door(&v4, 6, 22);
	check_key(&k, "0a010203"
		      "06000000"
		      "00160000");
	k = nft_key_door(&net, 17, 0xabcd);
	check_key(&k, "0a010000"
		      "11000000"
		      "abcd0000");
	k = nft_key_door(&v6, 6, 22);
	check_key(&k, "fd880000000000000000000000010002"
		      "06000000"
		      "00160000");
	k = nft_key_service(17, 5353);
	check_key(&k, "11000000"
		      "14e90000");
}

static void check_round(const char *text, uint8_t proto, uint16_t port)
{
	struct prefix in = prefix_of(text), out;
	struct nft_key k = nft_key_door(&in, proto, port);
	uint8_t proto_out;
	uint16_t port_out;

	assert_true(nft_key_read_door(&k, in.len, &out, &proto_out, &port_out));
	assert_true(prefix_equal(&in, &out));
	assert_int_equal(proto, proto_out);
	assert_int_equal(port, port_out);
}

static void test_there_and_back(void **state)
{
	(void)state;
	check_round("10.1.2.3", 6, 22);
	check_round("255.255.255.255", 255, 65535);
	check_round("10.0.0.0/8", 17, 1);
	check_round("fd88::1", 6, 443);
	check_round("fd88::/56", 6, 443);
}

static void test_keys_of_other_lengths_are_none(void **state)
{
	struct prefix from;
	uint8_t proto;
	uint16_t port;

	(void)state;
	for (unsigned len = 0; len <= NFT_KEY_MAX; len++) {
		struct nft_key k = {.len = (uint8_t)len};

		assert_int_equal(
		    nft_key_read_door(&k, 32, &from, &proto, &port), len == 12 || len == 24);
		assert_int_equal(nft_key_read_service(&k, &proto, &port), len == 8);
	}
}

static void test_which_set(void **state)
{
	static const char *const cases[][2] = {{"10.0.0.1", "doors4"}, {"10.0.0.1/32", "doors4"},
	    {"fd88::1", "doors6"}, {"10.0.0.0/31", "nets4_31"}, {"0.0.0.0/0", "nets4_0"},
	    {"::/0", "nets6_0"}, {"fd88::/32", "nets6_32"}, {"fd88::/127", "nets6_127"}};
	char name[NFT_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct prefix p = prefix_of(cases[i][0]);

		assert_string_equal(nft_table_set(name, &p), cases[i][1]);
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
	struct prefix from = prefix_of("10.0.0.1");
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
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_keys_of_other_lengths_are_none),
	    cmocka_unit_test(test_which_set),
	    cmocka_unit_test(test_backends_by_name),
	    cmocka_unit_test(test_a_dry_run_needs_nothing),
	    cmocka_unit_test(test_an_unknown_backend_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
