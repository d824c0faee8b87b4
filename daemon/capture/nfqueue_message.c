#include "nfqueue_message.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <netinet/in.h>
#include <string.h>

enum { ATTRIBUTES = NFQA_MAX + 1 };

bool nfqueue_message_parse(const struct nlmsghdr *m, struct nfqueue_message *out)
{
	const struct nlattr *a[ATTRIBUTES];
	struct nfqnl_msg_packet_hdr head;
	struct capture_frame *f = &out->frame;

	*out = (struct nfqueue_message){.frame = {.link = LINK_RAW}};
	if (m->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
	    !netlink_attributes(m, a, ATTRIBUTES) ||
	    !netlink_holds(a[NFQA_PACKET_HDR], sizeof(head)))
		return false;
	memcpy(&head, mnl_attr_get_payload(a[NFQA_PACKET_HDR]), sizeof(head));
	out->number = ntohl(head.packet_id);
	if (a[NFQA_PAYLOAD] == NULL)
		return true;
	f->bytes = mnl_attr_get_payload(a[NFQA_PAYLOAD]);
	f->caplen = mnl_attr_get_payload_len(a[NFQA_PAYLOAD]);
	/* Told only of what was cut. */
	f->len = netlink_u32(a[NFQA_CAP_LEN], (uint32_t)f->caplen);
	if (f->len < f->caplen)
		f->len = f->caplen;
	f->ifindex = netlink_u32(a[NFQA_IFINDEX_INDEV], 0);
	f->seen_ns = netlink_stamp(a[NFQA_TIMESTAMP]);
	return true;
}
