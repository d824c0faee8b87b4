#include "closes.h"

#include <inttypes.h>
#include <stdio.h>

const char *closes_text(
    uint32_t idle_s, uint16_t source_port, bool once, char out[static CLOSES_TEXT])
{
	char how[CLOSES_TEXT / 2] = "by time", whom[CLOSES_TEXT / 2] = "";

	if (once)
		(void)snprintf(how, sizeof(how), "once");
	else if (idle_s != 0)
		(void)snprintf(how, sizeof(how), "idle %" PRIu32 " s", idle_s);
	if (source_port != 0)
		(void)snprintf(whom, sizeof(whom), ", port %" PRIu16, source_port);
	(void)snprintf(out, CLOSES_TEXT, "%s%s", how, whom);
	return out;
}
