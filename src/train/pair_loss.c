#include "train/pair_loss.h"

#include <assert.h>
#include <math.h>

double lt_log_loss(double x, double *slope)
{
    double e = exp(-fabs(x)), p = x < 0 ? 1 / (1 + e) : e / (1 + e);       /* p = sigma(-x) */
    *slope = -p;
    return log1p(e) + (x < 0 ? -x : 0);
}

/* log p of the predicted tokens of sequence s. */
static double sum_of(const struct lt_batch *b, const float *logp, int64_t s, int64_t *tokens)
{
    double sum = 0;
    *tokens = 0;
    for (int64_t i = b->seq_row[s]; i < b->seq_row[s + 1]; i++) {
        if (b->weight[i] == 0) continue;
        sum += (double)logp[i];
        ++*tokens;
    }
    return sum;
}

static void weigh(const struct lt_batch *b, int64_t s, double slope, float *weight)
{
    for (int64_t i = b->seq_row[s]; i < b->seq_row[s + 1]; i++) weight[i] = b->weight[i] != 0 ? (float)-slope : 0;
}

/* Judges every pair; weight (may be NULL): of the rows whose weighted -log p has the loss's gradient. */
static void judge(const struct lt_objective *j, const void *o, const struct lt_batch *b, const float *logp,
                  float *weight, struct lt_pair_sums *sums)
{
    for (int64_t i = 0; i < b->pair_count; i++) {
        struct lt_preference x, d = { 0 };
        x.chosen = sum_of(b, logp, 2 * i, &x.chosen_tokens);
        x.rejected = sum_of(b, logp, 2 * i + 1, &x.rejected_tokens);
        double margin = j->margin(o, &x);
        sums->loss += j->pair(o, &x, &d);
        sums->margin += margin;
        sums->right += margin > 0;
        if (!weight) continue;
        weigh(b, 2 * i, d.chosen, weight);
        weigh(b, 2 * i + 1, d.rejected, weight);
    }
    sums->pairs += b->pair_count;
}

/* log p of each target; the head leaves nothing on the tape. */
static float *log_probabilities(struct lt_graph *g, struct lt_model *m, struct lt_tensor *x, const struct lt_batch *b)
{
    float *logp = lt_graph_take(g, (size_t)b->rows * sizeof *logp);
    struct lt_head head = { .target = b->target, .weight = b->weight, .logp = logp };
    bool recording = lt_graph_recording(g);
    lt_graph_record(g, false);
    struct lt_tensor *done = lt_model_loss(g, m, x, &head);
    lt_graph_record(g, recording);
    return done ? logp : NULL;
}

int lt_pair_judge(const struct lt_objective *j, const void *o, struct lt_graph *g, struct lt_model *m,
                  const struct lt_batch *b, struct lt_pair_sums *sums)
{
    assert(b->pair_count && b->seq_count == 2 * b->pair_count);
    struct lt_tensor *x = m->arch->forward(m->o, m, g, b);
    const float *logp = x ? log_probabilities(g, m, x, b) : NULL;
    if (!logp) return -1;
    judge(j, o, b, logp, NULL, sums);
    return 0;
}

struct lt_tensor *lt_pair_loss(const struct lt_objective *j, const void *o, struct lt_graph *g, struct lt_model *m,
                               const struct lt_batch *b, struct lt_pair_sums *sums)
{
    assert(b->pair_count && b->seq_count == 2 * b->pair_count);
    struct lt_tensor *x = m->arch->forward(m->o, m, g, b);
    const float *logp = x ? log_probabilities(g, m, x, b) : NULL;
    if (!logp) return NULL;
    float *weight = lt_graph_take(g, (size_t)b->rows * sizeof *weight), *rest = lt_graph_take(g, sizeof *rest);
    double before = sums->loss;
    judge(j, o, b, logp, weight, sums);
    struct lt_head head = { .target = b->target, .weight = weight };
    struct lt_tensor *linear = lt_model_loss(g, m, x, &head);
    if (!linear) return NULL;
    /* A linear function has the gradient but not the value: a constant makes up for it. */
    *rest = (float)(sums->loss - before - (double)*lt_f32(linear));
    return lt_op_add(g, linear, lt_leaf(g, NULL, LT_F32, 0, NULL, rest, NULL));
}
