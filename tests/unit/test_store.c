/* Both stores: transactions, order, durability; and what LMDB's does with damage and with a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "log.h"
#include "record.h"
#include "store.h"

enum { PATH_CAP = 256, PAGE = 4096 };

struct place {
	char base[64], dir[PATH_CAP];
	bool lmdb;
};

static int make_place(void **state, bool lmdb)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	strcpy(p->base, "/tmp/postern-store-XXXXXX");
	if (!mkdtemp(p->base))
		return -1;
	snprintf(p->dir, sizeof(p->dir), "%s/store", p->base);
	p->lmdb = lmdb;
	*state = p;
	return 0;
}

static int setup_memory(void **state)
{
	return make_place(state, false);
}

static int setup_lmdb(void **state)
{
	return make_place(state, true);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static int teardown(void **state)
{
	struct place *p = *state;
	int r = nftw(p->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	free(p);
	return r;
}

/* As the process does it, but that it is another user by the time of the opening. */
static struct store *open_lmdb(const struct place *p)
{
	int fd = store_lmdb_prepare(p->dir, getuid(), getgid());

	if (fd < 0)
		return NULL;
	close(fd);
	return store_lmdb_open(p->dir);
}

static struct store *open_store(const struct place *p)
{
	struct store *s = p->lmdb ? open_lmdb(p) : store_memory_new();

	assert_non_null(s);
	return s;
}

static void put(struct store *s, uint64_t key, const char *value)
{
	uint8_t k[STORE_KEY_BYTES];

	memcpy(k, &key, sizeof(k));
	assert_int_equal(s->ops->put(s, STORE_META, k, (const uint8_t *)value, strlen(value)), 0);
}

/* "" when it is not there. */
static const char *get(struct store *s, uint64_t key)
{
	static char out[64];
	uint8_t k[STORE_KEY_BYTES];
	const uint8_t *value;
	size_t len;
	int r;

	memcpy(k, &key, sizeof(k));
	r = s->ops->get(s, STORE_META, k, &value, &len);
	if (r == STORE_NONE)
		return "";
	assert_int_equal(r, 0);
	assert_true(len < sizeof(out));
	memcpy(out, value, len);
	out[len] = '\0';
	return out;
}

static void test_transactions(void **state)
{
	struct store *s = open_store(*state);
	uint8_t k[STORE_KEY_BYTES] = {1};

	assert_int_equal(s->ops->begin(s), 0);
	put(s, 1, "one");
	assert_string_equal(get(s, 1), "one");
	assert_int_equal(s->ops->commit(s), 0);
	assert_int_equal(s->ops->begin(s), 0);
	put(s, 1, "uno");
	put(s, 2, "due");
	put(s, 2, "zwei");
	assert_string_equal(get(s, 1), "uno");
	assert_string_equal(get(s, 2), "zwei");
	s->ops->abort(s);
	assert_int_equal(s->ops->begin(s), 0);
	assert_string_equal(get(s, 1), "one");
	assert_string_equal(get(s, 2), "");
	assert_int_equal(s->ops->del(s, STORE_META, k), 0);
	assert_int_equal(s->ops->del(s, STORE_META, k), 0);
	assert_string_equal(get(s, 1), "");
	s->ops->abort(s);
	assert_int_equal(s->ops->begin(s), 0);
	assert_string_equal(get(s, 1), "one");
	s->ops->abort(s);
	s->ops->close(s);
}

static int sum_up(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	unsigned *n = arg;

	assert_int_equal(len, 3);
	assert_memory_equal(value, "abc", 3);
	*n += key[0];
	return 0;
}

static int stop_at_once(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	(void)key;
	(void)value;
	(void)len;
	++*(unsigned *)arg;
	return 7;
}

static void test_walk_sees_all_of_one_table(void **state)
{
	struct store *s = open_store(*state);
	unsigned n = 0;
	uint8_t k[STORE_KEY_BYTES] = {0};

	assert_int_equal(s->ops->begin(s), 0);
	for (uint64_t i = 1; i <= 100; i++)
		put(s, i, "abc");
	assert_int_equal(s->ops->put(s, STORE_CLIENTS, k, k, 2), 0);
	assert_int_equal(s->ops->each(s, STORE_META, sum_up, &n), 0);
	assert_int_equal(n, 5050);
	n = 0;
	assert_int_equal(s->ops->each(s, STORE_META, stop_at_once, &n), 7);
	assert_int_equal(n, 1);
	s->ops->abort(s);
	s->ops->close(s);
}

