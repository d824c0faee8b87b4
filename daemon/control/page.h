/*
 * page - what the core and the sources tell, as control.h has it; and what is
 * asked, as the core takes it.
 */
#ifndef POSTERN_CONTROL_PAGE_H
#define POSTERN_CONTROL_PAGE_H

#include "control.h"
#include "core.h"

enum { PAGE_RECORDS = 64 }; /* that wait in memory for room in a socket */

/*
 * Is this a request that may be served? Exact length, a known type, texts
 * that end.
 */
bool page_request_ok(const void *bytes, size_t len);
/* out borrows of q. Returns 0, or -1: it names no verdict that there is. */
int page_query(const struct control_request *q, struct journal_query *out)
    __attribute__((warn_unused_result));
/* All but the head: what is filled by these is zeros before. */
void page_session(const struct session_view *v, struct control_session *out);
void page_record(const struct journal_record *r, struct control_record *out);
/* All but the head: next is where core_journal() would go on. */
void page_end(
    const struct core *c, const struct journal_query *q, uint64_t next, struct control_page *out);
/* All but the head. m's texts are ended. */
void page_source(const struct msg_source_state *m, struct control_source *out);

#endif
