/* nft_link - see nft_link.h. */
#include "nft_link.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libnftnl/common.h>

enum { LINK_TIMEOUT_S = 5, ANSWER_BUFFER = 32768, SEND_BUFFER = 1 << 20 };

static int set_options(struct mnl_socket *s)
{
	/* A kernel that does not answer must not hold the daemon for ever. */
	const struct timeval patience = {.tv_sec = LINK_TIMEOUT_S};
	int on = 1, room = SEND_BUFFER;

	if (setsockopt(
		mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		return -1;
	/* A door of a service with a thousand ports is one message. Where it is not allowed, smaller ones do. */
	(void)setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	/* Without the request in them, reports of errors stay short. */
	return mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof(on));
}

int nft_link_open(struct nft_link *l)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int saved;

	if (!s)
		return -1;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) != 0 || set_options(s) != 0) {
		saved = errno;
		(void)mnl_socket_close(s);
		errno = saved;
		return -1;
	}
	l->socket = s;
	l->portid = mnl_socket_get_portid(s);
	l->seq = 0;
	return 0;
}

void nft_link_close(struct nft_link *l)
{
	if (l->socket)
		(void)mnl_socket_close(l->socket);
	l->socket = NULL;
}

/* For one more message and the end of the batch. */
static void make_room(struct nft_batch *b)
{
	if (b->cap - b->len >= NFT_MESSAGE_MAX + NFT_LINK_BUFFER)
		return;
	b->cap = 2 * (b->cap + NFT_MESSAGE_MAX);
	b->bytes = realloc(b->bytes, b->cap);
	if (!b->bytes)
		abort();
}

void nft_batch_begin(struct nft_batch *b, struct nft_link *l)
{
	const struct nlmsghdr *head;

	*b = (struct nft_batch){.link = l};
	make_room(b);
	b->first_seq = ++l->seq;
	head = nftnl_batch_begin(b->bytes, b->first_seq);
	b->len = head->nlmsg_len;
}

struct nlmsghdr *nft_batch_message(struct nft_batch *b, uint16_t message, uint16_t flags)
{
	make_room(b);
	return nftnl_nlmsg_build_hdr(
	    b->bytes + b->len, message, NFPROTO_INET, flags, ++b->link->seq);
}

void nft_batch_added(struct nft_batch *b, const struct nlmsghdr *message)
{
	b->len += (message->nlmsg_len + MNL_ALIGNTO - 1U) & ~(MNL_ALIGNTO - 1U);
}

/* Returns 1 when the kernel has said all about the batch; *error gets its first refusal. */
static int read_report(
    const struct nft_batch *b, const struct nlmsghdr *h, uint32_t last_seq, int *error)
{
	const struct nlmsgerr *report;

	if (h->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(h) < sizeof(*report))
		return 0;
	if (h->nlmsg_seq - b->first_seq > last_seq - b->first_seq)
		return 0; /* of an earlier batch that timed out */
	report = mnl_nlmsg_get_payload(h);
	if (report->error != 0 && *error == 0)
		*error = report->error;
	/* The head of the batch is answered only when all of it is refused. */
	return h->nlmsg_seq == last_seq || h->nlmsg_seq == b->first_seq;
}

static int await_report(const struct nft_batch *b, uint32_t last_seq)
{
	_Alignas(struct nlmsghdr) char bytes[NFT_LINK_BUFFER];
	int error = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(b->link->socket, bytes, sizeof(bytes));
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;
		int left = (int)n;

		if (n < 0)
			return -errno;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			if (read_report(b, h, last_seq, &error))
				return error;
	}
}

/* The last message asks for a report, so that one comes in any case. */
static uint32_t want_report(struct nft_batch *b)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)b->bytes, *last = h;
	int left = (int)b->len;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
		last = h;
	last->nlmsg_flags |= NLM_F_ACK;
	return last->nlmsg_seq;
}

static int commit(struct nft_batch *b)
{
	uint32_t last_seq = want_report(b);
	const struct nlmsghdr *end;

	end = nftnl_batch_end(b->bytes + b->len, ++b->link->seq);
	b->len += end->nlmsg_len;
	if (mnl_socket_sendto(b->link->socket, b->bytes, b->len) < 0)
		return -errno;
	return await_report(b, last_seq);
}

int nft_batch_end(struct nft_batch *b, int rc)
{
	if (rc == 0)
		rc = commit(b);
	free(b->bytes);
	return rc;
}

struct nlmsghdr *nft_link_question(
    struct nft_link *l, char *buffer, uint16_t message, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(buffer, message, NFPROTO_INET, flags, ++l->seq);
}

/* What is known of an answer so far. */
struct answer {
	mnl_cb_t fn;
	void *arg;
	uint32_t seq;
	bool done;
	int rc; /* the first thing that went wrong; the rest is read all the same, else it lies in the way of the next */
};

static void read_answer(struct answer *a, const struct nlmsghdr *h)
{
	const struct nlmsgerr *report;

	if (h->nlmsg_seq != a->seq)
		return; /* to an earlier question that was given up */
	if ((h->nlmsg_flags & NLM_F_DUMP_INTR) && a->rc == 0)
		a->rc = -EINTR;
	if (h->nlmsg_type == NLMSG_DONE) {
		a->done = true;
	} else if (h->nlmsg_type == NLMSG_ERROR) {
		report = mnl_nlmsg_get_payload(h);
		if (mnl_nlmsg_get_payload_len(h) < sizeof(*report))
			a->rc = -EBADMSG;
		else if (a->rc == 0)
			a->rc = report->error;
		a->done = true;
	} else if (a->rc == 0 && a->fn(h, a->arg) == MNL_CB_ERROR) {
		a->rc = errno != 0 ? -errno : -EBADMSG;
	}
}

int nft_link_ask(struct nft_link *l, const struct nlmsghdr *question, mnl_cb_t fn, void *arg)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_BUFFER];
	struct answer a = {.fn = fn, .arg = arg, .seq = question->nlmsg_seq};

	if (mnl_socket_sendto(l->socket, question, question->nlmsg_len) < 0)
		return -errno;
	while (!a.done) {
		ssize_t n = mnl_socket_recvfrom(l->socket, bytes, sizeof(bytes));
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;
		int left = (int)n;

		if (n < 0)
			return -errno;
		for (; mnl_nlmsg_ok(h, left) && !a.done; h = mnl_nlmsg_next(h, &left))
			read_answer(&a, h);
	}
	return a.rc;
}
