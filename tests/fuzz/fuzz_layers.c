/*
 * fuzz_layers - the first byte says what link a frame came by, the rest is the
 * frame. What is found must lie inside of it and be of one address family.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"

static const enum link_type links[] = {
    LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_LOOP, LINK_SLL, LINK_SLL2, LINK_IPV4, LINK_IPV6};

static bool is_sound(const struct packet *p, const uint8_t *frame, size_t len)
{
	if (p->payload < frame || p->payload > frame + len)
		return false;
	if (p->payload_len > len - (size_t)(p->payload - frame))
		return false;
	return address_is_v4(&p->src) == address_is_v4(&p->dst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p, again;
	uint32_t ifindex = 0, ifindex_again = 0;

	if (size < 1)
		return 0;
	enum link_type link = links[data[0] % (sizeof(links) / sizeof(links[0]))];
	enum layers_result result = layers_parse(data + 1, size - 1, link, &p, &ifindex);
	if (result == LAYERS_OK && !is_sound(&p, data + 1, size - 1))
		abort();
	if (link != LINK_SLL2 && ifindex != 0)
		abort();
	/* Nothing is left over from one frame to the next. */
	memset(&again, 0xff, sizeof(again));
	if (layers_parse(data + 1, size - 1, link, &again, &ifindex_again) != result)
		abort();
	if (ifindex_again != ifindex || (result == LAYERS_OK && memcmp(&p, &again, sizeof(p)) != 0))
		abort();
	return 0;
}
