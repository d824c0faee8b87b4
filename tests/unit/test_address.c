#include "unit.h"

#include "address.h"
#include "errors.h"

static struct address parsed(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static struct prefix parsed_prefix(const char *text)
{
	struct prefix p;

	if (prefix_parse(text, &p) != 0)
		fail_msg("%s", text);
	return p;
}

static void reads_and_tells_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
		bool v4;
	} table[] = {
	    {"192.0.2.1", "192.0.2.1", true},
	    {"0.0.0.0", "0.0.0.0", true},
	    {"255.255.255.255", "255.255.255.255", true},
	    {"::ffff:192.0.2.1", "192.0.2.1", true},
	    {"::FFFF:c000:201", "192.0.2.1", true},
	    {"2001:DB8::1", "2001:db8::1", false},
	    {"::", "::", false},
	    {"::1", "::1", false},
	    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		false},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		char text[ADDRESS_TEXT];
		struct address a = parsed(table[i].in);
		assert_string_equal(address_text(&a, text), table[i].out);
		assert_int_equal(address_is_v4(&a), table[i].v4);
	}
}

static void refuses_what_is_no_address(void **state)
{
	(void)state;
	static const char *const table[] = {"", " ", "localhost", "192.0.2", "192.0.2.256",
	    "192.0.2.1 ", "192.0.2.01", "0x7f.0.0.1", "2001:db8::g", "1::2::3", "fe80::1%eth0",
	    "[::1]", "192.0.2.1/32", "::ffff:192.0.2.1.1", "12345::"};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct address a;
		if (address_parse(table[i], &a) != -E_FORMAT)
			fail_msg("%s", table[i]);
	}
}

static void folds_bytes(void **state)
{
	(void)state;
	static const uint8_t four[4] = {192, 0, 2, 1};
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	struct address a = address_v4(four);
	struct address b = address_v6(mapped);

	assert_true(address_equal(&a, &b));
	assert_true(address_is_v4(&b));
	assert_false(address_is_zero(&b));
	assert_true(address_is_zero(&(struct address){0}));
}

static void knows_what_a_door_may_be_for(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
	} table[] = {
	    {"192.0.2.1", true},
	    {"10.0.0.1", true},
	    {"1.0.0.0", true},
	    {"126.255.255.255", true},
	    {"128.0.0.1", true},
	    {"169.253.255.255", true},
	    {"169.255.0.0", true},
	    {"223.255.255.255", true},
	    {"240.0.0.1", true},
	    {"255.255.255.254", true},
	    {"0.0.0.0", false},
	    {"0.1.2.3", false},
	    {"127.0.0.1", false},
	    {"127.255.255.255", false},
	    {"169.254.0.1", false},
	    {"169.254.255.255", false},
	    {"224.0.0.1", false},
	    {"239.255.255.255", false},
	    {"255.255.255.255", false},
	    {"::ffff:127.0.0.1", false},
	    {"2001:db8::1", true},
	    {"fd00::1", true},
	    {"::2", true},
	    {"fe7f::1", true},
	    {"fec0::1", true},
	    {"feff::1", true},
	    {"::", false},
	    {"::1", false},
	    {"fe80::1", false},
	    {"febf::1", false},
	    {"ff00::1", false},
	    {"ff02::1", false},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct address a = parsed(table[i].text);
		if (address_is_admissible(&a) != table[i].ok)
			fail_msg("%s", table[i].text);
	}
}

static void reads_and_tells_prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
		uint8_t len;
	} table[] = {
	    {"192.0.2.1", "192.0.2.1", 32},
	    {"192.0.2.1/32", "192.0.2.1", 32},
	    {"192.0.2.0/31", "192.0.2.0/31", 31},
	    {"10.0.0.0/8", "10.0.0.0/8", 8},
	    {"0.0.0.0/0", "0.0.0.0/0", 0},
	    {"::ffff:10.0.0.0/104", "10.0.0.0/8", 8},
	    {"::ffff:0.0.0.0/96", "0.0.0.0/0", 0},
	    {"2001:db8::/32", "2001:db8::/32", 32},
	    {"2001:db8::1/128", "2001:db8::1", 128},
	    {"2001:db8::1", "2001:db8::1", 128},
	    {"::/0", "::/0", 0},
	    {"::/96", "::/96", 96},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		char text[PREFIX_TEXT];
		struct prefix p = parsed_prefix(table[i].in);
		assert_int_equal(p.len, table[i].len);
		assert_string_equal(prefix_text(&p, text), table[i].out);
		assert_true(prefix_is_canonical(&p));
	}
}

