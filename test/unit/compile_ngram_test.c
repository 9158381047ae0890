/* N-gram models compiled into Transformers, against the models themselves on every string up to a length. */
#include "test.h"
#include "model/session.h"
#include "surgery/compile_ngram.h"
#include <math.h>

enum { DEPTH = 5, WORDS_MAX = 8 };

struct both { const struct lt_ngram *m; struct lt_session s; int words; double worst; int64_t strings; };

static void compare_here(struct both *b, const struct lt_ngram_state *state)
{
    int vocab;
    float row[WORDS_MAX], p[WORDS_MAX];
    const float *x = b->s.type->logits(b->s.self, &vocab);
    assert_int_equal(vocab, b->words);
    lt_log_softmax(x, vocab, p);
    lt_ngram_row(b->m, state, log(10), row);
    for (int w = 0; w < vocab; w++) {
        if ((uint32_t)w == b->m->bos) assert_true(p[w] < -200);
        else b->worst = fmax(b->worst, fabs((double)p[w] - (double)row[w]));
    }
    b->strings++;
}

/* Every string that begins with what the session holds. */
static void walk(struct both *b, struct lt_ngram_state state, int depth)
{
    if (depth) compare_here(b, &state);
    for (int32_t w = 0; w < b->words && depth < DEPTH; w++) {
        struct lt_ngram_state next = state;
        lt_ngram_push(b->m, &next, (uint32_t)w);
        assert_ok(b->s.type->feed(b->s.self, &w, 1));
        walk(b, next, depth + 1);
        assert_ok(b->s.type->rewind(b->s.self, 1));
    }
}

static struct lt_compiled compare(const struct lt_ngram *m, const char *attention)
{
    struct lt_compile_how how = { .attention = attention, .context = 16, .memory = 1 << 24 };
    struct lt_model *model;
    struct lt_compiled out;
    struct both b = { .m = m, .words = (int)m->vocabulary.count };
    int64_t parameters = 0;
    assert_ok(lt_compile_ngram(m, &how, NULL, &model, &out));
    for (int i = 0; i < model->weight_count; i++) parameters += lt_weight_count(&model->weight[i]);
    assert_int_equal(parameters, out.parameters);
    assert_int_equal(model->heads, m->order - 1);
    assert_int_equal(model->inner, out.units);
    assert_ok(lt_model_session(model, NULL, (struct lt_session_spec){ .compute = LT_COMPUTE_F32, .cache = LT_F32 },
                               &b.s));
    walk(&b, (struct lt_ngram_state){ 0 }, 0);
    assert_true(b.strings > 3000);
    if (!(b.worst < 2e-6)) fail_msg("order %d, %s: differs by %g", m->order, attention, b.worst);
    b.s.type->close(b.s.self);
    assert_ok(lt_model_session(model, NULL, (struct lt_session_spec){ .compute = LT_COMPUTE_BF16, .cache = LT_F32 },
                               &b.s));
    assert_fails(b.s.type->feed(b.s.self, &(int32_t){ 1 }, 1), "exact in float32 alone");
    b.s.type->close(b.s.self);
    lt_model_free(model);
    return out;
}

static struct lt_ngram *build(const char *folder, int order)
{
    const char *in = lt_test_path(folder, "text.txt"), *path = lt_test_path(folder, "x.arpa");
    static const char text[] = "a b a b c\nb a c\na a b\nc b a\na a a a\nc c\nb\n";
    char number[8];
    struct lt_ngram *m;
    const struct lt_verb *v = (const struct lt_verb *)lt_method_find("verb", "ngram-build");
    struct lt_options *s = lt_options_new(&v->m);
    snprintf(number, sizeof number, "%d", order);
    assert_ok(lt_file_save(in, text, sizeof text - 1));
    assert_ok(lt_options_set(s, "input", in) || lt_options_set(s, "output", path) ||
              lt_options_set(s, "order", number));
    assert_ok(v->run(lt_options_done(s), NULL));
    lt_options_free(s);
    assert_ok(lt_ngram_open(path, NULL, &m));
    return m;
}

static void test_compile_ngram__equal_on_every_string(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    for (int order = 2; order <= 5; order++) {
        struct lt_ngram *m = build(folder, order);
        compare(m, "hard");
        struct lt_compiled out = compare(m, "sparsemax");
        assert_int_equal(out.width, order * 6 + order + 1);
        assert_float_equal(out.units_dense, pow(6, order - 1), 0);
        assert_true(out.sum_error < 1e-5);
        lt_ngram_free(m);
    }
    lt_test_temp_end(folder);
}

/* A context with continuations whose end has none, as pruned models have them: "a b", and "b" alone says nothing. */
static struct lt_ngram *pruned(double of_aba)
{
    struct lt_buf b = { 0 };
    struct lt_ngram *m;
    lt_buf_fmt(&b, "\\data\\\nngram 1=6\nngram 2=3\nngram 3=1\n\n\\1-grams:\n%.9g\t<unk>\n-99\t<s>\n%.9g\t</s>\n"
               "%.9g\ta\t%.9g\n%.9g\tb\n%.9g\tc\n\n", log10(0.05), log10(0.2), log10(0.4), log10(0.75 / 0.7),
               log10(0.3), log10(0.05));
    lt_buf_fmt(&b, "\\2-grams:\n%.9g\ta b\t%.9g\n%.9g\ta a\n%.9g\ta c\n\n\\3-grams:\n%.9g\ta b a\n\n\\end\\\n",
               log10(0.25), log10(0.4 / 0.6), log10(0.4 * 0.75 / 0.7), log10(0.05 * 0.75 / 0.7), log10(of_aba));
    assert_ok(lt_ngram_parse("pruned", lt_buf_view(&b), &m));
    lt_buf_free(&b);
    return m;
}

static void test_compile_ngram__contexts_whose_end_is_none(void **state)
{
    (void)state;
    struct lt_ngram *m = pruned(0.6);
    struct lt_compiled out = compare(m, "hard");
    assert_int_equal(out.units, 4);         /* none, a, b, a b */
    lt_ngram_free(m);
}

static void test_compile_ngram__refuses(void **state)
{
    (void)state;
    struct lt_compile_how how = { .attention = "hard", .context = 16, .memory = 1 << 24 };
    struct lt_model *model;
    struct lt_compiled out;
    struct lt_ngram *m = pruned(0.7);
    assert_fails(lt_compile_ngram(m, &how, NULL, &model, &out), "after \"a b\" sum to 1.1");
    how.memory = 1000;
    assert_fails(lt_compile_ngram(m, &how, NULL, &model, &out), "--memory");
    lt_ngram_free(m);
    how.memory = 1 << 24;
    assert_ok(lt_ngram_parse("one", lt_str("\\data\\\nngram 1=2\n\n\\1-grams:\n-0.3\ta\n-0.3\tb\n\n\\end\\\n"), &m));
    assert_fails(lt_compile_ngram(m, &how, NULL, &model, &out), "order 1");
    lt_ngram_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compile_ngram__equal_on_every_string),
        cmocka_unit_test(test_compile_ngram__contexts_whose_end_is_none),
        cmocka_unit_test(test_compile_ngram__refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
