/* counters - names, and adding one. */
#include <stdlib.h>

#include "counters.h"

static const char *const names[AUTH_COUNTERS] = {
    [COUNT_RECEIVED] = "received",
    [COUNT_FORM] = "form",
    [COUNT_CLIENT] = "client",
    [COUNT_LABEL] = "label",
    [COUNT_ENVELOPE] = "envelope",
    [COUNT_CARRIER] = "carrier",
    [COUNT_SEQUENCE] = "sequence",
    [COUNT_REPLAY] = "replay",
    [COUNT_REPEAT] = "repeat",
    [COUNT_DUPLICATE] = "duplicate",
    [COUNT_RATE] = "rate",
    [COUNT_QUEUE] = "queue",
    [COUNT_PGP_BUSY] = "pgp.busy",
    [COUNT_PGP_DOWN] = "pgp.down",
    [COUNT_FORGED] = "forged",
    [COUNT_PGP_FAILED] = "pgp.failed",
    [COUNT_PGP_LATE] = "pgp.late",
    [COUNT_SHORT] = "short",
    [COUNT_DOUBT] = "doubt",
    [COUNT_KNOWN] = "known",
    [COUNT_CHALLENGED] = "challenged",
    [COUNT_CHALLENGES_FULL] = "challenges-full",
    [COUNT_ANSWER_NONE] = "answer.none",
    [COUNT_ANSWER_OLD] = "answer.old",
    [COUNT_ANSWER_PLACE] = "answer.place",
    [COUNT_ANSWER_FORGED] = "answer.forged",
    [COUNT_ANSWER_WRONG] = "answer.wrong",
    [COUNT_ANSWER_AGAIN] = "answer.again",
    [COUNT_ANSWER_RIGHT] = "answer.right",
    [COUNT_VERDICT + VERDICT_OK] = "verdict.ok",
    [COUNT_VERDICT + VERDICT_REFRESHED] = "verdict.refreshed",
    [COUNT_VERDICT + VERDICT_CHALLENGE] = "verdict.challenge",
    [COUNT_VERDICT + VERDICT_DENIED] = "verdict.denied",
    [COUNT_VERDICT + VERDICT_MALFORMED] = "verdict.malformed",
    [COUNT_VERDICT + VERDICT_UNKNOWN_FIELD] = "verdict.unknown-field",
    [COUNT_VERDICT + VERDICT_CODE_OR_PIN] = "verdict.code-or-pin",
    [COUNT_VERDICT + VERDICT_ADDRESS] = "verdict.address",
    [COUNT_VERDICT + VERDICT_QUOTA] = "verdict.quota",
    [COUNT_VERDICT + VERDICT_BUSY] = "verdict.busy",
    [COUNT_VERDICT + VERDICT_RESULT_UNKNOWN] = "verdict.result-unknown",
    [COUNT_VERDICT + VERDICT_FIREWALL] = "verdict.firewall",
    [COUNT_VERDICT + VERDICT_COMMAND] = "verdict.command",
    [COUNT_VERDICT + VERDICT_EXPIRED] = "verdict.expired",
    [COUNT_STORE_FAILED] = "store-failed",
    [COUNT_BUSY] = "busy",
    [COUNT_SENT] = "sent",
    [COUNT_UNWANTED] = "unwanted",
    [COUNT_NO_ROOM] = "no-room",
    [COUNT_UNSEALED] = "unsealed",
    [COUNT_SEND_FAILED] = "send-failed",
    [COUNT_OPENED] = "opened",
    [COUNT_EXTENDED] = "extended",
    [COUNT_CLOSED] = "closed",
    [COUNT_ENDED] = "ended",
    [COUNT_DOOR_FAILED] = "door-failed",
    [COUNT_STRIKE] = "strike",
    [COUNT_SUSPENDED] = "suspended",
    [COUNT_BAN_STRIKE] = "ban-strike",
    [COUNT_BANNED] = "banned",
    [COUNT_UNBANNED] = "unbanned",
    [COUNT_TRAP_SEEN] = "trap.seen",
    [COUNT_TRAP_ANSWER] = "trap.answer",
    [COUNT_TRAP_RATE] = "trap.rate",
    [COUNT_TRAP_FORGED] = "trap.forged",
    [COUNT_TRAPPED] = "trapped",
    [COUNT_EVENT_LOST] = "event-lost",
    [COUNT_JOURNAL_LOST] = "journal-lost",
};

const char *counter_name(enum auth_counter c)
{
	return names[c];
}

void count(struct counters *cs, enum auth_counter c)
{
	cs->n[c]++;
}

void count_verdict(struct counters *cs, enum verdict v)
{
	cs->n[COUNT_VERDICT + v]++;
}
