#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "directives.h"

enum { SAID_MAX = 8192 };

static char said[SAID_MAX];
static struct config parsed;

static void keep(void *arg, const char *line)
{
	char *all = arg;
	size_t len = strlen(all);

	(void)snprintf(all + len, SAID_MAX - len, "%s\n", line);
}

static int parse(const char *text)
{
	struct report r = {.say = keep, .arg = said};
	int status;

	said[0] = '\0';
	status = config_parse(&parsed, "f", text, &r);
	assert_int_equal(status, r.errors == 0 ? 0 : -1);
	return status;
}

static void assert_faults(const char *text, const char *want)
{
	assert_int_equal(parse(text), -1);
	assert_string_equal(said, want);
}

#define SERVICE "service \"ssh\" { proto = tcp port = 22 }\n"

static void test_all_that_may_be_said(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("# a comment\n"
		  "interface = {eth0, \"wlan0\"}  # and one more = { \"\n"
		  "udp-port=62201 silence = closed\n"
		  "challenge = always\n"
		  "window = 5\nclient-rate = 7\nclient-burst = 8\nmax-sessions = 9\n"
		  "log = stderr\nlog-level = debug\n"
		  "server-key = /a/b\ndoor-key = \"c d\"\nclients = 'e'\n"
		  "state-dir = /s\nrun-dir = /r\ncapture-user = nobody\nauth-user = daemon\n"
		  "service \"ssh\" {\n proto = tcp\n port = 22\n hold = 10\n max-hold = 20\n"
		  " min-prefix-v4 = 24\n min-prefix-v6 = 64\n}\n"
		  "service dns-1_x { proto = udp port = 53 }\n"),
	    0);
	assert_string_equal(said, "");
	assert_int_equal(parsed.sources, 2);
	assert_string_equal(parsed.source[0].name, "eth0");
	assert_string_equal(parsed.source[0].interface, "eth0");
	assert_string_equal(parsed.source[1].interface, "wlan0");
	assert_int_equal(parsed.udp_port, 62201);
	assert_int_equal(parsed.silence, SILENCE_CLOSED);
	assert_int_equal(parsed.challenge, CHALLENGE_ALWAYS);
	assert_int_equal(parsed.window_s, 5);
	assert_int_equal(parsed.client_rate, 7);
	assert_int_equal(parsed.client_burst, 8);
	assert_int_equal(parsed.sessions_max, 9);
	assert_int_equal(parsed.log_target, LOG_TO_STDERR);
	assert_int_equal(parsed.log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(parsed.server_key, "/a/b");
	assert_string_equal(parsed.door_key, "c d");
	assert_string_equal(parsed.clients, "e");
	assert_string_equal(parsed.state_dir, "/s");
	assert_string_equal(parsed.run_dir, "/r");
	assert_string_equal(parsed.capture_user, "nobody");
	assert_string_equal(parsed.auth_user, "daemon");
	assert_int_equal(parsed.services, 2);
	assert_string_equal(parsed.service[0].name, "ssh");
	assert_int_equal(parsed.service[0].proto, 6);
	assert_int_equal(parsed.service[0].port, 22);
	assert_int_equal(parsed.service[0].hold_s, 10);
	assert_int_equal(parsed.service[0].max_hold_s, 20);
	assert_int_equal(parsed.service[0].min_prefix_v4, 24);
	assert_int_equal(parsed.service[0].min_prefix_v6, 64);
	assert_int_equal(parsed.service[0].line, 18);
	assert_int_equal(parsed.service[1].proto, 17);
	assert_int_equal(config_service(&parsed, "dns-1_x"), 1);
	assert_int_equal(config_service(&parsed, "dns"), -1);
	assert_int_equal(config_service_by_port(&parsed, 17, 53), 1);
	assert_int_equal(config_service_by_port(&parsed, 6, 53), -1);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\n" SERVICE), 0);
	assert_int_equal(parsed.sources, 1);
	assert_string_equal(parsed.source[0].interface, "any");
	assert_string_equal(parsed.source[0].capture, "pcap");
	assert_string_equal(parsed.source[0].file, "/run/postern/capture.pcap");
	assert_int_equal(parsed.source[0].workers, 1);
	assert_int_equal(parsed.needs, 0);
	assert_string_equal(parsed.firewall, "nftables");
	assert_string_equal(parsed.store, "lmdb");
	assert_int_equal(parsed.silence, SILENCE_DROP);
	assert_int_equal(parsed.log_target, LOG_TO_SYSLOG);
	assert_int_equal(parsed.window_s, 60);
	assert_string_equal(parsed.clients, "clients");
	assert_int_equal(parsed.service[0].hold_s, 60);
	assert_int_equal(parsed.service[0].max_hold_s, 3600);
	assert_int_equal(parsed.service[0].min_prefix_v4, 32);
	assert_int_equal(parsed.service[0].min_prefix_v6, 128);
}

static void test_every_fault_is_told_with_its_line(void **state)
{
	(void)state;
	assert_faults("udp-port = 62201x\n"
		      "# comments must not move the lines\n"
		      "\n"
		      "silense = drop # nor these\n"
		      "silence = dorp\n"
		      "window = 0\nclient-rate = 99999999999999999999\nmax-sessions = 1000001\n"
		      "log-level = -1\n"
		      "service \"a\" {\n # here\n proto = sctp\n\n port = 0\n}\n"
		      "udp-port = 5\n",
	    "f:1: udp-port: \"62201x\" is not a whole number; give 0 to 65535\n"
	    "f:4: \"silense\" is not a directive here; look it up in posternd.conf(5)\n"
	    "f:5: silence: \"dorp\" is not known; it can be drop or closed\n"
	    "f:6: window: 0 is below the minimum 1\n"
	    "f:7: client-rate: 99999999999999999999 is above the maximum 1000000\n"
	    "f:8: max-sessions: 1000001 is above the maximum 1000000\n"
	    "f:9: log-level: \"-1\" is not known; it can be error or warning or info or debug\n"
	    "f:12: proto: \"sctp\" is not known; it can be tcp or udp\n"
	    "f:14: port: \"0\" is neither a port from 1 to 65535 nor a range such as "
	    "\"8000-8010\"\n"
	    "f:16: udp-port: given already in line 1; keep one of them\n");
}

static void test_directive_in_the_wrong_place(void **state)
{
	(void)state;
	assert_faults(
	    "udp-port = 9\nhold = 3\nservice \"x\" {\n proto = tcp port = 1\n window = 3\n}\n",
	    "f:2: \"hold\" is not a directive here; it belongs in a service\n"
	    "f:5: \"window\" is not a directive of a service; it belongs outside of the service\n");
}

static void test_what_must_be_given(void **state)
{
	(void)state;
	assert_faults("service \"x\" { hold = 3 }\n",
	    "f:1: service \"x\": proto: it must be given: the service's protocol\n"
	    "f:1: service \"x\": port: it must be given: the service's port, a list such as "
	    "{80, \"8000-8010\"}, or random: drawn for each door\n"
	    "f: no carrier is in use; give udp-port, tcp-port, icmp = yes, "
	    "http-port or sequence\n");
	assert_faults(SERVICE "udp-port = 0\n",
	    "f: no carrier is in use; give udp-port, tcp-port, icmp = yes, "
	    "http-port or sequence\n");
	assert_faults("udp-port = 1\n\nservice \"x\" {\n}\n",
	    "f:3: service \"x\": proto: it must be given: the service's protocol\n"
	    "f:3: service \"x\": port: it must be given: the service's port, a list such as "
	    "{80, \"8000-8010\"}, or random: drawn for each door\n");
}

