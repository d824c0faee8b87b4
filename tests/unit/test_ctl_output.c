#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "output.h"

enum { SAID_MAX = 8192 };

struct said {
	char out[SAID_MAX];
	char err[SAID_MAX];
	int status;
};

static void take(int fd, int saved, const char *path, char text[static SAID_MAX])
{
	ssize_t n;
	int in;

	assert_true(dup2(saved, fd) >= 0);
	(void)close(saved);
	in = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(in >= 0);
	n = read(in, text, SAID_MAX - 1);
	text[n > 0 ? n : 0] = '\0';
	(void)close(in);
	(void)unlink(path);
}

static int divert(int fd, char path[static 32])
{
	int saved = dup(fd);
	int to;

	(void)strcpy(path, "/tmp/postern-said-XXXXXX");
	to = mkstemp(path);
	assert_true(to >= 0 && dup2(to, fd) >= 0);
	(void)close(to);
	return saved;
}

static void print(struct ctl *c, int status, struct said *s)
{
	char out[32], err[32];
	int saved_out, saved_err;

	(void)fflush(stdout);
	(void)fflush(stderr);
	saved_out = divert(STDOUT_FILENO, out);
	saved_err = divert(STDERR_FILENO, err);
	s->status = output_print(c, status);
	(void)fflush(stdout);
	(void)fflush(stderr);
	take(STDOUT_FILENO, saved_out, out, s->out);
	take(STDERR_FILENO, saved_err, err, s->err);
}

static void say_all(struct ctl *c)
{
	json_t *table, *row, *list;

	output_say(c, "all is %s", "well");
	output_warn(c, "but beware");
	assert_int_equal(output_fail(c, CTL_REFUSED, "no %d", 1), CTL_REFUSED);
	output_fact(c, "file", json_string("x.profile"));
	table = output_table(c, "clients", "there are none");
	row = output_row(table);
	row_text(row, "name", "alice");
	list = row_list(row, "services");
	list_text(list, "ssh");
	list_text(list, "web");
	row_text(row, "expires", NULL);
	row_number(row, "max_hold_s", 60);
	row_flag(row, "challenge", true);
	row = output_row(table);
	row_text(row, "name", "b");
	(void)row_list(row, "services");
	row_text(row, "expires", "2030-01-01T00:00Z");
	row_number(row, "max_hold_s", 3600);
	row_flag(row, "challenge", false);
}

static void test_text(void **state)
{
	struct ctl c = {.out = output_new("client list")};
	struct said s;

	(void)state;
	say_all(&c);
	print(&c, CTL_REFUSED, &s);
	assert_int_equal(s.status, CTL_REFUSED);
	assert_string_equal(s.out, "all is well\n"
				   "NAME   SERVICES  EXPIRES            MAX-HOLD-S  CHALLENGE\n"
				   "alice  ssh,web   -                  60          yes\n"
				   "b      -         2030-01-01T00:00Z  3600        -\n");
	assert_string_equal(s.err, "posternctl: warning: but beware\nposternctl: no 1\n");
	output_free(c.out);
}

static void test_quiet_leaves_what_was_asked_for(void **state)
{
	struct ctl c = {.out = output_new("client list"), .quiet = true};
	struct said s;

	(void)state;
	say_all(&c);
	print(&c, CTL_OK, &s);
	assert_null(strstr(s.out, "well"));
	assert_non_null(strstr(s.out, "alice"));
	assert_non_null(strstr(s.err, "beware"));
	output_free(c.out);
}

static void test_json_holds_all_of_it(void **state)
{
	struct ctl c = {.out = output_new("client list"), .json = true};
	struct said s;
	json_t *model;
	const json_t *row;

	(void)state;
	say_all(&c);
	print(&c, CTL_OK, &s);
	assert_string_equal(s.err, "");
	model = json_loads(s.out, 0, NULL);
	assert_non_null(model);
	assert_string_equal(json_string_value(json_object_get(model, "command")), "client list");
	assert_int_equal(json_integer_value(json_object_get(model, "exit")), 0);
	assert_string_equal(json_string_value(json_object_get(model, "file")), "x.profile");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(model, "errors"), 0)), "no 1");
	row = json_array_get(json_object_get(model, "clients"), 0);
	assert_int_equal(json_array_size(json_object_get(row, "services")), 2);
	assert_true(json_is_null(json_object_get(row, "expires")));
	assert_true(json_is_true(json_object_get(row, "challenge")));
	json_decref(model);
	output_free(c.out);
}

