#include "request.h"

bool name_is_valid(const char *name)
{
	size_t len = 0;

	for (; name[len]; len++) {
		char c = name[len];
		bool fits =
		    (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
		if (!fits || len == SERVICE_NAME_MAX)
			return false;
	}
	return len > 0;
}

const char *verdict_word(enum verdict v)
{
	switch (v) {
	case VERDICT_OK:
		return "ok";
	case VERDICT_REFRESHED:
		return "refreshed";
	case VERDICT_CHALLENGE:
		return "challenge";
	case VERDICT_DENIED:
		return "denied";
	case VERDICT_MALFORMED:
		return "malformed";
	case VERDICT_UNKNOWN_FIELD:
		return "unknown-field";
	case VERDICT_CODE_OR_PIN:
		return "code-or-pin";
	case VERDICT_ADDRESS:
		return "address";
	case VERDICT_QUOTA:
		return "quota";
	case VERDICT_BUSY:
		return "busy";
	case VERDICT_RESULT_UNKNOWN:
		return "result-unknown";
	case VERDICT_FIREWALL:
		return "firewall-failed";
	case VERDICT_COMMAND:
		return "command-failed";
	case VERDICT_EXPIRED:
		return "expired";
	}
	return "unknown";
}

const char *verb_word(enum verb v)
{
	switch (v) {
	case VERB_OPEN:
		return "open";
	case VERB_CLOSE:
		return "close";
	case VERB_RUN:
		return "run";
	case VERB_PING:
		return "ping";
	case VERB_LIST:
		return "list";
	}
	return "unknown";
}
