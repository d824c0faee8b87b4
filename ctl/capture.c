/* capture - the commands about capture methods themselves, for which no daemon is needed. */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "capture_compare.h"
#include "capture_traffic.h"
#include "command.h"
#include "daemon.h"
#include "output.h"
#include "sift.h"

enum {
	LIVE_SECONDS = 10,
	SELF_SECONDS = 1,
	SECONDS_MOST = 3600,
	PORT_MOST = 65535,
	RATE_MOST = 10000000,
	DECIMAL = 10,
};

static const uint32_t usual_rates[] = {1000, 10000, 50000, 100000, 200000};

int cmd_capture_methods(struct ctl *c, const struct arguments *a)
{
	json_t *table = output_table(c, "methods", "This posternd has no capture method.");
	const struct capture_method *const *m;

	(void)a;
	for (m = capture_table(); *m != NULL; m++) {
		json_t *row = output_row(table);
		json_t *list;

		row_text(row, "method", (*m)->name);
		list = row_list(row, "capabilities");
		for (size_t i = 0; i < (*m)->capabilities_len; i++) {
			char *name = cap_to_name((cap_value_t)(*m)->capabilities[i]);

			list_text(list, name != NULL ? name : "?");
			(void)cap_free(name);
		}
	}
	return CTL_OK;
}

/* Returns 0, or -1 when it is not a number from 1 to most. */
static int read_number(const char *text, unsigned long most, uint32_t *out)
{
	char *end = NULL;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, DECIMAL);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n == 0 || n > most)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

/* An option's number, or what stood there before. Returns an enum ctl_status, told. */
static int take_number(
    struct ctl *c, const struct arguments *a, const char *name, unsigned long most, uint32_t *out)
{
	const char *text = arguments_value(a, name);

	if (text == NULL || read_number(text, most, out) == 0)
		return CTL_OK;
	return output_fail(
	    c, CTL_USAGE, "--%s %s: a number from 1 to %lu is needed", name, text, most);
}

static int take_rates(struct compare *k, const struct arguments *a)
{
	const char *text;
	size_t index = 0;

	while ((text = arguments_next(a, "rate", &index)) != NULL) {
		if (k->rates == COMPARE_RATES_MAX ||
		    read_number(text, RATE_MOST, &k->rate[k->rates]) != 0)
			return output_fail(k->ctl, CTL_USAGE,
			    "--rate %s: a number from 1 to %d is needed, at most %d times", text,
			    RATE_MOST, COMPARE_RATES_MAX);
		k->rates++;
	}
	if (k->rates == 0) {
		k->rates = sizeof(usual_rates) / sizeof(usual_rates[0]);
		memcpy(k->rate, usual_rates, sizeof(usual_rates));
	}
	return CTL_OK;
}

static int tell_unknown(struct ctl *c, const char *name)
{
	char known[256] = "";
	const struct capture_method *const *m;

	if (config_capture_past(name) != NULL)
		return output_fail(c, CTL_USAGE, "%s: %s", name, config_capture_past(name));
	for (m = capture_table(); *m != NULL; m++) {
		(void)strncat(
		    known, m == capture_table() ? "" : ", ", sizeof(known) - strlen(known) - 1);
		(void)strncat(known, (*m)->name, sizeof(known) - strlen(known) - 1);
	}
	return output_fail(
	    c, CTL_USAGE, "there is no capture method '%s'; there are %s", name, known);
}

/* Each once, in the order of the table: those that were named, or all. */
static int take_methods(struct compare *k, const struct arguments *a)
{
	const struct capture_method *const *m;

	for (size_t i = 0; i < a->operands; i++)
		if (capture_by_name(a->operand[i]) == NULL)
			return tell_unknown(k->ctl, a->operand[i]);
	k->named = a->operands > 0;
	for (m = capture_table(); *m != NULL && k->methods < ROUND_METHODS_MAX; m++) {
		bool wanted = !k->named;

		for (size_t i = 0; i < a->operands; i++)
			wanted = wanted || strcmp(a->operand[i], (*m)->name) == 0;
		if (wanted)
			k->method[k->methods++] = *m;
	}
	return CTL_OK;
}

