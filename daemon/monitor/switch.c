/* switch - captures by another method, as posternctl asks for through auth. */
#include "monitor.h"

#include <stdio.h>

#include "message.h"

static void answer_switch(struct monitor *m, uint32_t id, bool ok, const char *why)
{
	struct msg_switched msg = {.head = {MSG_SWITCHED, sizeof(msg)}, .ok = ok, .id = id};

	(void)snprintf(msg.why, sizeof(msg.why), "%s", why);
	(void)!auth_link_send(&m->auth, &msg, NULL, 0);
}

void monitor_switched(void *arg, bool ok, const char *why)
{
	struct monitor *m = arg;

	answer_switch(m, m->switch_id, ok, why);
}

/* Sources are known by their number in one configuration, ways to capture by theirs in our table. */
int monitor_switch_wanted(void *arg, const struct msg_switch *msg)
{
	struct monitor *m = arg;
	const char *method = config_capture_name(msg->method);

	if (!method || (msg->index >= CONFIG_SOURCES_MAX && msg->index != SWITCH_ALL_SOURCES))
		return -1;
	if (m->sources.switching) {
		answer_switch(
		    m, msg->id, false, "another switch is under way; try again in a moment");
	} else if (msg->generation != m->reload.generation ||
		   (msg->index >= m->law->config.sources && msg->index != SWITCH_ALL_SOURCES)) {
		answer_switch(m, msg->id, false, "the configuration has just changed; try again");
	} else {
		m->switch_id = msg->id;
		sources_switch(&m->sources, msg->index, method);
	}
	return 0;
}
