#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "output.h"

enum { PATIENCE_S = 60 }; /* a million clients take some seconds to load */

union control_message {
	struct ipc_head head;
	struct control_session session;
	struct control_source source;
	struct control_counter counter;
	struct control_record record;
	struct control_page page;
	struct control_done done;
};

static int not_running(struct ctl *c, const struct daemon_question *q, const char *path)
{
	if (q->may_be_away)
		return CTL_NOT_RUNNING;
	return output_fail(c, CTL_NOT_RUNNING,
	    "posternd does not run: nobody listens at %s; start it: systemctl start posternd",
	    path);
}

static int connect_to(struct ctl *c, const struct daemon_question *q, const char *path, int *out)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int sock;

	if (strlen(path) >= sizeof(at.sun_path))
		return output_fail(
		    c, CTL_FAILED, "%s: the path is too long for a socket; change run-dir", path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return output_fail(c, CTL_FAILED, "no socket can be made: %s", strerror(errno));
	(void)setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(sock, (const struct sockaddr *)&at, sizeof(at)) == 0) {
		*out = sock;
		return CTL_OK;
	}
	(void)close(sock);
	if (errno == ENOENT || errno == ECONNREFUSED)
		return not_running(c, q, path);
	return output_fail(c, CTL_FAILED, "%s: %s%s", path, strerror(errno),
	    errno == EACCES ? "; run this as root" : "");
}

/* What comes from the daemon ends with a NUL even if a taken auth process sent it. */
static void end_texts(union control_message *m, uint32_t type)
{
	if (type == CONTROL_SESSION) {
		m->session.client[CONTROL_NAME_MAX - 1] = '\0';
		m->session.service[CONTROL_NAME_MAX - 1] = '\0';
	} else if (type == CONTROL_SOURCE) {
		m->source.name[CONTROL_NAME_MAX - 1] = '\0';
		m->source.interface[CONTROL_NAME_MAX - 1] = '\0';
		m->source.method[CONTROL_NAME_MAX - 1] = '\0';
		m->source.state[CONTROL_NAME_MAX - 1] = '\0';
		m->source.why[CONTROL_TEXT_MAX - 1] = '\0';
	} else if (type == CONTROL_COUNTER) {
		m->counter.name[CONTROL_NAME_MAX - 1] = '\0';
	} else if (type == CONTROL_RECORD) {
		m->record.event[CONTROL_NAME_MAX - 1] = '\0';
		m->record.client[CONTROL_NAME_MAX - 1] = '\0';
		m->record.verb[CONTROL_NAME_MAX - 1] = '\0';
		m->record.verdict[CONTROL_NAME_MAX - 1] = '\0';
		m->record.what[CONTROL_TEXT_MAX - 1] = '\0';
		m->record.reason[CONTROL_TEXT_MAX - 1] = '\0';
		m->record.arguments[CONTROL_ARGUMENTS_MAX - 1] = '\0';
	} else if (type == CONTROL_DONE) {
		m->done.text[CONTROL_TEXT_MAX - 1] = '\0';
	}
}

static size_t size_of(uint32_t type)
{
	if (type == CONTROL_SESSION)
		return sizeof(struct control_session);
	if (type == CONTROL_SOURCE)
		return sizeof(struct control_source);
	if (type == CONTROL_COUNTER)
		return sizeof(struct control_counter);
	if (type == CONTROL_RECORD)
		return sizeof(struct control_record);
	if (type == CONTROL_PAGE)
		return sizeof(struct control_page);
	return type == CONTROL_DONE ? sizeof(struct control_done) : 0;
}

static int receive(
    struct ctl *c, const struct daemon_question *q, int sock, union control_message *m)
{
	int n = ipc_recv(sock, m, sizeof(*m), NULL, 0, NULL);

