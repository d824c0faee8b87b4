#include "knocking.h"

int command_ping(struct postern *p, const struct settings *s, json_t *model)
{
	struct knocking k = {.lib = p};
	int status = knocking_load(&k, s->operand[0], model);

	if (status == POSTERN_OK)
		status = knocking_make(&k, s, POSTERN_PING, model);
	if (status == POSTERN_OK)
		status = knocking_run(&k, model);
	knocking_end(&k);
	return status;
}
