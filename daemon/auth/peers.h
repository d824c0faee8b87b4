/*
 * peers - what is kept of each client in memory to make its messages cheap: a
 * token bucket each, and a bounded cache of derived keys.
 */
#ifndef POSTERN_AUTH_PEERS_H
#define POSTERN_AUTH_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients.h"
#include "keys.h"

enum { PEERS_CACHED = 8192, QUEUED_PER_CLIENT = 16 };

struct peers;

/* For the clients of one realm, by their index in it. Aborts when there is no memory. */
struct peers *peers_new(const struct clients *cs, uint32_t rate, uint32_t burst);
void peers_free(struct peers *ps);

/* Takes one token. False: the client has used up its share for now. */
bool peers_allow(struct peers *ps, size_t client, uint64_t now_ms);

/* None until then, in the clock of peers_allow(); 0: as many as ever. */
void peers_pause(struct peers *ps, size_t client, uint64_t until_ms);

enum peers_queued {
	PEERS_QUEUED,
	PEERS_REPEAT, /* one as new as it waits already */
	PEERS_MANY,   /* the client has too many that wait */
};

/*
 * A message of time t waits from now on, if it may. Answers to challenges
 * count their own times. Each that was let in is to be taken out again.
 */
enum peers_queued peers_queue(struct peers *ps, size_t client, uint64_t t, bool answer);
void peers_unqueue(struct peers *ps, size_t client);
/* A turn begins; is this the client's first message in it? (Asking makes it so.) */
void peers_turn(struct peers *ps);
bool peers_first_this_turn(struct peers *ps, size_t client);

/*
 * The client's derived keys, borrowed until the next call. Not kept in the
 * cache by this: whoever forges labels must not push others out.
 */
const struct client_keys *peers_keys(struct peers *ps, size_t client, const struct client *c);
/*
 * The static-static result, from the cache or computed and kept there, with
 * the keys. To be called only for a message whose label holds. NULL: the
 * client's key is of low order. Borrowed until the next call.
 */
const uint8_t *peers_shared(
    struct peers *ps, size_t client, const struct client *c, const struct keypair *server);

#endif
