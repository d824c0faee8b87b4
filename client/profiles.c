#include "profiles.h"

#include <stdlib.h>
#include <string.h>

#include "model.h"

struct walk {
	struct postern *lib;
	profile_fn *each;
	void *arg;
	char **name;
	size_t len;
};

/* Names first: loading inside the walk would use the library while it is at work. */
static void keep_name(void *arg, const char *name)
{
	struct walk *w = arg;
	char **more = reallocarray(w->name, w->len + 1, sizeof(*more));

	if (!more)
		abort();
	w->name = more;
	w->name[w->len] = strdup(name);
	if (!w->name[w->len++])
		abort();
}

int profiles_each(struct postern *p, profile_fn *each, void *arg)
{
	struct walk w = {.lib = p};
	int status = postern_profile_names(p, keep_name, &w);

	for (size_t i = 0; i < w.len; i++) {
		struct postern_profile *profile = NULL;
		int loaded =
		    status == POSTERN_OK ? postern_profile_load(p, w.name[i], &profile) : status;
		if (status == POSTERN_OK)
			each(arg, w.name[i], profile, loaded == POSTERN_OK ? "" : postern_error(p));
		postern_profile_free(profile);
		free(w.name[i]);
	}
	free(w.name);
	return status;
}

static void list_one(
    void *arg, const char *name, const struct postern_profile *profile, const char *error)
{
	json_t *profiles = arg;
	json_t *one = profile ? model_profile(profile) : json_object();

	if (!profile) {
		model_set(one, "name", model_text(name));
		model_set(one, "error", model_text(error));
	}
	(void)json_array_append_new(profiles, one);
}

int command_profiles(struct postern *p, const struct settings *s, json_t *model)
{
	json_t *profiles = json_array();

	(void)s;
	model_set(model, "profiles", profiles);
	int status = profiles_each(p, list_one, profiles);
	return model_status(model, p, status);
}
