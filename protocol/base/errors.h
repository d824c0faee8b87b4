/*
 * errors - why a function of the protocol said no.
 *
 * Every fallible function of protocol/ returns 0 (or a length) on success and
 * the negative of one of these on bad input. A caller's bug aborts instead.
 */
#ifndef POSTERN_BASE_ERRORS_H
#define POSTERN_BASE_ERRORS_H

enum postern_errno {
	E_SHORT = 1, /* input ends too early, or a buffer has no room */
	E_FORMAT,    /* not of the form that the protocol demands */
	E_VERSION,   /* a version that we do not speak */
	E_UNKNOWN,   /* an element that may not be ignored and is not known */
	E_FORGED,    /* an authenticator does not match */
	E_KEY,	     /* a key that must not be used (low order, wrong owner) */
	E_REPLAY,    /* seen before, or older than what was seen */
	E_FULL,	     /* a bound is reached */
	E_NOTFOUND,  /* no such thing */
	E_STATE,     /* not at this point of the exchange */
};

#endif
