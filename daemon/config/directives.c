#include "directives.h"

#include <netinet/in.h>

enum { DAY_S = 86400 };

static const struct directive_word stores[] = {{"lmdb", 0}, {NULL, 0}};
static const struct directive_word silences[] = {
    {"drop", SILENCE_DROP}, {"closed", SILENCE_CLOSED}, {NULL, 0}};
static const struct directive_word traps[] = {
    {"none", TRAP_NONE}, {"report", TRAP_REPORT}, {"tarpit", TRAP_TARPIT}, {NULL, 0}};
static const struct directive_word challenges[] = {
    {"doubt", CHALLENGE_DOUBT}, {"always", CHALLENGE_ALWAYS}, {NULL, 0}};
static const struct directive_word targets[] = {
    {"syslog", LOG_TO_SYSLOG}, {"stderr", LOG_TO_STDERR}, {NULL, 0}};
static const struct directive_word levels[] = {{"error", LOG_LEVEL_ERROR},
    {"warning", LOG_LEVEL_WARNING}, {"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG},
    {NULL, 0}};
static const struct directive_word protocols[] = {
    {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {NULL, 0}};

static const struct directive_word pieces[] = {
    {"udp", PIECES_UDP}, {"tcp", PIECES_TCP}, {"clean", PIECES_CLEAN}, {NULL, 0}};
static const struct directive_word covers[] = {
    {"none", SEQUENCE_BARE}, {"png", SEQUENCE_PNG}, {NULL, 0}};
static const struct directive_word answers[] = {{"no", 0}, {"yes", 1}, {NULL, 0}};

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

const struct directive directives_global[] = {
    {"interface", DIRECTIVE_INTERFACES, AT(config, plain), 0, 0, "any", NULL,
	"where knocks come in: one name, a list {eth0, wlan0}, or any"},
    {"udp-port", DIRECTIVE_NUMBER, AT(config, udp_port), 0, 65535, "0", NULL,
	"the knock port of the carrier udp, which nothing else may use; 0: it is not in use"},
    {"tcp-port", DIRECTIVE_NUMBER, AT(config, tcp_port), 0, 65535, "0", NULL,
	"the knock port of the carrier tcp, which nothing else may use; 0: it is not in use"},
    {"icmp", DIRECTIVE_WORD, AT(config, icmp), 0, 0, "no", answers, "whether pings may be knocks"},
    {"http-port", DIRECTIVE_NUMBER, AT(config, http_port), 0, 65535, "0", NULL,
	"where a web server of this host takes knocks along; 0: none does"},
    {"http-cookie", DIRECTIVE_TOKEN, AT(config, http_cookie), 0, 0, "sid", NULL,
	"the name of the cookie that they are in; empty: in none"},
    {"http-path", DIRECTIVE_WEB_PATH, AT(config, http_path), 0, 0, "", NULL,
	"what stands before them in the path of a request; empty: they are in none"},
    {"http-proxy", DIRECTIVE_PREFIXES, AT(config, http_proxy), 0, 0, "", NULL,
	"reverse proxies before that web server, whose X-Forwarded-For is believed"},
    {"sequence", DIRECTIVE_PORTS, AT(config, sequence[0].ports), 0, 0, "", NULL,
	"the ports of the carrier sequence in their order, 5 to 32; none: it is not in use, or its "
	"ports roll"},
    {"sequence-range", DIRECTIVE_RANGE, AT(config, sequence[0].range), 0, 0, "", NULL,
	"where the ports of the carrier sequence roll, as LOW-HIGH, in place of a list"},
    {"sequence-count", DIRECTIVE_NUMBER, AT(config, sequence[0].count), CONFIG_SEQUENCE_MIN,
	CONFIG_SEQUENCE_MAX, "8", NULL, "how many ports roll"},
    {"sequence-pieces", DIRECTIVE_BITS, AT(config, sequence[0].pieces), 0, 0, "udp", pieces,
	"what the pieces of a sequence may be: one word, or a list"},
    {"sequence-cover", DIRECTIVE_BITS, AT(config, sequence[0].cover), 0, 0, "none", covers,
	"what they may be pieces of: one word, or a list"},
    {"silence", DIRECTIVE_WORD, AT(config, silence), 0, 0, "drop", silences,
	"how a guarded port keeps silent: as this host's other ports do"},
    {"challenge", DIRECTIVE_WORD, AT(config, challenge), 0, 0, "doubt", challenges,
	"when a client must answer once more before anything opens"},
    {"window", DIRECTIVE_NUMBER, AT(config, window_s), 1, 3600, "60", NULL,
	"seconds that a client's clock may be off without a challenge"},
    {"client-rate", DIRECTIVE_NUMBER, AT(config, client_rate), 1, 1000000, "10", NULL,
	"knocks a second that one client may cost work with"},
    {"client-burst", DIRECTIVE_NUMBER, AT(config, client_burst), 1, 1000000, "20", NULL,
	"how many of them may come at once"},
    {"max-sessions", DIRECTIVE_NUMBER, AT(config, sessions_max), 1, 1000000, "65536", NULL,
	"open doors of all clients together"},
    {"suspend-after", DIRECTIVE_NUMBER, AT(config, suspend_after), 0, 100, "10", NULL,
	"wrong PINs, codes and keys and forbidden services of a client before it is shut out for a "
	"time; 0: never"},
    {"suspend-for", DIRECTIVE_NUMBER, AT(config, suspend_for_s), 1, DAY_S, "900", NULL,
	"seconds that it is shut out then"},
    {"ban-after", DIRECTIVE_NUMBER, AT(config, ban_after), 0, 100, "0", NULL,
	"what an address that is proven may try before it is banned from the whole host; 0: never"},
    {"ban-for", DIRECTIVE_NUMBER, AT(config, ban_for_s), 1, 30 * DAY_S, "3600", NULL,
	"seconds that it is banned then"},
    {"ban-except", DIRECTIVE_PREFIXES, AT(config, ban_except), 0, 0, "", NULL,
	"networks of which no address is ever banned"},
    {"event-script", DIRECTIVE_TEXT, AT(config, event_script), 0, 0, "", NULL,
	"a program that is run whenever a door opens or closes, a client is suspended or an "
	"address "
	"is banned; none: nothing is"},
    {"event-user", DIRECTIVE_USER, AT(config, event_user), 0, 0, "nobody", NULL,
	"user that it runs as"},
    {"log", DIRECTIVE_WORD, AT(config, log_target), 0, 0, "syslog", targets, "where the log goes"},
    {"log-level", DIRECTIVE_WORD, AT(config, log_level), 0, 0, "info", levels,
	"the least important lines that are still written"},
    {"server-key", DIRECTIVE_PATH, AT(config, server_key), 0, 0, "server.key", NULL,
	"file with the server's private key"},
    {"door-key", DIRECTIVE_PATH, AT(config, door_key), 0, 0, "door.key", NULL,
	"file with the key that all clients share"},
    {"clients", DIRECTIVE_PATH, AT(config, clients), 0, 0, "clients", NULL,
	"file with the clients"},
    {"state-dir", DIRECTIVE_PATH, AT(config, state_dir), 0, 0, "/var/lib/postern", NULL,
	"folder for what must outlive a restart"},
    {"run-dir", DIRECTIVE_PATH, AT(config, run_dir), 0, 0, "/run/postern", NULL,
	"folder for the control socket"},
    {"capture-user", DIRECTIVE_USER, AT(config, capture_user), 0, 0, "_postern-capture", NULL,
	"user that the capture processes run as"},
    {"auth-user", DIRECTIVE_USER, AT(config, auth_user), 0, 0, "_postern-auth", NULL,
	"user that the auth process runs as"},
    {"openpgp-user", DIRECTIVE_USER, AT(config, openpgp_user), 0, 0, "_postern-openpgp", NULL,
	"user that gpg runs as, where a client uses OpenPGP"},
    {"command-line-user", DIRECTIVE_ANY_USER, AT(config, command_line_user), 0, 0, "", NULL,
	"user that runs any line which a client with that permission gives; none: they may not"},
    {"capture", DIRECTIVE_NAME, AT(config, plain.capture), 0, 0, "pcap", directives_captures,
	"how packets are captured"},
    {"capture-file", DIRECTIVE_PATH, AT(config, plain.file), 0, 0, "/run/postern/capture.pcap",
	NULL, "what savefile reads: a file, a FIFO, or - for standard input"},
    {"firewall", DIRECTIVE_NAME, AT(config, firewall), 0, 0, "nftables", directives_firewalls,
	"what opens and closes the doors"},
    {"firewall-script", DIRECTIVE_PATH, AT(config, firewall_script), 0, 0, "/etc/postern/firewall",
	NULL, "the script that firewall = exec calls"},
    {"store", DIRECTIVE_NAME, AT(config, store), 0, 0, "lmdb", stores,
	"what remembers spent knocks and open doors"},
    {.name = NULL},
};

const struct directive directives_service[] = {
    {"proto", DIRECTIVE_WORD, AT(service, proto), 0, 0, NULL, protocols, "the service's protocol"},
    {"port", DIRECTIVE_RANGES, AT(service, ports), 0, 0, NULL, NULL,
	"the service's port, a list such as {80, \"8000-8010\"}, or random: drawn for each door"},
    {"forward", DIRECTIVE_FORWARDS, AT(service, forward), 0, 0, "", NULL,
	"where packets go to: \"10.0.0.5:5432\", one for each family, or a port of this host"},
    {"masquerade", DIRECTIVE_WORD, AT(service, masquerade), 0, 0, "yes", answers,
	"whether they seem to come from this host, when they go to another"},
    {"hold", DIRECTIVE_NUMBER, AT(service, hold_s), 1, 30 * DAY_S, "60", NULL,
	"seconds that a door stays open when the client does not say"},
    {"max-hold", DIRECTIVE_NUMBER, AT(service, max_hold_s), 1, 30 * DAY_S, "3600", NULL,
	"the longest that a client may ask for, in seconds"},
    {"doors", DIRECTIVE_NUMBER, AT(service, doors_max), 0, 1000000, "0", NULL,
	"how many doors all clients together may have open; 0: as many as max-sessions allows"},
    {"approve", DIRECTIVE_TOKEN, AT(service, approve), 0, 0, "", NULL,
	"the command that must end with status 0 before a door opens; none: nobody is asked"},
    {"cut", DIRECTIVE_WORD, AT(service, cut), 0, 0, "no", answers,
	"whether connections end together with the door that they came in through"},
    {"idle", DIRECTIVE_NUMBER, AT(service, idle_s), 0, 30 * DAY_S, "0", NULL,
	"seconds without traffic after which a door closes; 0: time alone closes it"},
    {"trap", DIRECTIVE_WORD, AT(service, trap), 0, 0, "none", traps,
	"whether TCP connections without a door are completed, told and counted, and left hanging"},
    {"single-use", DIRECTIVE_WORD, AT(service, single_use), 0, 0, "no", answers,
	"whether a door closes behind the first connection, whatever the client asks"},
    {"exact", DIRECTIVE_WORD, AT(service, exact), 0, 0, "no", answers,
	"whether a door is for one source port alone, which the client must name"},
    {"min-prefix-v4", DIRECTIVE_NUMBER, AT(service, min_prefix_v4), 8, 32, "32", NULL,
	"the widest IPv4 prefix that a door may admit; 32: single hosts alone"},
    {"min-prefix-v6", DIRECTIVE_NUMBER, AT(service, min_prefix_v6), 16, 128, "128", NULL,
	"the same for IPv6; 128: single hosts alone"},
    {.name = NULL},
};

const struct directive directives_source[] = {
    {"interface", DIRECTIVE_INTERFACE, AT(source_config, interface), 0, 0, "any", NULL,
	"where knocks come in: one name, or any"},
    {"capture", DIRECTIVE_NAME, AT(source_config, capture), 0, 0, "pcap", directives_captures,
	"how packets are captured"},
    {"filter", DIRECTIVE_TEXT, AT(source_config, filter), 0, 0, "", NULL,
	"what packets must match besides, in the words of pcap-filter(7)"},
    {"workers", DIRECTIVE_NUMBER, AT(source_config, workers), 1, CONFIG_WORKERS_MAX, "1", NULL,
	"processes that share the packets; more than one with afpacket alone"},
    {"file", DIRECTIVE_PATH, AT(source_config, file), 0, 0, "/run/postern/capture.pcap", NULL,
	"what savefile reads: a file, a FIFO, or - for standard input"},
    {.name = NULL},
};

const struct directive directives_sequence[] = {
    {"id", DIRECTIVE_NUMBER, AT(sequence_config, id), 1, CONFIG_SEQUENCE_ID_MAX, NULL, NULL,
	"a number of its own, which clients of it know"},
    {"ports", DIRECTIVE_PORTS, AT(sequence_config, ports), 0, 0, "", NULL,
	"its ports in their order, 5 to 32; none: they roll"},
    {"range", DIRECTIVE_RANGE, AT(sequence_config, range), 0, 0, "", NULL,
	"where its ports roll, as LOW-HIGH, in place of a list"},
    {"count", DIRECTIVE_NUMBER, AT(sequence_config, count), CONFIG_SEQUENCE_MIN,
	CONFIG_SEQUENCE_MAX, "8", NULL, "how many ports roll"},
    {"pieces", DIRECTIVE_BITS, AT(sequence_config, pieces), 0, 0, "udp", pieces,
	"what its pieces may be: one word, or a list"},
    {"cover", DIRECTIVE_BITS, AT(sequence_config, cover), 0, 0, "none", covers,
	"what they may be pieces of: one word, or a list"},
    {.name = NULL},
};

const struct directive directives_gateway[] = {
    {"inside", DIRECTIVE_INTERFACE, AT(service, inside), 0, 0, NULL, NULL,
	"the interface that inner hosts come in by"},
    {"outside", DIRECTIVE_INTERFACE, AT(service, outside), 0, 0, NULL, NULL,
	"the interface that they go out by"},
    {"masquerade", DIRECTIVE_WORD, AT(service, masquerade), 0, 0, "yes", answers,
	"whether they seem to come from this host"},
    {"hold", DIRECTIVE_NUMBER, AT(service, hold_s), 1, 30 * DAY_S, "60", NULL,
	"seconds that it stays open when the client does not say"},
    {"max-hold", DIRECTIVE_NUMBER, AT(service, max_hold_s), 1, 30 * DAY_S, "3600", NULL,
	"the longest that a client may ask for, in seconds"},
    {"doors", DIRECTIVE_NUMBER, AT(service, doors_max), 0, 1000000, "0", NULL,
	"how many doors all clients together may have open; 0: as many as max-sessions allows"},
    {"approve", DIRECTIVE_TOKEN, AT(service, approve), 0, 0, "", NULL,
	"the command that must end with status 0 before a door opens; none: nobody is asked"},
    {"cut", DIRECTIVE_WORD, AT(service, cut), 0, 0, "no", answers,
	"whether connections end together with the door that they went out by"},
    {.name = NULL},
};

const struct directive directives_command[] = {
    {"run", DIRECTIVE_WORDS, AT(command_config, run), 0, 0, NULL, NULL,
	"the program, by its whole path, and its arguments: {\"/bin/ls\", \"-l\"}"},
    {"arguments", DIRECTIVE_WORDS, AT(command_config, arguments), 0, 0, "", NULL,
	"a pattern for each further argument, which the client gives: regex(7), extended"},
    {"user", DIRECTIVE_ANY_USER, AT(command_config, user), 0, 0, NULL, NULL,
	"user that it runs as"},
    {"timeout", DIRECTIVE_NUMBER, AT(command_config, timeout_s), 1, 3600, "30", NULL,
	"seconds after which it is killed"},
    {.name = NULL},
};

size_t directives_count(const struct directive *table)
{
	size_t n = 0;

	while (table[n].name != NULL)
		n++;
	return n;
}

bool directive_is_list(const struct directive *d)
{
	return d->kind == DIRECTIVE_INTERFACES || d->kind == DIRECTIVE_RANGES ||
	       d->kind == DIRECTIVE_WORDS || d->kind == DIRECTIVE_FORWARDS ||
	       d->kind == DIRECTIVE_PREFIXES || d->kind == DIRECTIVE_PORTS ||
	       d->kind == DIRECTIVE_BITS;
}

bool directive_is_plain(const struct directive *d)
{
	return d->offset >= offsetof(struct config, plain) &&
	       d->offset < offsetof(struct config, plain) + sizeof(struct plain_sources) &&
	       d >= directives_global &&
	       d < directives_global + sizeof(directives_global) / sizeof(directives_global[0]);
}
