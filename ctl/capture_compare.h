/*
 * capture_compare - the comparison of capture methods, on whatever comes in or
 * on traffic made for it. How it is asked for is capture.c's matter.
 */
#ifndef POSTERN_CTL_CAPTURE_COMPARE_H
#define POSTERN_CTL_CAPTURE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture_result.h"
#include "capture_round.h"

enum { COMPARE_RATES_MAX = 16 };

struct compare {
	struct ctl *ctl;
	struct round_source source;
	bool has_filter;  /* beyond the knock port: then nobody else can count what is offered */
	bool daemon_runs; /* and must not be disturbed */
	bool daemon_by_firewall; /* it hears knocks from the firewall or by a socket */
	bool named;		 /* the methods were named one by one: each must work */
	size_t methods;
	const struct capture_method *method[ROUND_METHODS_MAX];
	uint32_t seconds;
	size_t rates; /* of the self-test */
	uint32_t rate[COMPARE_RATES_MAX];
	bool progress;
	int signals; /* readable when it is to end */
	struct capture_results *results;
};

/* Side by side on live traffic, in as many turns as it takes. Returns an enum ctl_status, told. */
int compare_live(struct compare *c);
/* One after the other on the same traffic, made in a namespace that this process enters for good. */
int compare_self(struct compare *c);

#endif
