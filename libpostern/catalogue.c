/*
 * catalogue - the folder of profiles as a whole, and what a program may see of one.
 */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "folder.h"
#include "library.h"
#include "profile.h"

/* The entries of the folder that are profiles, in order, as scandir(3) gives them. */
struct names {
	struct dirent **at;
	int len;
};

/* Half-written files have a '.' in their names, which no profile's name has. */
static int is_profile(const struct dirent *entry)
{
	return name_is_valid(entry->d_name);
}

static int names_collect(struct postern *lib, struct names *n)
{
	*n = (struct names){0};
	int len = scandir(lib->profiles_dir, &n->at, is_profile, alphasort);

	if (len < 0 && errno != ENOENT) {
		trouble_say(
		    &lib->errors, "%s: cannot be read: %s", lib->profiles_dir, strerror(errno));
		return POSTERN_SYSTEM;
	}
	n->len = len < 0 ? 0 : len;
	return POSTERN_OK;
}

static void names_free(struct names *n)
{
	for (int i = 0; i < n->len; i++)
		free(n->at[i]);
	free(n->at);
}

int postern_profile_names(struct postern *lib, void (*each)(void *arg, const char *name), void *arg)
{
	struct names n;

	library_begin(lib);
	int status = names_collect(lib, &n);
	for (int i = 0; i < n.len; i++)
		each(arg, n.at[i]->d_name);
	names_free(&n);
	return status;
}

/* ---- which profile is for this host? ---- */

static bool serves(const struct postern_profile *p, const char *host)
{
	for (unsigned i = 0; i < p->servers; i++) {
		if (strcasecmp(p->server[i], host) == 0)
			return true;
	}
	return false;
}

enum fit { FIT_NONE, FIT_HOST, FIT_SERVICE };

static enum fit fit_of(const struct postern_profile *p, const char *host, uint16_t port)
{
	if (!serves(p, host))
		return FIT_NONE;
	return profile_service_name(p, IPPROTO_TCP, port) ? FIT_SERVICE : FIT_HOST;
}

struct search {
	struct postern_profile *best;
	enum fit fit;
	unsigned ties;
};

/* Takes p. */
static void search_add(struct search *s, struct postern_profile *p, enum fit fit)
{
	if (fit > s->fit) {
		postern_profile_free(s->best);
		*s = (struct search){p, fit, 1};
		return;
	}
	if (fit != FIT_NONE && fit == s->fit)
		s->ties++;
	postern_profile_free(p);
}

int postern_profile_find(
    struct postern *lib, const char *host, uint16_t port, struct postern_profile **out)
{
	struct names n;
	struct search s = {0};

	library_begin(lib);
	*out = NULL;
	int status = names_collect(lib, &n);
	for (int i = 0; i < n.len; i++) {
		/* One that cannot be read is told only when none is found: that may be why. */
		struct postern_profile *p = folder_load(lib, n.at[i]->d_name);
		if (p)
			search_add(&s, p, fit_of(p, host, port));
	}
	names_free(&n);
	if (status != POSTERN_OK)
		return status;
	if (s.ties == 1) {
		library_begin(lib);
		*out = s.best;
		return POSTERN_OK;
	}
	if (s.ties == 0)
		trouble_say(&lib->errors,
		    "no profile in %s is for %s: import one, or name one with --profile",
		    lib->profiles_dir, host);
	else
		trouble_say(&lib->errors,
		    "%u profiles are for %s, the first of them is '%s': name one with --profile",
		    s.ties, host, s.best->name);
	postern_profile_free(s.best);
	return POSTERN_BAD_PROFILE;
}

/* ---- what a program may see ---- */

void postern_profile_free(struct postern_profile *profile)
{
	profile_free(profile);
}

const char *postern_profile_name(const struct postern_profile *profile)
{
	return profile->name;
}

const char *postern_profile_server(const struct postern_profile *profile, size_t i)
{
	return i < profile->servers ? profile->server[i] : NULL;
}

uint16_t postern_profile_port(const struct postern_profile *profile)
{
	return profile->port;
}

const struct postern_service *postern_profile_service(
    const struct postern_profile *profile, size_t i)
{
	return i < profile->services ? &profile->service[i] : NULL;
}
