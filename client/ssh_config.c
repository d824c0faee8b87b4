#include "profiles.h"

#include <stdio.h>
#include <stdlib.h>

#include "model.h"

/* A stanza for one profile: its servers are what ssh is told to connect to. */
static void write_stanza(FILE *out, const struct postern_profile *profile)
{
	const char *server;

	(void)fprintf(out, "Host");
	for (size_t i = 0; (server = postern_profile_server(profile, i)); i++)
		(void)fprintf(out, " %s", server);
	(void)fprintf(out, "\n    ProxyCommand postern connect %%h %%p\n");
}

static void write_one(
    void *arg, const char *name, const struct postern_profile *profile, const char *error)
{
	(void)name;
	(void)error;
	if (profile)
		write_stanza(arg, profile);
}

static int write_named(struct postern *p, const char *name, FILE *out)
{
	struct postern_profile *profile = NULL;
	int status = postern_profile_load(p, name, &profile);

	if (status == POSTERN_OK)
		write_stanza(out, profile);
	postern_profile_free(profile);
	return status;
}

int command_ssh_config(struct postern *p, const struct settings *s, json_t *model)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return model_error(model, POSTERN_SYSTEM, "out of memory: end other programs");
	int status =
	    s->operands > 0 ? write_named(p, s->operand[0], out) : profiles_each(p, write_one, out);
	(void)fclose(out);
	model_set(model, "config", model_text(text));
	free(text);
	return model_status(model, p, status);
}
