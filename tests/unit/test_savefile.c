/* Recordings: their two formats, and a file that grows, is cut and is replaced. */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "cursor.h"
#include "live.h"
#include "process.h"
#include "recording.h"
#include "secret.h"
#include "veil.h"

enum { TEST_S = 60, ROOM = 4096, BATCH = 64, STAMP_S = 1700000000, STAMP_NS = 123456000 };

static const uint64_t stamp_ns = (uint64_t)STAMP_S * NS_PER_S + STAMP_NS;

/* A recording in the making, in either byte order. */
struct tape {
	uint8_t bytes[ROOM];
	struct writer w;
	bool little;
};

static void put32(struct tape *t, uint32_t v)
{
	write_u32(&t->w, t->little ? __builtin_bswap32(v) : v);
}

static void put16(struct tape *t, uint16_t v)
{
	write_u16(&t->w, t->little ? __builtin_bswap16(v) : v);
}

static void tape_pcap(struct tape *t, bool little, bool nano, uint32_t link)
{
	t->little = little;
	t->w = writer_of(t->bytes, sizeof(t->bytes));
	put32(t, nano ? 0xa1b23c4d : 0xa1b2c3d4);
	put16(t, 2);
	put16(t, 4);
	put32(t, 0);
	put32(t, 0);
	put32(t, 65535);
	put32(t, link);
}

static void tape_frame(struct tape *t, bool nano, const void *bytes, uint32_t len)
{
	put32(t, STAMP_S);
	put32(t, nano ? STAMP_NS : STAMP_NS / 1000);
	put32(t, len);
	put32(t, len + 7);
	write_bytes(&t->w, bytes, len);
}

static void tape_section(struct tape *t, bool little)
{
	t->little = little;
	put32(t, 0x0a0d0d0a);
	put32(t, 28);
	put32(t, 0x1a2b3c4d);
	put16(t, 1);
	put16(t, 0);
	put32(t, UINT32_MAX);
	put32(t, UINT32_MAX);
	put32(t, 28);
}

/* resolution 0: not told */
static void tape_interface(struct tape *t, uint16_t link, uint8_t resolution)
{
	uint32_t len = resolution != 0 ? 32 : 20;

	put32(t, 1);
	put32(t, len);
	put16(t, link);
	put16(t, 0);
	put32(t, 3); /* only a simple packet is cut by it */
	if (resolution != 0) {
		put16(t, 9);
		put16(t, 1);
		write_u8(&t->w, resolution);
		write_zeros(&t->w, 3);
		put32(t, 0);
	}
	put32(t, len);
}

static void tape_packet(struct tape *t, uint32_t index, uint64_t stamp, const char *text)
{
	uint32_t len = (uint32_t)strlen(text), padded = (len + 3) & ~3U;

	put32(t, 6);
	put32(t, 32 + padded);
	put32(t, index);
	put32(t, (uint32_t)(stamp >> 32));
	put32(t, (uint32_t)stamp);
	put32(t, len);
	put32(t, len);
	write_bytes(&t->w, text, len);
	write_zeros(&t->w, padded - len);
	put32(t, 32 + padded);
}

static void tape_other_block(struct tape *t)
{
	put32(t, 5);
	put32(t, 16);
	put32(t, 99);
	put32(t, 16);
}

/* Plays it with one byte more each time; the frames one behind the other. */
struct played {
	unsigned frames;
	char text[64];
	struct capture_frame last;
	enum recording_result end;
};

static void play(struct played *p, const uint8_t *bytes, size_t len)
{
	struct recording r = {0};
	size_t at = 0, have = 0, used;

	*p = (struct played){.end = RECORDING_MORE};
	while (p->end != RECORDING_BAD) {
		/* A copy of its own size: what reads too far is found out. */
		uint8_t *part = malloc(have - at + 1);
		struct capture_frame f;

		assert_non_null(part);
		memcpy(part, bytes + at, have - at);
		p->end = recording_next(&r, part, have - at, &used, &f);
		assert_true(used <= have - at);
		if (p->end == RECORDING_FRAME) {
			p->frames++;
			p->last = f;
			assert_true(f.caplen < sizeof(p->text));
			memcpy(p->text, f.bytes, f.caplen);
			p->text[f.caplen] = '\0';
		}
		free(part);
		if (p->end == RECORDING_MORE) {
			assert_int_equal(used, 0);
			if (have == len)
				return;
			have++;
		}
		at += used;
	}
}

