/*
 * firewall_ops - what a backend of firewall.h is made of. A new backend is one
 * file that defines such a table, and one line in firewall.c.
 *
 * The functions mean what their namesakes in firewall.h and firewall_admin.h
 * mean. They are not called in a dry run and get sound passes only.
 */
#ifndef POSTERN_MONITOR_FIREWALL_OPS_H
#define POSTERN_MONITOR_FIREWALL_OPS_H

#include "cut_list.h"
#include "firewall_admin.h"

/* A backend's state begins with it. */
struct firewall {
	const struct firewall_ops *ops;
	bool dry_run;
	bool looked; /* by firewall_ensure(), which found: */
	struct firewall_state found;
	struct cut_list cut; /* whose connections may bear the mark still */
};

struct firewall_ops {
	const char *name;
	bool cuts; /* its guard knows MARK_CUT */
	/* Fills all but the base; c is borrowed for the call. NULL and logged. */
	struct firewall *(*start)(const struct config *c);
	enum firewall_status (*ensure)(struct firewall *f, const struct config *c);
	enum firewall_status (*open)(struct firewall *f, const struct service *s,
	    const struct firewall_pass *pass, uint32_t seconds);
	/* NULL: where time alone closes doors, asking and opening anew is the same. */
	enum firewall_status (*shorten)(struct firewall *f, const struct service *s,
	    const struct firewall_pass *pass, uint32_t seconds);
	enum firewall_status (*close)(
	    struct firewall *f, const struct service *s, const struct firewall_pass *pass);
	enum firewall_status (*query)(struct firewall *f, const struct service *s,
	    const struct firewall_pass *pass, uint32_t *rest_s);
	enum firewall_status (*list)(struct firewall *f, firewall_door_fn *fn, void *arg);
	/* NULL, all three: it bans nobody. */
	enum firewall_status (*ban)(struct firewall *f, const struct address *a, uint32_t seconds);
	enum firewall_status (*unban)(struct firewall *f, const struct address *a);
	enum firewall_status (*bans)(struct firewall *f, firewall_ban_fn *fn, void *arg);
	int (*watch_fd)(const struct firewall *f); /* NULL: cannot watch */
	bool (*changed)(struct firewall *f);
	enum firewall_status (*remove)(struct firewall *f);
	void (*stop)(struct firewall *f); /* frees the state, too */

	/* For the administrator. trial NULL: this backend cannot end a trial without us, so it has none. */
	enum firewall_status (*install)(struct firewall *f, const struct config *c);
	enum firewall_status (*trial)(struct firewall *f, const struct config *c, uint32_t seconds);
	enum firewall_status (*confirm)(struct firewall *f, const struct config *c);
	enum firewall_status (*read)(struct firewall *f, struct firewall_state *out);
	enum firewall_status (*show)(struct firewall *f, FILE *out);
	enum firewall_status (*print)(const struct config *c, FILE *out);
};

extern const struct firewall_ops firewall_nftables;
extern const struct firewall_ops firewall_ipset;
extern const struct firewall_ops firewall_exec;

#endif
