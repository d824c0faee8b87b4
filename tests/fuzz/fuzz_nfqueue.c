/*
 * fuzz_nfqueue - a datagram of netlink as it reaches the capture that reads
 * the queue: messages, attributes, and what they come to.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nfqueue_message.h"

struct state {
	const uint8_t *bytes;
	size_t size;
	uint32_t number;
};

static int on_message(const struct nlmsghdr *m, void *arg)
{
	struct nfqueue_message one;
	struct state *state = arg;
	const struct capture_frame *f = &one.frame;

	if (!nfqueue_message_parse(m, &one))
		return MNL_CB_OK;
	state->number = one.number;
	if (f->bytes == NULL)
		return MNL_CB_OK;
	if (f->bytes < state->bytes || f->bytes > state->bytes + state->size ||
	    f->caplen > state->size - (size_t)(f->bytes - state->bytes) || f->len < f->caplen ||
	    f->link != LINK_RAW)
		abort();
	return MNL_CB_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state state = {.size = size};
	uint8_t *bytes;

	if (size > NETLINK_BYTES)
		return 0;
	bytes = malloc(size > 0 ? size : 1); /* it ends where the datagram does */
	if (bytes == NULL)
		abort();
	memcpy(bytes, data, size);
	state.bytes = bytes;
	netlink_walk(bytes, size, on_message, &state);
	free(bytes);
	return 0;
}
