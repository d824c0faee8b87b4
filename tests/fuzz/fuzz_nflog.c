/*
 * fuzz_nflog - a datagram of netlink as it reaches the capture that reads
 * the firewall's log: messages, attributes, and what they come to.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nflog_message.h"
#include "trapped.h"

struct state {
	const uint8_t *bytes;
	size_t size;
	uint32_t number;
};

/* Such a frame may be for a trap. */
static void check_trapped(const struct capture_frame *f)
{
	static const uint8_t none[sizeof((struct msg_trapped){0}.unused)];
	struct msg_trapped m;

	if (trapped_read(f, &m) != CAPTURE_MATCHED)
		return;
	if (m.head.type != MSG_TRAPPED || m.head.len != sizeof(m) ||
	    memcmp(m.unused, none, sizeof(none)) != 0)
		abort();
}

static int on_message(const struct nlmsghdr *m, void *arg)
{
	struct nflog_message one;
	struct state *state = arg;
	const struct capture_frame *f = &one.frame;

	if (!nflog_message_parse(m, state->number + 1, &one))
		return MNL_CB_OK;
	state->number = one.number;
	if (f->bytes == NULL)
		return MNL_CB_OK;
	if (f->bytes < state->bytes || f->bytes > state->bytes + state->size ||
	    f->caplen > state->size - (size_t)(f->bytes - state->bytes) || f->len < f->caplen ||
	    f->link != LINK_RAW)
		abort();
	check_trapped(f);
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