static void reads_pcap(void **state)
{
	static const bool both[] = {false, true};

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool little = both[i & 1], nano = both[i >> 1];
		struct tape t;
		struct played p;

		tape_pcap(&t, little, nano, 101 | 0xf0000000);
		tape_frame(&t, nano, "one", 3);
		tape_frame(&t, nano, "three", 5);
		play(&p, t.bytes, t.w.len);
		assert_int_equal(p.frames, 2);
		assert_int_equal(p.end, RECORDING_MORE);
		assert_string_equal(p.text, "three");
		assert_int_equal(p.last.caplen, 5);
		assert_int_equal(p.last.len, 12);
		assert_int_equal(p.last.link, LINK_RAW);
		assert_int_equal(p.last.seen_ns, stamp_ns);
	}
}

static void reads_pcapng(void **state)
{
	static const struct {
		uint8_t resolution;
		uint64_t stamp, ns;
	} times[] = {
	    {0, (uint64_t)STAMP_S * 1000000 + STAMP_NS / 1000, stamp_ns},
	    {9, (uint64_t)STAMP_S * 1000000000 + STAMP_NS, stamp_ns},
	    {12, UINT64_C(1700000000123456), UINT64_C(1700000000123)},
	    {0x80 | 1, 3, UINT64_C(1500000000)},
	    {0x80 | 40, UINT64_C(3) << 39, UINT64_C(1500000000)},
	    {0x7f, 1, 0},
	    {0xff, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(times) * 2; i++) {
		struct tape t = {.w = {0}};
		struct played p;

		t.w = writer_of(t.bytes, sizeof(t.bytes));
		tape_section(&t, i % 2 == 0);
		tape_interface(&t, 147, 0);
		tape_other_block(&t);
		tape_interface(&t, 1, times[i / 2].resolution);
		tape_packet(&t, 0, 1, "of a kind that nobody knows");
		tape_packet(&t, 2, 1, "of no interface");
		tape_packet(&t, 1, times[i / 2].stamp, "hello");
		play(&p, t.bytes, t.w.len);
		assert_int_equal(p.end, RECORDING_MORE);
		assert_int_equal(p.frames, 1);
		assert_string_equal(p.text, "hello");
		assert_int_equal(p.last.link, LINK_ETHERNET);
		assert_int_equal(p.last.seen_ns, times[i / 2].ns);
	}
}

/* A writer that is started again begins a section, perhaps in the other byte order. */
static void reads_a_second_section_and_simple_packets(void **state)
{
	struct tape t = {.w = {0}};
	struct played p;

	(void)state;
	t.w = writer_of(t.bytes, sizeof(t.bytes));
	tape_section(&t, true);
	tape_interface(&t, 1, 0);
	tape_packet(&t, 0, 1, "first");
	tape_section(&t, false);
	tape_packet(&t, 0, 1, "its interface is forgotten");
	tape_interface(&t, 228, 0);
	put32(&t, 3);
	put32(&t, 20);
	put32(&t, 9);
	write_bytes(&t.w, "cut\0", 4);
	put32(&t, 20);
	play(&p, t.bytes, t.w.len);
	assert_int_equal(p.frames, 2);
	assert_string_equal(p.text, "cut");
	assert_int_equal(p.last.caplen, 3);
	assert_int_equal(p.last.len, 9);
	assert_int_equal(p.last.link, LINK_IPV4);
}

static void refuses_what_is_none(void **state)
{
	static const char text[] = "this is a text and no recording";
	static const struct {
		size_t at;
		uint32_t value;
	} lies[] = {
	    {4, 13}, /* length of the section: not in fours */
	    {4, 8},  /* less than its own frame */
	    {4, RECORDING_PART_MAX + 4},
	    {8, 0x11111111},	  /* byte order */
	    {28 + 4, 12},	  /* an interface without anything */
	    {28 + 20 + 20, 1000}, /* a packet longer than its block */
	    {28 + 20 + 20, UINT32_MAX},
	};
	struct tape t;
	struct played p;

	(void)state;
	play(&p, (const uint8_t *)text, sizeof(text));
	assert_int_equal(p.end, RECORDING_BAD);
	tape_pcap(&t, true, false, 1);
	tape_frame(&t, false, "x", 1);
	t.bytes[24 + 8 + 3] = 0x80; /* two thousand million bytes */
	play(&p, t.bytes, t.w.len);
	assert_int_equal(p.end, RECORDING_BAD);
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		t.w = writer_of(t.bytes, sizeof(t.bytes));
		tape_section(&t, false);
		tape_interface(&t, 1, 0);
		tape_packet(&t, 0, 1, "hello");
		struct writer w = writer_of(t.bytes + lies[i].at, 4);
		write_u32(&w, lies[i].value);
		play(&p, t.bytes, t.w.len);
		if (p.end != RECORDING_BAD || p.frames != 0)
			fail_msg("lie %zu: %d after %u frames", i, p.end, p.frames);
	}
}

/* From here on: files. */

struct scene {
	char folder[32], path[64], other[64];
	void *self;
	char heard[64];
	unsigned frames;
};

