#include "recording.h"

#include "clock.h"
#include "cursor.h"

enum {
	PCAP_HEAD_BYTES = 24,
	PCAP_RECORD_BYTES = 16,
	PCAP_LINK_MASK = 0x0fffffff, /* above it stands how long the frames' checksums are */

	BLOCK_HEAD_BYTES = 8,
	BLOCK_BYTES_MIN = 12, /* type, length, and the length again */
	BLOCK_INTERFACE = 1,
	BLOCK_SIMPLE = 3,
	BLOCK_PACKET = 6,
	OPTION_END = 0,
	OPTION_RESOLUTION = 9,

	RESOLUTION_MICRO = 6, /* a power of ten, or with the bit below of two */
	RESOLUTION_NANO = 9,
	RESOLUTION_TWO = 0x80,
	DECIMALS_MAX = 19,
	BITS_MAX = 63,
	BITS_KEPT = 32, /* of a second's part, that it times 10^9 has room */

	FILE_LINK_RAW = 101, /* files have another number for LINK_RAW */
};

static const uint32_t pcap_micro = 0xa1b2c3d4, pcap_nano = 0xa1b23c4d, block_section = 0x0a0d0d0a,
		      section_order = 0x1a2b3c4d;

static uint32_t take_u32(const struct recording *r, struct reader *in)
{
	uint32_t v = read_u32(in);

	return r->little ? __builtin_bswap32(v) : v;
}

static uint16_t take_u16(const struct recording *r, struct reader *in)
{
	uint16_t v = read_u16(in);

	return r->little ? __builtin_bswap16(v) : v;
}

static bool find_link(uint32_t number, enum link_type *out)
{
	switch (number) {
	case LINK_NULL:
	case LINK_ETHERNET:
	case LINK_LOOP:
	case LINK_SLL:
	case LINK_IPV4:
	case LINK_IPV6:
	case LINK_SLL2:
		*out = (enum link_type)number;
		return true;
	case LINK_RAW:
	case FILE_LINK_RAW:
		*out = LINK_RAW;
		return true;
	default:
		return false;
	}
}

static uint64_t nanoseconds(uint64_t stamp, uint8_t resolution)
{
	unsigned n = resolution & (RESOLUTION_TWO - 1U);

	if ((resolution & RESOLUTION_TWO) == 0) {
		if (n > DECIMALS_MAX)
			return 0;
		for (; n < RESOLUTION_NANO; n++)
			stamp *= 10;
		for (; n > RESOLUTION_NANO; n--)
			stamp /= 10;
		return stamp;
	}
	if (n > BITS_MAX)
		return 0;
	if (n > BITS_KEPT) {
		stamp >>= n - BITS_KEPT;
		n = BITS_KEPT;
	}
	uint64_t part = stamp & ((UINT64_C(1) << n) - 1);
	return (stamp >> n) * NS_PER_S + (part * NS_PER_S >> n);
}

static enum recording_result give(
    const struct recording_link *from, const uint8_t *bytes, struct capture_frame *frame)
{
	frame->bytes = bytes;
	if (frame->len < frame->caplen) /* it lies: more than there was cannot be there */
		frame->len = frame->caplen;
	return find_link(from->type, &frame->link) ? RECORDING_FRAME : RECORDING_SKIPPED;
}

static enum recording_result pcap_head(
    struct recording *r, struct reader in, bool nano, size_t *used)
{
	if (in.left < PCAP_HEAD_BYTES)
		return RECORDING_MORE;
	read_view(&in, PCAP_HEAD_BYTES - 4); /* magic, version, zone, accuracy, longest frame */
	r->format = RECORDING_PCAP;
	r->links = 1;
	r->link[0] = (struct recording_link){.type = take_u32(r, &in) & PCAP_LINK_MASK,
	    .resolution = nano ? RESOLUTION_NANO : RESOLUTION_MICRO};
	*used = PCAP_HEAD_BYTES;
	return RECORDING_SKIPPED;
}

static enum recording_result pcap_record(
    const struct recording *r, struct reader in, size_t *used, struct capture_frame *frame)
{
	if (in.left < PCAP_RECORD_BYTES)
		return RECORDING_MORE;
	uint64_t seconds = take_u32(r, &in);
	uint64_t part = nanoseconds(take_u32(r, &in), r->link[0].resolution);
	frame->seen_ns = seconds * NS_PER_S + part;
	frame->caplen = take_u32(r, &in);
	frame->len = take_u32(r, &in);
	if (frame->caplen > RECORDING_PART_MAX - PCAP_RECORD_BYTES)
		return RECORDING_BAD;
	if (in.left < frame->caplen)
		return RECORDING_MORE;
	*used = PCAP_RECORD_BYTES + frame->caplen;
	return give(&r->link[0], read_view(&in, frame->caplen), frame);
}