static void test_services_that_collide(void **state)
{
	(void)state;
	assert_faults(
	    "udp-port = 53\n" SERVICE "service ssh {\n proto = udp port = 22\n}\n"
	    "service other {\n proto = tcp\n port = 22 }\nservice dns { proto = udp port = 53 }\n",
	    "f:3: service \"ssh\": there is one of this name in line 2; give it another\n"
	    "f:8: port: service \"ssh\" in line 2 guards it already; keep one of them\n"
	    "f:9: service \"dns\": udp port 53 is the knock port; change one of them\n");
}

static void test_names_of_services(void **state)
{
	char longest[] =
	    "udp-port = 1\nservice a23456789_123456789-123456789012 { proto = tcp port = 1 }\n";

	(void)state;
	assert_int_equal(parse(longest), 0);
	assert_faults(
	    "udp-port = 1\nservice a23456789_123456789-1234567890123 { proto = tcp port = 1 }\n",
	    "f:2: service \"a23456789_123456789-1234567890123\": a name has 1 to 32 of the "
	    "characters "
	    "a-z, 0-9, - and _\n");
	assert_faults("udp-port = 1\nservice \"\" { proto = tcp port = 1 }\n",
	    "f:2: service \"\": a name has 1 to 32 of the characters a-z, 0-9, - and _\n");
	assert_faults("udp-port = 1\nservice \"a\\nb\" { proto = tcp }\n",
	    "f:2: service \"a\\x0ab\": a name has 1 to 32 of the characters a-z, 0-9, - and _\n");
}

static void test_hold_within_max_hold(void **state)
{
	(void)state;
	assert_faults("udp-port = 1\nservice s { proto = tcp port = 1\n hold = 7200 }\n",
	    "f:3: hold: 7200 is more than max-hold, which is 3600; raise that or lower this\n");
	assert_faults("udp-port = 1\nservice s { proto = tcp port = 1\n\n max-hold = 59 }\n",
	    "f:4: hold: 60 is more than max-hold, which is 59; raise that or lower this\n");
	assert_int_equal(
	    parse("udp-port = 1\nservice s { proto = tcp port = 1 hold = 7200 max-hold = 7200 }\n"),
	    0);
}

/* What libConfuse would swallow, or tell at the wrong place. */
static void test_quotes_braces_comments(void **state)
{
	(void)state;
	assert_faults("udp-port = 1\nclients = \"a\nlog = stderr\nwindow = 0\n" SERVICE,
	    "f:2: a quote is opened and not closed in this line; close it\n"
	    "f:4: window: 0 is below the minimum 1\n");
	assert_faults("udp-port = 1\n\nservice \"ssh {\n proto = tcp\n port = 0 }\n",
	    "f:3: a quote is opened and not closed in this line; close it\n"
	    "f:5: port: \"0\" is neither a port from 1 to 65535 nor a range such as "
	    "\"8000-8010\"\n");
	assert_faults("udp-port = 1\n\nservice ssh {\n proto = tcp port = 22\n",
	    "f:3: the brace that opens here is never closed\n");
	assert_faults("udp-port = 1\n// one\nwindow = 1 /* two */\n" SERVICE,
	    "f:2: comments begin with '#' here\nf:3: comments begin with '#' here\n");
	assert_faults("udp-port = 1\nclients = \"${HOME}\"\n",
	    "f:2: \"${\" is not allowed: nothing is taken from the environment\n");
	assert_int_equal(parse("udp-port = 1 # ${HOME} \" { //\n" SERVICE), 0);
	assert_faults("udp-port = 1\n}\nwindow = 0\n",
	    "f:2: unexpected closing brace; what follows was not checked\n");
	assert_faults("udp-port = 1\nwindow 3\n",
	    "f:2: missing equal sign after option 'window'; what follows was not checked\n");
	assert_int_equal(parse("udp-port = 1\r\n# c\r\n" SERVICE), 0);
}

static void test_nothing_is_included(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\ninclude(\"/etc/passwd\")\n"), -1);
	assert_non_null(strstr(said, "f:2: \"include\" is not a directive here"));
}

static void test_interfaces(void **state)
{
	(void)state;
	assert_faults("udp-port = 1\n" SERVICE "interface = {any, eth0}\n",
	    "f:3: interface: \"eth0\" cannot stand beside the others: any takes them all\n");
	assert_faults("udp-port = 1\n" SERVICE
		      "interface = {eth0,\n any,\n eth0,\n \"a/b\",\n \"0123456789012345\"}\n",
	    "f:4: interface: \"any\" cannot stand beside the others: any takes them all\n"
	    "f:5: interface: \"eth0\" stands there twice\n"
	    "f:6: interface: \"a/b\" is not the name of an interface\n"
	    "f:7: interface: \"0123456789012345\" is not the name of an interface\n");
	assert_faults("udp-port = 1\n" SERVICE "interface = {}\n",
	    "f: interface: the list is empty; leave it out for any\n");
	assert_faults("udp-port = 1\n" SERVICE "interface = a\ninterface = b\n",
	    "f:4: interface: given already in line 3; keep one of them\n");
}

/* Names from old howtos get more than a list of what there is. */
static void test_captures_of_the_past(void **state)
{
	(void)state;
	assert_faults("udp-port = 1\n" SERVICE "capture = ulog\n",
	    "f:3: capture: Linux 3.17 dropped ULOG; use nflog, which took its place\n");
	assert_faults("udp-port = 1\n" SERVICE "capture = queue\n",
	    "f:3: capture: Linux 3.5 dropped QUEUE; use nfqueue, which took its place\n");
	assert_faults("udp-port = 1\n" SERVICE "capture = xdb\nlog = ulog\n",
	    "f:3: capture: \"xdb\" is not known; it can be pcap or savefile or tcpdump or afpacket "
	    "or "
	    "nflog or nfqueue or xdp or udp\n"
	    "f:4: log: \"ulog\" is not known; it can be syslog or stderr\n");
}

static void test_source_sections(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\n" SERVICE
			       "source uplink { interface = eth0 capture = afpacket workers = 2\n"
			       " filter = \"not net 10.0.0.0/8\" }\n"
			       "source tape { capture = savefile file = \"-\" }\n"
			       "source \"wall\" { capture = nflog }\nsource all {\n}\n"),
	    0);
	assert_int_equal(parsed.sources, 4);
	assert_string_equal(parsed.source[0].name, "uplink");
	assert_string_equal(parsed.source[0].interface, "eth0");
	assert_string_equal(parsed.source[0].capture, "afpacket");
	assert_string_equal(parsed.source[0].filter, "not net 10.0.0.0/8");
	assert_int_equal(parsed.source[0].workers, 2);
	assert_int_equal(parsed.source[0].line, 3);
	assert_string_equal(parsed.source[1].file, "-");
	assert_string_equal(parsed.source[3].name, "all");
	assert_string_equal(parsed.source[3].capture, "pcap");
	assert_string_equal(parsed.source[3].interface, "any");
	assert_int_equal(parsed.needs, NEED_NFLOG_0);
	assert_int_equal(config_source(&parsed, "wall"), 2);
	assert_int_equal(config_source(&parsed, "eth0"), -1);
}

