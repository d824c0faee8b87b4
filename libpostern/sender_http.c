/*
 * The client's half of http: a connection to the web server, or to a proxy,
 * and one GET with each M1. The answer is the web server's and says nothing;
 * whether the knock was heard shows at the door.
 */
#include "sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secret.h"

enum {
	CONNECT_MS = 5000, /* for the connection and all that a proxy wants */
	READS_MAX = 16,
	READ_BYTES = 2048,
};

enum stage {
	IDLE,
	CONNECTING,
	ASKING,	 /* something of SOCKS5 goes out */
	HEARING, /* and its answer is awaited */
	SENDING, /* the request goes out */
	SENT,	 /* what the web server says is read and thrown away */
};

struct http_way {
	struct way way;
	struct web web;
	struct web_via via;
	struct sockaddr_storage to;
	socklen_t to_len;
	int sock;
	enum stage stage;
	uint64_t end_ns;
	char request[WEB_REQUEST_MAX];
	size_t request_len;
	uint8_t out[WEB_REQUEST_MAX]; /* what goes out now */
	size_t out_len, out_done;
	struct web_socks_state socks;
};

static struct http_way *http(struct way *w)
{
	return (struct http_way *)w;
}

static void http_stop(struct way *w)
{
	if (http(w)->sock >= 0)
		(void)close(http(w)->sock);
	http(w)->sock = -1;
	http(w)->stage = IDLE;
}

static void http_close(struct way *w)
{
	http_stop(w);
	secret_wipe(http(w), sizeof(struct http_way));
	free(w);
}

static int http_open(struct way **out, const struct sender_want *want, struct sender_error *e)
{
	const struct settings *s = want->settings;
	struct http_way *h = calloc(1, sizeof(*h));

	if (!h)
		return sender_fails(e);
	h->way.sender = &sender_http;
	h->web = s->http;
	h->via = s->via;
	h->to_len = want->len;
	h->sock = -1;
	sender_to_port(want, s->via.kind == WEB_STRAIGHT ? s->http.port : s->via.port, &h->to);
	*out = &h->way;
	return SENDER_OK;
}

/* Nobody there, or a proxy that will not: by this way no knock goes. */
static int give_up(struct http_way *h, struct sender_error *e, const char *why)
{
	int status = sender_fails(e);

	if (h->via.kind != WEB_STRAIGHT)
		(void)snprintf(e->what, sizeof(e->what), "%s%scheck the proxy of 'via'",
		    why ? why : "", why ? "; " : "");
	else
		(void)snprintf(e->what, sizeof(e->what), "check the web server of 'http'");
	http_stop(&h->way);
	return status;
}

static void say(struct http_way *h, const void *bytes, size_t len, enum stage stage)
{
	memcpy(h->out, bytes, len);
	h->out_len = len;
	h->out_done = 0;
	h->stage = stage;
}

static void ask_proxy(struct http_way *h)
{
	uint8_t words[512];

	say(h, words, web_socks_say(&h->socks, &h->web, &h->via, words), ASKING);
	secret_wipe(words, sizeof(words));
}

/* In one segment, since the server looks at one at a time. */
static int send_request(struct http_way *h)
{
	int segment = 0;
	socklen_t len = sizeof(segment);

	if (getsockopt(h->sock, IPPROTO_TCP, TCP_MAXSEG, &segment, &len) == 0 && segment > 0 &&
	    h->request_len > (size_t)segment) {
		http_stop(&h->way);
		return SENDER_TOO_LONG;
	}
	say(h, h->request, h->request_len, SENDING);
	return SENDER_OK;
}

static int connected(struct http_way *h, struct sender_error *e)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(h->sock, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return give_up(h, e, NULL);
	if (error != 0) {
		errno = error;
		return give_up(h, e, NULL);
	}
	way_local(&h->way, h->sock);
	h->socks = (struct web_socks_state){.step = SOCKS_METHODS};
	if (h->via.kind != WEB_SOCKS5)
		return send_request(h);
	ask_proxy(h);
	return SENDER_OK;
}

/* Whether the connection is there yet. */
static bool is_connected(const struct http_way *h)
{
	struct pollfd p = {.fd = h->sock, .events = POLLOUT};

	return poll(&p, 1, 0) > 0;
}

/* Returns whether all is out; false with errno 0 when it is not yet, else with an errno. */
static bool flush(struct http_way *h)
{
	ssize_t n = send(h->sock, h->out + h->out_done, h->out_len - h->out_done, MSG_NOSIGNAL);

	if (n < 0) {
		errno = errno == EAGAIN ? 0 : errno;
		return false;
	}
	h->out_done += (size_t)n;
	errno = 0;
	return h->out_done == h->out_len;
}

