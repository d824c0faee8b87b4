#include "knocking.h"

#include <string.h>

#include "model.h"

enum { LINE_PART = 128, PATIENT_RETRIES = POSTERN_RETRIES_MAX };

/* A line is longer than an argument may be: the server puts its parts together. */
static int ask_line(struct postern_knock *knock, const char *line)
{
	char part[LINE_PART + 1];
	int status = postern_knock_command(knock, "command-line");

	for (size_t len = strlen(line), at = 0; at < len && status == POSTERN_OK; at += LINE_PART) {
		const size_t n = len - at < LINE_PART ? len - at : LINE_PART;

		memcpy(part, line + at, n);
		part[n] = '\0';
		status = postern_knock_argument(knock, part);
	}
	return status;
}

static int ask(struct postern_knock *knock, const struct settings *s)
{
	/* It is one command, whichever family the word comes over. */
	int status = postern_knock_set(knock, POSTERN_ANY, 1);

	/* An answer comes when the command has ended. */
	if (status == POSTERN_OK && !s->has_retries)
		status = postern_knock_set(knock, POSTERN_RETRIES, PATIENT_RETRIES);
	if (status == POSTERN_OK && s->line)
		return ask_line(knock, s->line);
	if (status == POSTERN_OK)
		status = postern_knock_command(knock, s->operand[1]);
	for (unsigned i = 2; status == POSTERN_OK && i < s->operands; i++)
		status = postern_knock_argument(knock, s->operand[i]);
	return status;
}

/* What came back; returns the status that postern ends with. */
static int tell(const struct knocking *k, json_t *model)
{
	const struct postern_answer *a;

	for (size_t i = 0; (a = postern_knock_answer(k->knock, i)); i++) {
		if (a->status != POSTERN_OK && a->exit_status < 0)
			continue;
		model_set(model, "output", model_bytes(a->output, a->output_len));
		if (a->exit_status < 0)
			return POSTERN_OK;
		model_set(model, "exit_status", json_integer(a->exit_status));
		return a->exit_status == 0 ? POSTERN_OK : EXIT_COMMAND_FAILED;
	}
	return POSTERN_OK;
}

int command_run(struct postern *p, const struct settings *s, json_t *model)
{
	struct knocking k = {.lib = p};

	if ((s->line != NULL) == (s->operands > 1))
		return model_error(model, POSTERN_BAD_ARGUMENT,
		    "run: name a command, or give --command-line: one of these");
	int status = knocking_load(&k, s->operand[0], model);
	if (status == POSTERN_OK)
		status = knocking_make(&k, s, POSTERN_RUN, model);
	if (status == POSTERN_OK) {
		status = ask(k.knock, s);
		if (status == POSTERN_OK)
			status = knocking_run(&k, model);
		else
			(void)model_status(model, p, status);
	}
	if (k.knock && (status == POSTERN_OK || status == POSTERN_DENIED)) {
		const int told = tell(&k, model);

		status = status == POSTERN_OK ? told : status;
	}
	knocking_end(&k);
	return status;
}
