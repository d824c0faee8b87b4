#include "nflog_message.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

enum { ATTRIBUTES = NFULA_MAX + 1 };

bool nflog_message_parse(const struct nlmsghdr *m, uint32_t next, struct nflog_message *out)
{
	const struct nlattr *a[ATTRIBUTES];
	struct capture_frame *f = &out->frame;

	*out = (struct nflog_message){.number = next, .frame = {.link = LINK_RAW}};
	if (m->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    !netlink_attributes(m, a, ATTRIBUTES))
		return false;
	out->number = netlink_u32(a[NFULA_SEQ], next);
	if (a[NFULA_PAYLOAD] == NULL)
		return true;
	f->bytes = mnl_attr_get_payload(a[NFULA_PAYLOAD]);
	f->caplen = mnl_attr_get_payload_len(a[NFULA_PAYLOAD]);
	/* How long it was is not told: one that fills all the room was cut. */
	f->len = f->caplen + (f->caplen == NETLINK_SNAP);
	f->ifindex = netlink_u32(a[NFULA_IFINDEX_INDEV], 0);
	f->seen_ns = netlink_stamp(a[NFULA_TIMESTAMP]);
	return true;
}