static void scene_make(struct scene *s)
{
	*s = (struct scene){.folder = "/tmp/postern-save-XXXXXX"};
	assert_non_null(mkdtemp(s->folder));
	(void)snprintf(s->path, sizeof(s->path), "%s/a.pcap", s->folder);
	(void)snprintf(s->other, sizeof(s->other), "%s/b.pcap", s->folder);
}

static void scene_end(struct scene *s)
{
	if (s->self != NULL)
		capture_savefile.close(s->self);
	(void)unlink(s->path);
	(void)unlink(s->other);
	assert_int_equal(rmdir(s->folder), 0);
}

static void append(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(close(fd), 0);
}

/* Of the tape the part that was not yet. */
static void append_new(struct tape *t, const char *path, size_t *written)
{
	append(path, t->bytes + *written, t->w.len - *written);
	*written = t->w.len;
}

static enum capture_status scene_open(struct scene *s, const char *path)
{
	return capture_savefile.open(&s->self, &(struct capture_want){.file = path});
}

static bool hear(void *arg, const struct capture_frame *frame)
{
	struct scene *s = arg;

	assert_true(frame->caplen < sizeof(s->heard));
	memcpy(s->heard, frame->bytes, frame->caplen);
	s->heard[frame->caplen] = '\0';
	s->frames++;
	return false;
}

/* Reads until this frame was heard, without spinning: each time the descriptor says so. */
static void hear_until(struct scene *s, const char *text)
{
	while (strcmp(s->heard, text) != 0) {
		live_await(capture_savefile.fd(s->self));
		assert_int_equal(capture_savefile.read(s->self, 1, hear, s), CAPTURE_UP);
	}
}

static bool is_ready(const struct scene *s)
{
	struct timespec none = {0};
	struct pollfd p = {.fd = capture_savefile.fd(s->self), .events = POLLIN};

	return ppoll(&p, 1, &none, NULL) == 1;
}

static void follows_a_file(void **state)
{
	struct scene s;
	struct tape t;
	size_t written = 0;
	struct capture_stats stats;

	(void)state;
	scene_make(&s);
	assert_int_equal(scene_open(&s, s.path), CAPTURE_ABSENT);
	append(s.path, "", 0);
	assert_int_equal(scene_open(&s, s.path), CAPTURE_UP);
	tape_pcap(&t, true, false, 1);
	append_new(&t, s.path, &written);
	tape_frame(&t, false, "one", 3);
	tape_frame(&t, false, "two", 3);
	append_new(&t, s.path, &written);
	hear_until(&s, "two");
	assert_int_equal(s.frames, 2);
	/* Half a frame is none; and when all is read it is quiet. */
	tape_frame(&t, false, "three", 5);
	append(s.path, t.bytes + written, 10);
	written += 10;
	while (is_ready(&s))
		assert_int_equal(capture_savefile.read(s.self, BATCH, hear, &s), CAPTURE_UP);
	assert_int_equal(s.frames, 2);
	append_new(&t, s.path, &written);
	hear_until(&s, "three");
	assert_int_equal(capture_savefile.tick(s.self), CAPTURE_UP);
	capture_savefile.stats(s.self, &stats);
	assert_int_equal(stats.seen, 3);
	assert_int_equal(stats.lost, 0);
	scene_end(&s);
}

static enum capture_status read_all(struct scene *s)
{
	enum capture_status status;

	do {
		live_await(capture_savefile.fd(s->self));
		status = capture_savefile.read(s->self, BATCH, hear, s);
	} while (status == CAPTURE_UP);
	return status;
}

/* What was written before the name changed hands is heard first. */
static void ends_with_rotation(void **state)
{
	struct scene s;
	struct tape t;
	size_t written = 0;

	(void)state;
	for (int created = 0; created < 2; created++) {
		scene_make(&s);
		tape_pcap(&t, false, true, 1);
		append(s.path, t.bytes, t.w.len);
		written = t.w.len;
		assert_int_equal(scene_open(&s, s.path), CAPTURE_UP);
		append(s.other, "x", 1); /* any other name is none of ours */
		while (is_ready(&s))
			assert_int_equal(
			    capture_savefile.read(s.self, BATCH, hear, &s), CAPTURE_UP);
		tape_frame(&t, true, "last", 4);
		append_new(&t, s.path, &written);
		if (created) {
			assert_int_equal(rename(s.path, s.other), 0);
			append(s.path, "", 0);
		} else {
			assert_int_equal(rename(s.other, s.path), 0);
		}
		assert_int_equal(read_all(&s), CAPTURE_GONE);
		assert_string_equal(s.heard, "last");
		scene_end(&s);
	}
}

