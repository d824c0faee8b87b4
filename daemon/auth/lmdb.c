/*
 * lmdb - the embedded store. One synced commit a turn: durable when commit
 * returns, whatever dies after.
 *
 * Opened as the user that will use it, never as root: what lies in the folder
 * was written by a process that may have been taken. For the same reason the
 * check of what was found runs in a child of its own, which may crash on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "record.h"
#include "store.h"

enum {
	PATH_CAP = 512,
	CHECK_GOOD = 0,
	CHECK_BAD = 3,
	CHECK_PATIENCE_S = 120,
};

struct lmdb {
	struct store head;
	MDB_env *env;
	MDB_dbi table[STORE_TABLES];
	MDB_txn *txn;
	uint64_t failures;
};

/* Address space; the file grows as it is used. Millions of clients fit. */
static const size_t map_bytes = (size_t)4 << 30;

static const char *const table_names[STORE_TABLES] = {
    [STORE_META] = "meta",
    [STORE_CLIENTS] = "clients",
    [STORE_SESSIONS] = "sessions",
    [STORE_JOURNAL] = "journal",
};

static struct lmdb *of(struct store *s)
{
	return (struct lmdb *)s;
}

/* Only what is written in the file itself: such a store is never whole again. */
static bool is_broken(int error)
{
	return error == MDB_CORRUPTED || error == MDB_INVALID || error == MDB_VERSION_MISMATCH ||
	       error == MDB_PAGE_NOTFOUND || error == MDB_PANIC || error == MDB_INCOMPATIBLE ||
	       error == MDB_PAGE_FULL || error == MDB_CURSOR_FULL;
}

/*
 * When it is opened: what LMDB itself says, whatever it is, but that its map is
 * full. Disk full, no memory, no permission are the system's words: the store
 * may be whole, so it must not be set aside for them.
 */
static bool is_damage(int error)
{
	return (error >= MDB_KEYEXIST && error <= MDB_LAST_ERRCODE && error != MDB_MAP_FULL) ||
	       error == EIO || error == EINVAL;
}

/*
 * Once a thousand: a full disk fails with every knock. A broken store ends the
 * process: it is checked, and set aside if need be, when the next one opens it.
 */
static int failed(struct lmdb *l, const char *what, int error)
{
	if (l->failures++ % 1000 == 0)
		log_error("store", "step=%s error=\"%s\" count=%llu", what, mdb_strerror(error),
		    (unsigned long long)l->failures);
	if (is_broken(error))
		_exit(EXIT_FAILURE);
	return STORE_FAILED;
}

static int lmdb_begin(struct store *s)
{
	int error = mdb_txn_begin(of(s)->env, NULL, 0, &of(s)->txn);

	return error == 0 ? 0 : failed(of(s), "begin", error);
}

static int lmdb_commit(struct store *s)
{
	int error = mdb_txn_commit(of(s)->txn);

	of(s)->txn = NULL;
	return error == 0 ? 0 : failed(of(s), "commit", error);
}

static void lmdb_abort(struct store *s)
{
	mdb_txn_abort(of(s)->txn);
	of(s)->txn = NULL;
}

static MDB_val value_of(const uint8_t *bytes, size_t len)
{
	return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)bytes};
}

static int lmdb_get(
    struct store *s, enum store_table t, const uint8_t *key, const uint8_t **value, size_t *len)
{
	MDB_val k = value_of(key, STORE_KEY_BYTES), v;
	int error = mdb_get(of(s)->txn, of(s)->table[t], &k, &v);

	if (error == MDB_NOTFOUND)
		return STORE_NONE;
	if (error != 0)
		return failed(of(s), "get", error);
	*value = v.mv_data;
	*len = v.mv_size;
	return 0;
}

static int lmdb_put(
    struct store *s, enum store_table t, const uint8_t *key, const uint8_t *value, size_t len)
{
	MDB_val k = value_of(key, STORE_KEY_BYTES), v = value_of(value, len);
	int error = mdb_put(of(s)->txn, of(s)->table[t], &k, &v, 0);

