/*
 * nft_element - the elements of our sets: a door is one.
 *
 * Keys are concatenations as the kernel keeps them: network order, each field
 * padded to 4 bytes.
 */
#ifndef POSTERN_MONITOR_NFT_ELEMENT_H
#define POSTERN_MONITOR_NFT_ELEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "cursor.h"
#include "nft_link.h"

enum { NFT_KEY_MAX = 28 };

struct nft_key {
	uint8_t len;
	uint8_t b[NFT_KEY_MAX];
};

struct nft_element {
	struct nft_key key;
	bool timed;
	uint64_t rest_ms; /* when timed */
};

/* (protocol . port) */
struct nft_key nft_key_service(uint8_t proto, uint16_t port);
/* (address), of its family's length */
struct nft_key nft_key_address(const struct address *a);
bool nft_key_read_address(const struct nft_key *k, struct address *out);
/* The marker of set "trial": a number in host order, as marks are. */
struct nft_key nft_key_mark(uint32_t mark);
/* The other way round. False when it is not such a key. */
bool nft_key_read_service(const struct nft_key *k, uint8_t *proto, uint16_t *port);

/* Its part of a larger key, at its place there. */
void nft_key_write_service(struct writer *w, uint8_t proto, uint16_t port);
void nft_key_take_service(struct reader *r, uint8_t *proto, uint16_t *port);

/* Elements of one set as they shall be. */
struct nft_put {
	const char *set;
	const struct nft_key *key;
	size_t keys;
	uint64_t timeout_ms; /* 0: for good */
};

/*
 * Put them all there in one transaction, whether they were
 * there or not: add, delete, add, because older kernels do not let a plain
 * second add change the time, and none lets it renew a limit.
 * Returns 0 or -errno: ENFILE full, ENOENT no such set; then nothing changed.
 */
int nft_element_put(struct nft_link *l, const struct nft_put *put, size_t n)
    __attribute__((warn_unused_result));
/*
 * Another time for one that is there: deleted and added in one transaction,
 * so that one that has gone stays away. Returns 0 or -errno: ENOENT no such
 * element; then nothing changed.
 */
int nft_element_retime(struct nft_link *l, const char *set, const struct nft_key *key,
    uint64_t timeout_ms) __attribute__((warn_unused_result));
/*
 * Those that are there, in one transaction. Returns 0 or -errno: ENOENT none of
 * them was, or no set or table; EAGAIN they kept ending meanwhile.
 */
int nft_element_delete(struct nft_link *l, const char *set, const struct nft_key *key, size_t keys)
    __attribute__((warn_unused_result));
/* Returns 0 and fills *out, or -errno. */
int nft_element_get(struct nft_link *l, const char *set, const struct nft_key *key,
    struct nft_element *out) __attribute__((warn_unused_result));

/*
 * All elements of a set, given to the caller in *out (free() it).
 * Returns how many, or -errno.
 */
long nft_element_dump(struct nft_link *l, const char *set, struct nft_element **out)
    __attribute__((warn_unused_result));

typedef void nft_set_fn(void *arg, const char *name);
/* The names of the sets of our table. Returns 0 or -errno; no table is no set. */
int nft_set_names(struct nft_link *l, nft_set_fn *fn, void *arg)
    __attribute__((warn_unused_result));

#endif
