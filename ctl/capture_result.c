#include "capture_result.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "output.h"

enum { CELL_MAX = 32, HUNDREDTHS = 100 };

static void row_real(json_t *row, const char *column, double value)
{
	char text[CELL_MAX];

	(void)snprintf(text, sizeof(text), "%.2f", value);
	row_text(row, column, text);
}

static void tell_row(json_t *table, const struct capture_result *r)
{
	json_t *row = output_row(table);

	row_text(row, "method", r->method);
	if (r->rate != 0)
		row_number(row, "rate", r->rate);
	row_number(row, "offered", r->offered);
	row_number(row, "seen", r->seen);
	row_number(row, "lost", r->lost);
	row_real(row, "cpu_user_us", r->cpu_user_us);
	row_real(row, "cpu_kernel_us", r->cpu_kernel_us);
	row_real(row, "latency_p50_us", r->latency_p50_us);
	row_real(row, "latency_p99_us", r->latency_p99_us);
	row_number(row, "memory_kib", r->memory_kib);
}

static json_t *real(double value)
{
	return json_real((double)(int64_t)(value * HUNDREDTHS + 0.5) / HUNDREDTHS);
}

static json_t *object_of(const struct capture_result *r)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:{s:o, s:o}, s:I}", "method",
	    r->method, "offered", (json_int_t)r->offered, "seen", (json_int_t)r->seen, "lost",
	    (json_int_t)r->lost, "cpu_user_us", real(r->cpu_user_us), "cpu_kernel_us",
	    real(r->cpu_kernel_us), "latency_us", "p50", real(r->latency_p50_us), "p99",
	    real(r->latency_p99_us), "memory_kib", (json_int_t)r->memory_kib);

	if (o == NULL ||
	    (r->rate != 0 && json_object_set_new(o, "rate", json_integer(r->rate)) != 0))
		abort();
	return o;
}

static json_t *array_of(const struct capture_results *r)
{
	json_t *all = json_array();

	for (size_t i = 0; i < r->len; i++)
		if (json_array_append_new(all, object_of(&r->at[i])) != 0)
			abort();
	return all;
}

void capture_results_tell(struct ctl *c, const struct capture_results *r)
{
	json_t *table = output_table(c, "methods", "No method could be compared.");

	for (size_t i = 0; i < r->len; i++)
		tell_row(table, &r->at[i]);
	output_array(c, array_of(r));
}
