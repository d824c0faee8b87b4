#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "secret.h"
#include "worked.h"

static char *read_whole(const char *path, size_t *len)
{
	FILE *in = fopen(path, "r");
	char *text = NULL;
	FILE *copy = open_memstream(&text, len);
	int c;

	if (!in || !copy)
		fail_msg("%s", path);
	while ((c = fgetc(in)) != EOF)
		fputc(c, copy);
	fclose(in);
	fclose(copy);
	return text;
}

/* The bytes on the wire are what they were: a change of protocol cannot go unseen. */
static void makes_the_golden_bytes(void **state)
{
	(void)state;
	char *made = NULL;
	size_t made_len = 0;
	size_t want_len = 0;
	char *want = read_whole(GOLDEN_DIR "/protocol.json", &want_len);
	FILE *out = open_memstream(&made, &made_len);

	assert_non_null(out);
	worked_examples(out);
	assert_int_equal(fclose(out), 0);
	assert_true(want_len > 0);
	assert_string_equal(made, want);
	free(made);
	free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(makes_the_golden_bytes),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
