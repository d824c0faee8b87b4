/*
 * roster - the clients file, as posternctl reads and changes it.
 */
#ifndef POSTERN_CTL_ROSTER_H
#define POSTERN_CTL_ROSTER_H

#include "clients.h"
#include "ctl.h"

enum { ROSTER_TEXT_MAX = 1 << 30 };

struct roster {
	char path[CTL_PATH_MAX];
	char *text; /* secret */
	struct clients *clients;
	int lock; /* -1: none */
};

/*
 * Read and check the whole file. for_change: nobody else changes it until
 * roster_close(). Returns CTL_OK; CTL_FAILED, told, and r is closed.
 */
int roster_open(struct ctl *c, struct roster *r, bool for_change);
void roster_close(struct roster *r);

/* Check one more line (borrowed) as the daemon will, and add it to clients. Returns 0, or -1 and told. */
int roster_check_line(struct ctl *c, struct roster *r, const char *line)
    __attribute__((warn_unused_result));

/* The text with one more line, or without those of a name. Given; ctl_text_free(). */
char *roster_with(const struct roster *r, const char *line);
char *roster_without(const struct roster *r, const char *name);
/*
 * The text with an option of a name's line set to a value, or taken away (value NULL). Given; NULL:
 * the line would be too long.
 */
char *roster_set(const struct roster *r, const char *name, const char *option, const char *value);

/*
 * Put text in the file's place and let the daemon take it over. When it
 * refuses and undo is set, the old text is put back. Returns an enum ctl_status.
 */
int roster_commit(struct ctl *c, struct roster *r, const char *text, bool undo);

#endif
