/*
 * firewall_install - try, confirm, install, remove: what changes the guard by
 * hand, with a thought for the ssh session that it is done from.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "firewall_cmd.h"
#include "firewall_session.h"
#include "output.h"

enum { CLOCK_TEXT = 16 };

/* Is the port guarded for good already? Then this session has lived with it so far. */
static bool is_guarded(const struct firewall_state *s, uint16_t port)
{
	for (unsigned i = 0; i < s->guarded; i++)
		if (s->guard[i].proto == IPPROTO_TCP && s->guard[i].port == port)
			return s->guard[i].rest_ms == 0;
	return false;
}

/* Would our own session be cut? Then it is told, with what to do. */
static bool cuts_session(struct ctl *c, const struct config *config, const struct firewall_state *s)
{
	char remote[ADDRESS_TEXT];
	struct flow_ports ports = {.bit = {0}};
	struct flow flow;
	uint16_t port;
	int known;

	if (!session_find(&flow))
		return false;
	port = flow.local_port;
	flow_ports_add(&ports, port);
	(void)!flows_adopt(&ports); /* what it could not do is seen at once */
	known = flows_find(&flow, &port);
	if (config_service_by_port(config, IPPROTO_TCP, port) < 0 || is_guarded(s, port))
		return false;
	if (known == 1) {
		output_say(c,
		    "Your ssh session from %s is known to the kernel and lives on; a new one needs "
		    "a knock.",
		    address_text(&flow.remote, remote));
		return false;
	}
	(void)output_fail(c, CTL_FAILED,
	    "your ssh session from %s would be cut: it comes by port %" PRIu16
	    ", which becomes guarded, and the kernel does not track it%s%s; do this from a "
	    "console, or add --force",
	    address_text(&flow.remote, remote), port, known < 0 ? ": " : "",
	    known < 0 ? strerror(-known) : "");
	return true;
}

/* Opens the firewall and asks whether it may be done. NULL: no, and told. */
static struct firewall *begin(
    struct ctl *c, const struct config *config, bool force, struct firewall_state *s)
{
	struct firewall *f = firewall_cmd_start(c, config);

	if (!f)
		return NULL;
	if (firewall_read(f, s) == FIREWALL_OK && (force || !cuts_session(c, config, s)))
		return f;
	firewall_stop(f);
	return NULL;
}

static int refused(struct ctl *c)
{
	return output_fail(c, CTL_FAILED,
	    "the kernel refused the rules; what it said stands above, and nothing is changed");
}

static const char *clock_text(char out[static CLOCK_TEXT], uint32_t after_s)
{
	time_t then = time(NULL) + (time_t)after_s;
	struct tm tm;

	if (!localtime_r(&then, &tm) || strftime(out, CLOCK_TEXT, "%H:%M:%S", &tm) == 0)
		(void)snprintf(out, CLOCK_TEXT, "that time");
	return out;
}

int firewall_cmd_try(struct ctl *c, const struct config *config, const struct firewall_args *a)
{
	struct firewall_state s;
	struct firewall *f = begin(c, config, a->force, &s);
	enum firewall_status status;
	char clock[CLOCK_TEXT];

	if (!f)
		return CTL_FAILED;
	status = firewall_try(f, config, a->seconds);
	if (status == FIREWALL_OK)
		status = firewall_read(f, &s);
	firewall_stop(f);
	if (status != FIREWALL_OK)
		return refused(c);
	if (s.trial != FIREWALL_TRIAL_RUNNING) {
		output_say(
		    c, "All services are guarded for good already; there is nothing to try.");
		return CTL_OK;
	}
	output_say(c,
	    "The guard stands on trial for %" PRIu32
	    " s. Keep this session, and see with another one that a knock"
	    " lets you in; then say: posternctl firewall confirm",
	    a->seconds);
	output_say(c, "If nothing is said, the kernel lets everybody in again at %s.",
	    clock_text(clock, a->seconds));
	return CTL_OK;
}

int firewall_cmd_confirm(struct ctl *c, const struct config *config, const struct firewall_args *a)
{
	struct firewall *f = firewall_cmd_start(c, config);
	struct firewall_state s = {0};
	enum firewall_status status;

	(void)a;
	if (!f)
		return CTL_FAILED;
	status = firewall_read(f, &s);
	if (status == FIREWALL_OK)
		status = firewall_confirm(f, config);
	firewall_stop(f);
	if (status == FIREWALL_OK) {
		output_say(c, "The guard stays.");
		return CTL_OK;
	}
	if (status != FIREWALL_NOT_THERE)
		return refused(c);
	if (s.trial == FIREWALL_TRIAL_NONE)
		return output_fail(c, CTL_FAILED,
		    "there is no trial to confirm; begin one: posternctl firewall try");
	return output_fail(c, CTL_FAILED,
	    "the trial has ended, and what it guarded is open; begin another: posternctl firewall "
	    "try --for 300");
}

int firewall_cmd_install(struct ctl *c, const struct config *config, const struct firewall_args *a)
{
	struct firewall_state s;
	struct firewall *f = begin(c, config, a->force, &s);
	enum firewall_status status;

	if (!f)
		return CTL_FAILED;
	status = firewall_install(f, config);
	firewall_stop(f);
	if (status != FIREWALL_OK)
		return refused(c);
	output_say(c, "The guard stands: %u service%s silent but for who knocks.", config->services,
	    config->services == 1 ? " is" : "s are");
	return CTL_OK;
}

/* Does posternd run? It holds the control socket open then. */
static bool daemon_runs(const struct config *config)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int n = snprintf(
	    at.sun_path, sizeof(at.sun_path), "%s/%s", config->run_dir, CONTROL_SOCKET_NAME);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool runs = n > 0 && (size_t)n < sizeof(at.sun_path) && fd >= 0 &&
		    connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return runs;
}

int firewall_cmd_remove(struct ctl *c, const struct config *config, const struct firewall_args *a)
{
	struct firewall *f = firewall_cmd_start(c, config);
	enum firewall_status status;

	if (!f)
		return CTL_FAILED;
	if (!a->force && daemon_runs(config)) {
		firewall_stop(f);
		return output_fail(c, CTL_FAILED,
		    "posternd runs and puts the guard back at once; stop it first (systemctl stop "
		    "posternd), or add --force");
	}
	status = firewall_remove(f);
	firewall_stop(f);
	if (status != FIREWALL_OK)
		return refused(c);
	output_say(c, "The guard and all doors are gone; the services are as open as the host's "
		      "other rules have them.");
	return CTL_OK;
}
