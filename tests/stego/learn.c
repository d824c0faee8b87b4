#include "learn.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LEARNERS = 41, SUBSPACE = 160 };

static bool in_fold(int pair, int fold)
{
	return pair % FOLDS == fold;
}

/* ---- one number ---- */

struct labelled {
	double value;
	bool made;
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct labelled *)a)->value, y = ((const struct labelled *)b)->value;

	return (x > y) - (x < y);
}

struct threshold {
	double at;
	bool above; /* what was made lies above it */
};

/* The one that tells most of these right. */
static struct threshold best_threshold(struct labelled *l, int len)
{
	struct threshold best = {.at = 0, .above = true};
	int score = 0, most = -1; /* made ones less originals, from the low end */

	qsort(l, (size_t)len, sizeof(*l), by_value);
	for (int i = 0; i < len; i++) {
		score += l[i].made ? 1 : -1;
		if (abs(score) <= most || (i + 1 < len && l[i + 1].value <= l[i].value))
			continue;
		most = abs(score);
		best.at = i + 1 < len ? (l[i].value + l[i + 1].value) / 2 : l[i].value;
		best.above = score < 0;
	}
	return best;
}

static bool says_made(const struct threshold *t, double value)
{
	return (value > t->at) == t->above;
}

double learn_threshold(const double *original, const double *made, int pairs)
{
	struct labelled *l = malloc(2 * (size_t)pairs * sizeof(*l));
	int right = 0;

	if (!l)
		abort();
	for (int fold = 0; fold < FOLDS; fold++) {
		int len = 0;
		for (int i = 0; i < pairs; i++) {
			if (in_fold(i, fold))
				continue;
			l[len++] = (struct labelled){original[i], false};
			l[len++] = (struct labelled){made[i], true};
		}
		struct threshold t = best_threshold(l, len);
		for (int i = 0; i < pairs; i++) {
			if (in_fold(i, fold))
				right += says_made(&t, made[i]) + !says_made(&t, original[i]);
		}
	}
	free(l);
	return right / (2.0 * pairs);
}

/* ---- many numbers ---- */

/* What is learned from: all features, as doubles less their mean, by their spread. */
struct table {
	int pairs, features;
	double *original, *made;
};

static void scale(const struct table *t, int feature)
{
	double sum = 0, squares = 0, n = 2.0 * t->pairs;

	for (int i = 0; i < t->pairs; i++) {
		double a = t->original[i * t->features + feature];
		double b = t->made[i * t->features + feature];
		sum += a + b;
		squares += a * a + b * b;
	}
	double mean = sum / n;
	double spread = sqrt(fmax(squares / n - mean * mean, 0)) + 1e-9;
	for (int i = 0; i < t->pairs; i++) {
		double *a = &t->original[i * t->features + feature];
		double *b = &t->made[i * t->features + feature];
		*a = (*a - mean) / spread;
		*b = (*b - mean) / spread;
	}
}

/* Means and scatter of the pairs that are learned from. */
struct moments {
	double *mean_original, *mean_made, *scatter;
};

static void add_scatter(double *scatter, const double *row, const double *mean, int n)
{
	double off[1024];

	for (int i = 0; i < n; i++)
		off[i] = row[i] - mean[i];
	for (int i = 0; i < n; i++) {
		for (int j = 0; j <= i; j++)
			scatter[i * n + j] += off[i] * off[j];
	}
}

static void take_moments(const struct table *t, int fold, struct moments *m)
{
	int n = t->features, count = 0;

	memset(m->mean_original, 0, (size_t)n * sizeof(double));
	memset(m->mean_made, 0, (size_t)n * sizeof(double));
	memset(m->scatter, 0, (size_t)n * (size_t)n * sizeof(double));
	for (int i = 0; i < t->pairs; i++) {
		if (in_fold(i, fold))
			continue;
		count++;
		for (int j = 0; j < n; j++) {
			m->mean_original[j] += t->original[i * n + j];
			m->mean_made[j] += t->made[i * n + j];
		}
	}
	for (int j = 0; j < n; j++) {
		m->mean_original[j] /= count;
		m->mean_made[j] /= count;
	}
	for (int i = 0; i < t->pairs; i++) {
		if (in_fold(i, fold))
			continue;
		add_scatter(m->scatter, t->original + i * n, m->mean_original, n);
		add_scatter(m->scatter, t->made + i * n, m->mean_made, n);
	}
}

