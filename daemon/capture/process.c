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
#include "listen.h"
#include "log.h"
#include "loop.h"
#include "run.h"
#include "sandbox.h"
#include "secret.h"
#include "sift.h"

/* As the configuration's other files: whole, or in its folder. */
static void find_file(char file[static PATH_MAX], const char *name, const char *dir)
{
	if (name[0] == '/' || strcmp(name, "-") == 0)
		(void)snprintf(file, PATH_MAX, "%s", name);
	else
		(void)snprintf(file, PATH_MAX, "%s/%s", dir, name);
}

/* Ours must hold, and the administrator's if there is one. Returns 0, or -1 when both do not fit. */
static int add_filter(char filter[static CAPTURE_FILTER_MAX], const char *further)
{
	char ours[CAPTURE_FILTER_MAX];
	int len;

	if (further[0] == '\0')
		return 0;
	memcpy(ours, filter, sizeof(ours));
	len = snprintf(filter, CAPTURE_FILTER_MAX, "(%s) and (%s)", ours, further);
	return len < CAPTURE_FILTER_MAX ? 0 : -1;
}

/* The monitor has given us somebody to say verdicts to then. */
static bool judges(const struct capture_method *m)
{
	return config_needs(m->name, 0) == NEED_NFQUEUE_0;
}

/* Of what the firewall logs, all is a trap's: there is nothing to filter. */
static enum capture_status open_trap(struct run *r, const struct child_args *a)
{
	const struct capture_want want = {.source = r->interface,
	    .filter = "",
	    .buffer_bytes = JAIL_BUFFER_BYTES,
	    .number = (uint16_t)(CONFIG_TRAP_GROUP + a->turn)};

	r->trap = true;
	return jail_open(r->method, &want, &r->source);
}

static enum capture_status open_source(
    struct run *r, const struct config *c, const struct child_args *a, uid_t uid, gid_t gid)
{
	const struct source_config *s = &c->source[a->index];
	char file[PATH_MAX];
	struct carrier_ports ports;
	char filter[CAPTURE_FILTER_MAX];
	struct capture_want want = {.source = s->interface,
	    .file = file,
	    .filter = filter,
	    .buffer_bytes = JAIL_BUFFER_BYTES,
	    .number = (uint16_t)(CONFIG_NFLOG_GROUP + a->turn),
	    .udp_port = c->udp_port,
	    .tcp_port = c->tcp_port,
	    .icmp = c->icmp != 0,
	    .uid = uid,
	    .gid = gid,
	    .verdicts = judges(r->method) ? FD_VERDICT : 0,
	    .workers = a->workers,
	    .group = (uint16_t)a->group,
	    .answers = c->silence == SILENCE_CLOSED};

	find_file(file, s->file, a->config_dir);
	listen_ports(c, &ports);
	sift_listen(r->sift, &ports);
	if (sift_filter(&ports, filter, sizeof(filter)) <= 0) {
		log_error("capture_filter", "source=%s: no carrier is in use", s->name);
		return CAPTURE_REFUSED;
	}
	if (add_filter(filter, s->filter) != 0) {
		log_error("capture_filter", "source=%s: the filter is too long", s->name);
		return CAPTURE_REFUSED;
	}
	if (s->filter[0] != '\0' && !r->method->filters)
		r->sieve = sieve_new(s->filter);
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

	if (a->index >= c->sources) {
		log_error("capture_source", "index=%u: there is no such source", a->index);
		return CAPTURE_EXIT_CONFIG;
	}
	const char *capture = a->capture != NULL ? a->capture : c->source[a->index].capture;

	r->interface = c->source[a->index].interface;
	r->method = capture_by_name(capture);
	if (r->method == NULL) {
		log_error("capture_method",
		    "capture = %s: this posternd was built without it; use pcap", capture);
		return CAPTURE_EXIT_CONFIG;
	}
	if (sandbox_user(c->capture_user, &uid, &gid) != 0)
		return CAPTURE_EXIT_CONFIG;
	status = c->source[a->index].trap ? open_trap(r, a) : open_source(r, c, a, uid, gid);
	if (status != CAPTURE_UP)
		return exit_status_of(status);
	/* To auth, the log and who gives verdicts: what is above them are sources, where it shall only read. */
	if (jail_enter(r->method, uid, gid, judges(r->method) ? FD_VERDICT : FD_PEER) != 0)
		return CAPTURE_EXIT_FAILED;
	return run_capture(r);
}

static void say(void *arg, const char *line)
{
	(void)arg;
	if (!report_is_warning(line)) /* the monitor has told those */
		report_log(line);
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
	(void)close(FD_CONFIG); /* so that the jail has nothing of it */
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

static void start_log(const char *source)
{
	char tag[sizeof("capture ") + CONFIG_NAME_MAX];

	(void)snprintf(tag, sizeof(tag), "capture %s", source);
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
	struct run r = {.interface = a->source, .peer = FD_PEER};
	struct config *c;
	int status = CAPTURE_EXIT_CONFIG;

	start_log(a->source);
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
