/* The back end that owns other models: its sessions against its members, its files, and what ensembles are made of. */
#include "test.h"
#include "mixture/ensemble.h"
#include "mixture/mix.h"
#include "mixture/track.h"
#include <math.h>

enum { VOCAB = 20 };
static const char *const fakes[] = { "fake:vocab=20,seed=1", "fake:vocab=20,seed=2", "fake:vocab=20,seed=3,limit=40" };
static const int32_t text[] = { 3, 7, 1, 19, 0, 4, 4, 12, 6, 2, 2, 18, 9, 5, 11, 3, 7, 8, 10, 13 };

static void write_file(const char *path, const char *body) { assert_ok(lt_file_save(path, body, strlen(body))); }

/* ---- sessions ---- */
static const struct lt_method *const *methods(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "mixture")) k++;
    return k->member;
}

/* Tensors and weights of anything but zeros. */
static void stir(struct lt_mixture_fit *f)
{
    struct lt_rng r = lt_rng_make(3, "stir");
    for (int t = 0; t < f->tensor_count; t++)
        for (int64_t i = 0; i < f->tensor[t].rows * f->tensor[t].cols; i++)
            f->tensor[t].value[i] = (float)(0.3 * lt_rng_normal(&r));
    for (int m = 0; m < f->members && (f->how->flags & LT_MIXTURE_WEIGHTS); m++)
        f->weight[m] = m == 0 ? 0.5 : 0.5 / (f->members - 1);
}

static void open_mix(struct lt_mix *x, const struct lt_method *m, struct lt_options *s)
{
    *x = (struct lt_mix){ 0 };
    assert_ok(lt_mix_open(x, fakes, 3, false, 0, NULL));
    assert_ok(lt_mix_choose(x, (const struct lt_mixture *)m, m->opts ? lt_options_done(s) : NULL));
    stir(&x->fit);
}

static void assert_same_row(struct lt_session *a, struct lt_session *b)
{
    int n, k;
    const float *x = a->type->logits(a->self, &n), *y = b->type->logits(b->self, &k);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(n, VOCAB);
    assert_int_equal(k, VOCAB);
    for (int v = 0; v < n; v++) assert_float_equal(x[v], y[v], 2e-6);
}

/* Scored at once, scored with hits, and fed one by one: the same figures. */
static void scores(struct lt_mix *x)
{
    enum { N = LT_COUNT(text) };
    struct lt_session a, b, c;
    float at_once[N], with_hits[N];
    uint8_t hit[N];
    int n;
    assert_ok(lt_mix_session(x, &a));
    assert_ok(lt_mix_session(x, &b));
    assert_ok(lt_mix_session(x, &c));
    assert_ok(a.type->score(a.self, text, N, at_once, NULL));
    assert_ok(b.type->score(b.self, text, N, with_hits, hit));
    assert_float_equal(at_once[0], 0, 0);
    assert_int_equal(hit[0], 0);
    for (int i = 0; i < N; i++) {
        if (i) {
            const float *row = c.type->logits(c.self, &n);
            bool best = true;
            for (int v = 0; v < n; v++) best &= row[v] <= row[text[i]];
            assert_float_equal(at_once[i], row[text[i]], 2e-6);
            assert_float_equal(with_hits[i], row[text[i]], 2e-6);
            assert_int_equal(hit[i], best);
        }
        assert_ok(c.type->feed(c.self, &text[i], 1));
    }
    assert_int_equal(a.type->count(a.self), N);
    assert_int_equal(a.type->limit(a.self), 40);
    assert_same_row(&a, &c);
    assert_same_row(&b, &c);
    a.type->close(a.self);
    b.type->close(b.self);
    c.type->close(c.self);
}

