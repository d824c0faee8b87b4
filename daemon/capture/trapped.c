/* trapped - see trapped.h. */
#include "trapped.h"

#include <netinet/in.h>
#include <string.h>

#include "layers.h"

static enum capture_counter why_not(enum layers_result result)
{
	switch (result) {
	case LAYERS_OK:
		break;
	case LAYERS_MALFORMED:
		return CAPTURE_MALFORMED;
	case LAYERS_FRAGMENT:
		return CAPTURE_FRAGMENT;
	case LAYERS_OTHER:
		return CAPTURE_NOT_OURS;
	}
	return CAPTURE_MATCHED;
}

enum capture_counter trapped_read(const struct capture_frame *frame, struct msg_trapped *out)
{
	struct packet p;
	uint32_t ifindex = frame->ifindex;
	const enum capture_counter what =
	    why_not(layers_parse(frame->bytes, frame->caplen, frame->link, &p, &ifindex));

	if (what != CAPTURE_MATCHED)
		return what;
	if (p.proto != IPPROTO_TCP || address_is_v4(&p.src) != address_is_v4(&p.dst))
		return CAPTURE_NOT_OURS;
	*out = (struct msg_trapped){.head = {MSG_TRAPPED, sizeof(*out)},
	    .seq = p.tcp_seq,
	    .ack = p.tcp_ack,
	    .ifindex = ifindex,
	    .client_port = p.sport,
	    .server_port = p.dport,
	    .flags = p.tcp_flags};
	memcpy(out->client, p.src.b, sizeof(out->client));
	memcpy(out->server, p.dst.b, sizeof(out->server));
	return CAPTURE_MATCHED;
}
