#include "ctl_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"
#include "output.h"
#include "secret.h"

enum { WORDS_MAX = 32 };

static void path_of(const struct lab *l, const char *name, char out[static LAB_PATH * 2])
{
	(void)snprintf(out, LAB_PATH * 2, "%s/%s", l->dir, name);
}

void lab_write(const struct lab *l, const char *name, const char *text, mode_t mode)
{
	char path[LAB_PATH * 2];
	int fd;

	path_of(l, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

const char *lab_read(const struct lab *l, const char *name)
{
	static char text[LAB_TEXT];
	char path[LAB_PATH * 2];
	ssize_t n = 0;
	int fd;

	path_of(l, name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return text;
}

bool lab_exists(const struct lab *l, const char *name)
{
	char path[LAB_PATH * 2];

	path_of(l, name, path);
	return access(path, F_OK) == 0;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int lab_count(const struct lab *l)
{
	DIR *d = opendir(l->dir);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += !is_dot(e->d_name);
	(void)closedir(d);
	return n;
}

static void remove_all(const struct lab *l)
{
	DIR *d = opendir(l->dir);
	struct dirent *e;
	char path[LAB_PATH * 4];

	while (d != NULL && (e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", l->dir, e->d_name);
		if (!is_dot(e->d_name))
			(void)remove(path);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(l->dir);
}

int lab_setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));
	char text[512];

	if (l == NULL || secret_init() != 0)
		return -1;
	*state = l;
	l->heard = -1;
	(void)snprintf(l->dir, sizeof(l->dir), "/tmp/postern-ctl-XXXXXX");
	if (mkdtemp(l->dir) == NULL)
		return -1;
	(void)snprintf(l->config, sizeof(l->config), "%s/posternd.conf", l->dir);
	(void)snprintf(text, sizeof(text),
	    "udp-port = 4000\nrun-dir = %s\n"
	    "service ssh { proto = tcp port = 22 trap = report }\nservice dns { proto = udp port = "
	    "53 }\n",
	    l->dir);
	lab_write(l, "posternd.conf", text, 0644);
	lab_write(l, "server.key", LAB_KEY "\n", 0600);
	lab_write(l, "door.key", LAB_DOOR "\n", 0600);
	lab_write(l, "clients", "# mine\n", 0600);
	l->ctl.config_path = l->config;
	return 0;
}

static void forget_said(struct lab *l)
{
	output_free(l->ctl.out);
	free(l->ctl.config);
	l->ctl.out = NULL;
	l->ctl.config = NULL;
}

int lab_teardown(void **state)
{
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];

	if (l->daemon > 0)
		(void)lab_heard(l, heard);
	forget_said(l);
	remove_all(l);
	free(l);
	return 0;
}

int lab_run(struct lab *l, ...)
{
	char *word[WORDS_MAX];
	const struct command *k;
	struct arguments a;
	va_list args;
	int n = 0;
	int words, status;

	va_start(args, l);
	while ((word[n] = va_arg(args, char *)) != NULL)
		assert_true(++n < WORDS_MAX);
	va_end(args);
	forget_said(l);
	k = command_find(n, word, &words);
	assert_non_null(k);
	l->ctl.out = output_new(k->name);
	status = arguments_read(&l->ctl, k, n - words, word + words, &a);
	return status == CTL_OK ? k->run(&l->ctl, &a) : status;
}

bool lab_said(const struct lab *l, const char *kind, const char *part)
{
	const json_t *list = json_object_get(output_model(l->ctl.out), kind);
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (strstr(json_string_value(item), part) != NULL)
			return true;
	}
	return false;
}

/* ---- the daemon ---- */

static void answer(int sock, const struct lab_script *s)
{
	struct control_done done = {
	    .head = {.type = CONTROL_DONE, .len = sizeof(done)}, .status = s->status};
	int i;

	if (s->raw != NULL) {
		if (s->raw_len > 0)
			(void)send(sock, s->raw, s->raw_len, MSG_NOSIGNAL);
		return;
	}
	for (i = 0; s->session != NULL && i < LAB_SESSIONS; i++)
		(void)!ipc_send(sock, &s->session[i], NULL, 0);
	if (s->source != NULL)
		(void)!ipc_send(sock, s->source, NULL, 0);
	if (s->counter != NULL)
		(void)!ipc_send(sock, s->counter, NULL, 0);
	(void)snprintf(done.text, sizeof(done.text), "%s", s->text != NULL ? s->text : "");
	(void)!ipc_send(sock, &done, NULL, 0);
}

static void serve(int listener, int tell, const struct lab_script *s)
{
	struct control_request q;
	int sock;

	for (;;) {
		sock = accept(listener, NULL, NULL);
		if (sock < 0)
			_exit(1);
		if (ipc_recv(sock, &q, sizeof(q), NULL, 0, NULL) == (int)sizeof(q)) {
			/* Before the answer, so that the test finds it when it has that. */
			if (write(tell, &q, sizeof(q)) != (ssize_t)sizeof(q))
				_exit(1);
			answer(sock, s);
		}
		(void)close(sock);
	}
}

void lab_daemon(struct lab *l, const struct lab_script *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int tell[2];
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%.60s/%s", l->dir, CONTROL_SOCKET_NAME);
	assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(pipe2(tell, O_NONBLOCK | O_CLOEXEC), 0);
	l->daemon = fork();
	assert_true(l->daemon >= 0);
	if (l->daemon == 0)
		serve(listener, tell[1], s);
	(void)close(listener);
	(void)close(tell[1]);
	l->heard = tell[0];
}

size_t lab_heard(struct lab *l, struct control_request out[static LAB_REQUESTS])
{
	size_t n = 0;

	(void)kill(l->daemon, SIGKILL);
	(void)waitpid(l->daemon, NULL, 0);
	l->daemon = 0;
	while (
	    n < LAB_REQUESTS && read(l->heard, &out[n], sizeof(out[n])) == (ssize_t)sizeof(out[n]))
		n++;
	(void)close(l->heard);
	return n;
}