static void test_committed_is_kept(void **state)
{
	struct store *s = open_store(*state);

	assert_int_equal(s->ops->begin(s), 0);
	put(s, 7, "kept");
	assert_int_equal(s->ops->commit(s), 0);
	assert_int_equal(s->ops->begin(s), 0);
	put(s, 8, "not");
	s->ops->abort(s);
	s->ops->close(s);
	s = open_store(*state);
	assert_int_equal(s->ops->begin(s), 0);
	assert_string_equal(get(s, 7), "kept");
	assert_string_equal(get(s, 8), "");
	s->ops->abort(s);
	s->ops->close(s);
}

/* In a child: no assertion may return to the tests from here. */
static void commit_for_ever(const struct place *p, int tell)
{
	struct store *s = open_lmdb(p);

	for (uint64_t n = 1; s; n++) {
		uint8_t key[STORE_KEY_BYTES];

		memcpy(key, &n, sizeof(key));
		if (s->ops->begin(s) != 0 ||
		    s->ops->put(s, STORE_META, key, (const uint8_t *)"x", 1) != 0 ||
		    s->ops->commit(s) != 0 || write(tell, &n, sizeof(n)) != sizeof(n))
			break;
	}
	_exit(1);
}

/* A process that is killed right after a commit loses nothing of it. */
static void test_killed_after_commit(void **state)
{
	int tell[2], status;
	uint64_t n = 0, last = 0;
	struct store *s;
	pid_t pid;

	assert_int_equal(pipe(tell), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		commit_for_ever(*state, tell[1]);
	close(tell[1]);
	while (last < 50)
		assert_int_equal(read(tell[0], &last, sizeof(last)), sizeof(last));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(tell[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	close(tell[0]);
	s = open_store(*state);
	assert_int_equal(s->ops->begin(s), 0);
	for (n = 1; n <= last; n++)
		assert_string_equal(get(s, n), "x");
	s->ops->abort(s);
	s->ops->close(s);
}

static unsigned count_set_aside(const struct place *p)
{
	char command[PATH_CAP + 64];
	unsigned n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "ls -d %s/store.damaged-* 2>/dev/null | wc -l", p->base);
	f = popen(command, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

/* Enough to fill some pages, as records of clients. */
static void fill(const struct place *p)
{
	struct store *s = open_store(p);
	struct client_record r = {.mark = 5, .proven = true};
	uint8_t value[STORE_VALUE_MAX], key[STORE_KEY_BYTES] = {0};
	size_t len;

	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(s->ops->begin(s), 0);
		for (unsigned i = 0; i < 500; i++) {
			memcpy(key, &i, sizeof(i));
			len = client_record_encode(&r, key, value);
			assert_int_equal(s->ops->put(s, STORE_CLIENTS, key, value, len), 0);
		}
		assert_int_equal(s->ops->commit(s), 0);
	}
	s->ops->close(s);
}

static int count_one(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	struct client_record r;

	assert_int_equal(client_record_decode(&r, key, value, len), 0);
	assert_int_equal(r.mark, 5);
	++*(unsigned *)arg;
	return 0;
}

static unsigned count_clients(struct store *s)
{
	unsigned n = 0;

	assert_int_equal(s->ops->begin(s), 0);
	assert_int_equal(s->ops->each(s, STORE_CLIENTS, count_one, &n), 0);
	s->ops->abort(s);
	return n;
}

static void overwrite(const struct place *p, const char *name, off_t at, size_t len, int byte)
{
	char path[PATH_CAP + 16];
	uint8_t *junk = malloc(len);
	int fd;

	assert_non_null(junk);
	memset(junk, byte, len);
	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, len, at), (ssize_t)len);
	close(fd);
	free(junk);
}

static void test_garbage_is_set_aside(void **state)
{
	const struct place *p = *state;
	struct store *s;

	fill(p);
	overwrite(p, "data.mdb", 0, (size_t)16 * PAGE, 'n');
	overwrite(p, "lock.mdb", 0, PAGE, 'n');
	s = open_store(p);
	assert_int_equal(count_clients(s), 0);
	s->ops->close(s);
	assert_int_equal(count_set_aside(p), 1);
	/* And the new one is a good one. */
	s = open_store(p);
	s->ops->close(s);
	assert_int_equal(count_set_aside(p), 1);
}

/* One page after the other, wherever it is: read whole, or begun anew, but never half. */
static void test_any_damaged_page(void **state)
{
	const struct place *p = *state;
	char path[PATH_CAP + 16];
	struct stat st;

	fill(p);
	snprintf(path, sizeof(path), "%s/data.mdb", p->dir);
	assert_int_equal(stat(path, &st), 0);
	for (off_t page = 0; page < st.st_size / PAGE; page++) {
		struct store *s;
		unsigned n;

		fill(p);
		overwrite(p, "data.mdb", page * PAGE, PAGE, page % 2 ? 0xff : 0x5a);
		s = open_store(p);
		n = count_clients(s);
		assert_true(n == 0 || n == 500);
		s->ops->close(s);
	}
	assert_true(count_set_aside(p) > 0);
}

static void test_cut_short(void **state)
{
	const struct place *p = *state;
	static const off_t lengths[] = {0, 1, 100, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE, 7 * PAGE};
	char path[PATH_CAP + 16];

	snprintf(path, sizeof(path), "%s/data.mdb", p->dir);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct store *s;
		unsigned n;

		fill(p);
		assert_int_equal(truncate(path, lengths[i]), 0);
		s = open_store(p);
		n = count_clients(s);
		assert_true(n == 0 || n == 500);
		s->ops->close(s);
	}
}

