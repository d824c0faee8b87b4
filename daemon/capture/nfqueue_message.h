/*
 * nfqueue_message - one message of the queue as a frame that waits for its
 * verdict. Pure but for the clock, where nobody stamped the packet.
 */
#ifndef POSTERN_CAPTURE_NFQUEUE_MESSAGE_H
#define POSTERN_CAPTURE_NFQUEUE_MESSAGE_H

#include "capture.h"
#include "netlink.h"

struct nfqueue_message {
	uint32_t number;	    /* of the packet in its queue */
	struct capture_frame frame; /* bytes NULL: there was none. Borrowed from the message. */
};

/* False when it is no packet, or one without a number: then there is nothing to give a verdict to. */
bool nfqueue_message_parse(const struct nlmsghdr *m, struct nfqueue_message *out)
    __attribute__((warn_unused_result));

#endif