static void test_sources_that_cannot_work(void **state)
{
	(void)state;
	assert_faults("udp-port = 1\n" SERVICE "interface = eth0\nsource a {\n}\ncapture = pcap\n",
	    "f:3: interface: the source section in line 4 says that for itself; remove this\n"
	    "f:6: capture: the source section in line 4 says that for itself; remove this\n");
	assert_faults("udp-port = 1\n" SERVICE "source a { }\nsource a { workers = 0 }\n",
	    "f:4: source \"a\": there is one of this name in line 3; give it another\n"
	    "f:4: workers: 0 is below the minimum 1\n");
	assert_faults("udp-port = 1\n" SERVICE "source a { port = 1 }\nworkers = 2\n",
	    "f:3: \"port\" is not a directive of a source; it belongs in a service\n"
	    "f:4: \"workers\" is not a directive here; it belongs in a source\n");
	assert_faults("udp-port = 1\n" SERVICE "source a { workers = 2 }\n",
	    "f:3: source \"a\": pcap has one process alone; use workers = 1, or capture = "
	    "afpacket\n");
	assert_faults("udp-port = 1\n" SERVICE "source a { interface = eth0 capture = nflog }\n",
	    "f:3: source \"a\": nflog takes what comes in at all interfaces at once; use interface "
	    "= "
	    "any\n");
	assert_faults("udp-port = 1\n" SERVICE
		      "source a { capture = nflog }\nsource b { capture = nflog }\n",
	    "f:4: source \"b\": source \"a\" is nflog, too, and there can be one alone; take one "
	    "of "
	    "them away\n");
	assert_faults("udp-port = 1\n" SERVICE "source a { capture = xdp }\n",
	    "f:3: source \"a\": xdp takes one interface; name it instead of any\n");
	assert_faults("udp-port = 1\n" SERVICE
		      "source a { interface = eth0 capture = xdp filter = ip }\n",
	    "f:3: source \"a\": xdp knows knocks by their gate and takes no filter; take it away, "
	    "or use capture = afpacket\n");
	assert_faults("udp-port = 1\n" SERVICE "source a { interface = eth0 capture = xdp }\n"
		      "source b { interface = eth0 capture = pcap }\n",
	    "f:4: source \"b\": source \"a\" is at this interface, too, and one of them is xdp, "
	    "which leaves nothing for others; take one of them away\n");
	assert_faults("udp-port = 1\n" SERVICE
		      "source a { capture = savefile }\nsource b { capture = savefile }\n",
	    "f:4: source \"b\": source \"a\" reads the same file, and it has one reader; give each "
	    "a "
	    "file of its own\n");
	assert_faults("udp-port = 1\n" SERVICE "capture = savefile\ninterface = {a, b}\n",
	    "f:3: capture: source \"a\" reads the same file, and it has one reader; give each a "
	    "file of its own\n");
}

static void test_captures_by_number(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; config_capture_name(i) != NULL; i++)
		assert_int_equal(config_capture(config_capture_name(i)), i);
	assert_int_equal(i, 8);
	assert_int_equal(config_capture("ulog"), -1);
	assert_int_equal(config_needs("nflog", 1), NEED_NFLOG_1);
	assert_int_equal(config_needs("nfqueue", 0), NEED_NFQUEUE_0);
	assert_int_equal(config_needs("udp", 1), NEED_UDP);
	assert_int_equal(config_needs("pcap", 1), 0);
}

static void test_paths_and_users(void **state)
{
	char text[1024];
	char path[CONFIG_PATH_MAX + 1];

	(void)state;
	assert_faults(
	    "udp-port = 1\n" SERVICE
	    "state-dir = \"\"\nclients = \"a\\tb\"\nauth-user = root\ncapture-user = \"a b\"\n",
	    "f:3: state-dir: this is not a path; give the name of a folder\n"
	    "f:4: clients: this is not a path; give the name of a file\n"
	    "f:5: auth-user: root may do too much; give a user that nothing else runs as\n"
	    "f:6: capture-user: \"a b\" is not the name of a user\n");
	assert_faults("udp-port = 1\n" SERVICE "state-dir = here\nrun-dir = \"./there\"\n",
	    "f:3: state-dir: give the whole path, from / on\n"
	    "f:4: run-dir: give the whole path, from / on\n");
	memset(path, 'p', sizeof(path));
	path[CONFIG_PATH_MAX] = '\0';
	(void)snprintf(text, sizeof(text), "udp-port = 1\n" SERVICE "clients = %s\n", path);
	assert_faults(
	    text, "f:3: clients: the path is longer than 255 bytes; give a shorter one\n");
	path[CONFIG_PATH_MAX - 1] = '\0';
	(void)snprintf(text, sizeof(text), "udp-port = 1\n" SERVICE "clients = %s\n", path);
	assert_int_equal(parse(text), 0);
	assert_string_equal(parsed.clients, path);
}

static void test_no_service_is_a_warning(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\n"), 0);
	assert_string_equal(said, "f: warning: no service is named, so nothing is guarded; add "
				  "service \"ssh\" { proto = tcp  port = 22 }\n");
}

static void test_bounds(void **state)
{
	char *text = calloc(1, CONFIG_TEXT_MAX + 2);
	size_t at = 0;
	int i;

	(void)state;
	assert_non_null(text);
	at += (size_t)sprintf(text, "udp-port = 65535\n");
	for (i = 1; i <= CONFIG_SERVICES_MAX; i++)
		at += (size_t)sprintf(text + at, "service s%d { proto = tcp port = %d }\n", i, i);
	assert_int_equal(parse(text), 0);
	assert_int_equal(parsed.services, CONFIG_SERVICES_MAX);
	assert_int_equal(parsed.service[CONFIG_SERVICES_MAX - 1].line, CONFIG_SERVICES_MAX + 1);
	(void)sprintf(text + at, "service s0 { proto = udp port = 1 }\n");
	assert_faults(text, "f:258: service \"s0\": there are more than 256; leave some out\n");
	memset(text, '\n', CONFIG_TEXT_MAX + 1);
	assert_faults(text, "f: the file is longer than 1048576 bytes\n");
	free(text);
}