static void test_empty_table_is_a_sentence(void **state)
{
	struct ctl c = {.out = output_new("sessions")};
	struct said s;

	(void)state;
	(void)output_table(&c, "sessions", "no door is open");
	print(&c, CTL_OK, &s);
	assert_string_equal(s.out, "no door is open\n");
	output_drop(&c, "sessions");
	print(&c, CTL_OK, &s);
	assert_string_equal(s.out, "");
	output_free(c.out);
}

/* So that `posternctl client add ... --output - > file` holds the profile and nothing else. */
static void test_text_has_standard_output_for_itself(void **state)
{
	struct ctl c = {.out = output_new("client add")};
	struct said s;

	(void)state;
	output_say(&c, "before");
	output_text(&c, "profile", "# postern profile\nname = x\n");
	output_say(&c, "after");
	print(&c, CTL_OK, &s);
	assert_string_equal(s.out, "# postern profile\nname = x\n");
	assert_string_equal(s.err, "before\nafter\n");
	output_free(c.out);
}

static void test_nothing_unprintable(void **state)
{
	struct ctl c = {.out = output_new("x")};
	struct said s;

	(void)state;
	output_say(&c, "a\x1b[0m\xff");
	print(&c, CTL_OK, &s);
	assert_string_equal(s.out, "a\\x1b[0m\\xff\n");
	c.json = true;
	print(&c, CTL_OK, &s);
	assert_non_null(strstr(s.out, "a\\\\x1b[0m\\\\xff"));
	output_free(c.out);
}

/* What a client sent must not look like another row. */
static void test_a_row_is_one_line(void **state)
{
	struct ctl c = {.out = output_new("x")};
	struct said s;
	json_t *row;

	(void)state;
	row = output_row(output_table(&c, "rows", "none"));
	row_text(row, "what", "a\nb\tc\r");
	list_text(row_list(row, "list"), "d\ne");
	print(&c, CTL_OK, &s);
	assert_string_equal(s.out, "WHAT             LIST\na\\x0ab\\x09c\\x0d  d\\x0ae\n");
	output_free(c.out);
}

/* Whoever reads what a client had run sees that there was more of it. */
static void test_a_cell_that_is_cut_says_so(void **state)
{
	struct ctl c = {.out = output_new("x")};
	char text[600];
	struct said s;
	json_t *row, *list;

	(void)state;
	(void)memset(text, 'x', sizeof(text) - 1);
	text[511] = '\0';
	row = output_row(output_table(&c, "rows", "none"));
	row_text(row, "what", text);
	print(&c, CTL_OK, &s);
	assert_null(strstr(s.out, "..."));
	text[511] = 'x';
	text[sizeof(text) - 1] = '\0';
	row_text(row, "what", text);
	print(&c, CTL_OK, &s);
	assert_non_null(strstr(s.out, "xx...\n"));
	row_text(row, "what", "short");
	list = row_list(row, "list");
	list_text(list, text);
	list_text(list, text);
	print(&c, CTL_OK, &s);
	assert_non_null(strstr(s.out, "short  xx"));
	assert_non_null(strstr(s.out, "xx...\n"));
	output_free(c.out);
}

static void test_full_device_is_a_failure(void **state)
{
	struct ctl c = {.out = output_new("x")};
	int saved = dup(STDOUT_FILENO);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int status;

	(void)state;
	assert_true(full >= 0);
	(void)fflush(stdout);
	output_say(&c, "hello");
	assert_true(dup2(full, STDOUT_FILENO) >= 0);
	status = output_print(&c, CTL_OK);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	clearerr(stdout);
	(void)close(full);
	(void)close(saved);
	assert_int_equal(status, CTL_FAILED);
	output_free(c.out);
}

/* ---- the command line ---- */

