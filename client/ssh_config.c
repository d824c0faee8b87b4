#include "profiles.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum { SSH_PORT = 22 };

/*
 * Where ssh's own port is not what leads to the server's sshd: the service "ssh", or the only one
 * there is over TCP, whose port is random. NULL: its own port will do.
 */
static const char *random_service(const struct postern_profile *profile)
{
	const struct postern_service *service;
	const char *found = NULL;
	size_t others = 0;

	for (size_t i = 0; (service = postern_profile_service(profile, i)); i++) {
		if (service->protocol != IPPROTO_TCP)
			continue;
		if (service->port == SSH_PORT)
			return NULL;
		if (service->port == 0 && strcmp(service->name, "ssh") == 0)
			return service->name;
		found = service->port == 0 ? service->name : found;
		others++;
	}
	return others == 1 ? found : NULL;
}

/* A stanza for one profile: its servers are what ssh is told to connect to. */
static void write_stanza(FILE *out, const struct postern_profile *profile)
{
	const char *server, *service = random_service(profile);

	(void)fprintf(out, "Host");
	for (size_t i = 0; (server = postern_profile_server(profile, i)); i++)
		(void)fprintf(out, " %s", server);
	(void)fprintf(out, "\n    ProxyCommand postern connect %%h %s\n", service ? service : "%p");
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