/* Solve a x = b for a symmetric, positive a, in place: Cholesky. x comes out in b. */
static void solve(double *a, double *b, int n)
{
	for (int i = 0; i < n; i++) {
		for (int j = 0; j <= i; j++) {
			double sum = a[i * n + j];
			for (int k = 0; k < j; k++)
				sum -= a[i * n + k] * a[j * n + k];
			a[i * n + j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / a[j * n + j];
		}
	}
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < i; k++)
			b[i] -= a[i * n + k] * b[k];
		b[i] /= a[i * n + i];
	}
	for (int i = n - 1; i >= 0; i--) {
		for (int k = i + 1; k < n; k++)
			b[i] -= a[k * n + i] * b[k];
		b[i] /= a[i * n + i];
	}
}

/* One of the ensemble. */
struct learner {
	int len;
	int feature[SUBSPACE];
	double weight[SUBSPACE];
	struct threshold threshold;
};

static double project(const struct learner *l, const double *row)
{
	double sum = 0;

	for (int i = 0; i < l->len; i++)
		sum += l->weight[i] * row[l->feature[i]];
	return sum;
}

static void draw_features(struct learner *l, int features, uint64_t *state)
{
	l->len = features < SUBSPACE ? features : SUBSPACE;
	for (int i = 0; i < l->len; i++) {
		bool again = true;
		while (again) {
			*state = *state * 6364136223846793005 + 1442695040888963407;
			l->feature[i] = (int)((*state >> 33) % (uint64_t)features);
			again = false;
			for (int j = 0; j < i; j++)
				again |= l->feature[j] == l->feature[i];
		}
	}
}

static void train(struct learner *l, const struct table *t, int fold, const struct moments *m)
{
	static double a[SUBSPACE * SUBSPACE];
	struct labelled *seen = malloc(2 * (size_t)t->pairs * sizeof(*seen));
	int len = 0;

	if (!seen)
		abort();
	for (int i = 0; i < l->len; i++) {
		for (int j = 0; j <= i; j++) {
			int p = l->feature[i], q = l->feature[j];
			a[i * l->len + j] = p > q ? m->scatter[p * t->features + q]
						  : m->scatter[q * t->features + p];
		}
		a[i * l->len + i] += 1e-3 * t->pairs; /* a ridge: some features hardly vary */
		l->weight[i] = m->mean_made[l->feature[i]] - m->mean_original[l->feature[i]];
	}
	solve(a, l->weight, l->len);
	for (int i = 0; i < t->pairs; i++) {
		if (in_fold(i, fold))
			continue;
		seen[len++] = (struct labelled){project(l, t->original + i * t->features), false};
		seen[len++] = (struct labelled){project(l, t->made + i * t->features), true};
	}
	l->threshold = best_threshold(seen, len);
	free(seen);
}

static int votes(const struct learner *l, const double *row)
{
	int made = 0;

	for (int i = 0; i < LEARNERS; i++)
		made += says_made(&l[i].threshold, project(&l[i], row));
	return made;
}

static int try_fold(const struct table *t, int fold, struct moments *m)
{
	static struct learner l[LEARNERS];
	uint64_t state = 1;
	int right = 0;

	take_moments(t, fold, m);
	for (int i = 0; i < LEARNERS; i++) {
		draw_features(&l[i], t->features, &state);
		train(&l[i], t, fold, m);
	}
	for (int i = 0; i < t->pairs; i++) {
		if (!in_fold(i, fold))
			continue;
		right += votes(l, t->made + i * t->features) > LEARNERS / 2;
		right += votes(l, t->original + i * t->features) <= LEARNERS / 2;
	}
	return right;
}

double learn_ensemble(const float *original, const float *made, int pairs, int features)
{
	size_t cells = (size_t)pairs * (size_t)features, n = (size_t)features;
	double *all = malloc((2 * cells + 2 * n + n * n) * sizeof(*all));
	struct table t = {pairs, features, all, all + cells};
	struct moments m = {all + 2 * cells, all + 2 * cells + n, all + 2 * cells + 2 * n};
	int right = 0;

	if (!all)
		abort();
	for (size_t i = 0; i < cells; i++) {
		t.original[i] = original[i];
		t.made[i] = made[i];
	}
	for (int i = 0; i < features; i++)
		scale(&t, i);
	for (int fold = 0; fold < FOLDS; fold++)
		right += try_fold(&t, fold, &m);
	free(all);
	return right / (2.0 * pairs);
}
