/*
 * daemon - posternctl's end of the control socket (control.h).
 */
#ifndef POSTERN_CTL_DAEMON_H
#define POSTERN_CTL_DAEMON_H

#include "control.h"
#include "ctl.h"

/* Called for each message of its kind that comes before the end. */
struct daemon_listener {
	void (*session)(void *arg, const struct control_session *s);
	void (*source)(void *arg, const struct control_source *s);
	void (*counter)(void *arg, const struct control_counter *n);
	void (*record)(void *arg, const struct control_record *r);
	void (*page)(void *arg, const struct control_page *p);
	void *arg;
};

struct daemon_question {
	enum control_type type;
	uint64_t session;
	const char *name, *word;		/* NULL: none */
	const struct daemon_listener *listener; /* NULL: none */
	bool may_be_away;			/* then it is not an error when nobody listens */
	bool may_break_off;		    /* nor when it ends meanwhile: CTL_NOT_RUNNING, too */
	const struct control_request *more; /* NULL, or what else a request says */
};

/*
 * Ask and hear the whole answer. Returns CTL_OK, with what the daemon said of
 * it in text; or, told in the output, CTL_NOT_RUNNING when nobody listens,
 * CTL_REFUSED when it said no, CTL_FAILED.
 */
int daemon_ask(struct ctl *c, const struct daemon_question *q, char text[static CONTROL_TEXT_MAX]);

/* After a change to a file: let the daemon, if it runs, take it over. Returns CTL_OK, CTL_REFUSED or CTL_FAILED. */
int daemon_reload(struct ctl *c);

#endif
