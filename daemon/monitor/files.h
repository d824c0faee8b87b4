/*
 * files - the law by which the daemon runs: the configuration, and the files
 * that it names, open and unread.
 * Process: monitor; posternd --check before there is any process.
 */
#ifndef POSTERN_MONITOR_FILES_H
#define POSTERN_MONITOR_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "report.h"
#include "users.h"

enum { FILES_PATH_MAX = 2 * CONFIG_PATH_MAX };

/* In the order of child_fd from FD_CONFIG, and of MSG_FILES. */
enum law_file { LAW_CONFIG, LAW_CLIENTS, LAW_SERVER_KEY, LAW_DOOR_KEY, LAW_FILES };

struct law {
	struct config config;
	struct users users; /* that it names */
	int fd
	    [LAW_FILES]; /* LAW_CONFIG: a sealed memory file with the text that config was made from */
};

/*
 * Read and check the configuration at path, then open what it names; names
 * that are not absolute count from dir. Everything that is wrong is reported,
 * the files' owners and modes included; no file but the configuration is read.
 * Returns the law, given to the caller; NULL and reported.
 */
struct law *law_read(const char *path, const char *dir, struct report *r);
void law_free(struct law *l); /* NULL is fine */

/*
 * Descriptors of their own for a child, from their beginning, whatever became
 * of the names since. Returns 0; -1 with errno and none open.
 */
int law_reopen(const struct law *l, int fd[static LAW_FILES]) __attribute__((warn_unused_result));

/* The same, of the configuration alone. Returns it, or -1 with errno. */
int law_reopen_config(const struct law *l) __attribute__((warn_unused_result));

/*
 * What a running daemon cannot change: where its state and its sockets are,
 * and by which backends. Returns 0, or -1 and reported when next wants to.
 */
int law_check_change(const struct law *now, const struct law *next, const char *path,
    struct report *r) __attribute__((warn_unused_result));

/*
 * Open a file of root's (or ours) for reading: a regular file, not by way of
 * a symbolic link, that nobody else can write; with secret, that nobody else
 * can read either. Returns the descriptor, or -1 and reported.
 */
int file_open(const char *path, bool secret, struct report *r) __attribute__((warn_unused_result));

/* name as it is when absolute, else below dir. Returns 0, or -1 when out has no room. */
int file_path(char *out, size_t size, const char *dir, const char *name)
    __attribute__((warn_unused_result));

/*
 * Read the whole text of the configuration, at most CONFIG_TEXT_MAX bytes and
 * no NUL. Returns it, NUL-terminated, to be freed by the caller; NULL and reported.
 */
char *config_text(int fd, const char *path, struct report *r);

#endif
