#include "fits.h"

#include <string.h>

static const struct {
	const char *name;
	enum confirm value;
} confirms[] = {
    {"reply", CONFIRM_REPLY},
    {"none", CONFIRM_NONE},
    {"challenge", CONFIRM_CHALLENGE},
};

int confirm_by_name(const char *name, enum confirm *out)
{
	for (size_t i = 0; i < sizeof(confirms) / sizeof(confirms[0]); i++) {
		if (strcmp(confirms[i].name, name) == 0) {
			*out = confirms[i].value;
			return 0;
		}
	}
	return -1;
}

const char *fits(
    const struct envelope *e, const struct cover *c, const struct sender *s, enum confirm confirm)
{
	(void)e; /* each goes with all: where a message is too long, sending it says so */
	if (c->has_picture && s->id != CARRIER_SEQUENCE)
		return "a picture has no room but in a sequence: take the carrier sequence, or the "
		       "cover none";
	if (!s->has_reply && confirm == CONFIRM_CHALLENGE)
		return "over http only the web server answers, so nothing brings a challenge: take "
		       "another carrier, or another confirm";
	return NULL;
}

const char *fits_request(const struct sender *s, const struct request *q, bool via)
{
	if (s->has_reply)
		return NULL;
	if (q->verb != VERB_OPEN)
		return "http brings no answer back, so nothing but 'open' can go by it: take "
		       "another carrier";
	if (q->admits == 0)
		return "over http the server cannot know whom to open for: name the address";
	if ((q->flags & REQUEST_CHALLENGE) != 0)
		return "http brings no challenge back: take another carrier";
	if ((q->flags & REQUEST_STRICT) != 0)
		return via ? "through a proxy the server sees the proxy's address: leave 'strict' "
			     "out"
			   : "http brings no answer back that could be strict about the address: "
			     "take another carrier";
	return NULL;
}
