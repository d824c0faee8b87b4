/*
 * nflog_message - one message of the firewall's log as a frame. Pure but for
 * the clock, where nobody stamped the packet.
 */
#ifndef POSTERN_CAPTURE_NFLOG_MESSAGE_H
#define POSTERN_CAPTURE_NFLOG_MESSAGE_H

#include "capture.h"
#include "netlink.h"

struct nflog_message {
	uint32_t number;	    /* of the packet in its group */
	struct capture_frame frame; /* bytes NULL: there was none. Borrowed from the message. */
};

/* next: what its number is if it does not say. False when it is no packet. */
bool nflog_message_parse(const struct nlmsghdr *m, uint32_t next, struct nflog_message *out)
    __attribute__((warn_unused_result));

#endif