/* Accept and rewind is nothing; a fork goes its own way; a failure leaves the session as it was. */
static void moves(struct lt_mix *x)
{
    struct lt_session a, b;
    int32_t many[60] = { 0 }, bad[] = { 1, 99 };
    float logp[2];
    assert_ok(lt_mix_session(x, &a));
    assert_ok(lt_mix_session(x, &b));
    assert_ok(a.type->feed(a.self, text, 9));
    assert_ok(b.type->feed(b.self, text, 9));
    struct lt_session fork = { a.type, a.type->fork(a.self) };
    assert_ok(a.type->feed(a.self, text + 9, 6));
    assert_ok(a.type->rewind(a.self, 6));
    assert_same_row(&a, &b);
    assert_ok(fork.type->feed(fork.self, text + 3, 5));
    assert_same_row(&a, &b);
    assert_ok(b.type->feed(b.self, text + 3, 5));
    assert_same_row(&fork, &b);
    assert_fails(a.type->feed(a.self, many, 60), "holds 40 tokens");
    assert_fails(a.type->feed(a.self, bad, 2), "token 99");
    assert_fails(a.type->score(a.self, bad, 2, logp, NULL), "token 99");
    assert_fails(a.type->rewind(a.self, 10), "cannot take back");
    assert_int_equal(a.type->count(a.self), 9);
    assert_ok(b.type->rewind(b.self, 5));
    assert_same_row(&a, &b);
    a.type->close(a.self);
    b.type->close(b.self);
    fork.type->close(fork.self);
}

static void each_mix(void (*check)(struct lt_mix *x))
{
    for (const struct lt_method *const *m = methods(); *m; m++) {
        struct lt_options *s = lt_options_new(*m);
        struct lt_mix x;
        open_mix(&x, *m, s);
        check(&x);
        lt_mix_close(&x);
        lt_options_free(s);
    }
}

static void test_mixture__scores(void **state) { (void)state; each_mix(scores); }
static void test_mixture__moves(void **state) { (void)state; each_mix(moves); }

/* ---- files ---- */
static void test_mixture__saved_and_opened(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "mix.json");
    for (const struct lt_method *const *m = methods(); *m; m++) {
        struct lt_options *s = lt_options_new(*m);
        struct lt_session a, b;
        struct lt_mix x;
        struct lt_lm lm;
        open_mix(&x, *m, s);
        assert_ok(lt_mixture_file_save(path, &x.fit, fakes, false));
        assert_ok(lt_lm_open(path, NULL, &lm));
        assert_string_equal(lm.type->m.name, "mix");
        assert_ok(lt_mix_session(&x, &a));
        assert_ok(lm.type->session(lm.self, &b));
        assert_ok(a.type->feed(a.self, text, 12));
        assert_ok(b.type->feed(b.self, text, 12));
        assert_same_row(&a, &b);
        a.type->close(a.self);
        b.type->close(b.self);
        lt_lm_close(&lm);
        lt_mix_close(&x);
        lt_options_free(s);
    }
    lt_test_temp_end(folder);
}

/* A mixture of a mixture; one that holds itself is refused. */
static void test_mixture__nested(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *inner = lt_test_path(folder, "inner.json"), *outer = lt_test_path(folder, "outer.json");
    struct lt_lm lm, flat;
    struct lt_session a, b;
    write_file(inner, "{\"format\": \"lathe-mixture\", \"weights\": [0.5, 0.5], \"members\": [{\"path\": "
                      "\"fake:vocab=20,seed=1\"}, {\"path\": \"fake:vocab=20,seed=2\"}]}");
    write_file(outer, "{\"format\": \"lathe-mixture\", \"weights\": [0.8, 0.2], \"members\": [{\"path\": "
                      "\"inner.json\"}, {\"path\": \"fake:vocab=20,seed=1\"}]}");
    assert_ok(lt_lm_open(outer, NULL, &lm));
    write_file(inner, "{\"format\": \"lathe-mixture\", \"weights\": [0.6, 0.4], \"members\": [{\"path\": "
                      "\"fake:vocab=20,seed=1\"}, {\"path\": \"fake:vocab=20,seed=2\"}]}");
    assert_ok(lt_lm_open(inner, NULL, &flat));
    assert_ok(lm.type->session(lm.self, &a));
    assert_ok(flat.type->session(flat.self, &b));
    assert_ok(a.type->feed(a.self, text, 5));
    assert_ok(b.type->feed(b.self, text, 5));
    assert_same_row(&a, &b);
    a.type->close(a.self);
    b.type->close(b.self);
    lt_lm_close(&lm);
    lt_lm_close(&flat);
    write_file(inner, "{\"format\": \"lathe-mixture\", \"members\": [{\"path\": \"outer.json\"}]}");
    assert_fails(lt_lm_open(outer, NULL, &lm), "does this one hold itself?");
    lt_test_temp_end(folder);
}

