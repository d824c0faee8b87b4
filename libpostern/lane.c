#include "lane.h"

#include <netinet/in.h>
#include <string.h>

int lanes_choose(const struct postern_profile *p, const struct request *q, struct lanes *out,
    struct trouble *errors)
{
	bool via = p->settings.via.kind != WEB_STRAIGHT;

	*out = (struct lanes){.len = 0};
	for (unsigned i = 0; i < p->carriers; i++) {
		const struct sender *s = p->carrier[i];
		const char *why = fits_request(s, q, via);
		if (!why) {
			out->at[out->len++] = (struct lane){
			    .sender = s, .answers = s->has_reply && p->confirm != CONFIRM_NONE};
			continue;
		}
		out->out[out->left_out].sender = s;
		out->out[out->left_out++].why = why;
	}
	if (out->len == 0)
		lanes_tell(out, p, errors);
	return out->len > 0 ? 0 : -1;
}

void lanes_tell(const struct lanes *l, const struct postern_profile *p, struct trouble *t)
{
	for (unsigned i = 0; i < l->left_out; i++)
		trouble_say(t, "%s: not by %s: %s", p->name, l->out[i].sender->name, l->out[i].why);
}

uint16_t lane_door(const struct postern_profile *p, const struct request *q)
{
	if (q->verb != VERB_OPEN || q->single_use || q->has_source_port)
		return 0;
	for (unsigned i = 0; i < q->services; i++) {
		const struct postern_service *s = profile_service(p, q->service[i]);
		if (s && s->protocol == IPPROTO_TCP && s->port != 0 &&
		    !profile_has_trap(p, s->port))
			return s->port;
	}
	for (unsigned i = 0; i < q->ports; i++) {
		if (q->port[i].proto == IPPROTO_TCP && !profile_has_trap(p, q->port[i].number))
			return q->port[i].number;
	}
	return 0;
}
