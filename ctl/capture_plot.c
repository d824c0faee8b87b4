/* capture_plot - see capture_results_plot(). Scales are logarithmic but for loss, which may be 0. */
#include "capture_result.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	WIDTH = 1120,
	HEIGHT = 560,
	TOP = 70,
	PANEL_WIDTH = 420,
	PANEL_HEIGHT = 350,
	FIRST_LEFT = 80,
	SECOND_LEFT = 620,
	LEGEND_TOP = 505,
	LEGEND_STEP = 130,
	LEGEND_ROW = 8,
	MARK = 5,
	STYLES = 8,
	PERCENT = 100,
	LABEL_GAP = 18,
	TITLE_GAP = 44,
	TEXT_MAX = 32,
};

/* 999 is at the place of 1000: no decade for it alone. */
#define NEARLY 0.01

/* Told apart by shape and dashes; colours (for any kind of sight) come on top. */
static const struct style {
	const char *colour, *dashes, *shape; /* shape: a path around 0,0; NULL: a circle */
} styles[STYLES] = {
    {"#0072b2", "none", NULL},
    {"#d55e00", "8 3", "M-5-5H5V5H-5Z"},
    {"#009e73", "3 3", "M0-6L6 5H-6Z"},
    {"#7a3e75", "12 3 3 3", "M0-7L6 0L0 7L-6 0Z"},
    {"#000000", "1 3", "M-5-5L5 5M-5 5L5-5"},
    {"#b07d00", "16 4", "M0 6L6-5H-6Z"},
    {"#56b4e9", "6 2 1 2 1 2", "M0-6V6M-6 0H6"},
    {"#8c510a", "2 6", "M0-6L2-2L6-2L3 1L4 6L0 3L-4 6L-3 1L-6-2L-2-2Z"},
};

struct axis {
	double least, most; /* of values; of their logarithm where is_log */
	bool is_log;
};

struct panel {
	int left;
	const char *title, *unit;
	double (*value)(const struct capture_result *r);
	struct axis x, y;
};

static double rate_of(const struct capture_result *r)
{
	return r->seconds > 0 && r->offered > 0 ? (double)r->offered / r->seconds : 1;
}

static double loss_of(const struct capture_result *r)
{
	return r->offered > 0 ? (double)r->lost * PERCENT / (double)r->offered : 0;
}

static double cpu_of(const struct capture_result *r)
{
	return r->cpu_user_us + r->cpu_kernel_us;
}

/* Whole powers of ten around all values; those that are not above 0 have no place on it. */
static struct axis log_axis(
    const struct capture_results *r, double (*value)(const struct capture_result *r))
{
	struct axis a = {.least = INFINITY, .most = -INFINITY, .is_log = true};

	for (size_t i = 0; i < r->len; i++) {
		double v = value(&r->at[i]);

		if (v > 0) {
			a.least = fmin(a.least, floor(log10(v) + NEARLY));
			a.most = fmax(a.most, ceil(log10(v) - NEARLY));
		}
	}
	if (a.least > a.most)
		a.least = a.most = 0;
	if (a.least == a.most)
		a.most += 1;
	return a;
}

/* From 0 to 1, 2 or 5 times a power of ten. */
static struct axis linear_axis(
    const struct capture_results *r, double (*value)(const struct capture_result *r))
{
	static const double steps[] = {1, 2, 5, 10};
	double most = 1;

	for (size_t i = 0; i < r->len; i++)
		most = fmax(most, value(&r->at[i]));
	double power = pow(10, floor(log10(most)));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (most <= steps[i] * power)
			return (struct axis){.most = steps[i] * power};
	return (struct axis){.most = most};
}

/* Where a value is: 0 at the beginning of its axis, 1 at the end. */
static double place(const struct axis *a, double value)
{
	double v = a->is_log ? log10(fmax(value, pow(10, a->least))) : value;

	return fmin(1, (v - a->least) / (a->most - a->least));
}

static double x_of(const struct panel *p, const struct capture_result *r)
{
	return p->left + place(&p->x, rate_of(r)) * PANEL_WIDTH;
}

static double y_of(const struct panel *p, double value)
{
	return TOP + PANEL_HEIGHT - place(&p->y, value) * PANEL_HEIGHT;
}

/* 1000000 as "1M", 0.5 as "0.5". */
static const char *number_text(char out[static TEXT_MAX], double v)
{
	if (v >= 1e6)
		(void)snprintf(out, TEXT_MAX, "%gM", v / 1e6);
	else if (v >= 1e3)
		(void)snprintf(out, TEXT_MAX, "%gk", v / 1e3);
	else
		(void)snprintf(out, TEXT_MAX, "%g", v);
	return out;
}

static void draw_x_tick(FILE *out, const struct panel *p, double value)
{
	double x = p->left + place(&p->x, value) * PANEL_WIDTH;
	char text[TEXT_MAX];

	(void)fprintf(
	    out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", x, TOP, TOP + PANEL_HEIGHT);
	(void)fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x,
	    TOP + PANEL_HEIGHT + LABEL_GAP + MARK, number_text(text, value));
}

static void draw_y_tick(FILE *out, const struct panel *p, double value)
{
	double y = y_of(p, value);
	char text[TEXT_MAX];

	(void)fprintf(
	    out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", p->left, y, p->left + PANEL_WIDTH);
	(void)fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", p->left - 8,
	    y + 4, number_text(text, value));
}