static void test_records_that_are_none(void **state)
{
	const struct place *p = *state;
	struct store *s = open_store(p);
	uint8_t key[STORE_KEY_BYTES] = {1};

	assert_int_equal(s->ops->begin(s), 0);
	assert_int_equal(
	    s->ops->put(s, STORE_CLIENTS, key, (const uint8_t *)"not a record", 12), 0);
	assert_int_equal(s->ops->commit(s), 0);
	s->ops->close(s);
	s = open_store(p);
	assert_int_equal(count_clients(s), 0);
	assert_int_equal(count_set_aside(p), 1);
	s->ops->close(s);
}

/* A file that may not grow is as good as a full disk. */
static void test_full_disk(void **state)
{
	struct store *s = open_store(*state);
	struct rlimit old, tight;
	char value[3000];
	bool failed = false;

	signal(SIGXFSZ, SIG_IGN);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(s->ops->begin(s), 0);
	put(s, 1, "kept");
	assert_int_equal(s->ops->commit(s), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)40 * PAGE;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	for (uint64_t i = 2; i < 200 && !failed; i++) {
		assert_int_equal(s->ops->begin(s), 0);
		put(s, i, value);
		failed = s->ops->commit(s) != 0;
	}
	assert_true(failed);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	/* When there is room again it goes on as it was. */
	assert_int_equal(s->ops->begin(s), 0);
	assert_string_equal(get(s, 1), "kept");
	put(s, 1, "more");
	assert_int_equal(s->ops->commit(s), 0);
	s->ops->close(s);
	s = open_store(*state);
	assert_int_equal(s->ops->begin(s), 0);
	assert_string_equal(get(s, 1), "more");
	s->ops->abort(s);
	s->ops->close(s);
	assert_int_equal(count_set_aside(*state), 0);
}

static void test_belongs_to_its_user(void **state)
{
	const struct place *p = *state;
	struct stat st;
	char path[PATH_CAP + 16];
	int fd;

	if (getuid() != 0)
		skip();
	assert_int_equal(chmod(p->base, 0755), 0);
	fd = store_lmdb_prepare(p->dir, 65534, 65534);
	assert_true(fd >= 0);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(getegid(), 0);
	snprintf(path, sizeof(path), "%s/data.mdb", p->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(p->dir, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 0777, 0700);
	close(fd);
	/* What is no folder of ours is not followed. */
	snprintf(path, sizeof(path), "%s/link", p->base);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(store_lmdb_prepare(path, 65534, 65534), -1);
}

#define BOTH(name) \
	{#name " (memory)", name, setup_memory, teardown, NULL}, \
	{ \
#name " (lmdb)", name, setup_lmdb, teardown, NULL \
	}
#define LMDB(name) cmocka_unit_test_setup_teardown(name, setup_lmdb, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_transactions),
	    BOTH(test_walk_sees_all_of_one_table),
	    LMDB(test_committed_is_kept),
	    LMDB(test_killed_after_commit),
	    LMDB(test_garbage_is_set_aside),
	    LMDB(test_any_damaged_page),
	    LMDB(test_cut_short),
	    LMDB(test_records_that_are_none),
	    LMDB(test_full_disk),
	    LMDB(test_belongs_to_its_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
