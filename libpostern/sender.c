#include "sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* A new carrier is a new file and a line here. */
static const struct sender *const senders[] = {
    &sender_udp,
    &sender_tcp,
    &sender_icmp,
    &sender_http,
    &sender_sequence,
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

bool way_repeats(const struct way *w)
{
	return w->sender->repeats && w->sender->repeats(w);
}

void way_stop(struct way *w)
{
	if (w->sender->stop)
		w->sender->stop(w);
}

size_t sender_covered_max(const struct sender *s, const struct settings *settings)
{
	return s->covered_max ? s->covered_max(settings) : s->room;
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

bool sender_is_local(int error)
{
	return error == EPERM || error == EACCES || error == ENETUNREACH || error == ENETDOWN ||
	       error == EADDRNOTAVAIL;
}

void sender_to_port(const struct sender_want *want, uint16_t port, struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){0};
	memcpy(out, want->to, want->len);
	if (want->to->sa_family == AF_INET)
		((struct sockaddr_in *)out)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)out)->sin6_port = htons(port);
}

int sender_fails(struct sender_error *e)
{
	*e = (struct sender_error){.number = errno};
	return SENDER_NO_WAY;
}