static int read_words(struct ctl *c, const char *const *words_given, struct arguments *a)
{
	char **word = (char **)(uintptr_t)words_given; /* as main() has them; never written to */
	const struct command *k;
	int n = 0;
	int words;

	while (word[n] != NULL)
		n++;
	k = command_find(n, word, &words);
	assert_non_null(k);
	return arguments_read(c, k, n - words, word + words, a);
}

static void test_arguments(void **state)
{
	const char *word[] = {"client", "add", "--from", "10.0.0.0/8", "alice", "--from=::1",
	    "--challenge", "--service", "ssh", NULL};
	struct ctl c = {.out = output_new("client add")};
	struct arguments a;
	size_t index = 0;

	(void)state;
	assert_int_equal(read_words(&c, word, &a), CTL_OK);
	assert_int_equal(a.operands, 1);
	assert_string_equal(a.operand[0], "alice");
	assert_string_equal(arguments_next(&a, "from", &index), "10.0.0.0/8");
	assert_string_equal(arguments_next(&a, "from", &index), "::1");
	assert_null(arguments_next(&a, "from", &index));
	assert_string_equal(arguments_value(&a, "from"), "::1");
	assert_string_equal(arguments_value(&a, "challenge"), "");
	assert_null(arguments_value(&a, "admit"));
	output_free(c.out);
}

static void test_arguments_that_are_wrong(void **state)
{
	static const char *const wrong[][5] = {
	    {"client", "add", "--nosuch", "alice", NULL}, {"client", "add", NULL},
	    {"client", "add", "alice", "bob", NULL}, {"client", "add", "alice", "--service", NULL},
	    {"client", "add", "alice", "--challenge=1", NULL},
	    {"client", "add", "alice", "-x", NULL}, {"sessions", "all", NULL},
	    {"reload", "--json", NULL}, /* which main takes away before */
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(wrong); i++) {
		struct ctl c = {.out = output_new("x")};
		struct arguments a;

		assert_int_equal(read_words(&c, wrong[i], &a), CTL_USAGE);
		assert_int_equal(
		    json_array_size(json_object_get(output_model(c.out), "errors")), 1);
		output_free(c.out);
	}
}

static void test_commands_are_found(void **state)
{
	char client[] = "client", clients[] = "clients", list[] = "list", rest[] = "x";
	char *half[] = {client, NULL};
	char *other[] = {clients, list, NULL};
	char *whole[] = {client, list, rest, NULL};
	int words;

	(void)state;
	assert_null(command_find(1, half, &words));
	assert_null(command_find(2, other, &words));
	assert_string_equal(command_find(3, whole, &words)->name, "client list");
	assert_int_equal(words, 2);
}

static void test_usage_names_all(void **state)
{
	static char all[16384], one[16384];
	FILE *out = fmemopen(all, sizeof(all), "w");
	const struct command *k;
	const struct option_def *d;

	(void)state;
	usage_all(out);
	(void)fclose(out);
	for (k = commands; k->name != NULL; k++) {
		assert_non_null(strstr(all, k->name));
		assert_non_null(strstr(all, k->summary));
		assert_true((k->run != NULL) != (k->raw != NULL));
		out = fmemopen(one, sizeof(one), "w");
		usage_command(k, out);
		(void)fclose(out);
		for (d = k->options; d != NULL && d->name != NULL; d++)
			assert_non_null(strstr(one, d->help));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_quiet_leaves_what_was_asked_for),
	    cmocka_unit_test(test_json_holds_all_of_it),
	    cmocka_unit_test(test_empty_table_is_a_sentence),
	    cmocka_unit_test(test_text_has_standard_output_for_itself),
	    cmocka_unit_test(test_nothing_unprintable),
	    cmocka_unit_test(test_a_row_is_one_line),
	    cmocka_unit_test(test_a_cell_that_is_cut_says_so),
	    cmocka_unit_test(test_full_device_is_a_failure),
	    cmocka_unit_test(test_arguments),
	    cmocka_unit_test(test_arguments_that_are_wrong),
	    cmocka_unit_test(test_commands_are_found),
	    cmocka_unit_test(test_usage_names_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
