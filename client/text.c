/*
 * text - a model in sentences.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

static const char *get_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long get_number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static bool is_granted(const json_t *answer)
{
	return strcmp(get_text(answer, "result"), "granted") == 0;
}

/* "ssh (tcp 22)", or "tcp 22" when the profile has no name for it. */
static void print_service(const json_t *door)
{
	const char *service = get_text(door, "service");

	if (service[0] && strcmp(get_text(door, "protocol"), "0") == 0)
		printf("%s (gateway)", service);
	else if (service[0] && json_is_null(json_object_get(door, "port")))
		printf("%s (%s random)", service, get_text(door, "protocol"));
	else if (service[0])
		printf(
		    "%s (%s %lld)", service, get_text(door, "protocol"), get_number(door, "port"));
	else if (get_number(door, "port") == 0)
		printf("gateway");
	else
		printf("%s %lld", get_text(door, "protocol"), get_number(door, "port"));
}

/* What no door's own rest of time tells. */
static void print_idle(const json_t *answer)
{
	const long long idle_s = get_number(answer, "idle");

	if (idle_s > 0)
		printf("%s closes earlier after %lld s without traffic\n",
		    json_array_size(json_object_get(answer, "doors")) == 1 ? "it"
									   : "the first of them",
		    idle_s);
}

/* For two addresses that were named there are two doors, of which there is one thing to say. */
static bool is_told(const json_t *door, const json_t *before)
{
	static const char *const keys[] = {"service", "protocol", "port", "seconds"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!json_equal(json_object_get(door, keys[i]), json_object_get(before, keys[i])))
			return false;
	}
	return true;
}

static void print_open(const json_t *answer)
{
	bool stays = strcmp(get_text(answer, "verdict"), "refreshed") == 0;
	const json_t *door, *before = NULL;
	size_t i;

	if (json_is_true(json_object_get(answer, "tested")))
		printf("knocked by %s, and a connection to %s comes through\n",
		    get_text(answer, "carrier"), get_text(answer, "server"));
	json_array_foreach(json_object_get(answer, "doors"), i, door)
	{
		if (is_told(door, before))
			continue;
		before = door;
		print_service(door);
		printf(" %s open for %s for %lld s\n", stays ? "stays" : "is",
		    get_text(answer, "for"), get_number(door, "seconds"));
	}
	print_idle(answer);
}

static void print_ping(const json_t *answer)
{
	double ahead_ms = json_real_value(json_object_get(answer, "clock_ahead_ms"));

	printf("%s sees %s; its clock is %.3f s %s; round trip %.3f ms\n",
	    get_text(answer, "server"), get_text(answer, "seen"), fabs(ahead_ms) / 1e3,
	    ahead_ms < 0 ? "behind" : "ahead",
	    json_real_value(json_object_get(answer, "round_trip_ms")));
}

static void print_list(const json_t *answer)
{
	const json_t *doors = json_object_get(answer, "doors");
	const json_t *door;
	size_t i;

	if (json_array_size(doors) == 0)
		printf("no door is open\n");
	json_array_foreach(doors, i, door)
	{
		print_service(door);
		printf(" for another %lld s, session %s\n", get_number(door, "seconds"),
		    get_text(door, "session"));
	}
}

/* Something was granted, but not over every family: worth a line, not an error. */
static void print_rest(const json_t *answer)
{
	printf("(%s: %s from %s)\n", get_text(answer, "family"), get_text(answer, "result"),
	    get_text(answer, "server"));
}

static void print_answers(const json_t *answers, void (*print)(const json_t *answer))
{
	const json_t *answer;
	bool any = false;
	size_t i;

	json_array_foreach(answers, i, answer)
	{
		if (is_granted(answer)) {
			print(answer);
			any = true;
		}
	}
	json_array_foreach(answers, i, answer)
	{
		if (any && !is_granted(answer) &&
		    strcmp(get_text(answer, "result"), "left alone") != 0)
			print_rest(answer);
	}
}

static void print_profile(const json_t *profile)
{
	const json_t *value;
	size_t i;

	printf("%s", get_text(profile, "name"));
	json_array_foreach(json_object_get(profile, "servers"), i, value)
	{
		printf("%s%s", i == 0 ? ": " : ", ", json_string_value(value));
	}
	json_array_foreach(json_object_get(profile, "services"), i, value)
	{
		printf("%s", i == 0 ? ": " : ", ");
		print_service(value);
	}
	printf("\n");
}