static void print(const struct config *c, char *out, size_t cap)
{
	FILE *f = fmemopen(out, cap, "w");

	assert_non_null(f);
	config_print(c, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_round_trip(void)
{
	static char first[65536], second[65536];
	static struct config before;
	unsigned i;

	before = parsed;
	print(&before, first, sizeof(first));
	assert_int_equal(parse(first), 0);
	print(&parsed, second, sizeof(second));
	assert_string_equal(first, second);
	for (i = 0; i < before.services; i++)
		before.service[i].line = parsed.service[i].line;
	for (i = 0; i < before.sources; i++)
		before.source[i].line = parsed.source[i].line;
	for (i = 1; i <= before.sequences; i++)
		before.sequence[i].line = parsed.sequence[i].line;
	assert_memory_equal(&before, &parsed, sizeof(before));
}

static void test_commands(void **state)
{
	const struct command_config *c = &parsed.command[0];

	(void)state;
	assert_int_equal(
	    parse("udp-port = 1\n" SERVICE
		  "command \"restart-web\" {\n  run = {\"/usr/bin/systemctl\", "
		  "\"restart\", \"nginx\"}\n  user = root\n  arguments = {\"[a-z]+\"}\n}\n"),
	    0);
	assert_int_equal(parsed.commands, 1);
	assert_int_equal(config_command(&parsed, "restart-web"), 0);
	assert_int_equal(config_command(&parsed, "restart"), -1);
	assert_int_equal(c->run.len, 3);
	assert_string_equal(c->run.at[2], "nginx");
	assert_string_equal(c->arguments.at[0], "[a-z]+");
	assert_string_equal(c->user, "root");
	assert_int_equal(c->timeout_s, 30);
}

#define COMMAND(inside) "udp-port = 1\n" SERVICE "command \"c\" { " inside " }\n"

static void test_commands_that_are_none(void **state)
{
	(void)state;
	assert_int_equal(parse(COMMAND("run = {ls} user = nobody")), -1);
	assert_string_equal(
	    said, "f:3: run: \"ls\" is not a whole path; give the program's, from / on\n");
	assert_int_equal(parse(COMMAND("run = {\"\"} user = nobody")), -1);
	assert_int_equal(
	    parse(COMMAND("run = {/bin/ls} user = nobody arguments = {\"[a-z\"}")), -1);
	assert_string_equal(
	    said, "f:3: arguments: \"[a-z\" is not a regular expression; see regex(7)\n");
	/* Both halves would be bound at one end alone. */
	assert_int_equal(
	    parse(COMMAND("run = {/bin/ls} user = nobody arguments = {\"a)|(b\"}")), -1);
	assert_int_equal(
	    parse(COMMAND("run = {/bin/ls} user = nobody arguments = {\"(.)\\\\1\"}")), -1);
	assert_string_equal(said, "f:3: arguments: \"(.)\\x5c1\" refers back to a part of itself; "
				  "write it without\n");
	assert_int_equal(parse(COMMAND("run = {/bin/ls}")), -1);
	assert_int_equal(parse("udp-port = 1\n" SERVICE
			       "command \"command-line\" { run = {/bin/ls} user = nobody }\n"),
	    -1);
	assert_string_equal(said,
	    "f:3: command \"command-line\": this name has a meaning of its own; give it another\n");
}

/* From end to end, whatever the pattern looks like when it stands in another one. */
static void test_patterns_fit_whole_arguments(void **state)
{
	static const struct {
		const char *pattern, *argument;
		bool fits;
	} cases[] = {
	    {"a|ab", "ab", true},
	    {"on|off", "off", true},
	    {"on|off", "on;", false},
	    {"a)|b", "a and more", false},
	    {"a)|b", "more and b", false},
	    {"a)|b", "b", true},
	    {"[a-z]+", "abc\n", false},
	    {"^[a-z]+$", "abc\nx", false},
	    {"x*", "", true},
	    {"x", "", false},
	    {"(a|ab)(c|bcd)(d*)", "abcd", true},
	    {"[a-z", "a", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (config_argument_fits(cases[i].pattern, cases[i].argument) != cases[i].fits)
			fail_msg("%s on %s", cases[i].pattern, cases[i].argument);
}

static void test_any_line_is_warned_of(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\n" SERVICE "command-line-user = nobody\n"), 0);
	assert_non_null(strstr(said, "f:3: warning: command-line-user: clients with the option "
				     "command-line may run anything as nobody"));
}

static void test_gateways(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\n" SERVICE
			       "gateway \"net\" { inside = lan0 outside = eth0 hold = 5 }\n"),
	    0);
	assert_int_equal(config_service(&parsed, "net"), 1);
	assert_true(service_is_gateway(&parsed.service[1]));
	assert_false(service_is_gateway(&parsed.service[0]));
	assert_int_equal(service_ports(&parsed.service[1]), 0);
	assert_int_equal(parsed.service[1].hold_s, 5);
	assert_int_equal(parsed.service[1].min_prefix_v6, 128);
	assert_int_equal(
	    parse("udp-port = 1\n" SERVICE "gateway \"net\" { inside = a outside = a }\n"), -1);
	assert_string_equal(
	    said, "f:3: outside: it is the same as inside; give the interface that leads out\n");
	assert_int_equal(parse("udp-port = 1\n" SERVICE "gateway \"a\" { inside = a outside = b }\n"
			       "gateway \"b\" { inside = a outside = b }\n"),
	    -1);
	assert_int_equal(
	    parse("udp-port = 1\n" SERVICE "gateway \"ssh\" { inside = a outside = b }\n"), -1);
}

/* Marks of connections bear it: it may change by nothing but the name, and tells two apart or says so. */
static void test_a_gateways_number_is_its_names(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("udp-port = 1\n" SERVICE "gateway \"net\" { inside = a outside = b }\n"
		  "gateway \"far\" { inside = a outside = c }\n"),
	    0);
	assert_string_equal(said, "");
	assert_int_equal(service_gate(&parsed.service[0]), 0);
	assert_int_equal(service_gate(&parsed.service[1]), 169);
	assert_int_equal(service_gate(&parsed.service[2]), 190);
	assert_int_equal(
	    parse("udp-port = 1\n" SERVICE "gateway \"net7\" { inside = a outside = b }\n"
		  "gateway \"net12\" { inside = a outside = c }\n"),
	    0);
	assert_non_null(strstr(said, "\"net12\": its mark is the same as that of \"net7\""));
}

static void test_firewalls_and_idle_times(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\nfirewall = ipset\nservice a { proto = tcp port = 1 "
			       "max-hold = 2147483 idle = 2147483 }\n"),
	    0);
	assert_faults("udp-port = 1\nfirewall = ipset\n"
		      "service a { proto = tcp port = 1 idle = 2147484 }\n",
	    "f:3: service \"a\": the firewall ipset counts no idle time of more than "
	    "2147483 seconds; lower idle\n");
	assert_faults("udp-port = 1\nfirewall = exec\n"
		      "service a { proto = tcp port = 1 idle = 1 }\n",
	    "f:3: service \"a\": the firewall exec has no idle; leave it out, or use "
	    "firewall = nftables\n");
}

