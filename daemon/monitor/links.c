/* links - see links.h. */
#include "links.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "log.h"

enum { LINKS_BYTES = 16384, LINKS_BATCH = 64 };

struct link_name {
	const char *text;
};

static int take_name(const struct nlattr *attr, void *arg)
{
	struct link_name *name = arg;

	if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		name->text = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

static int one_message(const struct nlmsghdr *head, void *arg)
{
	const struct links *l = arg;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(head);
	struct link_name name = {0};

	if (head->nlmsg_type != RTM_NEWLINK && head->nlmsg_type != RTM_DELLINK)
		return MNL_CB_OK;
	if (mnl_nlmsg_get_payload_len(head) < sizeof(*info))
		return MNL_CB_OK;
	if (mnl_attr_parse(head, sizeof(*info), take_name, &name) < 0 || !name.text)
		return MNL_CB_OK;
	l->fn(l->arg, name.text, head->nlmsg_type == RTM_NEWLINK && (info->ifi_flags & IFF_UP));
	return MNL_CB_OK;
}

/* Returns whether there may be more. */
static bool receive(struct links *l)
{
	_Alignas(struct nlmsghdr) char buf[LINKS_BYTES];
	const ssize_t n = mnl_socket_recvfrom(l->socket, buf, sizeof(buf));

	if (n < 0 && errno == ENOBUFS) {
		l->fn(l->arg, NULL, true);
		return true;
	}
	if (n <= 0)
		return false;
	if (mnl_cb_run(buf, (size_t)n, 0, 0, one_message, l) < 0)
		log_debug("links", "error=\"%s\"", strerror(errno));
	return true;
}

static void readable(void *arg)
{
	for (int i = 0; i < LINKS_BATCH; i++)
		if (!receive(arg))
			break;
}

int links_open(struct links *l, struct loop *loop, links_fn *fn, void *arg)
{
	*l = (struct links){.loop = loop, .fn = fn, .arg = arg};
	l->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (l->socket && mnl_socket_bind(l->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) == 0 &&
	    loop_watch(loop, mnl_socket_get_fd(l->socket), readable, l) == 0)
		return 0;
	log_warning("links_unheard", "error=\"%s\": a late interface is found by looking for it",
	    strerror(errno));
	if (l->socket)
		mnl_socket_close(l->socket);
	l->socket = NULL;
	return -1;
}

void links_close(struct links *l)
{
	if (!l->socket)
		return;
	loop_unwatch(l->loop, mnl_socket_get_fd(l->socket));
	mnl_socket_close(l->socket);
	l->socket = NULL;
}
