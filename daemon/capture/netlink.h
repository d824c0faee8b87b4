/*
 * netlink - packets that come from netfilter by netlink: what nflog and
 * nfqueue have in common. The kernel made every byte of a message but the
 * payload; all the same nothing is believed that its lengths do not hold.
 */
#ifndef POSTERN_CAPTURE_NETLINK_H
#define POSTERN_CAPTURE_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

enum {
	NETLINK_BYTES = 1 << 16, /* the longest message; the kernel's own bound is less */
	NETLINK_SNAP = 2048,	 /* of a packet: more than any veil with its headers */
};

/*
 * A netfilter socket with room for so many bytes, in which losses are no
 * errors (they show by the packets' numbers). Returns it; -1 with errno.
 */
int netlink_open(size_t buffer_bytes) __attribute__((warn_unused_result));

/* Begin a request about a group or queue in buffer; attributes follow it. */
struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t number);
/*
 * Send a request and wait for its answer; both in buffer, of NETLINK_BYTES.
 * *before: how many packets came before the answer, and are gone.
 * Returns 0 or an errno value.
 */
int netlink_ask(int fd, struct nlmsghdr *request, uint8_t *buffer, unsigned *before)
    __attribute__((warn_unused_result));

/*
 * fn for each message of a datagram, until one does not fit in it: what
 * follows that is none. (mnl_cb_run() takes lengths above 2^31 for negative ones.)
 */
void netlink_walk(const uint8_t *bytes, size_t len, mnl_cb_t fn, void *arg);
/* One datagram from the kernel, if there is one: fn for each of its messages. Returns 1; 0 none; -1 with errno. */
int netlink_read(int fd, uint8_t *buffer, mnl_cb_t fn, void *arg)
    __attribute__((warn_unused_result));

/*
 * The attributes of a netfilter message by type, NULL where there is none;
 * those from count on are left out. Returns whether the message is whole.
 */
bool netlink_attributes(const struct nlmsghdr *m, const struct nlattr **kept, uint16_t count)
    __attribute__((warn_unused_result));
bool netlink_holds(const struct nlattr *a, size_t bytes);
/* In host order; otherwise when it is not there. */
uint32_t netlink_u32(const struct nlattr *a, uint32_t otherwise);
/* When the packet came, in ns of CLOCK_REALTIME; now where nobody stamped it. */
uint64_t netlink_stamp(const struct nlattr *a);

#endif
