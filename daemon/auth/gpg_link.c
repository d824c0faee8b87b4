/* gpg_link - see gpg_link.h. */
#include "gpg_link.h"

#include <errno.h>
#include <unistd.h>

#include "log.h"
#include "secret.h"

enum { MESSAGES_MAX = 2 * PGP_WAITING_MAX }; /* a turn */

static void tell(struct gpg_link *l, enum pgp_wanted wanted)
{
	const struct msg_pgp_plain m = {
	    .head = {MSG_PGP_WANTED, sizeof(m)}, .wanted = (uint32_t)wanted};

	l->tell(l->arg, &m);
}

void gpg_link_close(struct gpg_link *l)
{
	if (l->sock < 0)
		return;
	loop_unwatch(l->loop, l->sock);
	close(l->sock);
	l->sock = -1;
}

static void lose(struct gpg_link *l)
{
	gpg_link_close(l);
	core_pgp_gone(l->core);
}

/* It said what it never says. */
static void condemn(struct gpg_link *l)
{
	log_error("openpgp", "it says what it never says: it is to be killed");
	lose(l);
	tell(l, PGP_WANTED_OTHER);
}

static void readable(void *arg)
{
	struct gpg_link *l = arg;
	struct msg_pgp m;
	bool honest = true;
	int n = 1;

	for (unsigned i = 0; i < MESSAGES_MAX && n > 0 && honest; i++) {
		n = ipc_recv(l->sock, &m, sizeof(m), NULL, 0, NULL);
		honest = n > 0 ? n == (int)sizeof(m) && pgp_message_ok(&m, true)
			       : n == 0 || errno != EBADMSG;
		if (n > 0 && honest)
			core_pgp_done(l->core, &m);
	}
	if (!honest)
		condemn(l);
	else if (n == 0 || (n < 0 && errno != EAGAIN))
		lose(l);
	secret_wipe(&m, sizeof(m));
}

void gpg_link_take(struct gpg_link *l, int sock)
{
	lose(l);
	l->sock = sock;
	if (loop_watch(l->loop, sock, readable, l) == 0)
		return;
	log_error("openpgp", "too many sockets are open");
	lose(l);
}

int gpg_link_send(struct gpg_link *l, const struct msg_pgp *m)
{
	return l->sock >= 0 && ipc_send(l->sock, m, NULL, 0) == 0 ? 0 : -1;
}

void gpg_link_want(struct gpg_link *l)
{
	tell(l, clients_openpgp(core_realm(l->core)->clients) > 0 ? PGP_WANTED : PGP_UNWANTED);
}