/* Whom the readers become where no configuration says it. */
static int find_user(struct compare *k, const char *name)
{
	const struct passwd *p = getpwnam(name != NULL ? name : "_postern-capture");

	if (p == NULL && name == NULL)
		p = getpwnam("nobody");
	if (p == NULL || p->pw_uid == 0)
		return output_fail(k->ctl, CTL_FAILED,
		    "there is no user %s that the readers could become; posternctl init makes one",
		    name != NULL ? name : "nobody");
	k->source.uid = p->pw_uid;
	k->source.gid = p->pw_gid;
	return CTL_OK;
}

/* Interface and port by option; what is missing, and the user, from the configuration. */
static int find_source(struct compare *k, const struct arguments *a)
{
	const char *interface = arguments_value(a, "interface");
	const char *user = NULL;
	uint32_t port = 0;
	int status = take_number(k->ctl, a, "port", PORT_MOST, &port);

	if (status == CTL_OK && (interface == NULL || port == 0)) {
		const struct config *config = ctl_config(k->ctl);

		if (config == NULL)
			return CTL_FAILED;
		if (interface == NULL)
			interface = config->source[0].interface;
		if (port == 0)
			port = config->udp_port;
		user = config->capture_user;
	}
	if (status != CTL_OK)
		return status;
	if (port == 0)
		return output_fail(k->ctl, CTL_FAILED,
		    "there is no udp-port in the configuration; --port says which to look at");
	if (strcmp(interface, "any") != 0 && if_nametoindex(interface) == 0)
		return output_fail(k->ctl, CTL_FAILED,
		    "there is no interface %s; 'ip link' lists them, --interface names one",
		    interface);
	k->source.interface = interface;
	k->source.port = (uint16_t)port;
	return find_user(k, user);
}

/* As it captures now, which a switch may have made other than the configuration has it. */
static void hear_source(void *arg, const struct control_source *s)
{
	struct compare *k = arg;

	k->daemon_by_firewall = k->daemon_by_firewall || s->needs != 0;
}

/* Is there a daemon that the comparison could take knocks from? */
static void find_daemon(struct compare *k)
{
	const struct daemon_listener l = {.source = hear_source, .arg = k};
	const struct daemon_question q = {
	    .type = CONTROL_STATS, .may_be_away = true, .listener = &l};
	char text[CONTROL_TEXT_MAX];

	if (access(k->ctl->config_path, R_OK) != 0 || ctl_config(k->ctl) == NULL)
		return;
	k->daemon_runs = daemon_ask(k->ctl, &q, text) == CTL_OK;
}

/* The carriers' own filter, and what was asked for beyond. */
static int make_filter(
    struct compare *k, const struct arguments *a, char out[static CAPTURE_FILTER_MAX])
{
	const struct carrier_ports ports = {.udp = k->source.port};
	const char *further = arguments_value(a, "filter");
	char carriers[CAPTURE_FILTER_MAX];
	int len;

	if (sift_filter(&ports, carriers, sizeof(carriers)) <= 0)
		abort(); /* our own words */
	k->has_filter = further != NULL;
	len = further == NULL
		  ? snprintf(out, CAPTURE_FILTER_MAX, "%s", carriers)
		  : snprintf(out, CAPTURE_FILTER_MAX, "(%s) and (%s)", carriers, further);
	k->source.filter = out;
	if (len < CAPTURE_FILTER_MAX)
		return CTL_OK;
	return output_fail(k->ctl, CTL_USAGE, "the filter is too long");
}

