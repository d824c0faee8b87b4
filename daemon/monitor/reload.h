/*
 * reload - a new configuration, all or nothing.
 *
 *   idle --want--> prepare, offer --> offered --loaded--> guard, commit --> settling --> idle
 *                     |                  | bad, time-out, auth gone
 *                     +------------------+--------------------> abort --> idle
 *
 * Settling ends when the captures of the new configuration hear, or have failed
 * once, and the old ones have ended, or after the same patience: whoever asked
 * for the reload is told then.
 *
 * Process: monitor. Only the order is here; what the steps do is passed in.
 */
#ifndef POSTERN_MONITOR_RELOAD_H
#define POSTERN_MONITOR_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

enum { RELOAD_PATIENCE_MS = 60000 }; /* a million clients take auth seconds on a busy machine */

/* Steps return 0, or -1 when they failed and said why; then nothing is changed. */
struct reload_ops {
	void (*begin)(void *arg);		      /* tell the service manager */
	int (*prepare)(void *arg);		      /* read and check the candidate */
	int (*offer)(void *arg, uint32_t generation); /* hand it to auth, start the clock */
	int (*guard)(void *arg);		      /* make the firewall the candidate's */
	void (*commit)(void *arg,
	    uint32_t
		generation); /* it is the law now, tell auth; reload.generation is still the old one */
	bool (*settled)(void *arg);	 /* nothing is left to wait for */
	void (*abort)(void *arg);	 /* forget it if there is one, tell auth */
	void (*end)(void *arg, bool ok); /* stop the clock, tell the service manager */
};

enum reload_state { RELOAD_IDLE, RELOAD_OFFERED, RELOAD_SETTLING };

struct reload {
	enum reload_state state;
	bool auth_ready;
	bool again;	     /* wanted once more meanwhile, or before auth was ready */
	uint32_t generation; /* in force */
	uint32_t offered;    /* the last number given out; none is given twice */
	const struct reload_ops *ops;
	void *arg;
};

void reload_init(struct reload *r, uint32_t generation, const struct reload_ops *ops, void *arg);
void reload_want(struct reload *r);
void reload_auth_ready(struct reload *r);
void reload_auth_gone(struct reload *r);
/*
 * auth's answer; one that comes after its time-out counts for nothing.
 * Returns 0; -1 when this was never asked.
 */
int reload_loaded(struct reload *r, uint32_t generation, bool ok)
    __attribute__((warn_unused_result));
/* It may be settled now. */
void reload_settle(struct reload *r);
void reload_timed_out(struct reload *r);

#endif
