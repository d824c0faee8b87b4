#include "command.h"

#include "model.h"

int command_import(struct postern *p, const struct settings *s, json_t *model)
{
	struct postern_profile *profile = NULL;
	int status = postern_profile_import(p, s->operand[0], s->name, &profile);

	if (status == POSTERN_OK) {
		model_set(model, "profile", model_text(postern_profile_name(profile)));
		model_set(model, "file", model_text(s->operand[0]));
	}
	postern_profile_free(profile);
	return model_status(model, p, status);
}
