/*
 * ctl_lab - a folder with a configuration, keys and clients of its own, and a
 * daemon that says what it is told to say, for the tests of posternctl.
 */
#ifndef POSTERN_TESTS_CTL_LAB_H
#define POSTERN_TESTS_CTL_LAB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control.h"
#include "ctl.h"

enum { LAB_PATH = 128, LAB_TEXT = 65536, LAB_REQUESTS = 8, LAB_SESSIONS = 2 };

#define LAB_KEY "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define LAB_DOOR "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A="

/* How the fake daemon answers, whatever it is asked. */
struct lab_script {
	int status;
	const char *text;
	const struct control_session *session; /* LAB_SESSIONS of them, or NULL */
	const struct control_source *source;   /* one, or NULL */
	const struct control_counter *counter; /* one, or NULL */
	const void *raw;		       /* instead of all that: these bytes */
	size_t raw_len;			       /* 0 with raw: hang up without a word */
};

struct lab {
	char dir[LAB_PATH];
	char config[LAB_PATH + 16];
	struct ctl ctl;
	pid_t daemon;
	int heard; /* where the daemon tells what it was asked */
};

/* For cmocka_unit_test_setup_teardown(). */
int lab_setup(void **state);
int lab_teardown(void **state);

/* A file within the folder. */
void lab_write(const struct lab *l, const char *name, const char *text, mode_t mode);
/* Its text, in a static buffer; "" when it is not there. */
const char *lab_read(const struct lab *l, const char *name);
bool lab_exists(const struct lab *l, const char *name);
/* How many files the folder holds: nothing may be left beside what is meant to be there. */
int lab_count(const struct lab *l);

/* Runs "client add" and the like, its arguments ended by NULL; what it said is in l->ctl.out. Returns the status. */
int lab_run(struct lab *l, ...) __attribute__((sentinel));
/* Is this among what it said of a kind ("messages", "warnings", "errors")? */
bool lab_said(const struct lab *l, const char *kind, const char *part);

void lab_daemon(struct lab *l, const struct lab_script *s);
/* Ends the daemon; what it was asked, in order. Returns how many. */
size_t lab_heard(struct lab *l, struct control_request out[static LAB_REQUESTS]);

#endif