/* 1, 2 and 5 of each power of ten where there is room, else the powers alone; or fifths. */
static void draw_ticks(FILE *out, const struct panel *p, const struct axis *a,
    void (*draw)(FILE *out, const struct panel *p, double value))
{
	static const double within[] = {1, 2, 5};
	const size_t each = a->most - a->least > 3 ? 1 : 3;
	const int fifths = 5;

	if (!a->is_log) {
		for (int i = 0; i <= fifths; i++)
			draw(out, p, a->most * i / fifths);
		return;
	}
	for (int power = (int)a->least; power < (int)a->most; power++)
		for (size_t i = 0; i < each; i++)
			draw(out, p, within[i] * pow(10, power));
	draw(out, p, pow(10, a->most));
}

static void draw_frame(FILE *out, const struct panel *p)
{
	const int middle = p->left + PANEL_WIDTH / 2, bottom = TOP + PANEL_HEIGHT;

	draw_ticks(out, p, &p->x, draw_x_tick);
	draw_ticks(out, p, &p->y, draw_y_tick);
	(void)fprintf(out, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
	    p->left, TOP, PANEL_WIDTH, PANEL_HEIGHT);
	(void)fprintf(out,
	    "<text class=\"title\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", middle,
	    TOP - LABEL_GAP, p->title);
	(void)fprintf(out,
	    "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">packets offered a second</text>\n",
	    middle, bottom + TITLE_GAP);
	(void)fprintf(out,
	    "<text text-anchor=\"middle\" transform=\"translate(%d %d) rotate(-90)\">%s</text>\n",
	    p->left - TITLE_GAP, TOP + PANEL_HEIGHT / 2, p->unit);
}

static void draw_mark(FILE *out, const struct style *s, double x, double y)
{
	if (s->shape == NULL)
		(void)fprintf(out,
		    "<circle class=\"mark\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" stroke=\"%s\"/>\n", x,
		    y, MARK, s->colour);
	else
		(void)fprintf(out,
		    "<path class=\"mark\" transform=\"translate(%.1f %.1f)\" d=\"%s\" "
		    "stroke=\"%s\"/>\n",
		    x, y, s->shape, s->colour);
}

/* The points of one method, which stand together from first on. */
static void draw_method(FILE *out, const struct panel *p, const struct capture_results *r,
    size_t first, const struct style *s)
{
	const char *method = r->at[first].method;

	(void)fprintf(out,
	    "<path fill=\"none\" stroke-width=\"2\" stroke=\"%s\" stroke-dasharray=\"%s\" d=\"",
	    s->colour, s->dashes);
	for (size_t i = first; i < r->len && strcmp(r->at[i].method, method) == 0; i++)
		(void)fprintf(out, "%c%.1f %.1f", i == first ? 'M' : 'L', x_of(p, &r->at[i]),
		    y_of(p, p->value(&r->at[i])));
	(void)fprintf(out, "\"/>\n");
	for (size_t i = first; i < r->len && strcmp(r->at[i].method, method) == 0; i++)
		draw_mark(out, s, x_of(p, &r->at[i]), y_of(p, p->value(&r->at[i])));
}

static bool is_first(const struct capture_results *r, size_t i)
{
	return i == 0 || strcmp(r->at[i].method, r->at[i - 1].method) != 0;
}

static void draw_panel(FILE *out, const struct panel *p, const struct capture_results *r)
{
	size_t n = 0;

	draw_frame(out, p);
	for (size_t i = 0; i < r->len; i++)
		if (is_first(r, i))
			draw_method(out, p, r, i, &styles[n++ % STYLES]);
}

static void draw_legend(FILE *out, const struct capture_results *r)
{
	int n = 0;

	for (size_t i = 0; i < r->len; i++) {
		if (!is_first(r, i))
			continue;
		const struct style *s = &styles[n % STYLES];
		const int x = FIRST_LEFT + n % LEGEND_ROW * LEGEND_STEP,
			  y = LEGEND_TOP + n / LEGEND_ROW * LABEL_GAP;

		(void)fprintf(out,
		    "<path fill=\"none\" stroke-width=\"2\" stroke=\"%s\" stroke-dasharray=\"%s\" "
		    "d=\"M%d %dh40\"/>\n",
		    s->colour, s->dashes, x, y);
		draw_mark(out, s, x + 20, y);
		(void)fprintf(
		    out, "<text x=\"%d\" y=\"%d\">%s</text>\n", x + 48, y + 4, r->at[i].method);
		n++;
	}
}

static void draw_all(FILE *out, const struct capture_results *r)
{
	const struct panel loss = {.left = FIRST_LEFT,
	    .title = "Loss",
	    .unit = "lost, % of offered",
	    .value = loss_of,
	    .x = log_axis(r, rate_of),
	    .y = linear_axis(r, loss_of)};
	const struct panel cpu = {.left = SECOND_LEFT,
	    .title = "CPU of the reading process",
	    .unit = "user and kernel, µs a packet",
	    .value = cpu_of,
	    .x = loss.x,
	    .y = log_axis(r, cpu_of)};

	(void)fprintf(out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	    "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n"
	    "<title>Capture methods compared</title>\n"
	    "<style>.grid{stroke:#ddd;fill:none}.frame{stroke:#333;fill:none}"
	    ".mark{stroke-width:2;fill:none}.title{font-size:16px;font-weight:bold}</style>\n"
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
	    WIDTH, HEIGHT, WIDTH, HEIGHT);
	draw_panel(out, &loss, r);
	draw_panel(out, &cpu, r);
	draw_legend(out, r);
	(void)fputs("</svg>\n", out);
}

int capture_results_plot(const struct capture_results *r, const char *file)
{
	FILE *out = fopen(file, "w");
	int failed;

	if (out == NULL)
		return -1;
	draw_all(out, r);
	failed = ferror(out);
	return fclose(out) == 0 && !failed ? 0 : -1;
}
