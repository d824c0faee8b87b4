/*
 * Open a service with a profile, and say for which address and how long.
 *     cc open.c $(pkg-config --cflags --libs libpostern) -o open && ./open alice ssh
 */
#include <postern.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct postern *p = postern_new();
	struct postern_profile *profile = NULL;
	struct postern_knock *knock = NULL;
	const struct postern_answer *a;
	int status = POSTERN_BAD_ARGUMENT;

	if (!p || argc != 3)
		return status;
	status = postern_profile_load(p, argv[1], &profile);
	if (status == POSTERN_OK)
		status = postern_knock_new(p, profile, POSTERN_OPEN, &knock);
	if (status == POSTERN_OK)
		status = postern_knock_service(knock, argv[2]);
	if (status == POSTERN_OK)
		status = postern_knock_run(knock);
	if (status != POSTERN_OK)
		fprintf(stderr, "%s\n", postern_error(p));
	for (size_t i = 0; knock && (a = postern_knock_answer(knock, i)); i++)
		for (size_t d = 0; d < a->doors; d++)
			printf("open for %s for %u s\n", a->seen, (unsigned)a->door[d].seconds);
	postern_knock_free(knock);
	postern_profile_free(profile);
	postern_free(p);
	return status;
}
