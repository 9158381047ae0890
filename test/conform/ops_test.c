/* Every row of the table of operations: its value against double arithmetic, its gradient against float64 finite
 * differences, at awkward values.  A row without a case fails. */
#include "op_cases.h"

enum { LIMIT = 4096 };                  /* elements of one tensor here */
static const double TOLERANCE = 1e-4;   /* relative to the largest gradient of the input */

struct run {
    const struct op_case *c;
    int inputs;
    int64_t n[INPUTS], out_n;
    float *x[INPUTS], *grad[INPUTS], *weight;
    double *exact[INPUTS], *out, *got;
    int wrong;
};

static int64_t elements(const struct op_input *in)
{
    int64_t n = 1;
    for (int i = 0; i < in->rank; i++) n *= in->dim[i];
    assert_true(n <= LIMIT);
    return n;
}

static float value(enum fill fill, struct lt_rng *r)
{
    double v = lt_rng_normal(r);
    switch (fill) {
    case FILL_TIES: return (float)lt_rng_below(r, 3) - 1;
    case FILL_ZERO: return 0;
    case FILL_BIG: return lt_rng_below(r, 3) == 0 ? (v < 0 ? -1e4f : 1e4f) : (float)v;
    case FILL_NORMAL: break;
    }
    return (float)v;
}

static void prepare(struct run *t, const struct op_case *c)
{
    struct lt_rng r = lt_rng_make(1, c->what);
    *t = (struct run){ .c = c };
    for (; t->inputs < INPUTS && c->in[t->inputs].rank; t->inputs++) {
        int i = t->inputs;
        t->n[i] = elements(&c->in[i]);
        t->x[i] = lt_calloc((size_t)t->n[i], sizeof(float));
        t->grad[i] = lt_calloc((size_t)t->n[i], sizeof(float));
        t->exact[i] = lt_calloc((size_t)t->n[i], sizeof(double));
        for (int64_t j = 0; j < t->n[i]; j++) {
            t->x[i][j] = value(c->in[i].fill, &r);
            t->exact[i][j] = (double)t->x[i][j];
        }
    }
    t->weight = lt_calloc(LIMIT, sizeof(float));
    for (int j = 0; j < LIMIT; j++) t->weight[j] = (float)lt_rng_normal(&r);
    t->out = lt_calloc(LIMIT, sizeof(double));
    t->got = lt_calloc(LIMIT, sizeof(double));
}

static void release(struct run *t)
{
    for (int i = 0; i < t->inputs; i++) {
        free(t->x[i]);
        free(t->grad[i]);
        free(t->exact[i]);
    }
    free(t->weight);
    free(t->out);
    free(t->got);
}

static void run_graph(struct run *t)
{
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    lt_graph_record(g, true);
    lt_graph_train(g, true, DROP_SEED);
    struct lt_tensor *in[INPUTS] = { 0 };
    for (int i = 0; i < t->inputs; i++)
        in[i] = lt_leaf(g, NULL, LT_F32, t->c->in[i].rank, t->c->in[i].dim, t->x[i], t->grad[i]);
    struct lt_tensor *out = t->c->build(g, t->c, in);
    int64_t rows = lt_rows(out), cols = lt_cols(out);
    t->out_n = rows * cols;
    assert_true(t->out_n <= LIMIT);
    for (int64_t i = 0; i < t->out_n; i++) t->got[i] = (double)lt_f32(out)[i / cols * out->ld + i % cols];
    struct lt_tensor *w = lt_leaf(g, NULL, LT_F32, out->rank, out->dim, t->weight, NULL);
    struct lt_tensor *loss = lt_op_sum(g, lt_op_mul(g, out, w));
    assert_int_equal(lt_graph_backward(g, loss, 1), 0);
    lt_graph_free(g);
}

static double loss_exact(struct run *t)
{
    t->c->twin(t->c, t->exact, t->out);
    double sum = 0;
    for (int64_t i = 0; i < t->out_n; i++) sum += t->out[i] * (double)t->weight[i];
    return sum;
}

static void check_value(struct run *t, double tolerance)
{
    t->c->twin(t->c, t->exact, t->out);
    double top = 1e-30;
    for (int64_t i = 0; i < t->out_n; i++) top = fmax(top, fabs(t->out[i]));
    for (int64_t i = 0; i < t->out_n; i++)
        if (!(fabs(t->got[i] - t->out[i]) <= tolerance * top) && t->wrong++ < 3)
            print_error("%s (%s): value %lld is %.9g, double arithmetic says %.9g\n", t->c->op, t->c->what,
                        (long long)i, t->got[i], t->out[i]);
}

/* At a kink (relu at 0) any slope between the left and the right one is right. */
static void check_gradient(struct run *t, int input, double tolerance)
{
    int64_t n = t->n[input];
    double *left = lt_calloc((size_t)n, sizeof *left), *right = lt_calloc((size_t)n, sizeof *right);
    double *x = t->exact[input], middle = loss_exact(t), top = 0.02;     /* f32 sums near 1 */
    for (int64_t i = 0; i < n; i++) {
        double old = x[i], h = fabs(old) > 100 ? 1e-3 : 1e-5;
        x[i] = old + h;
        right[i] = (loss_exact(t) - middle) / h;
        x[i] = old - h;
        left[i] = (middle - loss_exact(t)) / h;
        x[i] = old;
        top = fmax(top, fabs(left[i] + right[i]) / 2);
    }
    for (int64_t i = 0; i < n; i++) {
        double got = (double)t->grad[input][i], mean = (left[i] + right[i]) / 2, slack = tolerance * top + t->c->slack;
        bool between = got >= fmin(left[i], right[i]) - slack && got <= fmax(left[i], right[i]) + slack;
        if (!between && t->wrong++ < 3)
            print_error("%s (%s): gradient of input %d at %lld is %.9g, finite differences say %.9g\n", t->c->op,
                        t->c->what, input, (long long)i, got, mean);
    }
    free(left);
    free(right);
}

static double tolerance_of(const char *name)
{
    for (int i = 0; lt_op_table[i]; i++)
        if (strcmp(lt_op_table[i]->name, name) == 0)
            return lt_op_table[i]->tolerance > 0 ? lt_op_table[i]->tolerance : TOLERANCE;
    fail_msg("a case names the operation %s, which is not in the table", name);
    return 0;
}

static void test_ops__gradients(void **state)
{
    (void)state;
    int wrong = 0;
    for (const struct op_case *c = op_cases; c->op; c++) {
        struct run t;
        double tolerance = tolerance_of(c->op);
        prepare(&t, c);
        run_graph(&t);
        check_value(&t, tolerance);
        for (int i = 0; i < t.inputs; i++) check_gradient(&t, i, tolerance);
        wrong += t.wrong;
        release(&t);
    }
    assert_int_equal(wrong, 0);
}

static void test_ops__every_row_has_a_case(void **state)
{
    (void)state;
    for (int i = 0; lt_op_table[i]; i++) {
        const struct op_case *c = op_cases;
        while (c->op && strcmp(c->op, lt_op_table[i]->name) != 0) c++;
        if (!c->op) fail_msg("the operation %s has no case in test/conform/op_cases.h", lt_op_table[i]->name);
    }
}

static void test_ops__table_is_sorted(void **state)
{
    (void)state;
    for (int i = 1; lt_op_table[i]; i++) assert_true(strcmp(lt_op_table[i - 1]->name, lt_op_table[i]->name) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops__every_row_has_a_case),
        cmocka_unit_test(test_ops__table_is_sorted),
        cmocka_unit_test(test_ops__gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
