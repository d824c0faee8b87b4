/*
 * fuzz_config - the text of posternd.conf. What is accepted must, printed,
 * read back to the same; what is not must have been told why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

enum { TEXT_MAX = 4096 };

/* Printed texts may be twice as long as given ones, in quotes; a service has some 150 bytes, a source 2,000. */
static char printed[CONFIG_SERVICES_MAX * 256 + CONFIG_SOURCES_MAX * 2048 + 16384];
static struct config first, second;

static void read_back(void)
{
	struct report r = {.say = NULL};
	FILE *out = fmemopen(printed, sizeof(printed), "w");
	unsigned i;

	if (out == NULL)
		abort();
	config_print(&first, out);
	if (fclose(out) != 0 || config_parse(&second, "again", printed, &r) != 0)
		abort();
	for (i = 0; i < first.services; i++)
		first.service[i].line = second.service[i].line;
	for (i = 0; i < first.sources; i++)
		first.source[i].line = second.source[i].line;
	for (i = 1; i <= first.sequences; i++)
		first.sequence[i].line = second.sequence[i].line;
	for (i = 0; i < first.commands; i++)
		first.command[i].line = second.command[i].line;
	if (memcmp(&first, &second, sizeof(first)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report r = {.say = NULL};
	char text[TEXT_MAX + 1];

	if (size > TEXT_MAX)
		return -1;
	memcpy(text, data, size);
	text[size] = '\0';
	if (config_parse(&first, "fuzz", text, &r) == 0)
		read_back();
	else if (r.errors == 0)
		abort();
	return 0;
}