static void test_bans_and_traps(void **state)
{
	static const char trapped[] = "udp-port = 1\nban-after = 3\nban-for = 60\n"
				      "ban-except = {10.0.0.0/8, \"fd00::/8\"}\n"
				      "service a { proto = tcp port = 1 trap = tarpit }\n";
	struct address a;

	(void)state;
	assert_int_equal(parse("udp-port = 1\n" SERVICE), 0);
	assert_int_equal(parsed.ban_after, 0);
	assert_false(config_has_trap(&parsed));
	assert_int_equal(parsed.sources, 1);
	assert_int_equal(parse(trapped), 0);
	assert_round_trip();
	assert_int_equal(address_parse("fd12::1", &a), 0);
	assert_true(prefixes_contain(&parsed.ban_except, &a));
	/* One source more, which no file has. */
	assert_int_equal(parsed.sources, 2);
	assert_true(parsed.source[1].trap);
	assert_string_equal(parsed.source[1].capture, "nflog");
	assert_int_equal(parsed.needs, NEED_TRAP_0);
	assert_int_equal(source_needs(&parsed.source[1], 1), NEED_TRAP_1);
	assert_int_equal(parse("udp-port = 1\ncapture = nflog\n"
			       "service a { proto = tcp port = 1 trap = report }\n"),
	    0);
	assert_int_equal(parsed.needs, NEED_NFLOG_0 | NEED_TRAP_0);
	assert_int_equal(parse("udp-port = 1\nfirewall = ipset\n"
			       "service a { proto = tcp port = 1 trap = tarpit }\n"),
	    0);
	assert_int_equal(parsed.needs, NEED_TRAP_0);
	assert_faults("udp-port = 1\nfirewall = exec\nban-after = 1\n"
		      "service a { proto = tcp port = 1 trap = report }\n",
	    "f:3: ban-after: the firewall exec bans nobody; leave it out, or use firewall = "
	    "nftables\n"
	    "f:4: service \"a\": the firewall exec has no trap; leave it out, or use firewall = "
	    "nftables\n");
	assert_int_equal(
	    parse("udp-port = 1\nfirewall = ipset\nban-after = 1\nban-for = 2147483\n" SERVICE), 0);
	assert_faults("udp-port = 1\nfirewall = ipset\nban-after = 1\nban-for = 2147484\n" SERVICE,
	    "f:4: ban-for: the firewall ipset bans nobody for longer than 2147483 seconds; lower "
	    "ban-for\n");
	assert_faults("udp-port = 1\nservice a { proto = udp port = 2 trap = report }\n",
	    "f:2: trap: it completes connections of TCP, and the service is not of that; leave it "
	    "out\n");
#define WORKERS \
	"udp-port = 1\nsource a { interface = a capture = afpacket workers = 8 }\n" \
	"source b { interface = b capture = afpacket workers = 8 }\n" \
	"service a { proto = tcp port = 2 trap = report }\n"
	assert_int_equal(
	    parse(WORKERS "source c { interface = c capture = afpacket workers = 7 }\n"), 0);
	assert_faults(WORKERS "source c { interface = c capture = afpacket workers = 8 }\n",
	    "f: trap: it takes a process of its own, and the sources have with their workers the "
	    "24 that there can be; take one away\n");
	assert_faults("udp-port = 1\nsource trap { interface = any }\n"
		      "service a { proto = tcp port = 2 trap = report }\n",
	    "f: trap: it takes a source named \"trap\" of its own, of 16 that there can be; "
	    "rename or leave out one of yours\n");
}

static void test_ports_of_a_service(void **state)
{
	const struct service *s = &parsed.service[0];

	(void)state;
	assert_int_equal(
	    parse("udp-port = 1\nservice \"w\" { proto = tcp port = {80, 443, \"8000-8002\"} }\n"),
	    0);
	assert_int_equal(s->port, 80);
	assert_int_equal(service_ports(s), 5);
	assert_int_equal(service_port(s, 1), 443);
	assert_int_equal(service_port(s, 4), 8002);
	assert_int_equal(config_service_by_port(&parsed, 6, 8001), 0);
	assert_int_equal(config_service_by_port(&parsed, 6, 8003), -1);
	assert_int_equal(config_service_by_port(&parsed, 17, 80), -1);
	assert_int_equal(
	    parse("udp-port = 1\nservice \"w\" { proto = tcp port = {80, \"80-90\"} }\n"), -1);
	assert_string_equal(said, "f:2: port: \"80-90\" has a port that stands there already\n");
	assert_int_equal(
	    parse("udp-port = 1\nservice \"w\" { proto = tcp port = \"1-1025\" }\n"), -1);
	assert_string_equal(
	    said, "f:2: port: \"1-1025\" makes them too many; a service may have 1024 ports\n");
	assert_int_equal(parse("udp-port = 1\nservice \"a\" { proto = tcp port = 85 }\n"
			       "service \"b\" { proto = tcp port = \"80-90\" }\n"),
	    -1);
	assert_string_equal(
	    said, "f:3: port: service \"a\" in line 2 guards it already; keep one of them\n");
}

static void check_forward_refused(const char *value, const char *what)
{
	char text[512], expected[512];

	(void)snprintf(text, sizeof(text),
	    "udp-port = 1\nservice \"w\" { proto = tcp port = 80 forward = %s }\n", value);
	(void)snprintf(expected, sizeof(expected), "f:2: forward: %s\n", what);
	assert_int_equal(parse(text), -1);
	assert_string_equal(said, expected);
}

static void test_forwards(void **state)
{
	const struct service *s = &parsed.service[0];
	char text[ADDRESS_TEXT];

	(void)state;
	assert_int_equal(parse("udp-port = 1\nservice \"w\" { proto = tcp port = 80 "
			       "forward = {\"10.0.0.5:5432\", \"[fd00::5]:5433\"} }\n"),
	    0);
	assert_string_equal(address_text(&service_forward(s, true)->to, text), "10.0.0.5");
	assert_int_equal(service_forward(s, true)->port, 5432);
	assert_string_equal(address_text(&service_forward(s, false)->to, text), "fd00::5");
	assert_int_equal(s->masquerade, 1);
	assert_int_equal(parse("udp-port = 1\nservice \"w\" { proto = tcp port = 80 forward = 8080 "
			       "masquerade = no }\n"),
	    0);
	assert_int_equal(service_forward(s, false)->port, 8080);
	assert_true(address_is_zero(&service_forward(s, true)->to));
	assert_int_equal(s->masquerade, 0);
	assert_int_equal(parse("udp-port = 1\n" SERVICE), 0);
	assert_null(service_forward(s, true));
	check_forward_refused("\"10.0.0.5\"",
	    "\"10.0.0.5\" is neither an address with a port, such as 10.0.0.5:5432 or "
	    "[fd00::5]:5432, nor a port");
	check_forward_refused("\"fd00::5:22\"",
	    "\"fd00::5:22\" is neither an address with a port, such as 10.0.0.5:5432 or "
	    "[fd00::5]:5432, nor a port");
	check_forward_refused(
	    "\"127.0.0.1:22\"", "\"127.0.0.1:22\" is an address that nothing can be forwarded to");
	check_forward_refused("{\"10.0.0.5:1\", 22}",
	    "\"22\" is one too many; give one for each family, or a port alone");
	check_forward_refused("80", "80 is the service's own port; leave it out");
}

#define INNER "forward = \"10.0.0.5:5432\" "

static void check_random_refused(const char *port, const char *more, const char *what)
{
	char text[512], expected[512];

	(void)snprintf(text, sizeof(text),
	    "udp-port = 20050\nservice \"db\" { proto = tcp port = %s %s }\n", port, more);
	(void)snprintf(expected, sizeof(expected), "f:2: %s\n", what);
	assert_int_equal(parse(text), -1);
	assert_string_equal(said, expected);
}

static void test_random_port(void **state)
{
	const struct service *s = &parsed.service[0];

	(void)state;
	assert_int_equal(
	    parse("udp-port = 20050\nservice \"db\" { proto = tcp port = random " INNER "}\n"), 0);
	assert_true(service_is_random(s));
	assert_int_equal(service_ports(s), 1000);
	assert_int_equal(service_port(s, 999), 20999);
	assert_int_equal(config_service_by_port(&parsed, 6, 20500), 0);
	assert_true(service_is_known_by(s, 20999) && !service_is_known_by(s, 21000));
	assert_round_trip();
	assert_int_equal(parse("udp-port = 1\nservice \"a\" { proto = tcp port = \"random "
			       "30000-30255\" forward = 22 }\n"
			       "service \"b\" { proto = tcp port = 22 }\n"),
	    0);
	assert_int_equal(service_ports(s), CONFIG_RANDOM_MIN);
	assert_false(service_is_random(&parsed.service[1]));
	assert_round_trip();

	check_random_refused("random", "",
	    "port: nothing listens at a random port; say with forward where it leads");
	check_random_refused("\"random 20000-20254\"", INNER,
	    "port: \"random 20000-20254\" has too few ports to draw from; give at least 256");
	check_random_refused("\"random 20000-21024\"", INNER,
	    "port: \"random 20000-21024\" makes them too many; a service may have 1024 ports");
	check_random_refused("\"random 22\"", INNER,
	    "port: \"random 22\" has too few ports to draw from; give at least 256");
	check_random_refused("\"random x\"", INNER,
	    "port: \"random x\" is not \"random\" and a range, such as \"random 20000-20999\"");
	check_random_refused("randomly", INNER,
	    "port: \"randomly\" is neither a port from 1 to 65535 nor a range such as "
	    "\"8000-8010\"");
	check_random_refused("{22, random}", INNER,
	    "port: \"random\" stands alone; give the other ports to another service");
	check_random_refused("{random, 22}", INNER,
	    "port: \"22\" stands beside \"random\"; give it to another service");
	check_random_refused("random", "forward = 20001",
	    "forward: 20001 is one of the service's own ports; give it others, such as \"random "
	    "21000-21999\"");
	check_random_refused("random", "forward = 22",
	    "service \"db\": port 22, where it leads, is guarded by none; add a service for it, "
	    "which no client need be allowed");
}