static void test_mixture__bad_files(void **state)
{
    (void)state;
#define HEAD "{\"format\": \"lathe-mixture\", "
#define TWO "\"members\": [{\"path\": \"fake:vocab=20,seed=1\"}, {\"path\": \"fake:vocab=20,seed=2\"}]"
    static const struct { const char *body, *says; } bad[] = {
        { "[1]", "expected a JSON object" },
        { "{\"format\": \"other\", " TWO "}", "expected \"lathe-mixture\", found \"other\"" },
        { "{" TWO "}", "\"format\"" },
        { HEAD TWO ", \"weight\": [1]}", "no key \"weight\" is known" },
        { HEAD "\"members\": []}", "expected 1 to 64 members, found 0" },
        { HEAD "\"method\": \"linear\"}", "members" },
        { HEAD "\"members\": [\"a\"]}", "expected {\"path\": ...}" },
        { HEAD "\"members\": [{\"path\": \"\"}]}", "the path is empty" },
        { HEAD "\"method\": \"liner\", " TWO "}", "did you mean \"linear\"" },
        { HEAD "\"method\": \"bayes\", \"options\": {\"contxt\": 2}, " TWO "}", "contxt" },
        { HEAD "\"method\": \"linear\", \"options\": {\"context\": 2}, " TWO "}", "context" },
        { HEAD TWO ", \"weights\": [1]}", "expected a weight for each of the 2 members, found 1" },
        { HEAD TWO ", \"weights\": [0.5, 0.6]}", "expected weights that sum to 1, found a sum of 1.1" },
        { HEAD TWO ", \"weights\": [-0.5, 1.5]}", "weights, number 1: expected a number from 0 to 1" },
        { HEAD TWO ", \"weights\": [\"a\", 1]}", "weights, number 1" },
        { HEAD "\"method\": \"mean\", " TWO ", \"weights\": [0.5, 0.5]}", "the method mean has no weights" },
        { HEAD "\"method\": \"full_scalar\", " TWO "}", "\"tensors\" names no file" },
        { HEAD TWO ", \"tensors\": \"x\"}", "has no tensors" },
        { HEAD TWO ", \"align\": \"line\"}", "expected \"token\" or \"word\", found \"line\"" },
        { HEAD "\"method\": \"log_linear\", \"align\": \"word\", " TWO "}", "needs one vocabulary" },
    };
    struct lt_mixture_file f;
    for (int i = 0; i < LT_COUNT(bad); i++)
        assert_fails(lt_mixture_file_parse("mix.json", ".", lt_str(bad[i].body), &f), bad[i].says);
#undef HEAD
#undef TWO
}

static void test_mixture__bad_members(void **state)
{
    (void)state;
    struct lt_mix x = { 0 };
    assert_fails(lt_mix_open(&x, (const char *[]){ "fake:vocab=20", "no/such/model" }, 2, false, 0, NULL), "no/such");
    lt_mix_close(&x);
    assert_fails(lt_mix_open(&x, (const char *[]){ "mix:path=a.json" }, 1, false, 0, NULL), "name of its file alone");
    lt_mix_close(&x);
    assert_ok(lt_mix_open(&x, (const char *[]){ "fake:vocab=20", "fake:vocab=21" }, 2, false, 0, NULL));
    assert_fails(lt_mix_choose(&x, (const struct lt_mixture *)lt_method_find("mixture", "linear"), NULL),
                 "has 20 tokens and fake:vocab=21 has 21");
    lt_mix_close(&x);
    assert_fails(lt_mix_open(&x, (const char *[]){ "fake:vocab=20" }, 1, true, 0, NULL), "has no tokenizer");
    lt_mix_close(&x);
}

/* ---- tracks ---- */
#define HEADER "document\tposition\tid\tbegin\tend\tlogprob\ttop\tpiece\n"