/* Reads no further than the answer goes: what follows is the web server's. */
static int hear_proxy(struct http_way *h, struct sender_error *e)
{
	struct web_socks_state *s = &h->socks;
	size_t missing = web_socks_needs(s);

	while (missing > 0) {
		ssize_t n = recv(h->sock, s->in + s->len, missing, 0);
		if (n < 0 && errno == EAGAIN)
			return SENDER_OK;
		if (n <= 0) {
			errno = n == 0 ? ECONNRESET : errno;
			return give_up(h, e, NULL);
		}
		s->len += (size_t)n;
		missing = web_socks_needs(s);
	}
	if (web_socks_take(s, &h->via) < 0) {
		errno = ECONNABORTED;
		return give_up(h, e, s->why);
	}
	if (s->step == SOCKS_DONE)
		return send_request(h);
	ask_proxy(h);
	return SENDER_OK;
}

/* One stage further, if it can be. */
static int advance(struct http_way *h, struct sender_error *e)
{
	switch (h->stage) {
	case CONNECTING:
		return is_connected(h) ? connected(h, e) : SENDER_OK;
	case HEARING:
		return hear_proxy(h, e);
	case ASKING:
	case SENDING:
		if (flush(h))
			h->stage = h->stage == ASKING ? HEARING : SENT;
		else if (errno != 0)
			return give_up(h, e, NULL);
		return SENDER_OK;
	case IDLE:
	case SENT:
		break;
	}
	return SENDER_OK;
}

static int http_step(struct way *w, uint64_t mono_ns, struct sender_error *e)
{
	struct http_way *h = http(w);
	enum stage before;
	int status = SENDER_OK;

	do {
		before = h->stage;
		status = advance(h, e);
	} while (status == SENDER_OK && h->stage != before);
	if (status == SENDER_OK && h->stage != IDLE && h->stage != SENT && mono_ns >= h->end_ns) {
		errno = ETIMEDOUT;
		return give_up(h, e, NULL);
	}
	return status;
}

static int http_send(
    struct way *w, const struct sender_message *m, uint64_t mono_ns, struct sender_error *e)
{
	struct http_way *h = http(w);
	int len = web_request(&h->web, &h->via, m->bytes, m->len, h->request);
	int on = 1;

	http_stop(w);
	if (len < 0)
		return SENDER_TOO_LONG;
	h->request_len = (size_t)len;
	h->end_ns = mono_ns + (uint64_t)CONNECT_MS * NS_PER_MS;
	h->sock = socket(h->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (h->sock < 0)
		return give_up(h, e, NULL);
	(void)setsockopt(h->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(h->sock, (const struct sockaddr *)&h->to, h->to_len) < 0 &&
	    errno != EINPROGRESS)
		return give_up(h, e, NULL);
	h->stage = CONNECTING;
	return http_step(w, mono_ns, e);
}

static uint64_t http_due(const struct way *w)
{
	const struct http_way *h = (const struct http_way *)w;

	return h->stage == IDLE || h->stage == SENT ? UINT64_MAX : h->end_ns;
}

/* The first line of what the web server, or a proxy, says. */
static void note(struct http_way *h, const char *text, size_t len)
{
	const char *end = memchr(text, '\r', len);
	size_t n = end ? (size_t)(end - text) : len;

	if (h->way.note[0] || len < 5 || memcmp(text, "HTTP/", 5) != 0)
		return;
	n = n < sizeof(h->way.note) ? n : sizeof(h->way.note) - 1;
	memcpy(h->way.note, text, n);
	h->way.note[n] = '\0';
}

static int http_receive(struct way *w, uint8_t *out, size_t cap)
{
	struct http_way *h = http(w);
	char page[READ_BYTES];

	(void)out;
	(void)cap;
	for (int i = 0; i < READS_MAX && h->stage == SENT; i++) {
		ssize_t got = recv(h->sock, page, sizeof(page), 0);
		if (got < 0 && errno == EAGAIN)
			break;
		if (got > 0)
			note(h, page, (size_t)got);
		else
			http_stop(w);
	}
	return SENDER_NOTHING;
}

static size_t http_fds(const struct way *w, struct pollfd *out, size_t cap)
{
	const struct http_way *h = (const struct http_way *)w;
	bool writes = h->stage == CONNECTING || h->stage == ASKING || h->stage == SENDING;

	if (h->sock < 0)
		return 0;
	if (cap > 0)
		*out = (struct pollfd){.fd = h->sock, .events = writes ? POLLOUT : POLLIN};
	return 1;
}

const struct sender sender_http = {
    .name = "http",
    .id = CARRIER_HTTP,
    .room = VEIL_ROOM_HTTP,
    .has_reply = false,
    .open = http_open,
    .send = http_send,
    .step = http_step,
    .due = http_due,
    .stop = http_stop,
    .receive = http_receive,
    .fds = http_fds,
    .close = http_close,
};