/* What is drawn from is nobody else's: no service's, no carrier's. */
static void test_random_ports_are_its_own(void **state)
{
	static const char db[] = "service \"db\" { proto = tcp port = random " INNER "}\n";
	char text[512];

	(void)state;
	(void)snprintf(text, sizeof(text), "udp-port = 1\n%sservice \"b\" %s", db, strchr(db, '{'));
	assert_int_equal(parse(text), -1);
	assert_string_equal(said,
	    "f:3: port: service \"db\" in line 2 has one of them; give others, such as "
	    "\"random 21000-21999\"\n");
	(void)snprintf(
	    text, sizeof(text), "udp-port = 1\n%sservice \"b\" { proto = tcp port = 20999 }\n", db);
	assert_int_equal(parse(text), -1);
	assert_string_equal(
	    said, "f:3: port: service \"db\" in line 2 guards it already; keep one of them\n");
	(void)snprintf(text, sizeof(text), "tcp-port = 20050\n%s", db);
	assert_int_equal(parse(text), -1);
	assert_string_equal(
	    said, "f:2: service \"db\": tcp port 20050 is the knock port; change one of them\n");
	(void)snprintf(text, sizeof(text), "sequence-range = 20900-21000\n%s", db);
	assert_int_equal(parse(text), -1);
	assert_string_equal(
	    said, "f:2: service \"db\": port 20900 is one of the sequence; change one of them\n");
	(void)snprintf(text, sizeof(text), "udp-port = 1\nfirewall = ipset\n%s", db);
	assert_int_equal(parse(text), -1);
	assert_string_equal(said,
	    "f:3: service \"db\": the firewall ipset has no forward; leave it out, or use "
	    "firewall = nftables\n");
}

static void test_print_reads_back(void **state)
{
	(void)state;
	assert_int_equal(parse("udp-port = 1\n" SERVICE), 0);
	assert_round_trip();
	assert_int_equal(
	    parse("udp-port = 65535\ninterface = {\"a\\\"b\\\\c'#\", eth0}\n"
		  "clients = 'x \"y\\\\z{$}'\nsilence = closed\nlog = stderr\nwindow = 3600\n"
		  "service a { proto = udp port = 1 min-prefix-v4 = 8 }\n" SERVICE),
	    0);
	assert_string_equal(parsed.clients, "x \"y\\z{$}");
	assert_round_trip();
	assert_int_equal(
	    parse("udp-port = 1\nsource a { filter = 'not port 1' }\nsource b {\n}\n" SERVICE), 0);
	assert_round_trip();
}

/* The file says what --print-config prints for the smallest configuration; a change of defaults shows there. */
static void test_golden_print(void **state)
{
	static char got[65536], want[65536];
	FILE *f = fopen(GOLDEN_DIR "/posternd.conf", "r");

	(void)state;
	assert_non_null(f);
	assert_int_not_equal(fread(want, 1, sizeof(want) - 1, f), 0);
	(void)fclose(f);
	assert_int_equal(parse("udp-port = 62201\n" SERVICE), 0);
	print(&parsed, got, sizeof(got));
	assert_string_equal(got, want);
}

static void test_again_after_a_failure(void **state)
{
	(void)state;
	/* libConfuse keeps the state of its lexer over a failed parse unless all is freed. */
	assert_int_equal(parse("udp-port = \"\\400\"\n"), -1);
	assert_int_equal(parse("udp-port = 1\n" SERVICE), 0);
}

/* posternd.conf(5) has the table as it is in directives.c: posternd --print-directives shows it, too. */
static void test_manual_has_the_table(void **state)
{
	static char page[65536], part[16384];
	static const struct directive *const tables[] = {directives_global, directives_service,
	    directives_source, directives_command, directives_gateway, directives_sequence};
	FILE *f = fopen(GOLDEN_DIR "/../../doc/posternd.conf.5.scd", "r");
	size_t i;

	(void)state;
	assert_non_null(f);
	assert_true(fread(page, 1, sizeof(page) - 1, f) > 0);
	(void)fclose(f);
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		memset(part, 0, sizeof(part));
		f = fmemopen(part, sizeof(part), "w");
		assert_non_null(f);
		directives_manual(tables[i], f);
		(void)fclose(f);
		if (strstr(page, part) == NULL)
			fail_msg("doc/posternd.conf.5.scd lacks this:\n%s", part);
	}
}

static void test_tables_fit(void **state)
{
	const struct directive *d;

	(void)state;
	assert_true(directives_count(directives_global) < DIRECTIVES_MAX);
	assert_true(directives_count(directives_service) < DIRECTIVES_MAX);
	assert_true(directives_count(directives_source) < DIRECTIVES_MAX);
	assert_true(directives_count(directives_command) < DIRECTIVES_MAX);
	for (d = directives_global; d->name != NULL; d++)
		assert_true(strlen(d->help) > 0);
}

static void test_carriers(void **state)
{
	(void)state;
	assert_int_equal(parse(SERVICE "tcp-port = 4000\nicmp = yes\nhttp-port = 8080\n"
				       "http-cookie = \"\"\nhttp-path = /a/b\n"
				       "http-proxy = {10.0.0.5, \"2001:db8::/32\"}\n"),
	    0);
	assert_int_equal(parsed.udp_port, 0);
	assert_int_equal(parsed.tcp_port, 4000);
	assert_int_equal(parsed.icmp, 1);
	assert_int_equal(parsed.http_port, 8080);
	assert_string_equal(parsed.http_cookie, "");
	assert_string_equal(parsed.http_path, "/a/b");
	assert_int_equal(parsed.http_proxy.len, 2);
	assert_int_equal(parsed.http_proxy.at[1].len, 32);
	assert_int_equal(parse("icmp = yes\n" SERVICE), 0);
	assert_string_equal(parsed.http_cookie, "sid");
	assert_int_equal(parsed.http_proxy.len, 0);
}

