/*
 * fuzz_control - the control socket: bytes of somebody who may connect, over a
 * real socket. What is no request is hung up on; nothing may crash.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "control.h"
#include "log.h"
#include "page.h"
#include "server.h"

struct fixture {
	struct lab l;
	struct loop *loop;
	struct sources *sources;
	struct control *control;
	int listener;
	struct sockaddr_un at;
	socklen_t at_len;
};

static void tell(void *arg, const struct msg_source_ready *m)
{
	(void)arg;
	(void)m;
}

static void stats(void *arg)
{
	struct fixture *f = arg;

	control_stats(f->control);
}

static void reload(void *arg)
{
	struct fixture *f = arg;

	control_reloaded(f->control, true, "");
}

static const char *switch_to(void *arg, uint32_t id, const char *source, const char *method)
{
	struct fixture *f = arg;

	control_switched(f->control, id, false, source);
	return method[0] != '\0' ? NULL : "why";
}

static void each_turn(void *arg)
{
	struct fixture *f = arg;

	lab_settle(&f->l);
}

static const struct source_ops ops = {.tell = tell, .stats = stats};

static struct fixture f;

static int listen_anywhere(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	f.at.sun_family = AF_UNIX;
	f.at_len = sizeof(f.at);
	/* The family alone: the kernel finds an abstract name. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&f.at, sizeof(f.at.sun_family)) < 0 ||
	    listen(fd, 8) < 0 || getsockname(fd, (struct sockaddr *)&f.at, &f.at_len) < 0)
		abort();
	return fd;
}

/* The sanitizer cannot see into guarded memory: what is reached from there alone would count as lost. */
static void free_fixture(void)
{
	control_free(f.control);
	sources_free(f.sources);
	loop_free(f.loop);
	lab_stop(&f.l);
	close(f.listener);
}

static void fixture(void)
{
	struct control_env env;

	if (f.loop)
		return;
	log_start(LOG_TO_FD, LOG_LEVEL_ERROR, "fuzz", -1);
	lab_start(&f.l, NULL, NULL, 1);
	f.loop = loop_new();
	f.sources = sources_new(f.loop, f.l.core, &ops, &f);
	f.listener = listen_anywhere();
	env = (struct control_env){.loop = f.loop,
	    .core = f.l.core,
	    .sources = f.sources,
	    .listener = f.listener,
	    .reload = reload,
	    .switch_to = switch_to,
	    .arg = &f};
	f.control = control_new(&env);
	loop_each_turn(f.loop, each_turn, &f);
	if (atexit(free_fixture) != 0)
		abort();
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void turn(void)
{
	if (loop_timer(f.loop, 0, stop, f.loop) < 0 || loop_run(f.loop) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fixture();
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	uint8_t answer[IPC_MESSAGE_MAX];

	if (fd < 0 || connect(fd, (const struct sockaddr *)&f.at, f.at_len) < 0)
		abort();
	turn();
	(void)!send(fd, data, size, MSG_NOSIGNAL);
	turn();
	turn();
	if (size > 0 && !page_request_ok(data, size) && recv(fd, answer, sizeof(answer), 0) > 0)
		abort(); /* answered what is no request */
	close(fd);
	turn();
	return 0;
}