/* The methods drop the capabilities that they do not need, so all must be there to begin with. */
static int check_rights(struct ctl *c)
{
	static const cap_value_t needed[] = {
	    CAP_NET_RAW, CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT};
	cap_t own = cap_get_proc();
	bool enough = own != NULL;

	for (size_t i = 0; enough && i < sizeof(needed) / sizeof(needed[0]); i++) {
		cap_flag_value_t has = CAP_CLEAR;

		enough = cap_get_flag(own, needed[i], CAP_EFFECTIVE, &has) == 0 && has == CAP_SET;
	}
	(void)cap_free(own);
	if (enough)
		return CTL_OK;
	return output_fail(c, CTL_FAILED,
	    "comparing capture methods takes root's rights (capabilities net_raw, net_admin, "
	    "sys_admin, setuid, setgid, sys_chroot); run it with sudo");
}

/* So that rules and namespaces are taken away however it ends. Returns a descriptor or -1. */
static int take_signals(void)
{
	sigset_t all;

	(void)sigemptyset(&all);
	(void)sigaddset(&all, SIGINT);
	(void)sigaddset(&all, SIGTERM);
	(void)sigaddset(&all, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &all, NULL) != 0)
		return -1;
	return signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int tell(struct compare *k, const char *plot, int status)
{
	capture_results_tell(k->ctl, k->results);
	if (plot == NULL || k->results->len == 0)
		return status;
	if (capture_results_plot(k->results, plot) != 0)
		return output_fail(k->ctl, CTL_FAILED, "%s: %s", plot, strerror(errno));
	output_say(k->ctl, "%s has the drawing.", plot);
	return status;
}

/* What belongs to the one kind of comparison does not go with the other. */
static int check_kind(struct ctl *c, const struct arguments *a, bool self)
{
	static const char *const of_live[] = {"interface", "port"};

	if (!self && arguments_value(a, "rate") != NULL)
		return output_fail(c, CTL_USAGE,
		    "--rate: what comes in by itself has no rate of ours; it goes with "
		    "--self-test");
	for (size_t i = 0; self && i < sizeof(of_live) / sizeof(of_live[0]); i++)
		if (arguments_value(a, of_live[i]) != NULL)
			return output_fail(c, CTL_USAGE,
			    "--%s: the self-test makes its own traffic; leave one of them out",
			    of_live[i]);
	return CTL_OK;
}

/* All that is asked for, checked before anything begins. */
static int prepare(
    struct compare *k, const struct arguments *a, bool self, char filter[static CAPTURE_FILTER_MAX])
{
	int status = take_methods(k, a);

	if (status == CTL_OK)
		status = check_kind(k->ctl, a, self);
	if (status == CTL_OK)
		status = take_number(k->ctl, a, "seconds", SECONDS_MOST, &k->seconds);
	if (status == CTL_OK)
		status = take_rates(k, a);
	if (status == CTL_OK)
		status = check_rights(k->ctl);
	if (status == CTL_OK && self) {
		k->source.interface = TRAFFIC_INTERFACE;
		k->source.port = TRAFFIC_PORT;
		status = find_user(k, NULL);
	} else if (status == CTL_OK) {
		status = find_source(k, a);
		find_daemon(k);
	}
	return status == CTL_OK ? make_filter(k, a, filter) : status;
}

int cmd_capture_compare(struct ctl *c, const struct arguments *a)
{
	const bool self = arguments_value(a, "self-test") != NULL;
	char filter[CAPTURE_FILTER_MAX];
	struct capture_results *results = calloc(1, sizeof(*results));
	struct compare k = {.ctl = c,
	    .seconds = self ? SELF_SECONDS : LIVE_SECONDS,
	    .progress = arguments_value(a, "progress") != NULL || isatty(STDERR_FILENO),
	    .results = results};
	int status;

	if (results == NULL)
		abort();
	status = prepare(&k, a, self, filter);
	if (status == CTL_OK) {
		k.signals = take_signals();
		status = self ? compare_self(&k) : compare_live(&k);
		status = tell(&k, arguments_value(a, "plot"), status);
		(void)close(k.signals);
	}
	free(results);
	return status;
}
