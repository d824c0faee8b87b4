/* exec_table: the file outlives us as a whole, and of another boot all ends have come. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec_table.h"

static struct exec_door door(const char *line, uint64_t end_ms)
{
	struct exec_door d;

	assert_true(exec_table_parse(line, &d));
	(void)snprintf(d.service, sizeof(d.service), "ssh");
	d.end_ms = d.next_ms = end_ms;
	return d;
}

static struct exec_table *table_at(int folder)
{
	struct exec_table *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_int_equal(exec_table_read(t, folder), 0);
	return t;
}

static int make_folder(char *path)
{
	int folder;

	assert_non_null(mkdtemp(path));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(folder >= 0);
	return folder;
}

static void test_lines(void **state)
{
	static const char *const bad[] = {"", "tcp", "tcp 22", "tcp 0 10.0.0.1", "icmp 22 10.0.0.1",
	    "tcp 65536 10.0.0.1", "tcp 30-20 10.0.0.1", "tcp 22x 10.0.0.1", "tcp 22 10.0.0",
	    "tcp 22 10.0.0.1/33", "tcpx 22 10.0.0.1"};
	struct exec_door d = door("udp 8000-8010 2001:db8::/64", 1);

	(void)state;
	assert_int_equal(d.proto, 17);
	assert_int_equal(d.ports.lo, 8000);
	assert_int_equal(d.ports.hi, 8010);
	assert_int_equal(d.from.len, 64);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(exec_table_parse(bad[i], &d));
}

static void test_a_door_is_there_once(void **state)
{
	struct exec_table *t = calloc(1, sizeof(*t));
	struct exec_door d = door("tcp 22 10.0.0.1", 5), other = door("tcp 22 10.0.0.0/24", 9);

	(void)state;
	assert_non_null(t);
	assert_true(exec_table_next(t) == UINT64_MAX);
	assert_non_null(exec_table_put(t, &d));
	assert_non_null(exec_table_put(t, &other));
	d.end_ms = d.next_ms = 7;
	assert_non_null(exec_table_put(t, &d));
	assert_int_equal(t->doors, 2);
	assert_int_equal(exec_table_next(t), 7);
	exec_table_drop(t, exec_table_find(t, &d));
	assert_null(exec_table_find(t, &d));
	assert_int_equal(exec_table_next(t), 9);
	free(t);
}

static void test_full(void **state)
{
	struct exec_table *t = calloc(1, sizeof(*t));
	struct exec_door d = door("tcp 22 10.0.0.1", 5);

	(void)state;
	assert_non_null(t);
	for (unsigned i = 0; i < EXEC_DOORS_MAX; i++) {
		d.ports.lo = d.ports.hi = (uint16_t)(i + 1);
		assert_non_null(exec_table_put(t, &d));
	}
	d.ports.lo = d.ports.hi = EXEC_DOORS_MAX + 1;
	assert_null(exec_table_put(t, &d));
	free(t);
}

static void test_the_file(void **state)
{
	char path[] = "/tmp/exec-table-XXXXXX";
	const int folder = make_folder(path);
	struct exec_table *t = table_at(folder), *again;
	struct exec_door d = door("tcp 22-23 10.0.0.1", 500);
	struct config c = {.services = 1};

	(void)state;
	c.service[0] = (struct service){.name = "ssh", .proto = 6, .port = 22};
	assert_false(t->there);
	exec_table_guard(t, &c);
	assert_non_null(exec_table_put(t, &d));
	assert_int_equal(exec_table_write(t), 0);
	again = table_at(folder);
	assert_true(again->there);
	assert_int_equal(again->guarded, 1);
	assert_int_equal(again->guard[0].ports.hi, 22);
	assert_int_equal(exec_table_find(again, &d)->end_ms, 500);
	assert_string_equal(exec_table_find(again, &d)->service, "ssh");
	free(again);
	t->boot_id[0] ^= 1; /* the next boot */
	assert_int_equal(exec_table_write(t), 0);
	again = table_at(folder);
	assert_int_equal(exec_table_find(again, &d)->end_ms, 0);
	again->there = false;
	again->doors = 0;
	assert_int_equal(exec_table_write(again), 0);
	assert_int_equal(faccessat(folder, "firewall-doors", F_OK, 0), -1);
	free(again);
	free(t);
	(void)close(folder);
	assert_int_equal(rmdir(path), 0);
}

static void test_nothing_is_followed(void **state)
{
	char path[] = "/tmp/exec-table-XXXXXX";
	const int folder = make_folder(path);
	struct exec_table *t = calloc(1, sizeof(*t));

	(void)state;
	assert_non_null(t);
	assert_int_equal(symlinkat("/etc/passwd", folder, "firewall-doors"), 0);
	assert_int_equal(exec_table_read(t, folder), -1);
	assert_int_equal(unlinkat(folder, "firewall-doors", 0), 0);
	free(t);
	(void)close(folder);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_a_door_is_there_once),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_the_file),
	    cmocka_unit_test(test_nothing_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