	return error == 0 ? 0 : failed(of(s), "put", error);
}

static int lmdb_del(struct store *s, enum store_table t, const uint8_t *key)
{
	MDB_val k = value_of(key, STORE_KEY_BYTES);
	int error = mdb_del(of(s)->txn, of(s)->table[t], &k, NULL);

	return error == 0 || error == MDB_NOTFOUND ? 0 : failed(of(s), "del", error);
}

static int lmdb_each(struct store *s, enum store_table t, store_visit *visit, void *arg)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	int error = mdb_cursor_open(of(s)->txn, of(s)->table[t], &cursor), r = 0;

	if (error != 0)
		return failed(of(s), "cursor", error);
	while (r == 0 && (error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
		r = k.mv_size == STORE_KEY_BYTES ? visit(arg, k.mv_data, v.mv_data, v.mv_size)
						 : STORE_FAILED;
	mdb_cursor_close(cursor);
	if (error != 0 && error != MDB_NOTFOUND)
		return failed(of(s), "walk", error);
	return r;
}

static void lmdb_close(struct store *s)
{
	mdb_env_close(of(s)->env);
	free(s);
}

static const struct store_ops lmdb_ops = {
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .each = lmdb_each,
    .close = lmdb_close,
};

/* Opens the environment and its tables. Returns 0 or LMDB's error; then nothing is open. */
static int open_env(struct lmdb *l, const char *dir)
{
	MDB_txn *txn = NULL;
	int error = mdb_env_create(&l->env);

	if (error != 0)
		return error;
	if ((error = mdb_env_set_maxdbs(l->env, STORE_TABLES)) != 0 ||
	    (error = mdb_env_set_mapsize(l->env, map_bytes)) != 0 ||
	    (error = mdb_env_open(l->env, dir, MDB_NOTLS, 0600)) != 0 ||
	    (error = mdb_txn_begin(l->env, NULL, 0, &txn)) != 0)
		goto out;
	for (unsigned t = 0; t < STORE_TABLES && error == 0; t++)
		error = mdb_dbi_open(txn, table_names[t], MDB_CREATE, &l->table[t]);
	if (error == 0)
		error = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
out:
	if (error != 0) {
		mdb_env_close(l->env);
		l->env = NULL;
	}
	return error;
}

static int check_visit(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	const enum store_table *table = arg;

	return record_check(*table, key, value, len);
}

/*
 * LMDB's own list of free pages: what it takes from there it overwrites. Each
 * value is a count and so many page numbers.
 */
static int check_free_list(struct lmdb *l)
{
	enum { FREE_LIST = 0 };
	MDB_cursor *cursor;
	MDB_envinfo info;
	MDB_val k, v;
	int error = mdb_cursor_open(l->txn, FREE_LIST, &cursor);
	bool good = error == 0;

	if (!good)
		return STORE_FAILED;
	mdb_env_info(l->env, &info);
	while (good && (error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		size_t room = v.mv_size / sizeof(size_t), n = 0, page;

		if (room > 0)
			memcpy(&n, v.mv_data, sizeof(n));
		good = k.mv_size == sizeof(size_t) && n < room;
		for (size_t i = 1; good && i <= n; i++) {
			memcpy(&page, (const uint8_t *)v.mv_data + i * sizeof(page), sizeof(page));
			good = page > 1 && page <= info.me_last_pgno;
		}
	}
	mdb_cursor_close(cursor);
	return good && error == MDB_NOTFOUND ? 0 : STORE_FAILED;
}

/* Reads all there is. Read-only, for else LMDB does not show its own list. */
static int check_all(struct lmdb *l)
{
	int r = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->txn);

	if (r == 0)
		r = check_free_list(l);

	for (unsigned t = 0; t < STORE_TABLES && r == 0; t++) {
		enum store_table table = (enum store_table)t;

		r = lmdb_each(&l->head, table, check_visit, &table);
	}
	return r == 0 ? CHECK_GOOD : CHECK_BAD;
}

/* Not for a while, as seteuid(2) would: what LMDB can be made to do here must not find a way back. */
static int drop_for_good(uid_t uid, gid_t gid)
{
	if (getuid() != 0 || uid == 0)
		return 0;
	return setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		       setresuid(uid, uid, uid) < 0
		   ? -1
		   : 0;
}

/* LMDB trusts its pages: in a damaged store it may read beyond the file, or go in circles. */
static void child_check(const char *dir, uid_t uid, gid_t gid)
{
	static const int deadly[] = {SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
	struct lmdb l = {.head = {.ops = &lmdb_ops}};
	int error;

	for (unsigned i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		(void)signal(deadly[i], SIG_DFL);
	alarm(CHECK_PATIENCE_S);
	if (drop_for_good(uid, gid) < 0)
		_exit(CHECK_GOOD); /* the jail will not do without it, either, and tells */
	error = open_env(&l, dir);
	if (error != 0 && !is_damage(error))
		_exit(CHECK_GOOD); /* whoever opens it for good will tell */
	_exit(error == 0 ? check_all(&l) : CHECK_BAD);
}

/* True when what lies in dir can be read from end to end, or is not there yet. */
static bool is_sound(const char *dir, uid_t uid, gid_t gid)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		child_check(dir, uid, gid);
	if (pid < 0)
		return true; /* cannot tell; opening it will */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == CHECK_GOOD;
}

/* Its own user's; where we may not give it away, its group's. */
static int make_dir(const char *dir, uid_t uid, gid_t gid)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		goto failed;
	if (lstat(dir, &st) < 0)
		goto failed;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		goto failed;
	}
	if (st.st_uid == uid || getuid() != 0)
		return 0;
	if (lchown(dir, uid, gid) == 0)
		return 0;
	if (st.st_gid == gid && (st.st_mode & 0070) == 0070)
		return 0;
	/* A folder gets the group of who makes it. */
	if (rmdir(dir) < 0 || setegid(gid) < 0)
		goto failed;
	int made = mkdir(dir, 0770) < 0 || chmod(dir, 0770) < 0 ? -1 : 0;

	if (setegid(0) < 0)
		abort();
	if (made == 0)
		return 0;
failed:
	log_error("store", "path=%s error=\"%s\": make the folder and give it to the user of auth",
	    dir, strerror(errno));
	return -1;
}

