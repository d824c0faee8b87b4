/* This host's addresses, in the table that the program in the kernel looks into. */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>

#include "live.h"
#include "xdp_own.h"

enum { INTERFACE = 7, OTHER = 8, MANY = 2 * XDP_OWN_SLOTS };

static struct xdp_address table[XDP_OWN_SLOTS];

static struct xdp_address numbered(uint64_t n)
{
	return (struct xdp_address){{0x20, n << 32}};
}

/* As the program looks for it. */
static bool is_there(const struct xdp_address *a)
{
	uint32_t from = xdp_slot(a->half[0], a->half[1]);

	for (uint32_t i = 0; i < XDP_OWN_PROBES; i++) {
		const struct xdp_address *slot = &table[(from + i) % XDP_OWN_SLOTS];

		if (slot->half[0] == a->half[0] && slot->half[1] == a->half[1])
			return true;
	}
	return false;
}

static struct xdp_address of_text(const char *hex)
{
	struct xdp_address a;

	assert_int_equal(unhex((uint8_t *)&a, sizeof(a), hex), sizeof(a));
	return a;
}

static void knows_what_the_host_has(void **state)
{
	const struct xdp_address v4 = of_text("00000000000000000000ffffc6336401"),
				 peer = of_text("00000000000000000000ffffc6336402"),
				 v6 = of_text("20010db8000000000000000000000101"),
				 local = of_text("00000000000000000000ffff7f000001");
	struct xdp_own *o;

	(void)state;
	memset(table, 0, sizeof(table));
	live_make_pair();
	live_run("ip addr add 198.51.100.1 peer 198.51.100.2/32 dev " LIVE_NEAR);
	o = xdp_own_open(table);
	assert_non_null(o);
	assert_true(is_there(&v4) && is_there(&local));
	assert_false(is_there(&peer) || is_there(&v6));
	live_run("ip addr add 2001:db8::101/64 dev " LIVE_FAR " nodad");
	live_await(xdp_own_fd(o));
	assert_int_equal(xdp_own_read(o), 0);
	assert_true(is_there(&v6));
	live_run("ip link del " LIVE_NEAR);
	assert_int_equal(xdp_own_read(o), 0);
	assert_false(is_there(&v4) || is_there(&v6));
	assert_true(is_there(&local));
	xdp_own_close(o);
}

/* Told of again and again, and at two interfaces at once. */
static void counts_interfaces_not_news(void **state)
{
	const struct xdp_address a = numbered(1);
	struct xdp_own *o;

	(void)state;
	memset(table, 0, sizeof(table));
	o = xdp_own_open(table);
	assert_non_null(o);
	for (int i = 0; i < 3; i++)
		xdp_own_add(o, INTERFACE, &a);
	xdp_own_add(o, OTHER, &a);
	xdp_own_remove(o, INTERFACE, &a);
	assert_true(is_there(&a));
	xdp_own_remove(o, INTERFACE, &a);
	assert_true(is_there(&a));
	xdp_own_remove(o, OTHER, &a);
	assert_false(is_there(&a));
	xdp_own_close(o);
}

/* Many more than there is room for: most slots are used, and when all went, none is. */
static void keeps_many(void **state)
{
	struct xdp_own *o;
	unsigned found = 0;

	(void)state;
	memset(table, 0, sizeof(table));
	o = xdp_own_open(table);
	assert_non_null(o);
	for (uint64_t i = 1; i <= MANY; i++)
		xdp_own_add(o, INTERFACE, &(const struct xdp_address){{0x20, i << 32}});
	for (uint64_t i = 1; i <= MANY; i++) {
		const struct xdp_address a = numbered(i);

		found += is_there(&a);
	}
	assert_in_range(found, XDP_OWN_SLOTS / 2, XDP_OWN_SLOTS);
	for (uint64_t i = 1; i <= MANY; i++) {
		const struct xdp_address a = numbered(i);

		xdp_own_remove(o, INTERFACE, &a);
		assert_false(is_there(&a));
	}
	for (unsigned i = 0; i < XDP_OWN_SLOTS; i++)
		assert_int_not_equal(table[i].half[0], 0x20);
	xdp_own_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_what_the_host_has),
	    cmocka_unit_test(counts_interfaces_not_news),
	    cmocka_unit_test(keeps_many),
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
