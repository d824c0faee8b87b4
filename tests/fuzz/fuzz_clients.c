/*
 * fuzz_clients - the file of clients. Whoever is accepted is found by name, by
 * cid and by place; a line that is not must have been told why.
 */
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "secret.h"

static struct config config = {.services = 2, .service = {{.name = "ssh"}, {.name = "web"}}};

static void read_line(struct clients *cs, unsigned number, const uint8_t *at, size_t len)
{
	struct report r = {.say = NULL};
	size_t before = clients_count(cs);
	char *line = malloc(len + 1); /* of its own, so that a step beyond is seen */

	if (line == NULL)
		abort();
	if (len > 0)
		memcpy(line, at, len);
	line[len] = '\0';
	if ((clients_line(cs, "fuzz", number, line, &r) == 0) != (r.errors == 0))
		abort();
	if (r.errors > 0 && clients_count(cs) != before)
		abort();
	free(line);
}

static void check(const struct clients *cs)
{
	size_t i;

	for (i = 0; i < clients_count(cs); i++) {
		const struct client *c = clients_at(cs, i);

		if (clients_by_cid(cs, c->cid) != c || clients_by_name(cs, c->name) != c ||
		    clients_index(cs, c) != i || client_has_service(c, config.services))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report r = {.say = NULL};
	struct clients *cs = clients_new(&config);
	unsigned number = 0;

	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end != NULL ? (size_t)(end - data) : size;

		read_line(cs, ++number, data, len);
		len += end != NULL;
		data += len;
		size -= len;
	}
	(void)!clients_finish(cs, "fuzz", &r);
	check(cs);
	clients_free(cs);
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return secret_init();
}