static void test_sequence(void **state)
{
	(void)state;
	assert_int_equal(parse(SERVICE "sequence = {7001, 7312, 7, 65535, 1}\n"
				       "sequence-pieces = {clean, udp}\nsequence-cover = png\n"),
	    0);
	assert_true(config_has_sequence(&parsed));
	assert_int_equal(parsed.sequence[0].ports.len, 5);
	assert_int_equal(parsed.sequence[0].ports.at[1], 7312);
	assert_int_equal(parsed.sequence[0].pieces, PIECES_CLEAN | PIECES_UDP);
	assert_int_equal(parsed.sequence[0].cover, SEQUENCE_PNG);
	assert_int_equal(parse(SERVICE "sequence-range = 20000-29999\n"), 0);
	assert_int_equal(parsed.sequence[0].range.lo, 20000);
	assert_int_equal(parsed.sequence[0].range.hi, 29999);
	assert_int_equal(parsed.sequence[0].count, 8);
	assert_int_equal(parsed.sequence[0].pieces, PIECES_UDP);
	assert_int_equal(parsed.sequence[0].cover, SEQUENCE_BARE);
	assert_int_equal(parse("udp-port = 1\n" SERVICE), 0);
	assert_false(config_has_sequence(&parsed));
}

static void test_faults_of_sequences(void **state)
{
	(void)state;
	assert_faults(
	    "sequence = {1, 2, 3, 4}\n" SERVICE, "f:1: sequence: give at least 5 ports\n");
	assert_faults("sequence = {1, 2, 3, 2, 5, 0, 65536, x, -1}\n" SERVICE,
	    "f:1: sequence: \"2\" stands there twice\n"
	    "f:1: sequence: \"0\" is not a port; give numbers from 1 to 65535\n"
	    "f:1: sequence: \"65536\" is not a port; give numbers from 1 to 65535\n"
	    "f:1: sequence: \"x\" is not a port; give numbers from 1 to 65535\n"
	    "f:1: sequence: \"-1\" is not a port; give numbers from 1 to 65535\n"
	    "f:1: sequence: give at least 5 ports\n");
	assert_faults("sequence = {1, 2, 3, 4, 22, 9, 80}\nudp-port = 9\nhttp-port = 80\n" SERVICE,
	    "f:1: sequence: port 9 is that of another carrier; leave it out\n"
	    "f:1: sequence: port 80 is that of another carrier; leave it out\n"
	    "f:4: service \"ssh\": port 22 is one of the sequence; change one of them\n");
	assert_faults("sequence-range = 100-131\nsequence-count = 9\n" SERVICE,
	    "f:1: sequence-range: the range has less than four times as many ports as roll in "
	    "it: make it wider\n");
	assert_faults("sequence-range = 200-100\nsequence-pieces = sctp\nudp-port = 1\n" SERVICE,
	    "f:1: sequence-range: \"200-100\" is not a range of ports, such as 20000-29999\n"
	    "f:2: sequence-pieces: \"sctp\" is not known; it can be udp or tcp or clean\n");
	assert_faults("sequence = {1, 2, 3, 4, 5}\ncapture = nfqueue\n" SERVICE,
	    "f: source \"any\": nfqueue hears knocks by udp alone; for what else is in use take "
	    "another capture\n");
	assert_faults("sequence-range = 20000-30000\nsequence = {1, 2, 3, 4, 5}\n" SERVICE,
	    "f:2: sequence: give a list of ports, or a range, and not both\n");
}

#define ALPHA "sequence \"alpha\" { id = 1 ports = {1, 2, 3, 4, 5} }\n"

static void test_named_sequences(void **state)
{
	const struct sequence_config *s = parsed.sequence;

	(void)state;
	assert_int_equal(
	    parse(SERVICE
		"sequence \"alpha\" {\n\tid = 63\n\tports = {7001, 7312, 7, 65535, 1}\n"
		"\tpieces = {clean, udp}\n\tcover = {none, png}\n}\n"
		"sequence = {11, 12, 13, 14, 15}\n"
		"http-cookie = sequence\n"
		"sequence # of another kind {\n\tbeta-2 { id = 2 range = 20000-29999 count = 5 }\n"
		"sequence sequence { range = \"20100-20200\" id = 3 pieces = tcp }\n"
		"http-port = 80"),
	    0);
	assert_string_equal(said, "");
	assert_string_equal(parsed.http_cookie, "sequence");
	assert_int_equal(parsed.sequences, 3);
	assert_int_equal(s[0].ports.len, 5);
	assert_int_equal(s[0].id, 0);
	assert_string_equal(s[1].name, "alpha");
	assert_int_equal(s[1].id, 63);
	assert_int_equal(s[1].ports.at[1], 7312);
	assert_int_equal(s[1].pieces, PIECES_CLEAN | PIECES_UDP);
	assert_int_equal(s[1].cover, SEQUENCE_BARE | SEQUENCE_PNG);
	assert_int_equal(s[1].line, 2);
	assert_int_equal(s[2].count, 5);
	assert_int_equal(s[2].range.hi, 29999);
	assert_int_equal(s[2].pieces, PIECES_UDP);
	assert_int_equal(s[3].count, 8);
	assert_int_equal(config_sequence(&parsed, "beta-2"), 2);
	assert_int_equal(config_sequence(&parsed, "sequence"), 3);
	assert_int_equal(config_sequence(&parsed, ""), -1);
	assert_int_equal(config_sequence(&parsed, "gamma"), -1);
	assert_round_trip();
	/* Without one that has no name. */
	assert_int_equal(parse(ALPHA SERVICE), 0);
	assert_true(config_has_sequence(&parsed));
	assert_false(sequence_in_use(&parsed.sequence[0]));
	assert_round_trip();
}

static void test_faults_of_named_sequences(void **state)
{
	(void)state;
	assert_faults(ALPHA "sequence \"alpha\" { id = 2 range = 100-200 }\n" SERVICE,
	    "f:2: sequence \"alpha\": there is one of this name in line 1; give it another\n");
	assert_faults(ALPHA "sequence b { id = 1 range = 100-200 }\n" SERVICE,
	    "f:2: id: sequence \"alpha\" in line 1 has 1 already; give it another\n");
	assert_faults("sequence b { ports = {1, 2, 3, 4} }\n" SERVICE,
	    "f:1: sequence \"b\": id: it must be given: a number of its own, which clients of it "
	    "know\n"
	    "f:1: sequence \"b\": give at least 5 ports\n");
	assert_faults("sequence b { id = 0 }\nsequence c { id = 64 range = 1-9 }\n" SERVICE,
	    "f:1: id: 0 is below the minimum 1\n"
	    "f:1: sequence \"b\": give its ports, or the range that they roll in\n"
	    "f:2: id: 64 is above the maximum 63\n"
	    "f:2: sequence \"c\": the range has less than four times as many ports as roll in it: "
	    "make it wider\n");
	assert_faults("sequence b { id = 2 range = '' }\n" SERVICE,
	    "f:1: sequence \"b\": give its ports, or the range that they roll in\n");
	assert_faults("sequence b { id = 2 ports = {''} }\n" SERVICE,
	    "f:1: sequence \"b\": give its ports, or the range that they roll in\n");
	assert_faults("sequence b { id = 2 range = 9-1 }\n" SERVICE,
	    "f:1: range: \"9-1\" is not a range of ports, such as 20000-29999\n");
	assert_faults("sequence b { id = 2 range = 100-200 ports = {1, 2, 3, 4, 5} }\n" SERVICE,
	    "f:1: sequence \"b\": give a list of ports, or a range, and not both\n");
	assert_faults("udp-port = 9\nsequence b { id = 2 ports = {9, 2, 22, 4, 5} }\n" SERVICE,
	    "f:2: sequence \"b\": port 9 is that of another carrier; leave it out\n"
	    "f:3: service \"ssh\": port 22 is one of the sequence \"b\"; change one of them\n");
	assert_faults("sequence = {5, 6, 7, 8, 9}\n" ALPHA "sequence c { id = 4 range = 2-40 }\n"
		      "service \"web\" { proto = tcp port = 80 }\n",
	    "f:2: sequence \"alpha\": port 5 is one of sequence in line 1, too; leave it out of "
	    "one "
	    "of them\n"
	    "f:3: sequence \"c\": port 5 is one of sequence in line 1, too; leave it out of one of "
	    "them\n"
	    "f:3: sequence \"c\": port 2 is one of sequence \"alpha\" in line 2, too; leave it out "
	    "of one of them\n");
	assert_faults("sequence { id = 1 }\n" SERVICE,
	    "f:1: missing equal sign after option 'sequence'; what follows was not checked\n");
}