static int set_aside(const char *dir)
{
	char to[PATH_CAP], when[32];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	for (unsigned n = 0; n < 100; n++) {
		snprintf(to, sizeof(to), "%s.damaged-%s-%u", dir, when, n);
		if (access(to, F_OK) == 0)
			continue;
		if (rename(dir, to) < 0)
			break;
		log_error("store-damaged",
		    "path=%s kept=%s: begun anew, so every client must prove itself once", dir, to);
		return 0;
	}
	log_error("store-damaged",
	    "path=%s error=\"%s\": cannot be set aside, move it away by hand", dir,
	    strerror(errno));
	return -1;
}

int store_lmdb_prepare(const char *dir, uid_t uid, gid_t gid)
{
	int fd;

	if (make_dir(dir, uid, gid) < 0)
		return -1;
	if (!is_sound(dir, uid, gid) && (set_aside(dir) < 0 || make_dir(dir, uid, gid) < 0))
		return -1;
	fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		log_error("store", "path=%s error=\"%s\"", dir, strerror(errno));
	return fd;
}

struct store *store_lmdb_open(const char *dir)
{
	struct lmdb *l = calloc(1, sizeof(*l));
	int error;

	if (!l)
		abort();
	l->head.ops = &lmdb_ops;
	error = open_env(l, dir);
	if (error == 0)
		return &l->head;
	log_error("store", "step=open error=\"%s\"", mdb_strerror(error));
	free(l);
	return NULL;
}
