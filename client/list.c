#include "knocking.h"

#include "model.h"

int command_list(struct postern *p, const struct settings *s, json_t *model)
{
	struct knocking k = {.lib = p};
	int status = knocking_load(&k, s->operand[0], model);

	if (status == POSTERN_OK)
		status = knocking_make(&k, s, POSTERN_LIST, model);
	/* The list is the client's: either family has all of it. */
	if (status == POSTERN_OK) {
		status = postern_knock_set(k.knock, POSTERN_ANY, 1);
		if (status == POSTERN_OK)
			status = knocking_run(&k, model);
		else
			(void)model_status(model, p, status);
	}
	knocking_end(&k);
	return status;
}
