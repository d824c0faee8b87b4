/* How the comparison of capture methods is told and drawn, and what it refuses to begin with. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture_result.h"
#include "ctl_lab.h"
#include "output.h"

static void fill(struct capture_results *r)
{
	static const char *const methods[] = {"pcap", "afpacket"};

	r->len = 0;
	for (unsigned m = 0; m < COUNT_OF(methods); m++)
		for (unsigned i = 0; i < 3; i++)
			r->at[r->len++] = (struct capture_result){.method = methods[m],
			    .rate = i == 0 ? 1000 : i * 10000,
			    .seconds = 1,
			    .offered = i == 0 ? 1000 : i * 10000,
			    .seen = i == 0 ? 1000 : i * 9000,
			    .lost = i * 1000,
			    .cpu_user_us = 0.5 + m,
			    .cpu_kernel_us = 1.254,
			    .latency_p50_us = 42.123,
			    .latency_p99_us = 100,
			    .memory_kib = 1800};
}

static void the_array_has_these_keys_alone(void **state)
{
	static const char text[] =
	    "{\"method\": \"afpacket\", \"offered\": 20000, \"seen\": 18000, \"lost\": 2000, "
	    "\"cpu_user_us\": 1.5, \"cpu_kernel_us\": 1.25, \"latency_us\": {\"p50\": 42.12, "
	    "\"p99\": 100.0}, \"memory_kib\": 1800, \"rate\": 20000}";
	static struct capture_results results;
	struct ctl c = {.json = true, .quiet = true};
	char path[] = "/tmp/postern-array-XXXXXX";
	int to = mkstemp(path), saved;
	json_t *array, *expected = json_loads(text, 0, NULL);

	(void)state;
	assert_true(to >= 0);
	fill(&results);
	c.out = output_new("capture compare");
	capture_results_tell(&c, &results);
	(void)fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_true(dup2(to, STDOUT_FILENO) >= 0);
	assert_int_equal(output_print(&c, CTL_OK), CTL_OK);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	output_free(c.out);
	array = json_load_file(path, JSON_REAL_PRECISION(5), NULL);
	assert_int_equal(json_array_size(array), 6);
	assert_true(json_equal(json_array_get(array, 5), expected));
	/* Without a rate of ours, it is not told. */
	results.at[0].rate = 0;
	c.out = output_new("capture compare");
	capture_results_tell(&c, &results);
	assert_null(json_object_get(
	    json_array_get(json_object_get(output_model(c.out), "methods"), 0), "rate"));
	output_free(c.out);
	json_decref(array);
	json_decref(expected);
	(void)close(to);
	(void)close(saved);
	(void)unlink(path);
}

static char *drawing_of(const struct capture_results *r)
{
	char path[] = "/tmp/postern-plot-XXXXXX";
	char *text = NULL;
	size_t size = 0;
	int fd = mkstemp(path);
	FILE *in;

	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(capture_results_plot(r, path), 0);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_true(getdelim(&text, &size, '\0', in) > 0);
	(void)fclose(in);
	(void)unlink(path);
	return text;
}

static int count(const char *text, const char *part)
{
	int n = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		n++;
	return n;
}

/* (Well-formedness is for the end-to-end test, which has a parser.) */
static void the_drawing_is_labelled(void **state)
{
	static const char *const parts[] = {">Loss<", ">CPU of the reading process<",
	    ">lost, % of offered<", ">user and kernel, µs a packet<", ">pcap<", ">afpacket<",
	    ">1k<", ">10k<", ">100k<", ">10<", "stroke-dasharray=\"8 3\"",
	    "stroke-dasharray=\"none\""};
	static struct capture_results results;
	char *text;

	(void)state;
	fill(&results);
	text = drawing_of(&results);
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (strstr(text, parts[i]) == NULL)
			fail_msg("no %s in %s", parts[i], text);
	/* Three points of two methods in two panels, and the legend. */
	assert_int_equal(count(text, "class=\"mark\""), 3 * 2 * 2 + 2);
	assert_int_equal(count(text, "<circle"), 3 * 2 + 1);
	assert_int_equal(count(text, "packets offered a second"), 2);
	assert_int_equal(count(text, "nan"), 0);
	assert_int_equal(count(text, "inf"), 0);
	free(text);
}

/* Nothing came at all: axes must still be axes. */
static void a_drawing_of_nothing(void **state)
{
	static struct capture_results results;
	char *text;

	(void)state;
	results.len = 1;
	results.at[0] = (struct capture_result){.method = "pcap", .seconds = 1};
	text = drawing_of(&results);
	assert_int_equal(count(text, "nan"), 0);
	assert_int_equal(count(text, "inf"), 0);
	assert_int_equal(count(text, "class=\"mark\""), 3);
	free(text);
	assert_int_equal(capture_results_plot(&results, "/nonexistent/plot.svg"), -1);
}

static void refuses_in_one_sentence(void **state)
{
	struct lab *l = *state;

	assert_int_equal(lab_run(l, "capture", "compare", "ulog", NULL), CTL_USAGE);
	assert_true(lab_said(l, "errors", "ulog: Linux 3.17 dropped ULOG; use nflog, which took"));
	assert_int_equal(lab_run(l, "capture", "compare", "bpf", NULL), CTL_USAGE);
	assert_true(
	    lab_said(l, "errors", "there is no capture method 'bpf'; there are pcap, afpacket"));
	assert_int_equal(lab_run(l, "capture", "compare", "--seconds", "0", NULL), CTL_USAGE);
	assert_true(lab_said(l, "errors", "--seconds 0: a number from 1 to 3600 is needed"));
	assert_int_equal(
	    lab_run(l, "capture", "compare", "--self-test", "--rate", "many", NULL), CTL_USAGE);
	assert_true(lab_said(l, "errors", "--rate many: a number"));
	assert_int_equal(lab_run(l, "capture", "compare", "--rate", "5", NULL), CTL_USAGE);
	assert_true(lab_said(l, "errors", "--rate: what comes in by itself has no rate"));
	assert_int_equal(
	    lab_run(l, "capture", "compare", "--self-test", "--port", "5", NULL), CTL_USAGE);
	assert_true(lab_said(l, "errors", "--port: the self-test makes its own traffic"));
	if (geteuid() != 0)
		return;
	assert_int_equal(
	    lab_run(l, "capture", "compare", "--interface", "nowhere0", NULL), CTL_FAILED);
	assert_true(lab_said(l, "errors", "there is no interface nowhere0; 'ip link' lists them"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_array_has_these_keys_alone),
	    cmocka_unit_test(the_drawing_is_labelled),
	    cmocka_unit_test(a_drawing_of_nothing),
	    cmocka_unit_test_setup_teardown(refuses_in_one_sentence, lab_setup, lab_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