static void refuses_what_is_no_prefix(void **state)
{
	(void)state;
	static const char *const table[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33",
	    "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0/ 8",
	    "10.0.0.0/8/8", "10.0.0.1/8", "192.0.2.1/31", "2001:db8::1/64", "2001:db8::/129",
	    "::ffff:10.0.0.0/95", "::ffff:10.0.0.0/8", "::ffff:10.0.0.1/104", "10.0.0.0/4294967304",
	    "10.0.0.0/00", "2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/32"};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct prefix p;
		if (prefix_parse(table[i], &p) != -E_FORMAT)
			fail_msg("%s", table[i]);
	}
}

static void contains(void **state)
{
	(void)state;
	static const struct {
		const char *outer, *inner;
		bool ok;
	} table[] = {
	    {"10.0.0.0/8", "10.255.255.255", true},
	    {"10.0.0.0/8", "11.0.0.0", false},
	    {"10.0.0.0/9", "10.127.255.255", true},
	    {"10.0.0.0/9", "10.128.0.0", false},
	    {"10.0.0.0/8", "10.1.0.0/16", true},
	    {"10.0.0.0/8", "10.0.0.0/8", true},
	    {"10.0.0.0/8", "10.0.0.0/7", false},
	    {"0.0.0.0/0", "192.0.2.1", true},
	    {"0.0.0.0/0", "2001:db8::1", false},
	    {"::/0", "192.0.2.1", false},
	    {"::/0", "2001:db8::/32", true},
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.0", false},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"2001:db8::/127", "2001:db8::1", true},
	    {"2001:db8::/127", "2001:db8::2", false},
	    /* 8 and 10.0.0.0/8 share the first bits of neither family */
	    {"a00::/8", "10.0.0.1", false},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct prefix outer;
		struct prefix inner;
		assert_int_equal(prefix_parse(table[i].outer, &outer), 0);
		/* 10.0.0.0/7 is canonical only as 10.0.0.0: 10 is even */
		assert_int_equal(prefix_parse(table[i].inner, &inner), 0);
		if (prefix_within(&outer, &inner) != table[i].ok)
			fail_msg("%s within %s", table[i].inner, table[i].outer);
		if (prefix_is_host(&inner))
			assert_int_equal(prefix_contains(&outer, &inner.addr), table[i].ok);
	}
}

static void trusts_no_length(void **state)
{
	(void)state;
	struct address a = parsed("10.0.0.1");
	struct prefix p = {.addr = a, .len = 33};

	assert_false(prefix_is_canonical(&p));
	assert_false(prefix_contains(&p, &a));
	p.len = 255;
	assert_false(prefix_is_canonical(&p));
	assert_false(prefix_contains(&p, &a));
	p = (struct prefix){.addr = parsed("2001:db8::1"), .len = 129};
	assert_false(prefix_is_canonical(&p));
	assert_false(prefix_contains(&p, &p.addr));
}

static void narrowest_is_the_host(void **state)
{
	(void)state;
	struct address a = parsed("10.0.0.1");
	struct address b = parsed("2001:db8::1");
	struct prefix p = prefix_host(&a);
	struct prefix q = prefix_host(&b);

	assert_int_equal(p.len, 32);
	assert_int_equal(q.len, 128);
	assert_true(prefix_is_host(&p) && prefix_is_host(&q));
	assert_false(prefix_equal(&p, &q));
	q = prefix_host(&a);
	assert_true(prefix_equal(&p, &q));
	q.len = 31;
	assert_false(prefix_equal(&p, &q));
	assert_false(prefix_is_host(&q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_and_tells_addresses),
	    cmocka_unit_test(refuses_what_is_no_address),
	    cmocka_unit_test(folds_bytes),
	    cmocka_unit_test(knows_what_a_door_may_be_for),
	    cmocka_unit_test(reads_and_tells_prefixes),
	    cmocka_unit_test(refuses_what_is_no_prefix),
	    cmocka_unit_test(contains),
	    cmocka_unit_test(trusts_no_length),
	    cmocka_unit_test(narrowest_is_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