	if (n > 0 && (size_t)n == size_of(m->head.type)) {
		end_texts(m, m->head.type);
		return CTL_OK;
	}
	if (n < 0 && errno == EAGAIN)
		return output_fail(c, CTL_FAILED,
		    "posternd has not answered for %d s; look at its log", PATIENCE_S);
	if (q->may_break_off && (n == 0 || (n < 0 && errno == ECONNRESET)))
		return CTL_NOT_RUNNING;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return output_fail(c, CTL_FAILED, "posternd broke off; look at its log");
	return output_fail(c, CTL_FAILED,
	    "posternd answers in a way that this posternctl does not know; are both of version %s?",
	    POSTERN_VERSION);
}

static void hand_over(const struct daemon_listener *l, const union control_message *m)
{
	if (l == NULL)
		return;
	if (m->head.type == CONTROL_SESSION && l->session != NULL)
		l->session(l->arg, &m->session);
	if (m->head.type == CONTROL_SOURCE && l->source != NULL)
		l->source(l->arg, &m->source);
	if (m->head.type == CONTROL_COUNTER && l->counter != NULL)
		l->counter(l->arg, &m->counter);
	if (m->head.type == CONTROL_RECORD && l->record != NULL)
		l->record(l->arg, &m->record);
	if (m->head.type == CONTROL_PAGE && l->page != NULL)
		l->page(l->arg, &m->page);
}

/* A refused reload may have many reasons, one a line. */
static int tell_refusal(struct ctl *c, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		(void)output_fail(c, CTL_REFUSED, "posternd refuses: %.*s", (int)len, text);
		text += len + (text[len] == '\n');
	}
	return CTL_REFUSED;
}

static int hear(
    struct ctl *c, const struct daemon_question *q, int sock, char text[static CONTROL_TEXT_MAX])
{
	union control_message m;
	int status;

	do {
		status = receive(c, q, sock, &m);
		if (status != CTL_OK)
			return status;
		hand_over(q->listener, &m);
	} while (m.head.type != CONTROL_DONE);
	(void)snprintf(text, CONTROL_TEXT_MAX, "%s", m.done.text);
	if (m.done.status == 0)
		return CTL_OK;
	return tell_refusal(c, text[0] != '\0' ? text : strerror(m.done.status));
}

int daemon_ask(struct ctl *c, const struct daemon_question *q, char text[static CONTROL_TEXT_MAX])
{
	struct control_request request = q->more != NULL ? *q->more : (struct control_request){0};
	const struct config *config = ctl_config(c);
	char folder[CTL_PATH_MAX];
	char path[CTL_PATH_MAX + sizeof(CONTROL_SOCKET_NAME)];
	int sock = -1;
	int status;

	request.head = (struct ipc_head){.type = q->type, .len = sizeof(request)};
	request.session = q->session;
	text[0] = '\0';
	if (config == NULL || ctl_path(c, config->run_dir, folder) != 0)
		return CTL_FAILED;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, CONTROL_SOCKET_NAME);
	(void)snprintf(request.name, sizeof(request.name), "%s", q->name != NULL ? q->name : "");
	(void)snprintf(request.word, sizeof(request.word), "%s", q->word != NULL ? q->word : "");
	status = connect_to(c, q, path, &sock);
	if (status != CTL_OK)
		return status;
	if (ipc_send(sock, &request, NULL, 0) == 0)
		status = hear(c, q, sock, text);
	else if (q->may_break_off)
		status = CTL_NOT_RUNNING;
	else
		status =
		    output_fail(c, CTL_FAILED, "posternd cannot be asked: %s", strerror(errno));
	(void)close(sock);
	return status;
}

int daemon_reload(struct ctl *c)
{
	const struct daemon_question q = {.type = CONTROL_RELOAD, .may_be_away = true};
	char text[CONTROL_TEXT_MAX];
	int status = daemon_ask(c, &q, text);

	if (status == CTL_OK)
		output_say(c, "posternd took it over");
	if (status != CTL_NOT_RUNNING)
		return status;
	output_say(c, "posternd does not run; it will read this when it starts");
	return CTL_OK;
}
