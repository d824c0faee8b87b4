/* nft_watch - see nft_watch.h. */
#include "nft_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "nft_rules.h"

enum {
	WATCH_BUFFER = 65536,
	WATCH_QUEUE =
	    4 << 20, /* a firewall tool that loads thousands of rules must not make us lose news */
	MESSAGE_MASK = 0xff,
};

/* All messages about tables, chains, rules, sets, elements and objects name the table in this attribute. */
enum { ATTR_TABLE = NFTA_TABLE_NAME };

static int ignore_sender(int fd, unsigned portid)
{
	/* Filters load in network order what netlink has in the host's. */
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(portid), 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int nft_watch_open(struct nft_watch *w, unsigned own_portid)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int group = NFNLGRP_NFTABLES, size = WATCH_QUEUE, saved;

	if (!s)
		return -1;
	if (ignore_sender(mnl_socket_get_fd(s), own_portid) != 0 ||
	    mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) != 0 ||
	    mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
		saved = errno;
		(void)mnl_socket_close(s);
		errno = saved;
		return -1;
	}
	/* As much as we are given; what is lost is noticed. */
	(void)setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	w->socket = s;
	return 0;
}

void nft_watch_close(struct nft_watch *w)
{
	if (w->socket)
		(void)mnl_socket_close(w->socket);
	w->socket = NULL;
}

int nft_watch_fd(const struct nft_watch *w)
{
	return mnl_socket_get_fd(w->socket);
}

static int find_table(const struct nlattr *attr, void *arg)
{
	const char **name = arg;

	if (mnl_attr_get_type(attr) != ATTR_TABLE)
		return MNL_CB_OK;
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		*name = mnl_attr_get_str(attr);
	return MNL_CB_STOP;
}

/* "" when it is about none. */
static const char *table_of(const struct nlmsghdr *h)
{
	const char *name = "";

	if (mnl_nlmsg_get_payload_len(h) >= sizeof(struct nfgenmsg))
		(void)mnl_attr_parse(h, sizeof(struct nfgenmsg), find_table, &name);
	return name;
}

/* A transaction's news end with that of the new generation. */
static void count(struct nft_watch *w, const struct nlmsghdr *h, bool *touched, int *transactions)
{
	if ((h->nlmsg_type & MESSAGE_MASK) == NFT_MSG_NEWGEN) {
		*transactions += *touched ? 1 : 0;
		*touched = false;
	} else if (strcmp(table_of(h), NFT_TABLE) == 0) {
		*touched = true;
	} else if (strcmp(table_of(h), "raw") == 0) {
		w->raw = true;
	}
}

int nft_watch_read(struct nft_watch *w)
{
	_Alignas(struct nlmsghdr) char bytes[WATCH_BUFFER];
	bool touched = false, lost = false;
	int transactions = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(w->socket, bytes, sizeof(bytes));
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;
		int left = (int)n;

		if (n < 0 && (errno == ENOBUFS || errno == ENOSPC || errno == EINTR)) {
			lost = lost || errno != EINTR;
			continue;
		}
		if (n <= 0)
			break;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			count(w, h, &touched, &transactions);
	}
	w->raw = w->raw || lost;
	if (touched) /* its end is still to come, or was lost */
		transactions++;
	return lost ? -1 : transactions;
}
