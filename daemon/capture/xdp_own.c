#include "xdp_own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

enum {
	LISTED_MAX = XDP_OWN_SLOTS,
	MESSAGE_BYTES = 1 << 15, /* the kernel's most for a dump */
	NEWS_BYTES = 1 << 20,	 /* of addresses that change while we do not look */
	V4_AT = 12,
};

struct listed {
	uint32_t ifindex;
	struct xdp_address address;
};

struct xdp_own {
	struct mnl_socket *socket;
	struct xdp_address *table;
	unsigned listed;
	struct listed list[LISTED_MAX];
	uint8_t bytes[MESSAGE_BYTES] __attribute__((aligned(8)));
};

static bool same(const struct xdp_address *a, const struct xdp_address *b)
{
	return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

/* The program may be reading: half an address is at worst another's for that moment, and then passes. */
static void put(struct xdp_address *slot, const struct xdp_address *a)
{
	__atomic_store_n(&slot->half[0], a->half[0], __ATOMIC_RELEASE);
	__atomic_store_n(&slot->half[1], a->half[1], __ATOMIC_RELEASE);
}

/* The slot that has this address; with zeros, a free one near where key belongs. Or NULL. */
static struct xdp_address *find_slot(
    const struct xdp_own *o, const struct xdp_address *key, const struct xdp_address *content)
{
	uint32_t from = xdp_slot(key->half[0], key->half[1]);

	for (uint32_t i = 0; i < XDP_OWN_PROBES; i++) {
		struct xdp_address *slot = &o->table[(from + i) % XDP_OWN_SLOTS];

		if (same(slot, content))
			return slot;
	}
	return NULL;
}

static struct listed *find_listed(struct xdp_own *o, uint32_t ifindex, const struct xdp_address *a)
{
	for (unsigned i = 0; i < o->listed; i++) {
		if (o->list[i].ifindex == ifindex && same(&o->list[i].address, a))
			return &o->list[i];
	}
	return NULL;
}

static bool is_elsewhere(const struct xdp_own *o, const struct xdp_address *a)
{
	for (unsigned i = 0; i < o->listed; i++) {
		if (same(&o->list[i].address, a))
			return true;
	}
	return false;
}

void xdp_own_add(struct xdp_own *o, uint32_t ifindex, const struct xdp_address *a)
{
	static const struct xdp_address none;

	/* Told again whenever its lifetime is refreshed. */
	if (o->listed == LISTED_MAX || find_listed(o, ifindex, a) != NULL)
		return;
	o->list[o->listed++] = (struct listed){ifindex, *a};
	if (find_slot(o, a, a) != NULL)
		return;
	struct xdp_address *slot = find_slot(o, a, &none);
	if (slot != NULL)
		put(slot, a);
}

void xdp_own_remove(struct xdp_own *o, uint32_t ifindex, const struct xdp_address *a)
{
	static const struct xdp_address none;
	struct listed *l = find_listed(o, ifindex, a);

	if (l == NULL)
		return;
	*l = o->list[--o->listed];
	struct xdp_address *slot = find_slot(o, a, a);
	if (slot != NULL && !is_elsewhere(o, a))
		put(slot, &none);
}

struct attributes {
	const struct nlattr *local, *address;
};

static int keep_attribute(const struct nlattr *a, void *arg)
{
	struct attributes *kept = arg;

	if (mnl_attr_get_type(a) == IFA_LOCAL)
		kept->local = a;
	if (mnl_attr_get_type(a) == IFA_ADDRESS)
		kept->address = a;
	return MNL_CB_OK;
}

/* What the message is about: IPv4 mapped, as packets have it. */
static bool read_address(const struct nlmsghdr *m, struct xdp_address *out)
{
	const struct ifaddrmsg *head = mnl_nlmsg_get_payload(m);
	struct attributes kept = {NULL, NULL};
	uint8_t bytes[sizeof(*out)] = {[10] = 0xff, [11] = 0xff};
	size_t len = head->ifa_family == AF_INET6 ? sizeof(bytes) : sizeof(bytes) - V4_AT;

	if ((head->ifa_family != AF_INET && head->ifa_family != AF_INET6) ||
	    mnl_attr_parse(m, sizeof(*head), keep_attribute, &kept) < 0)
		return false;
	/* Where both are there, the other one is the far end of the line. */
	const struct nlattr *found = kept.local != NULL ? kept.local : kept.address;
	if (found == NULL || mnl_attr_get_payload_len(found) != len)
		return false;
	memcpy(bytes + sizeof(bytes) - len, mnl_attr_get_payload(found), len);
	memcpy(out, bytes, sizeof(bytes));
	return true;
}

static int on_message(const struct nlmsghdr *m, void *arg)
{
	const struct ifaddrmsg *head = mnl_nlmsg_get_payload(m);
	struct xdp_address a;

	if ((m->nlmsg_type != RTM_NEWADDR && m->nlmsg_type != RTM_DELADDR) ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(*head) || !read_address(m, &a))
		return MNL_CB_OK;
	if (m->nlmsg_type == RTM_NEWADDR)
		xdp_own_add(arg, head->ifa_index, &a);
	else
		xdp_own_remove(arg, head->ifa_index, &a);
	return MNL_CB_OK;
}

/* One datagram. Returns what mnl_cb_run() does; -1 with EAGAIN: there is none. */
static int read_one(struct xdp_own *o)
{
	ssize_t len = mnl_socket_recvfrom(o->socket, o->bytes, sizeof(o->bytes));

	return len <= 0 ? -1 : mnl_cb_run(o->bytes, (size_t)len, 0, 0, on_message, o);
}

/* First the news, then the question: so nothing happens in between. */
static int ask(struct xdp_own *o)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(o->bytes);
	struct ifaddrmsg *head;
	int bytes = NEWS_BYTES, status;

	if (mnl_socket_bind(o->socket, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, 0) != 0 ||
	    setsockopt(mnl_socket_get_fd(o->socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		sizeof(bytes)) != 0)
		return -1;
	m->nlmsg_type = RTM_GETADDR;
	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	head = mnl_nlmsg_put_extra_header(m, sizeof(*head));
	head->ifa_family = AF_UNSPEC;
	if (mnl_socket_sendto(o->socket, m, m->nlmsg_len) < 0)
		return -1;
	do
		status = read_one(o);
	while (status == MNL_CB_OK);
	return status == MNL_CB_STOP ? fcntl(mnl_socket_get_fd(o->socket), F_SETFL, O_NONBLOCK)
				     : -1;
}

struct xdp_own *xdp_own_open(struct xdp_address table[static XDP_OWN_SLOTS])
{
	struct xdp_own *o = calloc(1, sizeof(*o));

	if (o == NULL)
		abort();
	o->table = table;
	o->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (o->socket != NULL && ask(o) == 0)
		return o;
	xdp_own_close(o);
	return NULL;
}

int xdp_own_fd(const struct xdp_own *o)
{
	return mnl_socket_get_fd(o->socket);
}

int xdp_own_read(struct xdp_own *o)
{
	while (read_one(o) >= 0)
		;
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

void xdp_own_close(struct xdp_own *o)
{
	if (o != NULL && o->socket != NULL)
		(void)mnl_socket_close(o->socket);
	free(o);
}
