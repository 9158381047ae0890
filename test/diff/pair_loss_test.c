/* The losses of preference pairs and their gradients: against torch in double precision (test/oracle/make_pairs.py),
 * against finite differences, and the functions of two numbers at awkward values. */
#include "formula_model.h"
#include "test.h"
#include "base/json.h"
#include "train/pair_loss.h"

#include <math.h>

enum { ROWS_MAX = 64, SEQS_MAX = 8 };

/* A batch as the loader would make it. */
struct pairs {
    int32_t token[ROWS_MAX], target[ROWS_MAX], pos[ROWS_MAX];
    float weight[ROWS_MAX];
    int64_t row[SEQS_MAX + 1];
    struct lt_batch b;
};

static void put_text(struct pairs *p, const json_t *ids, int64_t prompt)
{
    int64_t at = p->b.rows, n = (int64_t)json_array_size(ids) - 1;
    assert_true(at + n <= ROWS_MAX && p->b.seq_count < SEQS_MAX);
    for (int64_t i = 0; i < n; i++) {
        p->token[at + i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
        p->target[at + i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i + 1));
        p->pos[at + i] = (int32_t)i;
        p->weight[at + i] = i + 1 >= prompt;
    }
    p->row[p->b.seq_count++] = at;
    p->row[p->b.seq_count] = p->b.rows = at + n;
}

static void put_pairs(struct pairs *p, const json_t *list)
{
    json_t *one;
    size_t i;
    *p = (struct pairs){ .b = { .token = p->token, .target = p->target, .pos = p->pos, .weight = p->weight,
                                .seq_row = p->row } };
    json_array_foreach((json_t *)list, i, one) {
        int64_t prompt = json_integer_value(json_object_get(one, "prompt"));
        put_text(p, json_object_get(one, "chosen"), prompt);
        put_text(p, json_object_get(one, "rejected"), prompt);
    }
    p->b.pair_count = p->b.seq_count / 2;
}

static struct lt_model *first_model(void)
{
    json_t *all;
    const struct lt_arch *arch;
    struct lt_options *options;
    struct lt_generation gen;
    struct lt_model *m;
    lt_generation_init(&gen);
    assert_ok(lt_json_read("test/oracle/models.json", &all));
    char *config = json_dumps(json_object_get(json_array_get(all, 0), "config"), 0);
    assert_ok(lt_config_parse("first", lt_str(config), &arch, &options, &gen));
    assert_ok(lt_model_new(arch, options, 1, NULL, &m));
    free(config);
    json_decref(all);
    lt_formula_fill(m);
    assert_ok(lt_model_train(m));
    return m;
}

static const struct lt_objective *objective(const json_t *c, struct lt_options **set, const void **o)
{
    const struct lt_method *m = lt_method_find("objective", json_string_value(json_object_get(c, "objective")));
    char *text = json_dumps(json_object_get(c, "options"), 0);
    assert_non_null(m);
    *set = lt_options_new(m);
    assert_ok(lt_options_json(*set, text));
    *o = lt_options_done(*set);
    assert_non_null(*o);
    free(text);
    return (const struct lt_objective *)m;
}

static void clear(struct lt_model *m)
{
    for (int w = 0; w < m->weight_count; w++)
        memset(m->weight[w].grad, 0, (size_t)lt_weight_count(&m->weight[w]) * sizeof(float));
}

static void near(const char *name, const char *what, double have, double want, double tolerance)
{
    if (!(fabs(have - want) <= tolerance * fmax(1, fabs(want))))
        fail_msg("%s: a %s of %.9g, not %.9g", name, what, have, want);
}

/* Loss, margins and gradient; the head takes its gradient in the forward pass when it knows the seed, or afterwards. */
static void compare(struct lt_model *m, const struct pairs *p, const json_t *c, bool expected, double *worst)
{
    struct lt_options *set;
    const void *o;
    const struct lt_objective *j = objective(c, &set, &o);
    double want = json_number_value(json_object_get(c, "loss")), margin = 0, right = 0, n = (double)p->b.pair_count;
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(c, "margins"), i, one) {
        margin += json_number_value(one);
        right += json_number_value(one) > 0;
    }
    struct lt_pair_sums sums = { 0 };
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    clear(m);
    lt_graph_record(g, true);
    if (expected) lt_graph_expect(g, (float)(1 / n));
    struct lt_tensor *loss = lt_pair_loss(j, o, g, m, &p->b, &sums);
    assert_non_null(loss);
    assert_true(lt_graph_recording(g));
    assert_ok(lt_graph_backward(g, loss, (float)(1 / n)));
    near(j->m.name, "loss", sums.loss / n, want, 1e-5);
    near(j->m.name, "value", (double)*lt_f32(loss) / n, want, 1e-5);
    near(j->m.name, "margin", sums.margin, margin, 1e-5);
    assert_true(sums.right == right && sums.pairs == p->b.pair_count);
    double slope = lt_formula_slope(m), wanted = json_number_value(json_object_get(c, "slope"));
    near(j->m.name, "slope", slope, wanted, 1e-4);
    *worst = fmax(*worst, fabs(slope - wanted));
    struct lt_pair_sums again = { 0 };
    lt_graph_reset(g);
    lt_graph_record(g, false);
    assert_ok(lt_pair_judge(j, o, g, m, &p->b, &again));
    assert_true(again.loss == sums.loss && again.margin == sums.margin);
    lt_graph_free(g);
    lt_options_free(set);
}

