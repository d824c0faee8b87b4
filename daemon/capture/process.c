/*
 * process - the capture process: open one source as root, give everything up,
 * then sift what it shows and hand knocks to auth.
 */
#include "process.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "capture.h"
#include "fault.h"
#include "jail.h"
#include "log.h"
#include "loop.h"
#include "run.h"
#include "sandbox.h"
#include "secret.h"
#include "sift.h"

enum {
	BUFFER_BYTES = 16 << 20, /* some 8,000 frames: a burst waits while we are not running */
};

/* As the configuration's other files: whole, or in its folder. */
static void find_file(char file[static PATH_MAX], const char *name, const char *dir)
{
	if (name[0] == '/' || strcmp(name, "-") == 0)
		(void)snprintf(file, PATH_MAX, "%s", name);
	else
		(void)snprintf(file, PATH_MAX, "%s/%s", dir, name);
}

static enum capture_status open_source(
    struct run *r, const struct config *c, const struct child_args *a)
{
	char file[PATH_MAX];
	struct carrier_ports ports = {.udp = c->udp_port};
	char filter[CAPTURE_FILTER_MAX];
	struct capture_want want = {
	    .source = r->interface, .file = file, .filter = filter, .buffer_bytes = BUFFER_BYTES};

	find_file(file, c->capture_file, a->config_dir);

	if (sift_filter(&ports, filter, sizeof(filter)) <= 0) {
		log_error("capture_filter", "interface=%s: no carrier is in use", r->interface);
		return CAPTURE_REFUSED;
	}
	return jail_open(r->method, &want, &r->source);
}

static int exit_status_of(enum capture_status status)
{
	switch (status) {
	case CAPTURE_UP:
	case CAPTURE_DOWN:
		return CAPTURE_EXIT_OK;
	case CAPTURE_ABSENT:
		return CAPTURE_EXIT_NO_INTERFACE;
	case CAPTURE_GONE:
		return CAPTURE_EXIT_LOST;
	case CAPTURE_REFUSED:
		return CAPTURE_EXIT_CONFIG;
	case CAPTURE_BROKEN:
		break;
	}
	return CAPTURE_EXIT_FAILED;
}

static int open_drop_run(struct run *r, const struct config *c, const struct child_args *a)
{
	enum capture_status status;
	uid_t uid;
	gid_t gid;

	r->method = capture_by_name(c->capture);
	if (r->method == NULL) {
		log_error("capture_method", "capture = %s: there is no such method; use pcap",
		    c->capture);
		return CAPTURE_EXIT_CONFIG;
	}
	if (sandbox_user(c->capture_user, &uid, &gid) != 0)
		return CAPTURE_EXIT_CONFIG;
	status = open_source(r, c, a);
	if (status != CAPTURE_UP)
		return exit_status_of(status);
	/* To auth and the log: what is above them are sources, where it shall only read. */
	if (jail_enter(r->method, uid, gid, FD_PEER) != 0)
		return CAPTURE_EXIT_FAILED;
	return run_capture(r);
}

static void say(void *arg, const char *line)
{
	(void)arg;
	log_error("config", "%s", line);
}

/*
 * The descriptor's offset is shared with our siblings, so it is left alone.
 * Returns the text, given to the caller, or NULL.
 */
static char *read_text(void)
{
	char *text = malloc(CONFIG_TEXT_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (text == NULL)
		abort();
	while (n > 0 && len < CONFIG_TEXT_MAX) {
		n = pread(FD_CONFIG, text + len, CONFIG_TEXT_MAX - len, (off_t)len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n != 0 || len == 0) {
		log_error(
		    "config", "descriptor=%d: no configuration came with the start", FD_CONFIG);
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static struct config *read_config(const char *path)
{
	struct report report = {.say = say};
	char *text = read_text();
	struct config *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	if (text == NULL || config_parse(c, path, text, &report) != 0) {
		free(c);
		c = NULL;
	}
	free(text);
	return c;
}

static void start_log(const char *interface)
{
	char tag[sizeof("capture ") + CONFIG_INTERFACE_MAX];

	(void)snprintf(tag, sizeof(tag), "capture %s", interface);
	log_start(LOG_TO_FD, LOG_LEVEL_INFO, tag, FD_LOG);
}

/*
 * The monitor decides when we end, by SIGTERM; what a terminal sends to its
 * whole group is for the monitor alone. Returns a descriptor that is readable
 * when the signal has come, or -1.
 */
static int take_signals(void)
{
	sigset_t term;

	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &term, NULL) != 0)
		return -1;
	return signalfd(-1, &term, SFD_NONBLOCK | SFD_CLOEXEC);
}

int capture_main(const struct child_args *a)
{
	struct run r = {.interface = a->interface, .peer = FD_PEER};
	struct config *c;
	int status = CAPTURE_EXIT_CONFIG;

	start_log(a->interface);
	fault_start();
	r.signals = take_signals();
	if (r.signals < 0 || secret_init() != 0)
		return CAPTURE_EXIT_FAILED;
	r.loop = loop_new();
	r.sift = sift_new();
	c = read_config(a->config_path);
	if (c != NULL) {
		log_set_level(c->log_level);
		status = open_drop_run(&r, c, a);
	}
	/* The sandbox leaves no call to unlock and unmap with: wipe, and let the kernel free. */
	sift_forget(r.sift);
	return status;
}
