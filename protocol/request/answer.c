#include "request.h"

#include "errors.h"
#include "secret.h"
#include "tlv.h"

/* The first byte says what the body is, so that no other body can stand in for it. */
enum { ANSWER_MARK = 3 };

enum type { TYPE_CODE = 9, TYPE_PIN = 10 };

static int read_code(void *into, struct reader *v)
{
	struct answer *a = into;

	return tlv_read_code(v, a->code);
}

static int read_pin(void *into, struct reader *v)
{
	struct answer *a = into;

	return tlv_read_pin(v, a->pin, &a->pin_len);
}

static const struct tlv_field fields[] = {
    {TYPE_CODE, false, read_code},
    {TYPE_PIN, false, read_pin},
    {0, false, NULL},
};

int answer_decode(struct answer *a, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_of(bytes, len);
	struct tlv_found found;

	*a = (struct answer){0};
	uint8_t mark = read_u8(&r);
	a->attempt = read_u64(&r);
	a->t = read_u64(&r);
	read_bytes(&r, a->seen.b, ADDRESS_BYTES);
	if (r.failed)
		return -E_SHORT;
	if (mark != ANSWER_MARK)
		return -E_FORMAT;
	int err = tlv_read(&r, fields, a, &found);
	if (err < 0)
		return err;
	return found.has_unknown ? -E_UNKNOWN : 0;
}

int answer_encode(const struct answer *a, uint8_t *out, size_t cap)
{
	struct writer w = writer_of(out, cap);
	struct answer again;

	write_u8(&w, ANSWER_MARK);
	write_u64(&w, a->attempt);
	write_u64(&w, a->t);
	write_bytes(&w, a->seen.b, ADDRESS_BYTES);
	tlv_code(&w, TYPE_CODE, a->code);
	tlv_pin(&w, TYPE_PIN, a->pin, a->pin_len);
	if (w.failed)
		return -E_SHORT;
	int err = answer_decode(&again, out, w.len);
	secret_wipe(&again, sizeof(again));
	return err < 0 ? -E_FORMAT : (int)w.len;
}
