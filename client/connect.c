#include "knocking.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model.h"
#include "pipe.h"
#include "../libpostern/tarpit.h"

enum { CONNECT_WAIT_MS = 10000, PORT_MAX = 65535, PORT_TEXT = 6 };

/* ---- the connection ---- */

/*
 * From the address that knocked: the door is for it, and a host may have
 * several (IPv6's temporary ones).
 */
static int bind_to(int sock, const char *local, int family, const char *port)
{
	struct addrinfo hints = {
	    .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *own = NULL;
	int on = 1;

	if (getaddrinfo(local, port, &hints, &own) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	if (port)
		(void)setsockopt(sock, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	else
		(void)setsockopt(sock, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	int done = bind(sock, own->ai_addr, own->ai_addrlen);
	freeaddrinfo(own);
	return done;
}

/* Returns 0, or -1 with errno; ETIMEDOUT when it takes too long. */
static int finish_connect(int sock)
{
	struct pollfd fd = {.fd = sock, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int error = 0;
	int ready;

	do
		ready = poll(&fd, 1, CONNECT_WAIT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		error = ETIMEDOUT;
	else if (ready < 0 || getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	errno = error;
	return error == 0 ? 0 : -1;
}

static void tune(int sock)
{
	int on = 1;

	/* What comes in pieces goes on in pieces: who types into ssh waits for each. */
	(void)setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* Returns a connected socket, or -1 with errno. */
static int connect_to(const struct addrinfo *to, const char *local, const char *port)
{
	int sock = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -1;
	tune(sock);
	if (bind_to(sock, local, to->ai_family, port) == 0 &&
	    (connect(sock, to->ai_addr, to->ai_addrlen) == 0 ||
		(errno == EINPROGRESS && finish_connect(sock) == 0)))
		return sock;
	int why = errno;
	(void)close(sock);
	errno = why;
	return -1;
}

/* To host's addresses of the family that was let in. */
static int connect_host(
    const struct postern_answer *a, const char *host, const char *port, const char *from)
{
	struct addrinfo hints = {
	    .ai_family = a->family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	int sock = -1;

	if (getaddrinfo(host, port, &hints, &list) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	for (const struct addrinfo *to = list; to && sock < 0; to = to->ai_next)
		sock = connect_to(to, a->local, from);
	int why = errno;
	freeaddrinfo(list);
	errno = why;
	return sock;
}

/*
 * A port of ours that nobody else gets while the socket is there. The door is
 * asked for before it is known which address will knock, so the socket is for
 * all of them, and the connection's own is bound beside it.
 */
struct reserved {
	int sock; /* -1: none */
	char port[PORT_TEXT];
};

static int reserve_family(struct reserved *r, int family)
{
	struct sockaddr_storage any = {.ss_family = (sa_family_t)family};
	socklen_t len =
	    family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int on = 1;

	r->sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->sock < 0)
		return -1;
	if (setsockopt(r->sock, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
	    bind(r->sock, (const struct sockaddr *)&any, len) == 0 &&
	    getsockname(r->sock, (struct sockaddr *)&any, &len) == 0 &&
	    getnameinfo((const struct sockaddr *)&any, len, NULL, 0, r->port, sizeof(r->port),
		NI_NUMERICSERV) == 0)
		return 0;
	(void)close(r->sock);
	r->sock = -1;
	return -1;
}

static int reserve(struct reserved *r)
{
	return reserve_family(r, AF_INET6) == 0 ? 0 : reserve_family(r, AF_INET);
}

/* ---- the command ---- */

static bool is_server(const struct postern_profile *profile, const char *host)
{
	const char *server;

	for (size_t i = 0; (server = postern_profile_server(profile, i)); i++) {
		if (strcasecmp(server, host) == 0)
			return true;
	}
	return false;
}

static bool read_port(const char *text, uint16_t *out)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n == 0 || n > PORT_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

static int find_profile(struct knocking *k, const struct settings *s, uint16_t port, json_t *model)
{
	if (s->profile)
		return knocking_load(k, s->profile, model);
	int status = postern_profile_find(k->lib, s->operand[0], port, &k->profile);
	return status == POSTERN_OK ? status : model_status(model, k->lib, status);
}

/*
 * By its name if one was given; else by the name that the profile has for the port; else by the
 * port, which a server may allow, too.
 */
static int ask_port(struct knocking *k, const struct settings *s, uint16_t port)
{
	const struct postern_service *service;
	int status = postern_knock_set(k->knock, POSTERN_ANY, 1);

	if (status != POSTERN_OK)
		return status;
	if (port == 0)
		return postern_knock_service(k->knock, s->operand[1]);
	for (size_t i = 0; (service = postern_profile_service(k->profile, i)); i++) {
		if (service->protocol == IPPROTO_TCP && service->port == port)
			return postern_knock_service(k->knock, service->name);
	}
	return postern_knock_port(k->knock, IPPROTO_TCP, port);
}

static int ask_narrow(struct knocking *k, const struct settings *s, const struct reserved *r)
{
	uint16_t port = 0;
	int status = POSTERN_OK;

	if (s->single_use)
		status = postern_knock_set(k->knock, POSTERN_SINGLE_USE, 1);
	if (status == POSTERN_OK && r->sock >= 0 && read_port(r->port, &port))
		status = postern_knock_set(k->knock, POSTERN_SOURCE_PORT, port);
	return status;
}

static int knock(struct knocking *k, const struct settings *s, uint16_t port,
    const struct reserved *r, json_t *model)
{
	int status = knocking_make(k, s, POSTERN_OPEN, model);

	if (status != POSTERN_OK)
		return status;
	status = ask_port(k, s, port);
	if (status == POSTERN_OK)
		status = ask_narrow(k, s, r);
	return status == POSTERN_OK ? knocking_run(k, model) : model_status(model, k->lib, status);
}

/* 0: the profile does not say, or it is random. */
static uint16_t port_in_profile(const struct postern_profile *profile, const char *name)
{
	const struct postern_service *service;

	for (size_t i = 0; (service = postern_profile_service(profile, i)); i++) {
		if (service->protocol == IPPROTO_TCP && strcmp(service->name, name) == 0)
			return service->port;
	}
	return 0;
}

/* At the port that was given, or that the server told, or that the profile has. Returns whether it is known. */
static bool port_of(char out[static PORT_TEXT], const struct postern_answer *a,
    const struct postern_profile *profile, const char *operand)
{
	uint16_t port = 0;

	if (!read_port(operand, &port))
		port = a->doors > 0 && a->door[0].protocol == IPPROTO_TCP
			   ? a->door[0].port
			   : port_in_profile(profile, operand);
	if (port != 0)
		(void)snprintf(out, PORT_TEXT, "%u", (unsigned)port);
	return port != 0;
}

/* From the address that the door was opened for. Returns a connected socket, or -1 with errno; port "": it is not known. */
static int connect_door(const struct knocking *k, const struct settings *s,
    const struct reserved *r, char port[static PORT_TEXT])
{
	const struct postern_answer *a;
	const char *host = s->operand[0];
	const bool same = is_server(k->profile, host);
	int sock = -1;

	port[0] = '\0';
	errno = EADDRNOTAVAIL;
	for (size_t i = 0; sock < 0 && (a = postern_knock_answer(k->knock, i)); i++) {
		if ((a->status == POSTERN_OK || a->unconfirmed) &&
		    port_of(port, a, k->profile, s->operand[1]))
			sock = connect_host(
			    a, same ? a->server : host, port, r->sock >= 0 ? r->port : NULL);
	}
	return sock;
}

/* Through the door that was opened; or that may be, where no answer comes. */
static int go_through(
    const struct knocking *k, const struct settings *s, const struct reserved *r, json_t *model)
{
	char port[PORT_TEXT];
	const char *host = s->operand[0];
	const bool unconfirmed = knocking_is_unconfirmed(k);
	const int sock = connect_door(k, s, r, port);

	if (port[0] == '\0')
		return model_error(model, unconfirmed ? POSTERN_NO_ANSWER : POSTERN_SYSTEM,
		    "no TCP port is known of '%s': an answer tells it, so knock in a way that "
		    "brings one, and name a service over TCP",
		    s->operand[1]);
	if (sock < 0 && unconfirmed)
		return model_error(model, POSTERN_NO_ANSWER,
		    "the knock was sent, no answer was to come, and %s port %s does not take the "
		    "connection (%s): knock once in a way that brings an answer, which says why",
		    host, port, strerror(errno));
	if (sock < 0)
		return model_error(model, POSTERN_SYSTEM,
		    "the door is open, but %s port %s does not take the connection (%s): does the "
		    "service "
		    "run there?",
		    host, port, strerror(errno));
	if (unconfirmed && is_tarpit(sock)) {
		(void)close(sock);
		return model_error(model, POSTERN_NO_ANSWER,
		    "the knock was sent, no answer was to come, and what takes the connection to "
		    "%s port %s has no room for a byte, like a trap where no door is open: knock "
		    "in a way that brings an answer, which says why",
		    host, port);
	}
	(void)json_object_del(model, "error"); /* it tells whether the knock was heard: it was */
	int done = pipe_run(STDIN_FILENO, STDOUT_FILENO, sock);
	int why = errno;
	(void)close(sock);
	if (done < 0)
		return model_error(model, POSTERN_SYSTEM, "the connection to %s port %s broke: %s",
		    host, port, strerror(why));
	return POSTERN_OK;
}

int command_connect(struct postern *p, const struct settings *s, json_t *model)
{
	struct reserved r = {.sock = -1};
	struct knocking k = {.lib = p};
	uint16_t port = 0;

	if (!read_port(s->operand[1], &port) && is_number(s->operand[1]))
		return model_error(model, POSTERN_BAD_ARGUMENT,
		    "connect: '%s' is not a port: a number from 1 to 65535, or a service's name",
		    s->operand[1]);
	if (s->exact && reserve(&r) < 0)
		return model_error(
		    model, POSTERN_SYSTEM, "connect: no port of its own: %s", strerror(errno));
	int status = find_profile(&k, s, port, model);
	if (status == POSTERN_OK)
		status = knock(&k, s, port, &r, model);
	if (status == POSTERN_OK || (status == POSTERN_NO_ANSWER && knocking_is_unconfirmed(&k)))
		status = go_through(&k, s, &r, model);
	if (r.sock >= 0)
		(void)close(r.sock);
	knocking_end(&k);
	return status;
}
