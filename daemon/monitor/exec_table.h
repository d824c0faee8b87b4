/*
 * exec_table - the doors that scripts have opened, with their ends, and what
 * they guard: in memory, and in a file that outlives us. The file is replaced
 * as a whole, so that it is never half a file.
 *
 * Ends count in CLOCK_BOOTTIME; in a file of another boot all have come.
 */
#ifndef POSTERN_MONITOR_EXEC_TABLE_H
#define POSTERN_MONITOR_EXEC_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "firewall_admin.h"

enum { EXEC_DOORS_MAX = 4096, EXEC_BOOT_ID_MAX = 37 };

/* What one call of a script opens: a door of a service with several ranges is several. */
struct exec_door {
	char service[CONFIG_NAME_MAX + 1];
	uint8_t proto;
	bool stuck; /* the script has not closed it; not in the file */
	struct prefix from;
	struct port_range ports;
	uint64_t end_ms;  /* CLOCK_BOOTTIME */
	uint64_t next_ms; /* when it is to be closed, or that tried again; not in the file */
};

struct exec_guarded {
	uint8_t proto;
	struct port_range ports;
};

struct exec_table {
	int folder; /* where the file is; taken by exec_table_read() */
	char boot_id[EXEC_BOOT_ID_MAX];
	bool there; /* the guard was set up */
	unsigned guarded, doors;
	struct exec_guarded guard[CONFIG_GUARDED_MAX];
	struct exec_door door[EXEC_DOORS_MAX];
};

/* Read the file, if there is one. Returns 0; -1 and logged. */
int exec_table_read(struct exec_table *t, int folder) __attribute__((warn_unused_result));
/* Replace the file; without a guard and doors, take it away. Returns 0; -1 and logged. */
int exec_table_write(const struct exec_table *t) __attribute__((warn_unused_result));
/* What c guards from now on. */
void exec_table_guard(struct exec_table *t, const struct config *c);
/* The same door, whatever its end; NULL: there is none. */
struct exec_door *exec_table_find(struct exec_table *t, const struct exec_door *like);
/* One more, or another end for what is there. NULL: no room. */
struct exec_door *exec_table_put(struct exec_table *t, const struct exec_door *d);
void exec_table_drop(struct exec_table *t, struct exec_door *d);
/* The first that is due; UINT64_MAX: none is open. */
uint64_t exec_table_next(const struct exec_table *t);
/*
 * A line of a script's list: "tcp 22 10.0.0.5", "udp 8000-8010 2001:db8::/64".
 * Returns false when it is no such line.
 */
bool exec_table_parse(const char *line, struct exec_door *out);

#endif
