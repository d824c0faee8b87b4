/*
 * fuzz_relay - a log line from a child that may be taken. The monitor, which
 * is root, writes one line of printable ASCII at a level that there is, or none.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

static int ends[2];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t line[1 + LOG_LINE_MAX + 1], *record = malloc(size > 0 ? size : 1);
	ssize_t n;

	if (!record)
		abort();
	memcpy(record, data, size);
	log_relay(record, size, "capture eth0");
	n = recv(ends[1], line, sizeof(line), MSG_DONTWAIT);
	if ((n > 0) != (size > 0) || n > LOG_LINE_MAX)
		abort();
	for (ssize_t i = 1; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			abort();
	if (n > 0 && line[0] > LOG_LEVEL_DEBUG)
		abort();
	if (recv(ends[1], line, sizeof(line), MSG_DONTWAIT) >= 0)
		abort(); /* a second line */
	free(record);
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		return -1;
	log_start(LOG_TO_FD, LOG_LEVEL_DEBUG, "monitor", ends[0]);
	return 0;
}
