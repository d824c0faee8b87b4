/*
 * nft_link - our netlink socket to nftables: transactions and dumps by libmnl.
 * One thread, blocking; each call is a round trip with the kernel.
 */
#ifndef POSTERN_MONITOR_NFT_LINK_H
#define POSTERN_MONITOR_NFT_LINK_H

#include <stdint.h>

#include <libmnl/libmnl.h>

enum {
	NFT_LINK_BUFFER = 8192,
	NFT_MESSAGE_MAX = 16384, /* the longest that is put into a batch */
};

struct nft_link {
	struct mnl_socket *socket;
	unsigned portid;
	uint32_t seq;
};

/* A transaction while it is put together. */
struct nft_batch {
	struct nft_link *link;
	uint32_t first_seq;
	size_t len, cap;
	char *bytes;
};

/* Returns 0, or -1 with errno. */
int nft_link_open(struct nft_link *l) __attribute__((warn_unused_result));
void nft_link_close(struct nft_link *l);

/* Aborts when there is no memory, here and later. To be followed by nft_batch_end(). */
void nft_batch_begin(struct nft_batch *b, struct nft_link *l);
/*
 * Where the next message (an NFT_MSG_*) of up to NFT_MESSAGE_MAX bytes goes;
 * the caller fills it and then says nft_batch_added().
 */
struct nlmsghdr *nft_batch_message(struct nft_batch *b, uint16_t message, uint16_t flags);
void nft_batch_added(struct nft_batch *b, const struct nlmsghdr *message);
/*
 * Send it, unless rc is not 0, and free it. Returns rc; 0 when the kernel has
 * it all; else -errno of the first refusal: then it has nothing of it.
 */
int nft_batch_end(struct nft_batch *b, int rc) __attribute__((warn_unused_result));

/*
 * A question without a transaction: message is in buffer (from
 * nft_link_question()), each answer goes to fn. Returns 0 or -errno; -EINTR
 * when the table changed meanwhile, so that a dump must be asked for again.
 */
struct nlmsghdr *nft_link_question(
    struct nft_link *l, char *buffer, uint16_t message, uint16_t flags);
int nft_link_ask(struct nft_link *l, const struct nlmsghdr *question, mnl_cb_t fn, void *arg)
    __attribute__((warn_unused_result));

#endif
