/*
 * web - what a profile says of a web server and of a proxy on the way to it,
 * the request that takes a knock along, and the words of SOCKS5. No I/O.
 */
#ifndef LIBPOSTERN_WEB_H
#define LIBPOSTERN_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WEB_HOST_MAX = 253,
	WEB_PATH_MAX = 128,
	WEB_COOKIE_MAX = 32,
	WEB_WORD_MAX = 64,	/* user, password */
	WEB_REQUEST_MAX = 2048, /* of HTTP */
	WEB_SOCKS_MAX = 3 + 2 * (1 + WEB_WORD_MAX),
};

/* http://HOST[:PORT]/PATH */
struct web {
	char host[WEB_HOST_MAX + 1]; /* without the brackets of IPv6; "": there is none */
	uint16_t port;
	char path[WEB_PATH_MAX + 1];
	char cookie[WEB_COOKIE_MAX + 1]; /* its name; "": the token stands behind the path */
};

enum web_via_kind { WEB_STRAIGHT, WEB_SOCKS5, WEB_PROXY };

/* socks5://[USER:PASSWORD@]HOST:PORT, http://HOST:PORT */
struct web_via {
	enum web_via_kind kind;
	char host[WEB_HOST_MAX + 1];
	uint16_t port;
	char user[WEB_WORD_MAX + 1]; /* "": none is asked for */
	char password[WEB_WORD_MAX + 1];
};

/* Both return 0, or -1 for what is not of that form, and then out is not changed. */
int web_parse(const char *url, struct web *out);
int web_parse_via(const char *url, struct web_via *out);

/*
 * The whole GET that bears these bytes, absolute when it goes to a proxy of HTTP.
 * Returns its length; -1 when it is too long.
 */
int web_request(const struct web *w, const struct web_via *via, const uint8_t *bytes, size_t len,
    char out[static WEB_REQUEST_MAX]);

/* ---- SOCKS5: RFC 1928 and RFC 1929 ---- */

enum web_socks {
	SOCKS_METHODS,	/* which of our methods it takes: 2 bytes are expected */
	SOCKS_PASSWORD, /* whether user and password are right: 2 bytes */
	SOCKS_CONNECT,	/* whether it is connected: 5 bytes and more */
	SOCKS_DONE,
};

struct web_socks_state {
	enum web_socks step;
	uint8_t in[4 + 1 + 255 + 2];
	size_t len;	 /* of in */
	const char *why; /* half a sentence, when it refused */
};

/* What to send at this step. The name of w is for the proxy to resolve. Returns its length. */
size_t web_socks_say(const struct web_socks_state *s, const struct web *w,
    const struct web_via *via, uint8_t out[static 512]);
/* How many bytes are missing until the answer of this step is whole; 0 when it is. */
size_t web_socks_needs(const struct web_socks_state *s);
/* Take the whole answer, and go on to the next step. Returns 0, or -1 with why. */
int web_socks_take(struct web_socks_state *s, const struct web_via *via);

#endif
