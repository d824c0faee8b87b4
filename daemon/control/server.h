/*
 * server - the control socket's end in the daemon: what posternctl asks, root
 * alone. Requests and answers are in control.h.
 */
#ifndef POSTERN_CONTROL_SERVER_H
#define POSTERN_CONTROL_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "core.h"
#include "loop.h"
#include "source.h"

struct control_env {
	struct loop *loop;
	struct core *core;
	struct sources *sources;
	int listener;		   /* borrowed */
	void (*reload)(void *arg); /* ask the monitor; control_reloaded() tells how it went */
	/*
	 * Ask the monitor for another way to capture, at the source of that name
	 * or, with "", at all; control_switched() tells how it went. Returns NULL; or
	 * why it is not asked.
	 */
	const char *(*switch_to)(void *arg, uint32_t id, const char *source, const char *method);
	void *arg;
};

struct control;

/* env is copied. Aborts when there is no memory. */
struct control *control_new(const struct control_env *env);
/* Hangs up on everybody. NULL is fine. */
void control_free(struct control *c);
/* A reload is over; text for a person. */
void control_reloaded(struct control *c, bool ok, const char *text);
/* A switch is over; text for a person. */
void control_switched(struct control *c, uint32_t id, bool ok, const char *text);
/* The captures' counters are there: see struct source_ops. */
void control_stats(struct control *c);

#endif