static void print_profiles(const json_t *model)
{
	const json_t *profiles = json_object_get(model, "profiles");
	const json_t *profile;
	size_t i;

	if (profiles && json_array_size(profiles) == 0)
		printf("no profiles: 'postern import FILE' brings one in\n");
	json_array_foreach(profiles, i, profile)
	{
		if (json_object_get(profile, "error"))
			printf("%s: cannot be used\n", get_text(profile, "name"));
		else
			print_profile(profile);
	}
}

static void print_closed(const json_t *model)
{
	const json_t *what;
	size_t i;

	if (json_array_size(json_object_get(model, "closed")) == 0)
		printf("no door was open\n");
	json_array_foreach(json_object_get(model, "closed"), i, what)
	{
		printf("closed %s\n", json_string_value(what));
	}
}

static void print_import(const json_t *model)
{
	printf("imported %s (%s); 'postern ping %s' tries it\n", get_text(model, "profile"),
	    get_text(model, "file"), get_text(model, "profile"));
}

static void print_photos(const json_t *model)
{
	const json_t *photo;
	size_t i;

	json_array_foreach(json_object_get(model, "photos"), i, photo)
	{
		if (json_object_get(photo, "why"))
			printf("%s: %s\n", get_text(photo, "file"), get_text(photo, "why"));
		else
			printf("%s: %lld knocks left, %lld used\n", get_text(photo, "file"),
			    get_number(photo, "knocks"), get_number(photo, "used"));
	}
	printf("%s: good for %lld knocks\n", get_text(model, "where"), get_number(model, "knocks"));
}

static void print_cover(const json_t *model)
{
	if (json_object_get(model, "photos")) {
		print_photos(model);
		return;
	}
	long long pixels = get_number(model, "width") * get_number(model, "height");
	printf("%s: crop, carrier, difference; %lldx%lld pixels, %lld of them (%.1f %%) changed by "
	       "one, "
	       "%lld bytes hidden; the carrier has %lld bytes\n",
	    get_text(model, "file"), get_number(model, "width"), get_number(model, "height"),
	    get_number(model, "changed"),
	    100.0 * (double)get_number(model, "changed") / (double)pixels,
	    get_number(model, "hidden"), get_number(model, "encoded"));
}

/* Its output as it came, but for what a terminal would obey. */
static void print_run(const json_t *model)
{
	const char *output = get_text(model, "output");
	const size_t len = strlen(output);

	printf("%s%s", output, len > 0 && output[len - 1] != '\n' ? "\n" : "");
	(void)fflush(stdout); /* what it wrote comes first, also where both go into one file */
	if (get_number(model, "exit_status") != 0)
		(void)fprintf(stderr, "postern: the command ended with status %lld\n",
		    get_number(model, "exit_status"));
}

static void print_body(const json_t *model)
{
	const char *command = get_text(model, "command");
	const json_t *answers = json_object_get(model, "answers");

	if (strcmp(command, "open") == 0)
		print_answers(answers, print_open);
	else if (strcmp(command, "ping") == 0)
		print_answers(answers, print_ping);
	else if (strcmp(command, "list") == 0)
		print_answers(answers, print_list);
	else if (strcmp(command, "close") == 0 || strcmp(command, "keep") == 0)
		print_closed(model);
	else if (strcmp(command, "run") == 0)
		print_run(model);
	else if (strcmp(command, "import") == 0)
		print_import(model);
	else if (strcmp(command, "cover") == 0)
		print_cover(model);
	else if (strcmp(command, "ssh-config") == 0)
		printf("%s", get_text(model, "config"));
}

static void print_lines(const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");
		(void)fprintf(stderr, "postern: %.*s\n", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

void model_print_text(const json_t *model, bool quiet)
{
	bool good = get_number(model, "exit") == 0;

	if (good && !quiet)
		print_body(model);
	if (!quiet)
		print_profiles(model);
	(void)fflush(stdout);
	if (!quiet || !good)
		print_lines(get_text(model, "note"));
	print_lines(get_text(model, "error"));
}
