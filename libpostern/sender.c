#include "sender.h"

#include <errno.h>
#include <string.h>

/* A new carrier is a new file and a line here. */
static const struct sender *const senders[] = {
    &sender_udp,
};

const struct sender *sender_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		if (strcmp(senders[i]->name, name) == 0)
			return senders[i];
	}
	return NULL;
}

int way_step(struct way *w, uint64_t mono_ns, struct sender_error *e)
{
	return w->sender->step ? w->sender->step(w, mono_ns, e) : SENDER_OK;
}

uint64_t way_due(const struct way *w)
{
	return w->sender->due ? w->sender->due(w) : UINT64_MAX;
}

void way_stop(struct way *w)
{
	if (w->sender->stop)
		w->sender->stop(w);
}

uint64_t sender_lasts_ns(const struct sender *s, const struct settings *settings)
{
	return s->lasts_ns ? s->lasts_ns(settings) : 0;
}

void way_local(struct way *w, int sock)
{
	w->local_len = sizeof(w->local);
	if (getsockname(sock, (struct sockaddr *)&w->local, &w->local_len) < 0)
		w->local.ss_family = AF_UNSPEC;
}

int sender_fails(struct sender_error *e)
{
	*e = (struct sender_error){.number = errno};
	return SENDER_NO_WAY;
}
