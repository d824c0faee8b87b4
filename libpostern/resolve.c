#include "resolve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { FAMILIES = 2, PORT_TEXT = 6 };

void address_of(
    const struct sockaddr_storage *addr, socklen_t len, char out[static POSTERN_ADDRESS_TEXT])
{
	if (getnameinfo((const struct sockaddr *)addr, len, out, POSTERN_ADDRESS_TEXT, NULL, 0,
		NI_NUMERICHOST) != 0)
		out[0] = '\0';
}

static struct targets *of_family(
    struct targets out[static FAMILIES], unsigned *families, int family)
{
	for (unsigned i = 0; i < *families; i++) {
		if (out[i].family == family)
			return &out[i];
	}
	if (*families == FAMILIES)
		return NULL;
	struct targets *t = &out[(*families)++];
	*t = (struct targets){.family = family};
	return t;
}

static bool has(const struct targets *t, const char *text)
{
	for (unsigned i = 0; i < t->len; i++) {
		if (strcmp(t->at[i].text, text) == 0)
			return true;
	}
	return false;
}

static void add(struct targets *t, const struct addrinfo *a)
{
	struct target fresh = {.len = a->ai_addrlen};

	if (a->ai_addrlen > sizeof(fresh.addr))
		return;
	memcpy(&fresh.addr, a->ai_addr, a->ai_addrlen);
	address_of(&fresh.addr, fresh.len, fresh.text);
	if (t->len < TARGETS_MAX && !has(t, fresh.text))
		t->at[t->len++] = fresh;
}

static const char *reason(int error)
{
	return error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
}

static const char *of_which(int family)
{
	if (family == AF_UNSPEC)
		return "";
	return family == AF_INET ? " of IPv4" : " of IPv6";
}

static void add_all(
    const struct addrinfo *list, struct targets out[static FAMILIES], unsigned *families)
{
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		struct targets *t = of_family(out, families, a->ai_family);
		if (t)
			add(t, a);
	}
}

unsigned resolve_host(const char *host, struct targets out[static 2], struct trouble *errors)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	unsigned families = 0;
	int error = getaddrinfo(host, NULL, &hints, &list);

	if (error != 0) {
		trouble_say(errors, "%s: has no address (%s): check the name and the network", host,
		    reason(error));
		return 0;
	}
	add_all(list, out, &families);
	freeaddrinfo(list);
	return families;
}

unsigned resolve(const struct postern_profile *p, int family, struct targets out[static 2],
    struct trouble *errors, struct trouble *notes)
{
	struct addrinfo hints = {
	    .ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	struct trouble *where = p->servers == 1 ? errors : notes;
	char port[PORT_TEXT];
	unsigned families = 0;

	(void)snprintf(port, sizeof(port), "%u", (unsigned)p->port);
	for (unsigned i = 0; i < p->servers; i++) {
		struct addrinfo *list = NULL;
		int error = getaddrinfo(p->server[i], port, &hints, &list);
		if (error == 0) {
			add_all(list, out, &families);
			freeaddrinfo(list);
			continue;
		}
		trouble_say(where, "%s: has no address%s (%s): check the name and the network",
		    p->server[i], of_which(family), reason(error));
	}
	if (families == 0 && p->servers > 1)
		trouble_say(errors,
		    "%s: none of its %u servers has an address%s: check the network", p->name,
		    p->servers, of_which(family));
	return families;
}