static void ends_when_it_is_cut(void **state)
{
	struct scene s;
	struct tape t;

	(void)state;
	scene_make(&s);
	tape_pcap(&t, false, true, 1);
	tape_frame(&t, true, "old", 3);
	append(s.path, t.bytes, t.w.len);
	assert_int_equal(scene_open(&s, s.path), CAPTURE_UP);
	hear_until(&s, "old");
	assert_int_equal(truncate(s.path, 0), 0);
	assert_int_equal(read_all(&s), CAPTURE_GONE);
	scene_end(&s);
}

static void reads_a_fifo_until_its_writer_goes(void **state)
{
	struct scene s;
	struct tape t;

	(void)state;
	scene_make(&s);
	assert_int_equal(mkfifo(s.path, 0600), 0);
	assert_int_equal(scene_open(&s, s.path), CAPTURE_UP);
	while (is_ready(&s)) /* nobody writes yet */
		assert_int_equal(capture_savefile.read(s.self, BATCH, hear, &s), CAPTURE_UP);
	tape_pcap(&t, true, true, 1);
	tape_frame(&t, true, "one", 3);
	tape_frame(&t, true, "two", 3);
	int writer = open(s.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(writer >= 0);
	assert_int_equal(write(writer, t.bytes, t.w.len), t.w.len);
	hear_until(&s, "one");
	hear_until(&s, "two");
	while (is_ready(&s))
		assert_int_equal(capture_savefile.read(s.self, BATCH, hear, &s), CAPTURE_UP);
	assert_int_equal(close(writer), 0);
	assert_int_equal(read_all(&s), CAPTURE_GONE);
	scene_end(&s);
}

static void tells_what_cannot_be(void **state)
{
	struct scene s;

	(void)state;
	scene_make(&s);
	assert_int_equal(scene_open(&s, s.folder), CAPTURE_REFUSED);
	append(s.path, "this is no recording", 20);
	assert_int_equal(scene_open(&s, s.path), CAPTURE_UP);
	assert_int_equal(read_all(&s), CAPTURE_BROKEN);
	scene_end(&s);
}

/* The whole process, in its strict sandbox: a call that is not on its list would kill it. */
static void hands_knocks_over(void **state)
{
	static const uint8_t door_key[KEY_BYTES] = {1, 2, 3};
	char config[512], line[600];
	struct door_keys keys;
	struct scene s;
	struct tape t;
	size_t written = 0;

	(void)state;
	scene_make(&s);
	tape_pcap(&t, true, true, 1);
	append_new(&t, s.path, &written);
	door_keys_derive(&keys, door_key);
	(void)snprintf(line, sizeof(line), "capture-file = \"%s\"\n%s", s.path,
	    live_config(config, sizeof(config), "savefile", "any", "nobody"));
	struct live_capture c = live_start("any", line);
	struct msg_plain ready;
	live_expect(&c, MSG_CAPTURE_READY, &ready, sizeof(ready));
	live_keys(&c, door_key);
	for (uint8_t id = 1; id <= 2; id++) {
		uint8_t veil[VEIL_ROOM];
		struct veiled v = {.kind = KIND_M1, .body = &id, .body_len = 1};
		struct msg_knock k;
		struct frame f;

		veil_seal(&keys.to_server, CARRIER_UDP, &v, veil, 500);
		frame_make(&f,
		    &(struct shape){
			.link = LINK_ETHERNET, .v6 = id == 2, .payload = veil, .payload_len = 500});
		tape_frame(&t, true, f.bytes, (uint32_t)f.len);
		append_new(&t, s.path, &written);
		live_expect(&c, MSG_KNOCK, &k, sizeof(k));
		assert_int_equal(k.seen_ns, stamp_ns);
	}
	assert_int_equal(rename(s.path, s.other), 0);
	append(s.path, "", 0);
	struct msg_capture_stats stats;
	live_expect(&c, MSG_CAPTURE_STATS, &stats, sizeof(stats));
	assert_int_equal(stats.counter[CAPTURE_MATCHED], 2);
	assert_int_equal(live_end(&c), CAPTURE_EXIT_LOST);
	scene_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_pcap),
	    cmocka_unit_test(reads_pcapng),
	    cmocka_unit_test(reads_a_second_section_and_simple_packets),
	    cmocka_unit_test(refuses_what_is_none),
	    cmocka_unit_test(follows_a_file),
	    cmocka_unit_test(ends_with_rotation),
	    cmocka_unit_test(ends_when_it_is_cut),
	    cmocka_unit_test(reads_a_fifo_until_its_writer_goes),
	    cmocka_unit_test(tells_what_cannot_be),
	    cmocka_unit_test(hands_knocks_over),
	};

	if (!live_possible()) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77; /* meson's word for it */
	}
	(void)alarm(TEST_S);
	if (secret_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