/* Everything that was known belonged to the section before. */
static enum recording_result section(struct recording *r, struct reader in)
{
	read_view(&in, BLOCK_HEAD_BYTES);
	uint32_t order = read_u32(&in);

	if (in.failed)
		return RECORDING_MORE;
	if (order != section_order && order != __builtin_bswap32(section_order))
		return RECORDING_BAD;
	r->format = RECORDING_PCAPNG;
	r->little = order != section_order;
	r->links = 0;
	return RECORDING_SKIPPED;
}

/* Body of a block, without what stands before and behind it. */
static enum recording_result interface(struct recording *r, struct reader in)
{
	struct recording_link link = {.resolution = RESOLUTION_MICRO};

	link.type = take_u16(r, &in);
	take_u16(r, &in);
	link.snap = take_u32(r, &in);
	if (in.failed)
		return RECORDING_BAD;
	while (in.left > 0) {
		uint16_t option = take_u16(r, &in);
		uint16_t len = take_u16(r, &in);
		struct reader value = read_sub(&in, (len + 3U) & ~3U);

		if (option == OPTION_END || in.failed)
			break;
		if (option == OPTION_RESOLUTION && len == 1)
			link.resolution = read_u8(&value);
	}
	if (r->links < RECORDING_LINKS_MAX)
		r->link[r->links++] = link;
	return RECORDING_SKIPPED;
}

static enum recording_result packet(
    const struct recording *r, struct reader in, struct capture_frame *frame)
{
	uint32_t index = take_u32(r, &in);
	uint64_t high = take_u32(r, &in);
	uint64_t stamp = high << 32 | take_u32(r, &in);

	frame->caplen = take_u32(r, &in);
	frame->len = take_u32(r, &in);
	const uint8_t *bytes = read_view(&in, frame->caplen);
	if (in.failed)
		return RECORDING_BAD;
	if (index >= r->links)
		return RECORDING_SKIPPED;
	frame->seen_ns = nanoseconds(stamp, r->link[index].resolution);
	return give(&r->link[index], bytes, frame);
}

/* Of the first interface, without a time. */
static enum recording_result simple_packet(
    const struct recording *r, struct reader in, struct capture_frame *frame)
{
	frame->len = take_u32(r, &in);
	if (in.failed || r->links == 0)
		return RECORDING_BAD;
	frame->caplen = frame->len;
	if (r->link[0].snap != 0 && frame->caplen > r->link[0].snap)
		frame->caplen = r->link[0].snap;
	const uint8_t *bytes = read_view(&in, frame->caplen);
	return in.failed ? RECORDING_BAD : give(&r->link[0], bytes, frame);
}

static enum recording_result block(
    struct recording *r, struct reader in, size_t *used, struct capture_frame *frame)
{
	enum recording_result result = RECORDING_SKIPPED;
	struct reader head = in;
	uint32_t type = take_u32(r, &head);

	if (type == block_section)
		result = section(r, in);
	uint32_t len = take_u32(r, &head);
	if (result == RECORDING_BAD || result == RECORDING_MORE || head.failed)
		return head.failed ? RECORDING_MORE : result;
	if (len < BLOCK_BYTES_MIN || len % 4 != 0 || len > RECORDING_PART_MAX)
		return RECORDING_BAD;
	if (in.left < len)
		return RECORDING_MORE;
	*used = len;
	struct reader body = read_sub(&head, len - BLOCK_BYTES_MIN);
	if (type == BLOCK_INTERFACE)
		result = interface(r, body);
	else if (type == BLOCK_PACKET)
		result = packet(r, body, frame);
	else if (type == BLOCK_SIMPLE)
		result = simple_packet(r, body, frame);
	return result;
}

static enum recording_result begin(
    struct recording *r, struct reader in, size_t *used, struct capture_frame *frame)
{
	struct reader ahead = in;
	uint32_t magic = read_u32(&ahead);

	if (ahead.failed)
		return RECORDING_MORE;
	if (magic == block_section)
		return block(r, in, used, frame);
	r->little = magic != pcap_micro && magic != pcap_nano;
	if (r->little)
		magic = __builtin_bswap32(magic);
	if (magic != pcap_micro && magic != pcap_nano)
		return RECORDING_BAD;
	return pcap_head(r, in, magic == pcap_nano, used);
}

enum recording_result recording_next(struct recording *r, const uint8_t *bytes, size_t len,
    size_t *used, struct capture_frame *frame)
{
	struct reader in = reader_of(bytes, len);

	*frame = (struct capture_frame){0};
	*used = 0;
	switch (r->format) {
	case RECORDING_NEW:
		return begin(r, in, used, frame);
	case RECORDING_PCAP:
		return pcap_record(r, in, used, frame);
	case RECORDING_PCAPNG:
		break;
	}
	return block(r, in, used, frame);
}
