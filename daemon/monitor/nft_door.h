/*
 * nft_door - where a door lies in our table: the form that its pass gives it,
 * the sets that such doors lie in, and their keys. No I/O.
 *
 *   doors4, doors6        for one host:  address . protocol . port
 *   nets4_24 ...          for a network: the same, the address masked
 *   held4_300, idle4_300  for one host, closed when idle for 300 s: the door
 *                         is in both. The first ends with its time, the second
 *                         after 300 s unless traffic sets it back. One pair for
 *                         each length, for the kernel takes the length from
 *                         the rule that sets back.
 *   once4, once6          for one connection: a rule takes the element away,
 *                         and the limit that each has lets one packet by,
 *                         because two CPUs may both see the element before
 *                         one of them has taken it.
 *   exact4, exact6        for one source port: address . port . protocol . port
 *   exonce4, exonce6      for one connection from one source port
 *   gate4_net ...         for an inner host, of the gateway "net": the address alone
 */
#ifndef POSTERN_MONITOR_NFT_DOOR_H
#define POSTERN_MONITOR_NFT_DOOR_H

#include "firewall.h"
#include "nft_element.h"

enum { NFT_NAME_MAX = 48 }; /* names of our sets */

enum nft_form {
	NFT_HOST,
	NFT_NETWORK,
	NFT_HELD,
	NFT_IDLE,
	NFT_ONCE,
	NFT_EXACT,
	NFT_EXACT_ONCE,
	NFT_GATE
};

enum { NFT_FORMS = NFT_GATE + 1 };

/* A set of doors. number: the prefix length of a network, the seconds of the idle; else 0. */
struct nft_door_set {
	enum nft_form form;
	bool v4;
	uint32_t number;
	char gateway[CONFIG_NAME_MAX + 1]; /* the name that a gate is of */
};

/* The set that a door with this pass is in; of the two of an idle one the held. gateway: "", or whose. */
struct nft_door_set nft_door_set(const char *gateway, const struct firewall_pass *p);
/* The same for a service or gateway of the configuration. */
struct nft_door_set nft_door_set_of(const struct service *s, const struct firewall_pass *p);
/* The other one of the idle. */
struct nft_door_set nft_door_idle_set(const struct firewall_pass *p);
const char *nft_door_set_name(char out[static NFT_NAME_MAX], const struct nft_door_set *s);
/* False when this is no set of doors. */
bool nft_door_set_parse(const char *name, struct nft_door_set *out);

struct nft_key nft_door_key(const struct firewall_pass *p, uint8_t proto, uint16_t port);
/* One for each port of the service, or one for a gateway; returns how many. */
size_t nft_door_keys(const struct firewall_pass *p, const struct service *s,
    struct nft_key out[static CONFIG_PORTS_MAX]);
/* The other way round. False when it is not a key of that set. */
bool nft_door_key_read(const struct nft_door_set *s, const struct nft_key *k,
    struct firewall_pass *p, uint8_t *proto, uint16_t *port);

/*
 * For how long the element lies there: the door's time; but where nothing sets
 * idleness back, because a first connection ends the door's use anyway, not
 * longer than that.
 */
uint64_t nft_door_timeout_ms(const struct firewall_pass *p, uint32_t seconds);

#endif