static void parse(struct lt_track *t, const char *name, const char *body)
{
    struct lt_buf b = { 0 };
    lt_buf_str(&b, HEADER);
    lt_buf_str(&b, body);
    assert_ok(lt_track_parse(name, lt_buf_view(&b), t));
    lt_buf_free(&b);
}

static void test_mixture__bad_dumps(void **state)
{
    (void)state;
    static const struct { const char *body, *says; } bad[] = {
        { "", "expected the first line to name" },
        { "a\tb\n", "expected the first line to name" },
        { HEADER, "holds no tokens" },
        { HEADER "0\t0\t5\t0\t2\t-1\t0\n", "line 2: expected 8 columns" },
        { HEADER "0\t0\t5\t0\t2\t-1\t0\t\"a\"\tx\n", "found more" },
        { HEADER "0\t0\t5\t0\t2\t-1\t0\t\"a\"\n\n", "line 3: expected 8 columns" },
        { HEADER "0\t0\t-5\t0\t2\t-1\t0\t\"a\"\n", "whole numbers" },
        { HEADER "0\t0\t5\t0\t2\t1\t0\t\"a\"\n", "the logarithm of a probability" },
        { HEADER "0\t0\t5\t0\t2\tx\t0\t\"a\"\n", "the logarithm of a probability" },
        { HEADER "0\t0\t5\t3\t2\t-1\t0\t\"a\"\n", "ends before it begins" },
        { HEADER "1\t0\t5\t0\t2\t-1\t0\t\"a\"\n0\t0\t5\t0\t2\t-1\t0\t\"a\"\n", "line 3: expected the documents" },
        { HEADER "0\t0\t5\t4\t6\t-1\t0\t\"a\"\n0\t1\t5\t0\t2\t-1\t0\t\"a\"\n", "in the order of the text" },
    };
    struct lt_track t;
    for (int i = 0; i < LT_COUNT(bad); i++) assert_fails(lt_track_parse("d", lt_str(bad[i].body), &t), bad[i].says);
}

static void test_mixture__aligned_tokens(void **state)
{
    (void)state;
    struct lt_track t[2];
    struct lt_aligned a;
    parse(&t[0], "a", "0\t0\t5\t0\t2\tnan\t0\t\"x\"\n0\t1\t6\t2\t4\t-1\t0\t\"y\"\n2\t0\t5\t0\t2\t-2\t0\t\"x\"\n");
    parse(&t[1], "b", "0\t0\t5\t0\t2\tnan\t0\t\"x\"\n0\t1\t6\t2\t4\t-3\t0\t\"y\"\n2\t0\t5\t0\t2\t-4\t0\t\"x\"\n");
    assert_ok(lt_tracks_align(t, 2, false, &a));
    assert_int_equal(a.count, 2);
    assert_int_equal(a.left_out, 1);
    assert_float_equal(a.logp[1], -3, 0);
    assert_float_equal(a.logp[2], -2, 0);
    assert_int_equal(a.first[1], 1);
    lt_aligned_release(&a);
    t[1].token[1].piece++;
    assert_fails(lt_tracks_align(t, 2, false, &a), "line 3: a has token 6 at bytes 2 to 4 of document 0");
    t[1].token[1].piece--;
    t[1].count--;
    assert_fails(lt_tracks_align(t, 2, false, &a), "line 4 is in one only");
    lt_track_release(&t[0]);
    lt_track_release(&t[1]);
}