static void test_pair_loss__agrees_with_torch(void **state)
{
    (void)state;
    json_t *root, *c;
    size_t i;
    struct pairs p;
    double worst = 0;
    struct lt_model *m = first_model();
    assert_ok(lt_json_read("test/oracle/pairs.json", &root));
    put_pairs(&p, json_object_get(root, "pairs"));
    assert_int_equal(p.b.pair_count, 3);
    json_array_foreach(json_object_get(root, "cases"), i, c) {
        compare(m, &p, c, false, &worst);
        compare(m, &p, c, true, &worst);
    }
    assert_int_equal(i, 4);
    assert_true(worst > 0);         /* two computations, not one */
    json_decref(root);
    lt_model_free(m);
}

/* The loss at the weights moved by h along the direction of lt_formula_slope. */
static double loss_at(struct lt_model *m, const struct lt_objective *j, const void *o, const struct pairs *p, double h)
{
    struct lt_pair_sums sums = { 0 };
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    for (int w = 0; w < m->weight_count; w++) {
        struct lt_weight *x = &m->weight[w];
        struct lt_buf name = { 0 };
        lt_buf_fmt(&name, "%s/", x->name);
        uint64_t base = lt_formula_hash(name.p);
        for (int64_t i = 0; i < lt_weight_count(x); i++)
            x->master[i] += (float)(h * lt_formula_uniform(base, (uint64_t)i));
        lt_buf_free(&name);
    }
    assert_ok(lt_pair_judge(j, o, g, m, &p->b, &sums));
    lt_graph_free(g);
    return sums.loss;
}

static void test_pair_loss__every_objective_by_finite_differences(void **state)
{
    (void)state;
    const struct lt_kind *k = lt_kinds();
    json_t *root;
    struct pairs p;
    int found = 0;
    while (strcmp(k->name, "objective")) k++;
    assert_ok(lt_json_read("test/oracle/pairs.json", &root));
    put_pairs(&p, json_object_get(root, "pairs"));
    for (const struct lt_method *const *a = k->member; *a; a++) {
        const struct lt_objective *j = (const struct lt_objective *)*a;
        if (!(j->needs & LT_NEEDS_PAIRS)) continue;
        struct lt_options *set = lt_options_new(*a);
        const void *o = lt_options_done(set);
        struct lt_model *m = first_model();
        struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
        struct lt_pair_sums sums = { 0 };
        const double h = 1e-3;
        clear(m);
        lt_graph_record(g, true);
        assert_ok(lt_graph_backward(g, lt_pair_loss(j, o, g, m, &p.b, &sums), 1));
        double slope = lt_formula_slope(m), up = loss_at(m, j, o, &p, h), down = loss_at(m, j, o, &p, -2 * h);
        near((*a)->name, "difference", slope, (up - down) / (2 * h), 5e-3);
        assert_true(fabs(slope) > 0.1);
        lt_graph_free(g);
        lt_model_free(m);
        lt_options_free(set);
        found++;
    }
    assert_true(found >= 2);
    json_decref(root);
}

/* Of every objective of pairs: slopes by finite differences, also where exp would overflow; a pair turned round has the
 * opposite margin; loss falls with log p of the chosen text. */
static void test_pair_loss__functions_of_two_numbers(void **state)
{
    (void)state;
    static const double value[] = { 0, -1e-9, -0.7, -35, -700, -1e4, -1e6 };
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "objective")) k++;
    for (const struct lt_method *const *a = k->member; *a; a++) {
        const struct lt_objective *j = (const struct lt_objective *)*a;
        if (!(j->needs & LT_NEEDS_PAIRS)) continue;
        assert_true(!j->loss && j->pair && j->margin);
        struct lt_options *set = lt_options_new(*a);
        const void *o = lt_options_done(set);
        for (int i = 0; i < LT_COUNT(value) * LT_COUNT(value); i++) {
            struct lt_preference x = { value[i / LT_COUNT(value)], value[i % LT_COUNT(value)], 1 + i % 3, 2 + i % 5 };
            struct lt_preference round = { x.rejected, x.chosen, x.rejected_tokens, x.chosen_tokens }, d, unused;
            double loss = j->pair(o, &x, &d), h = 1e-4, side[4];
            for (int s = 0; s < 4; s++) {
                struct lt_preference y = x;
                *(s / 2 ? &y.rejected : &y.chosen) += s % 2 ? h : -h;
                side[s] = j->pair(o, &y, &unused);
            }
            assert_true(isfinite(loss) && loss >= 0 && d.chosen <= 0 && d.rejected >= 0);
            near((*a)->name, "slope", d.chosen, (side[1] - side[0]) / (2 * h), 1e-4);
            near((*a)->name, "slope", d.rejected, (side[3] - side[2]) / (2 * h), 1e-4);
            assert_true(j->margin(o, &x) == -j->margin(o, &round));
        }
        lt_options_free(set);
    }
    double slope;
    near("log_loss", "value", lt_log_loss(0, &slope), log(2), 1e-15);
    near("log_loss", "slope", slope, -0.5, 1e-15);
    assert_true(lt_log_loss(1e300, &slope) == 0 && slope == 0 && lt_log_loss(-1e300, &slope) == 1e300 && slope == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair_loss__agrees_with_torch),
        cmocka_unit_test(test_pair_loss__every_objective_by_finite_differences),
        cmocka_unit_test(test_pair_loss__functions_of_two_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
