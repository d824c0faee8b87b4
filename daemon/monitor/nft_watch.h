/*
 * nft_watch - the kernel's news of changed rules, to notice when somebody
 * else touches our table.
 */
#ifndef POSTERN_MONITOR_NFT_WATCH_H
#define POSTERN_MONITOR_NFT_WATCH_H

#include <stdbool.h>

#include <libmnl/libmnl.h>

struct nft_watch {
	struct mnl_socket *socket;
	bool raw; /* somebody was at a table "raw", where xt_queue.h has its chain */
};

/*
 * Begin to listen, non-blocking. What the socket own_portid does (our doors)
 * is not even delivered. Returns 0, or -1 with errno.
 */
int nft_watch_open(struct nft_watch *w, unsigned own_portid) __attribute__((warn_unused_result));
void nft_watch_close(struct nft_watch *w);
int nft_watch_fd(const struct nft_watch *w);

/*
 * Read all news. Returns how many transactions touched our table; -1 when news
 * were lost, so that anything may have happened.
 */
int nft_watch_read(struct nft_watch *w);

#endif
