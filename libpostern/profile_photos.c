/* Where a profile's pictures come from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile_keys.h"

/* A path from the root, or from the user's home by "~/". */
int profile_read_photos(struct profile_reading *s, char *value)
{
	const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
	const char *start = "";

	if (strncmp(value, "~/", 2) == 0) {
		if (!home || home[0] != '/')
			return profile_complain(s, "begins with '~', and HOME is not set");
		start = home;
		value++;
	} else if (value[0] != '/') {
		return profile_complain(
		    s, "must be a folder's whole path, beginning with '/' or '~/'");
	}
	char *path = NULL;
	if (asprintf(&path, "%s%s", start, value) < 0)
		return profile_complain(s, "has no memory");
	free(s->p->photos);
	s->p->photos = path;
	return 0;
}