static void test_bounds_of_sequences(void **state)
{
	static char text[65536];
	size_t len = 0;

	(void)state;
	for (unsigned i = 1; i <= CONFIG_SEQUENCES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "sequence s%u { id = %u range = 20000-30000 }\n", i, i);
	(void)snprintf(text + len, sizeof(text) - len, SERVICE);
	assert_int_equal(parse(text), 0);
	assert_int_equal(parsed.sequences, CONFIG_SEQUENCES_MAX);
	(void)snprintf(text + len, sizeof(text) - len,
	    "sequence s17 { id = 17 range = 20000-30000 }\n" SERVICE);
	assert_faults(text, "f:17: sequence \"s17\": there are more than 16; leave some out\n");
	len = 0;
	for (unsigned i = 1; i <= 5; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "sequence s%u { id = %u ports = {%u", i, i, i * 1000);
		for (unsigned n = 1; n < 32; n++)
			len +=
			    (size_t)snprintf(text + len, sizeof(text) - len, ", %u", i * 1000 + n);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "} }\n");
	}
	(void)snprintf(text + len, sizeof(text) - len, SERVICE);
	assert_faults(text,
	    "f:5: sequence \"s5\": the lists of all sequences have more than 128 ports together; "
	    "shorten them, or let some roll\n");
}

static void test_faults_of_carriers(void **state)
{
	(void)state;
	assert_faults("tcp-port = 22\nudp-port = 9\n" SERVICE,
	    "f:3: service \"ssh\": tcp port 22 is the knock port; change one of them\n");
	assert_faults("http-port = 22\n" SERVICE,
	    "f:2: service \"ssh\": tcp port 22 is http-port, which everybody must reach; change "
	    "one of them\n");
	assert_faults("tcp-port = 80\nhttp-port = 80\nhttp-cookie = \"\"\n" SERVICE,
	    "f:2: http-port: 80 is tcp-port, where nobody listens; give that of a web server\n"
	    "f:2: http-port: neither http-cookie nor http-path says where knocks are; give one\n");
	assert_faults("udp-port = 1\nhttp-cookie = \"a b\"\nhttp-path = x\nhttp-path = \"/?\"\n",
	    "f:2: http-cookie: give at most 32 letters, digits, - and _\n"
	    "f:3: http-path: give a path from / on, with at most 64 letters, digits and any of "
	    "/.~-_\n"
	    "f:4: http-path: given already in line 3; keep one of them\n");
	assert_faults("udp-port = 1\nhttp-proxy = {10.0.0.1/8}\n",
	    "f:2: http-proxy: \"10.0.0.1/8\" is not an address or prefix, such as 10.0.0.5 or "
	    "2001:db8::/32\n");
}

static void test_what_captures_hear(void **state)
{
	(void)state;
	assert_faults("tcp-port = 9\ncapture = udp\n" SERVICE,
	    "f: source \"any\": udp hears knocks by udp alone; for what else is in use take "
	    "another "
	    "capture\n");
	assert_faults("http-port = 80\nsource a { capture = nfqueue }\n" SERVICE,
	    "f:2: source \"a\": nfqueue hears knocks by udp alone; for what else is in use take "
	    "another capture\n");
	assert_int_equal(
	    parse("http-port = 80\nicmp = yes\ninterface = eth0\ncapture = xdp\n" SERVICE), 0);
	assert_string_equal(said, "");
}

static void test_same_carriers(void **state)
{
	(void)state;
	static const char *const other[] = {"udp-port = 2", "tcp-port = 3", "icmp = yes",
	    "http-port = 80", "http-cookie = x", "http-path = /x", "http-proxy = 10.0.0.1",
	    "sequence = {5, 6, 7, 8, 9}", "sequence-range = 200-300", "sequence-count = 9",
	    "sequence-pieces = tcp", "sequence-cover = png",
	    "sequence a { id = 1 range = 100-200 }"};
	static struct config first;

	assert_int_equal(parse("udp-port = 1\n" SERVICE), 0);
	first = parsed;
	assert_true(config_same_carriers(&first, &parsed));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		char text[256];
		snprintf(
		    text, sizeof(text), "%s%s\n" SERVICE, i > 0 ? "udp-port = 1\n" : "", other[i]);
		assert_int_equal(parse(text), 0);
		assert_false(config_same_carriers(&first, &parsed));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_carriers),
	    cmocka_unit_test(test_sequence),
	    cmocka_unit_test(test_faults_of_sequences),
	    cmocka_unit_test(test_named_sequences),
	    cmocka_unit_test(test_faults_of_named_sequences),
	    cmocka_unit_test(test_bounds_of_sequences),
	    cmocka_unit_test(test_faults_of_carriers),
	    cmocka_unit_test(test_same_carriers),
	    cmocka_unit_test(test_what_captures_hear),
	    cmocka_unit_test(test_all_that_may_be_said),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_every_fault_is_told_with_its_line),
	    cmocka_unit_test(test_directive_in_the_wrong_place),
	    cmocka_unit_test(test_what_must_be_given),
	    cmocka_unit_test(test_services_that_collide),
	    cmocka_unit_test(test_names_of_services),
	    cmocka_unit_test(test_hold_within_max_hold),
	    cmocka_unit_test(test_quotes_braces_comments),
	    cmocka_unit_test(test_nothing_is_included),
	    cmocka_unit_test(test_interfaces),
	    cmocka_unit_test(test_captures_of_the_past),
	    cmocka_unit_test(test_source_sections),
	    cmocka_unit_test(test_sources_that_cannot_work),
	    cmocka_unit_test(test_captures_by_number),
	    cmocka_unit_test(test_paths_and_users),
	    cmocka_unit_test(test_no_service_is_a_warning),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_commands),
	    cmocka_unit_test(test_commands_that_are_none),
	    cmocka_unit_test(test_patterns_fit_whole_arguments),
	    cmocka_unit_test(test_any_line_is_warned_of),
	    cmocka_unit_test(test_gateways),
	    cmocka_unit_test(test_a_gateways_number_is_its_names),
	    cmocka_unit_test(test_firewalls_and_idle_times),
	    cmocka_unit_test(test_bans_and_traps),
	    cmocka_unit_test(test_ports_of_a_service),
	    cmocka_unit_test(test_forwards),
	    cmocka_unit_test(test_random_port),
	    cmocka_unit_test(test_random_ports_are_its_own),
	    cmocka_unit_test(test_print_reads_back),
	    cmocka_unit_test(test_golden_print),
	    cmocka_unit_test(test_again_after_a_failure),
	    cmocka_unit_test(test_manual_has_the_table),
	    cmocka_unit_test(test_tables_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
