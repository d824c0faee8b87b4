/* run - commands that the monitor runs for a client. An attempt ends with its command. */
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "inside.h"

_Static_assert((int)COMMAND_ARGUMENTS == (int)ARGUMENTS_MAX, "message.h and request.h agree");
_Static_assert((int)COMMAND_ARGUMENT_BYTES > (int)ARGUMENT_MAX, "message.h and request.h agree");
_Static_assert((int)COMMAND_CLIENT_BYTES > (int)CONFIG_NAME_MAX, "message.h and config.h agree");
_Static_assert((int)COMMAND_OUTPUT_BYTES <= (int)OUTPUT_MAX, "message.h and request.h agree");

struct msg_command *run_order(
    const struct core *c, const struct job *j, const struct request *q, uint32_t command)
{
	struct msg_command *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->head = (struct ipc_head){MSG_COMMAND, sizeof(*m)};
	m->id = j->serial;
	m->generation = c->realm->generation;
	m->command = command;
	m->arguments = q->arguments;
	memcpy(m->address, j->x.route.client.b, sizeof(m->address));
	memcpy(m->client, j->client, strlen(j->client));
	for (unsigned i = 0; i < q->arguments; i++)
		memcpy(m->argument[i], q->argument[i], strlen(q->argument[i]));
	return m;
}

static void log_asked(const struct job *j, const char *name)
{
	char from[ADDRESS_TEXT], quoted[LOG_QUOTE_MAX];

	log_info("run", "client=%s command=%s arguments=%s from=%s attempt=%016llx", j->client,
	    name, log_quote(quoted, j->arguments, strlen(j->arguments)),
	    address_text(&j->x.route.client, from), (unsigned long long)j->key.id);
}

static const char *name_of(const struct core *c, const struct msg_command *m)
{
	return m->command == COMMAND_LINE ? COMMAND_LINE_NAME
					  : c->realm->config.command[m->command].name;
}

void run_start(struct core *c, struct job *j)
{
	log_asked(j, name_of(c, j->run));
	if (c->w.dry_run)
		job_finish(c, j, VERDICT_OK, "a dry run: nothing was done");
	else if (c->w.run(c->w.arg, j->run) < 0)
		job_finish(c, j, VERDICT_BUSY, NULL);
}

static void finish(struct core *c, struct job *j, const struct msg_command_done *m)
{
	j->reply.has_exit_status = true;
	j->reply.exit_status = m->exit_status;
	j->reply.output_len = m->output_len;
	memcpy(j->reply.output, m->output, m->output_len);
	if (m->status == RUN_TIMEOUT)
		job_finish(c, j, VERDICT_COMMAND, "it took too long and was killed");
	else
		job_finish(c, j, VERDICT_OK, NULL);
}

int core_command_done(struct core *c, const struct msg_command_done *m)
{
	struct job *j = NULL;

	HASH_FIND(hh, c->jobs, &m->id, sizeof(m->id), j);
	if (!j || (j->kind != JOB_RUN && !j->approving) || m->output_len > sizeof(m->output) ||
	    m->status > RUN_FAILED)
		return -E_STATE;
	if (j->approving) {
		approve_answered(c, j, (enum run_status)m->status, m->exit_status);
		return 0;
	}
	switch ((enum run_status)m->status) {
	case RUN_ENDED:
	case RUN_TIMEOUT:
		finish(c, j, m);
		break;
	case RUN_REFUSED: /* a reload came between */
		job_finish(c, j, VERDICT_COMMAND, "refused: try again");
		break;
	case RUN_BUSY:
		job_finish(c, j, VERDICT_BUSY, "too many commands run");
		break;
	case RUN_FAILED:
		job_finish(c, j, VERDICT_COMMAND, "it could not be started");
		break;
	}
	return 0;
}
