/* Every family against transformers: logits, losses and gradients of small models whose weights are a formula
 * (test/oracle/make_models.py), and, where LATHE_ORACLE_PYTHON names a Python that has transformers, folders of ours
 * read there. */
#include "expected_logits.h"
#include "formula_model.h"
#include "test.h"
#include "base/json.h"
#include "model/session.h"

#include <math.h>

enum { TOKENS_MAX = 64 };

/* ---- the cases ---- */

struct figures { const char *name; struct lt_model *m; int32_t token[TOKENS_MAX]; int tokens; json_t *root; };

static void load(json_t *root, struct figures *f)
{
    f->root = root;
    const struct lt_arch *arch;
    struct lt_options *options;
    struct lt_generation gen;
    lt_generation_init(&gen);
    f->name = json_string_value(json_object_get(f->root, "name"));
    char *config = json_dumps(json_object_get(f->root, "config"), 0);
    if (lt_config_parse(f->name, lt_str(config), &arch, &options, &gen) || lt_model_new(arch, options, 1, NULL, &f->m))
        fail_msg("%s", lt_error());
    free(config);
    f->m->generation = gen;
    lt_formula_fill(f->m);
    const json_t *token = json_object_get(f->root, "tokens");
    f->tokens = (int)json_array_size(token);
    assert_in_range(f->tokens, 1, TOKENS_MAX);
    for (int i = 0; i < f->tokens; i++) f->token[i] = (int32_t)json_integer_value(json_array_get(token, (size_t)i));
}

static void each(void (*check)(struct figures *f, void *arg), void *arg)
{
    json_t *all;
    assert_ok(lt_json_read("test/oracle/models.json", &all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        struct figures f;
        load(json_array_get(all, i), &f);
        check(&f, arg);
        lt_model_free(f.m);
    }
    assert_true(json_array_size(all) >= 19);
    json_decref(all);
}

static void compare(struct figures *f, void *arg)
{
    const json_t *at = json_object_get(f->root, "at"), *want = json_object_get(f->root, "logits");
    struct lt_session s;
    double *worst = arg;
    int vocab, fed = 0;
    assert_ok(lt_model_session(f->m, NULL, (struct lt_session_spec){ 0 }, &s));
    for (size_t i = 0; i < json_array_size(at); i++) {
        int upto = (int)json_integer_value(json_array_get(at, i)) + 1;
        assert_ok(s.type->feed(s.self, f->token + fed, upto - fed));
        fed = upto;
        const float *have = s.type->logits(s.self, &vocab);
        assert_int_equal(vocab, json_array_size(json_array_get(want, i)));
        for (int v = 0; v < vocab; v++) {
            double d = fabs((double)have[v] - json_number_value(json_array_get(json_array_get(want, i), (size_t)v)));
            if (!(d < 1e-5)) fail_msg("%s: logit %d after %d tokens is off by %g", f->name, v, fed, d);
            *worst = fmax(*worst, d);
        }
    }
    s.type->close(s.self);
}

static void test_families__logits_agree_with_transformers(void **state)
{
    (void)state;
    double worst = 0;
    each(compare, &worst);
    assert_true(worst > 0);     /* two computations, not one */
}

/* ---- gradients: one number for all of them, the slope along a direction ---- */

static void descend(struct figures *f, void *arg)
{
    double want_loss = json_number_value(json_object_get(f->root, "loss")), *worst = arg;
    double want_slope = json_number_value(json_object_get(f->root, "slope"));
    int32_t pos[TOKENS_MAX];
    int64_t rows[] = { 0, f->tokens - 1 };
    for (int i = 0; i < f->tokens; i++) pos[i] = i;
    struct lt_batch b = { .rows = f->tokens - 1, .token = f->token, .pos = pos, .seq_count = 1, .seq_row = rows };
    assert_ok(lt_model_train(f->m));
    for (int checkpointed = 0; checkpointed < 2; checkpointed++) {
        struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
        struct lt_head head = { .target = f->token + 1 };
        for (int w = 0; w < f->m->weight_count; w++)
            memset(f->m->weight[w].grad, 0, (size_t)lt_weight_count(&f->m->weight[w]) * sizeof(float));
        f->m->checkpoint = checkpointed;
        lt_graph_record(g, true);
        struct lt_tensor *x = f->m->arch->forward(f->m->o, f->m, g, &b);
        struct lt_tensor *loss = lt_model_loss(g, f->m, x, &head);
        double have = (double)*lt_f32(loss);
        assert_ok(lt_graph_backward(g, loss, 1));
        double slope = lt_formula_slope(f->m);
        if (!(fabs(have - want_loss) < 1e-5 * want_loss))
            fail_msg("%s: a loss of %.9g, not %.9g", f->name, have, want_loss);
        if (!(fabs(slope - want_slope) < 1e-4 * fmax(1, fabs(want_slope))))
            fail_msg("%s: a slope of %.9g, not %.9g", f->name, slope, want_slope);
        *worst = fmax(*worst, fabs(slope - want_slope));
        lt_graph_free(g);
    }
}

static void test_families__gradients_agree_with_transformers(void **state)
{
    (void)state;
    double worst = 0;
    each(descend, &worst);
    assert_true(worst > 0);
}

/* ---- folders we write, read there ---- */

struct out { const char *folder; int count; };

static void write_case(struct figures *f, void *arg)
{
    struct out *o = arg;
    struct lt_buf path = { 0 };
    lt_buf_fmt(&path, "%s/%d", o->folder, o->count++);
    /* every other one in shards, the embedding in one of its own */
    assert_ok(lt_model_save_shards(f->m, path.p, LT_F32, o->count % 2 ? 4096 : 0));
    lt_test_expected_logits(f->m, (struct lt_session_spec){ 0 }, f->token, f->tokens, path.p);
    lt_buf_free(&path);
}

static void test_families__folders_load_in_transformers(void **state)
{
    (void)state;
    const char *python = getenv("LATHE_ORACLE_PYTHON");
    if (!python) {
        fprintf(stderr, "SKIP folders_load_in_transformers: set LATHE_ORACLE_PYTHON to a Python with transformers\n");
        skip();
    }
    struct out o = { .folder = lt_test_temp() };
    each(write_case, &o);
    struct lt_buf command = { 0 };
    lt_buf_fmt(&command, "'%s' test/oracle/check_written.py '%s' >&2", python, o.folder);
    int rc = system(command.p);
    lt_buf_free(&command);
    lt_test_temp_end((char *)o.folder);
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families__logits_agree_with_transformers),
        cmocka_unit_test(test_families__gradients_agree_with_transformers),
        cmocka_unit_test(test_families__folders_load_in_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
