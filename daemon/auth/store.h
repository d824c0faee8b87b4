/*
 * store - what must outlive the process: marks and attempts of each client,
 * sessions, which boot the sessions belong to, and the journal of decisions.
 *
 * A store keeps bytes under keys of 8 bytes in a few tables. One transaction
 * at a time, begun before anything is read or written; what it wrote is read
 * back within it. A new backend is one file with a struct store_ops.
 */
#ifndef POSTERN_AUTH_STORE_H
#define POSTERN_AUTH_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum store_table { STORE_META, STORE_CLIENTS, STORE_SESSIONS, STORE_JOURNAL };

enum {
	STORE_TABLES = 4,
	STORE_KEY_BYTES = 8,
	STORE_VALUE_MAX = 4096,
};

/* Results: 0, or one of these. */
enum store_result {
	STORE_NONE = -1,   /* no such key */
	STORE_FAILED = -2, /* logged; the transaction can only be aborted */
};

struct store;

/* Called for each value of a table; a result other than 0 ends the walk. */
typedef int store_visit(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len);

struct store_ops {
	int (*begin)(struct store *s);
	/* On stable storage when it returns 0. Otherwise nothing of the transaction counts; it is over either way. */
	int (*commit)(struct store *s);
	void (*abort)(struct store *s);
	/* *value is borrowed until the next call that writes or ends the transaction. */
	int (*get)(struct store *s, enum store_table t, const uint8_t *key, const uint8_t **value,
	    size_t *len);
	int (*put)(struct store *s, enum store_table t, const uint8_t *key, const uint8_t *value,
	    size_t len);
	int (*del)(struct store *s, enum store_table t,
	    const uint8_t *key); /* 0 also when there was none */
	int (*each)(struct store *s, enum store_table t, store_visit *visit, void *arg);
	void (*close)(struct store *s); /* frees s */
};

/* The head of every backend's own struct. */
struct store {
	const struct store_ops *ops;
};

/* In memory alone: tests and --dry-run. Aborts when there is no memory. */
struct store *store_memory_new(void);
/* Tests: the next n commits fail. */
void store_memory_fail(struct store *s, unsigned n);

/*
 * Make dir a folder of uid and gid in which a store can be opened: make it when
 * it is missing, look through what is in it (in a process of its own and as
 * that user), and set it aside and begin anew when that is damaged. To be
 * called as root, before the jail. Returns a descriptor of the folder that
 * serves fchdir(2) alone, given to the caller; -1 and logged.
 */
int store_lmdb_prepare(const char *dir, uid_t uid, gid_t gid);
/* The store in dir, opened as whoever calls: never as root. NULL and logged when there can be none. */
struct store *store_lmdb_open(const char *dir);

#endif
