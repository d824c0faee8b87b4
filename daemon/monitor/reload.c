/* reload - see reload.h. */
#include "reload.h"

void reload_init(struct reload *r, uint32_t generation, const struct reload_ops *ops, void *arg)
{
	*r = (struct reload){
	    .generation = generation, .offered = generation, .ops = ops, .arg = arg};
}

static void finish(struct reload *r, bool ok)
{
	r->state = RELOAD_IDLE;
	r->ops->end(r->arg, ok);
}

static void give_up(struct reload *r)
{
	r->ops->abort(r->arg);
	finish(r, false);
}

static void start(struct reload *r)
{
	r->again = false;
	r->state = RELOAD_OFFERED;
	r->ops->begin(r->arg);
	if (r->ops->prepare(r->arg) || r->ops->offer(r->arg, ++r->offered))
		give_up(r);
}

/* Not recursion: what fails at once must not be tried for ever within one call. */
static void start_if_wanted(struct reload *r)
{
	if (r->again && r->auth_ready && r->state == RELOAD_IDLE)
		start(r);
}

void reload_want(struct reload *r)
{
	r->again = true;
	start_if_wanted(r);
}

void reload_auth_ready(struct reload *r)
{
	r->auth_ready = true;
	start_if_wanted(r);
}

void reload_auth_gone(struct reload *r)
{
	r->auth_ready = false;
	if (r->state == RELOAD_OFFERED)
		give_up(r);
	else if (r->state == RELOAD_SETTLING)
		finish(r, true);
}

int reload_loaded(struct reload *r, uint32_t generation, bool ok)
{
	if (generation > r->offered || generation <= r->generation)
		return -1;
	if (r->state != RELOAD_OFFERED || generation != r->offered)
		return 0;
	if (!ok || r->ops->guard(r->arg)) {
		give_up(r);
	} else {
		r->ops->commit(r->arg, generation);
		r->generation = generation;
		r->state = RELOAD_SETTLING;
		reload_settle(r);
	}
	start_if_wanted(r);
	return 0;
}

void reload_settle(struct reload *r)
{
	if (r->state != RELOAD_SETTLING || !r->ops->settled(r->arg))
		return;
	finish(r, true);
	start_if_wanted(r);
}

void reload_timed_out(struct reload *r)
{
	if (r->state == RELOAD_IDLE)
		return;
	if (r->state == RELOAD_OFFERED)
		give_up(r);
	else
		finish(r, true);
	start_if_wanted(r);
}
