/* sieve - the administrator's filter where the kernel has none: by kind of frame, and what is told of a wrong one. */
#include "unit.h"

#include "frames.h"
#include "sieve.h"

static bool passes(const char *filter, struct shape shape)
{
	static struct frame f;
	struct sieve *s = sieve_new(filter);

	frame_make(&f, &shape);
	const struct capture_frame frame = {
	    .bytes = f.bytes, .caplen = f.len, .len = f.len, .link = shape.link};

	const bool result = sieve_passes(s, &frame);

	sieve_free(s);
	return result;
}

static void test_all_kinds_of_frames(void **state)
{
	static const enum link_type links[] = {LINK_ETHERNET, LINK_RAW, LINK_SLL, LINK_SLL2};

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		const struct shape v4 = {.link = links[i]}, v6 = {.link = links[i], .v6 = true};

		assert_true(passes("src host 192.0.2.7", v4));
		assert_false(passes("not src host 192.0.2.7", v4));
		assert_false(passes("src host 192.0.2.7", v6));
		assert_true(passes("src net 2001:db8::/32", v6));
	}
	assert_true(passes("src host 192.0.2.7", (struct shape){.link = LINK_IPV4}));
	assert_true(passes("src net 2001:db8::/32", (struct shape){.link = LINK_IPV6, .v6 = true}));
}

static void test_under_tags(void **state)
{
	const struct shape tagged = {
	    .link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}, .v6 = false};

	(void)state;
	assert_true(passes("src host 192.0.2.7", tagged));
	assert_false(passes("src host 192.0.2.8", tagged));
}

/* Of what begins with IP nobody knows the hardware's address: such a filter holds all of it back. */
static void test_what_means_nothing_does_not_pass(void **state)
{
	(void)state;
	assert_true(passes("not ether src 2:0:0:0:0:1", (struct shape){.link = LINK_ETHERNET}));
	assert_false(passes("not ether src 2:0:0:0:0:1", (struct shape){.link = LINK_RAW}));
}

static void test_a_wrong_one_is_told(void **state)
{
	static const struct capture_method pcap = {.name = "pcap"}, nflog = {.name = "nflog"};
	char why[SIEVE_WHY_MAX];

	(void)state;
	assert_int_equal(sieve_check(&pcap, "ether host 2:0:0:0:0:1", why), 0);
	assert_int_equal(sieve_check(&nflog, "src host 192.0.2.7", why), 0);
	assert_int_equal(sieve_check(&nflog, "ether host 2:0:0:0:0:1", why), -1);
	assert_int_equal(sieve_check(&pcap, "not even wrong", why), -1);
	assert_true(strlen(why) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_kinds_of_frames),
	    cmocka_unit_test(test_under_tags),
	    cmocka_unit_test(test_what_means_nothing_does_not_pass),
	    cmocka_unit_test(test_a_wrong_one_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
