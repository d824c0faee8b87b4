#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret.h"
#include "state.h"

enum { RECORD_STRIDE = 512 };

static const uint8_t cid[CID_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t other_cid[CID_BYTES] = {8, 7, 6, 5, 4, 3, 2, 1};
static const uint64_t noon = 1700000000000000000;
static const uint64_t hour = 3600000000000;

struct place {
	char dir[64];
	char file[128];
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/postern-state-XXXXXX");
	*state = p;
	if (!mkdtemp(p->dir))
		return -1;
	(void)snprintf(p->file, sizeof(p->file), "%s/alice.state", p->dir);
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	(void)unlink(p->file);
	(void)rmdir(p->dir);
	free(p);
	return 0;
}

static void open_as(struct state *s, const struct place *p, const uint8_t *who)
{
	static struct trouble t;

	trouble_clear(&t);
	if (state_open(s, p->dir, "alice", who, &t) < 0)
		fail_msg("%s", t.text);
}

/* One t, by a program that runs only for that. */
static uint64_t draw_once(const struct place *p, uint64_t clock_ns)
{
	struct state s;
	uint64_t t = 0;

	open_as(&s, p, cid);
	assert_false(s.damaged);
	assert_int_equal(state_draw(&s, clock_ns, &t), 0);
	state_close(&s);
	return t;
}

static void t_follows_the_clock(void **state)
{
	assert_true(draw_once(*state, noon) == noon);
	assert_true(draw_once(*state, noon + 5) == noon + 5);
}

static void t_never_repeats_nor_goes_back(void **state)
{
	assert_true(draw_once(*state, noon) == noon);
	assert_true(draw_once(*state, noon) == noon + 1);
	assert_true(draw_once(*state, noon - hour) == noon + 2);
	assert_true(draw_once(*state, 0) == noon + 3);
	assert_true(draw_once(*state, noon + hour) == noon + hour);
}

static void learn(const struct place *p, uint64_t server_ns, uint64_t clock_ns)
{
	struct state s;

	open_as(&s, p, cid);
	assert_int_equal(state_learn(&s, server_ns, clock_ns), 0);
	state_close(&s);
}

static void the_offset_is_kept(void **state)
{
	learn(*state, noon + hour, noon);
	assert_true(draw_once(*state, noon + 1) == noon + hour + 1);
	learn(*state, noon - hour, noon);
	assert_true(draw_once(*state, noon + 2) == noon + hour + 2); /* not back */
	assert_true(draw_once(*state, noon + 3 * hour) == noon + 2 * hour);
}

static void absurd_server_times_are_not_followed(void **state)
{
	learn(*state, UINT64_MAX, noon);
	assert_true(draw_once(*state, noon) == noon);
	learn(*state, 0, noon); /* 1970 */
	assert_true(draw_once(*state, noon + 9) == noon + 1);
}

/* The way of a packet is no other clock; anything that could matter is. */
static void small_offsets_are_not_written(void **state)
{
	struct place *p = *state;
	struct stat before, after;

	(void)draw_once(p, noon);
	learn(p, noon + 1000000, noon);
	assert_true(draw_once(p, noon + 10) == noon + 10);
	learn(p, noon - 1000000, noon);
	assert_true(draw_once(p, noon + 20) == noon + 20);
	learn(p, noon + 20000000, noon);
	assert_true(draw_once(p, noon + 30) == noon + 30 + 20000000);
	assert_int_equal(stat(p->file, &before), 0);
	learn(p, noon + 20000001, noon);
	assert_int_equal(stat(p->file, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
}

static void overwrite(const struct place *p, long at, const void *bytes, size_t len)
{
	int fd = open(p->file, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	(void)close(fd);
}

/* The newest record is torn: it was not given out, so the one before is the truth. */
static void a_torn_write_costs_nothing(void **state)
{
	uint64_t t[2];

	t[0] = draw_once(*state, noon);
	t[1] = draw_once(*state, noon + hour);
	/* The first record went to slot 1, the second to slot 0. */
	overwrite(*state, 20, "torn", 4);
	assert_true(t[1] == noon + hour);
	assert_true(draw_once(*state, 0) == t[0] + 1);
	overwrite(*state, RECORD_STRIDE + 20, "torn", 4);
	assert_true(draw_once(*state, 0) == t[0] + 2);
}

static void damage_is_told_and_begun_anew(void **state)
{
	struct place *p = *state;
	struct state s;
	uint64_t t = 0;

	assert_true(draw_once(p, noon + hour) == noon + hour);
	overwrite(p, 0, "rubbish", 7);
	overwrite(p, RECORD_STRIDE, "rubbish", 7);
	open_as(&s, p, cid);
	assert_true(s.damaged);
	assert_int_equal(state_draw(&s, noon, &t), 0);
	assert_true(t == noon);
	state_close(&s);
	assert_true(draw_once(p, 0) == noon + 1);
}

static void every_cut_of_the_file_is_survived(void **state)
{
	struct place *p = *state;
	struct state s;
	struct stat st;
	uint64_t t = 0;

	(void)draw_once(p, noon);
	(void)draw_once(p, noon + 1);
	assert_int_equal(stat(p->file, &st), 0);
	for (off_t len = st.st_size; len-- > 0;) {
		assert_int_equal(truncate(p->file, len), 0);
		open_as(&s, p, cid);
		assert_int_equal(state_draw(&s, noon + 7, &t), 0);
		assert_true(t >= noon + 7);
		state_close(&s);
		assert_int_equal(truncate(p->file, len), 0);
	}
}

static void another_client_begins_anew(void **state)
{
	struct state s;
	uint64_t t = 0;

	learn(*state, noon + hour, noon);
	(void)draw_once(*state, noon);
	open_as(&s, *state, other_cid);
	assert_false(s.damaged);
	assert_int_equal(state_draw(&s, noon, &t), 0);
	assert_true(t == noon);
	state_close(&s);
}

static void the_folder_is_made_and_private(void **state)
{
	static struct trouble t;
	struct place *p = *state;
	char deep[128], file[160], dir[160];
	struct state s;
	struct stat st;

	(void)snprintf(deep, sizeof(deep), "%s/a/b", p->dir);
	(void)snprintf(file, sizeof(file), "%s/alice.state", deep);
	(void)snprintf(dir, sizeof(dir), "%s/a", p->dir);
	assert_int_equal(state_open(&s, deep, "alice", cid, &t), 0);
	state_close(&s);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(deep), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void what_others_can_write_is_refused(void **state)
{
	static struct trouble t;
	struct place *p = *state;
	struct state s;

	(void)draw_once(p, noon);
	assert_int_equal(chmod(p->file, 0620), 0);
	assert_int_equal(state_open(&s, p->dir, "alice", cid, &t), -1);
	assert_non_null(strstr(t.text, "alice.state: can be written by others: run 'chmod 600'"));
	assert_int_equal(chmod(p->file, 0600), 0);
}

static void without_a_place_there_is_no_knock(void **state)
{
	static struct trouble t;
	struct place *p = *state;
	struct state s;

	(void)draw_once(p, noon); /* makes the file, which is no folder */
	assert_int_equal(state_open(&s, p->file, "alice", cid, &t), -1);
	assert_non_null(strstr(t.text, "cannot be opened, and without it no knock may be sent"));
}

enum { CHILDREN = 4, DRAWS = 100 };

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a;
	const uint64_t *right = b;

	return (*left > *right) - (*left < *right);
}

static void draw_many(const struct place *p, uint64_t *out)
{
	struct state s;

	open_as(&s, p, cid);
	for (int i = 0; i < DRAWS; i++) {
		if (state_draw(&s, noon, &out[i]) < 0 || (i > 0 && out[i] <= out[i - 1]))
			_exit(1);
	}
	_exit(0);
}

static void parallel_programs_never_draw_the_same(void **state)
{
	size_t bytes = CHILDREN * DRAWS * sizeof(uint64_t);
	uint64_t *t = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child[CHILDREN];
	int status;

	assert_true(t != MAP_FAILED);
	(void)draw_once(*state, noon);
	for (int i = 0; i < CHILDREN; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i] == 0)
			draw_many(*state, t + (ptrdiff_t)i * DRAWS);
	}
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	qsort(t, CHILDREN * DRAWS, sizeof(*t), compare);
	for (int i = 0; i < CHILDREN * DRAWS; i++)
		assert_true(t[i] == noon + 1 + (uint64_t)i);
	(void)munmap(t, bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(t_follows_the_clock, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(t_never_repeats_nor_goes_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_offset_is_kept, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(small_offsets_are_not_written, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		absurd_server_times_are_not_followed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_torn_write_costs_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(damage_is_told_and_begun_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(every_cut_of_the_file_is_survived, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(another_client_begins_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_folder_is_made_and_private, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_others_can_write_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(without_a_place_there_is_no_knock, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		parallel_programs_never_draw_the_same, set_up, tear_down),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
