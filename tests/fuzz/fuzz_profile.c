/*
 * fuzz_profile - a profile as anybody may have sent it. What is told is fit
 * for a terminal; what parses still parses, as the same client's, when it got a
 * new door key.
 */
#include <stdlib.h>
#include <string.h>

#include "profile.h"

static void expect_printable(const struct trouble *t)
{
	for (const char *c = t->text; *c; c++) {
		if (*c != '\n' && (*c < 0x20 || *c > 0x7e))
			abort();
	}
}

static void rekey(const struct postern_profile *p, const char *text, size_t len, struct trouble *t)
{
	static const uint8_t current[KEY_BYTES] = {1}, former[KEY_BYTES] = {2};
	char *out = malloc(len + PROFILE_REKEY_ROOM);
	struct postern_profile *q = profile_new();

	if (!out || !q)
		abort();
	size_t out_len = profile_rekey(text, len, current, former, out);
	if (out_len > len + PROFILE_REKEY_ROOM)
		abort();
	if (profile_parse(q, "fuzz", out, out_len, t) < 0)
		abort();
	if (memcmp(q->secrets->door_key[DOOR_KEY_CURRENT], current, KEY_BYTES) != 0 ||
	    memcmp(q->secrets->door_key[DOOR_KEY_FORMER], former, KEY_BYTES) != 0 ||
	    memcmp(q->cid, p->cid, CID_BYTES) != 0 || strcmp(q->name, p->name) != 0 ||
	    q->services != p->services || q->servers != p->servers)
		abort();
	profile_free(q);
	free(out);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return secret_init();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trouble t;
	struct postern_profile *p = profile_new();

	if (!p)
		abort();
	trouble_clear(&t);
	if (profile_parse(p, "fuzz", (const char *)data, size, &t) == 0)
		rekey(p, (const char *)data, size, &t);
	expect_printable(&t);
	profile_free(p);
	return 0;
}
