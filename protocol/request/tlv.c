#include "tlv.h"

#include <string.h>

#include "errors.h"

enum { V4_BYTES = 4 };

static const struct tlv_field *find(const struct tlv_field *fields, uint8_t type)
{
	for (const struct tlv_field *f = fields; f->type != 0; f++) {
		if (f->type == type)
			return f;
	}
	return NULL;
}

static int read_known(
    const struct tlv_field *f, void *into, struct reader *value, struct tlv_found *found)
{
	int err = f->read(into, value);

	if (f->type < 32)
		found->seen |= TLV_BIT(f->type);
	return err == 0 && !value->failed && value->left == 0 ? 0 : -E_FORMAT;
}

int tlv_read(struct reader *r, const struct tlv_field *fields, void *into, struct tlv_found *found)
{
	int last = -1;

	*found = (struct tlv_found){0};
	while (r->left > 0) {
		uint8_t type = read_u8(r);
		uint16_t len = read_u16(r);
		struct reader value = read_sub(r, len);
		const struct tlv_field *f = find(fields, type);
		if (r->failed)
			return -E_SHORT;
		if (type < last || (type == last && !(f && f->repeats)))
			return -E_FORMAT;
		if (f && read_known(f, into, &value, found) < 0)
			return -E_FORMAT;
		if (!f && !(type & TLV_IGNORABLE) && !found->has_unknown) {
			found->has_unknown = true;
			found->unknown = type;
		}
		last = type;
	}
	return 0;
}

void tlv_head(struct writer *w, uint8_t type, size_t len)
{
	if (len > UINT16_MAX) {
		w->failed = true;
		return;
	}
	write_u8(w, type);
	write_u16(w, (uint16_t)len);
}

void tlv_bytes(struct writer *w, uint8_t type, const void *value, size_t len)
{
	tlv_head(w, type, len);
	write_bytes(w, value, len);
}

void tlv_u16(struct writer *w, uint8_t type, uint16_t v)
{
	tlv_head(w, type, sizeof(v));
	write_u16(w, v);
}

void tlv_u32(struct writer *w, uint8_t type, uint32_t v)
{
	tlv_head(w, type, sizeof(v));
	write_u32(w, v);
}

void tlv_u64(struct writer *w, uint8_t type, uint64_t v)
{
	tlv_head(w, type, sizeof(v));
	write_u64(w, v);
}

void tlv_address(struct writer *w, uint8_t type, const struct address *a)
{
	size_t at = address_is_v4(a) ? ADDRESS_BYTES - V4_BYTES : 0;

	tlv_bytes(w, type, a->b + at, ADDRESS_BYTES - at);
}

void tlv_code(struct writer *w, uint8_t type, const char code[static CODE_MAX + 1])
{
	if (code[0])
		tlv_bytes(w, type, code, strnlen(code, CODE_MAX + 1));
}

void tlv_pin(struct writer *w, uint8_t type, const uint8_t pin[static PIN_MAX], uint8_t len)
{
	if (len > PIN_MAX)
		w->failed = true;
	else if (len > 0)
		tlv_bytes(w, type, pin, len);
}

int tlv_read_text(struct reader *value, char *out, size_t most)
{
	size_t len = value->left;

	if (len > most)
		return -E_FORMAT;
	read_bytes(value, out, len);
	out[len] = '\0';
	return strlen(out) == len ? 0 : -E_FORMAT;
}

int tlv_read_address(struct reader *value, struct address *out)
{
	uint8_t b[ADDRESS_BYTES];
	size_t len = value->left;

	if (len != V4_BYTES && len != ADDRESS_BYTES)
		return -E_FORMAT;
	read_bytes(value, b, len);
	*out = len == V4_BYTES ? address_v4(b) : address_v6(b);
	return 0;
}

int tlv_read_code(struct reader *value, char out[static CODE_MAX + 1])
{
	if (value->left < CODE_MIN || tlv_read_text(value, out, CODE_MAX) < 0)
		return -E_FORMAT;
	return out[strspn(out, "0123456789")] == '\0' ? 0 : -E_FORMAT;
}

int tlv_read_pin(struct reader *value, uint8_t out[static PIN_MAX], uint8_t *len)
{
	if (value->left < PIN_MIN || value->left > PIN_MAX)
		return -E_FORMAT;
	*len = (uint8_t)value->left;
	read_bytes(value, out, value->left);
	return 0;
}