/* "the house  is!" as words, as pieces with the space before, and as pieces without spaces. */
static void test_mixture__aligned_words(void **state)
{
    (void)state;
    struct lt_track t[3];
    struct lt_aligned a;
    parse(&t[0], "words", "0\t0\t1\t0\t3\t-1\t0\t\"the\"\n0\t1\t2\t4\t9\t-2\t0\t\"house\"\n"
                          "0\t2\t3\t11\t13\t-4\t0\t\"is\"\n3\t0\t1\t0\t3\t-8\t0\t\"the\"\n");
    parse(&t[1], "before", "0\t0\t1\t0\t3\t-1\t0\t\"the\"\n0\t1\t2\t3\t6\t-0.5\t0\t\" ho\"\n"
                           "0\t2\t2\t6\t9\t-0.25\t0\t\"use\"\n0\t3\t2\t9\t10\t-3\t0\t\" \"\n"
                           "0\t4\t2\t10\t13\t-4\t0\t\" is\"\n0\t5\t2\t13\t14\t-0.125\t0\t\"!\"\n"
                           "3\t0\t1\t0\t3\t-7\t0\t\"the\"\n");
    parse(&t[2], "none", "0\t0\t1\t0\t1\t-0.5\t0\t\"t\"\n0\t1\t1\t1\t3\t-1.5\t0\t\"he\"\n"
                         "0\t2\t2\t4\t9\t-3\t0\t\"house\"\n0\t3\t2\t11\t13\t-5\t0\t\"is\"\n"
                         "3\t0\t1\t0\t3\t-6\t0\t\"the\"\n");
    assert_ok(lt_tracks_align(t, 3, true, &a));
    static const float want[] = { -1, -1, -2, -2, -0.75f, -3, -4, -7.125f, -5, -8, -7, -6 };
    assert_int_equal(a.count, 4);
    for (int i = 0; i < 12; i++) assert_float_equal(a.logp[i], want[i], 0);
    assert_int_equal(a.first[2], 0);
    assert_int_equal(a.first[3], 3);
    lt_aligned_release(&a);
    t[0].count--;
    assert_fails(lt_tracks_align(t, 3, true, &a), "words has no tokens of document 3");
    for (int i = 0; i < 3; i++) lt_track_release(&t[i]);
}

/* ---- what members contribute ---- */
static void test_mixture__contributions(void **state)
{
    (void)state;
    enum { N = 400 };
    float logp[N * 4];
    struct lt_rng r = lt_rng_make(1, "members");
    for (int i = 0; i < N; i++) {       /* 0 and 1 are right in turn, 2 is 1 again, 3 is always the worst */
        logp[4 * i] = (float)log(i % 2 ? 0.5 : 0.05 + 0.05 * lt_rng_unit(&r));
        logp[4 * i + 1] = logp[4 * i + 2] = (float)log(i % 2 ? 0.04 : 0.6);
        logp[4 * i + 3] = (float)log(0.01);
    }
    struct lt_aligned dev = { .members = 4, .count = N, .logp = logp };
    struct lt_ensemble e = { 0 };
    lt_ensemble_judge(NULL, &dev, NULL, &e);
    assert_int_equal(lt_ensemble_best(&e, true), 3);
    assert_true(e.dev < e.member[lt_ensemble_best(&e, false)].dev);
    assert_true(e.dev < e.uniform_dev);
    assert_true(e.member[0].without > 1.2 * e.dev);
    assert_float_equal(e.member[1].without, e.dev, 1e-4);       /* its duplicate stands in */
    assert_float_equal(e.member[2].without, e.dev, 1e-4);
    assert_float_equal(e.member[3].without, e.dev, 1e-4);
    assert_float_equal(e.member[3].weight, 0, 1e-4);
    assert_int_equal(e.member[2].place > e.member[1].place, 1);
    assert_true(e.member[0].place <= 2 && e.member[1].place <= 2);
    for (int m = 0; m < 4; m++)
        if (e.member[m].place == 4) assert_float_equal(e.member[m].together, e.dev, 1e-4);
    assert_true(isnan(e.test));
    /* Something impossible to one member costs it everything, and the mixture little. */
    logp[0] = -INFINITY;
    lt_ensemble_judge(NULL, &dev, &dev, &e);
    assert_true(isinf(e.member[0].dev));
    assert_true(isfinite(e.dev));
    assert_float_equal(e.dev, e.test, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixture__scores),
        cmocka_unit_test(test_mixture__moves),
        cmocka_unit_test(test_mixture__saved_and_opened),
        cmocka_unit_test(test_mixture__nested),
        cmocka_unit_test(test_mixture__bad_files),
        cmocka_unit_test(test_mixture__bad_members),
        cmocka_unit_test(test_mixture__bad_dumps),
        cmocka_unit_test(test_mixture__aligned_tokens),
        cmocka_unit_test(test_mixture__aligned_words),
        cmocka_unit_test(test_mixture__contributions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
