/*
 * make_golden - print tests/golden/protocol.json anew, after the protocol was
 * changed on purpose: make_golden >tests/golden/protocol.json
 */
#include "secret.h"
#include "worked.h"

int main(void)
{
	if (secret_init() < 0)
		return 1;
	worked_examples(stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
