/* Formulas over language models: how they are read, what they say against sums written out, and what is drawn from
 * them. */
#include "test.h"
#include "decode/sample.h"
#include "formula/formula.h"
#include "lm/feed.h"
#include "model/model.h"
#include <math.h>

static struct lt_lm open_lm(const char *spec)
{
    struct lt_lm lm;
    assert_ok(lt_lm_open(spec, NULL, &lm));
    return lm;
}

static struct lt_session session_of(struct lt_lm *lm)
{
    struct lt_session s;
    assert_ok(lm->type->session(lm->self, &s));
    return s;
}

static const float *row_of(struct lt_session *s)
{
    int vocab;
    const float *x = s->type->logits(s->self, &vocab);
    if (!x) fail_msg("%s", lt_error());
    return x;
}

/* ---- reading ---- */

static void test_formula__is_refused_by_column(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } bad[] = {
        { "", "column 1: expected a model, a term, a number or \"(\", found the end" },
        { "M +", "column 4: expected a model" },
        { "M + /models/a", "column 5: expected a model (its path in quotes)" },
        { "M A", "column 3: expected +, -, *, / or the end, found \"A\"" },
        { "(M + A", "column 7: expected \")\", found the end" },
        { "2", "column 1: the formula is a number" },
        { "M * A", "column 3: two models cannot be multiplied" },
        { "M + 2", "column 3: a number and a model cannot be added" },
        { "2 / M", "column 3: expected a number behind /" },
        { "M / 0", "column 3: a division by 0" },
        { "1e999*M", "column 1: this is no number" },
        { "2x*M", "column 1: this is no number" },
        { "M - M", "column 1: the weights sum to 0" },
        { "M - 2*A", "column 1: the weights sum to -1" },
        { "reward(M)", "column 1: the weights sum to 0" },
        { "union(M)", "column 1: union: expected at least 2 models, found 1" },
        { "reward()", "column 1: reward: expected 1 model, found 0" },
        { "reward(M, A)", "column 11: too many models" },
        { "reward(M, 3)", "column 11: expected a model, found a number" },
        { "union(M, A - A)", "column 10: the weights sum to 0" },
        { "plausible(M, 2) + M", "column 1: plausible: option \"alpha\": expected a value from" },
        { "M - plausible(M)", "column 1: plausible can only be added" },
        { "plausible(M, beta=1) + M", "column 14: plausible: " },
        { "union(M, A, x=1)", "column 13: union: union has no option \"x\"" },
        { "debias(M, 50, A)", "column 15: numbers come behind the models" },
        { "classifier(M, M + A) + M", "column 15: expected a model, found a sum" },
        { "unoin(M, A)", "did you mean \"union\"" },
        { "M|3", "column 3: expected a text in quotes, or [ids]" },
        { "M|[1,]", "column 6: expected the id of a token" },
        { "M|[1.5]", "column 4: expected the id of a token" },
        { "\"M", "column 1: a text has no closing quote" },
        { "\"M\\q\"", "column 3: expected \\\"" },
        { "\"\"", "column 1: the name of a model is empty" },
        { "M = \"a\"; M = \"b\"; M", "column 10: this name has a model already" },
        { "M = 3; M", "column 5: expected a model, in quotes" },
        { "M + speculate(A, 0)", "column 18: expected a whole number of tokens" },
        { "M + speculate(A, 2) + speculate(B, 3)", "column 36: all terms that come late" },
        { "speculate(A, 2)", "nothing can guess" },
        { "union(M, speculate(A, 2))", "column 10: speculate stands in the sum" },
        { "((((((((((((((((((M))))))))))))))))))", "16 deep at most" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        struct lt_formula *f;
        if (!lt_formula_parse(lt_str(bad[i].text), &f)) fail_msg("\"%s\" was accepted", bad[i].text);
        if (!strstr(lt_error(), bad[i].says)) fail_msg("\"%s\": \"%s\" does not hold \"%s\"", bad[i].text, lt_error(),
                                                       bad[i].says);
        assert_true(lt_error_is_misuse());
    }
}

static void test_formula__gathers_what_is_the_same(void **state)
{
    (void)state;
    struct lt_formula *f;
    assert_ok(lt_formula_parse(lt_str("M = \"x y\"; -(M - 3*N)/2 + 0*union(M, Q) + .25*(\"x y\"|\"a\\n\" - N) + M"),
                               &f));
    const struct lt_formula_sum *s = &f->sum[f->top];
    assert_int_equal(f->model_count, 3);
    assert_string_equal(f->model[0], "x y");
    assert_int_equal(s->count, 3);
    assert_true(s->part[0].factor == 0.5 && s->part[1].factor == 1.25 && s->part[2].factor == 0.25);
    assert_true(s->weight == 2);
    assert_string_equal(f->view[f->atom[s->part[2].atom].view].prefix, "a\n");
    assert_int_equal(f->guess, -1);
    lt_formula_free(f);
}

/* ---- values, against double sums ---- */

enum { V = 9, N = 14, FAKES = 4, CASES = 8 };
static const int32_t token[N] = { 3, 5, 3, 5, 7, 3, 1, 1, 3, 5, 2, 3, 0, 8 };
#define FAKE "\"fake:vocab=9,seed="
#define FOUR "formula:A=" FAKE "1\"; B=" FAKE "2\"; C=" FAKE "3\"; D=" FAKE "4\"; "

static void to_logs_of(double *x, int n)
{
    double top = -INFINITY, sum = 0;
    for (int v = 0; v < n; v++) top = fmax(top, x[v]);
    for (int v = 0; v < n; v++) sum += exp(x[v] - top);
    for (int v = 0; v < n; v++) x[v] -= top + log(sum);
}

static void to_logs(double *x) { to_logs_of(x, V); }

static const char *const formula[CASES] = {
    FOUR "A + 2*(B - C)",
    FOUR "0.5*A + 0.25*B + 3*C",
    FOUR "2*A - 0.5*intersection(B, C, D)",
    FOUR "A + union(B, 0.5*C + 1.5*D)",
    FOUR "A - B + uniform + plausible(A, 0.2)",
    FOUR "A + 1/4*reward(B) - 1/2*reward(C)",
    FOUR "debias(A, B, C, lambda=20, epsilon=0.05)",
    FOUR "A + 1.5*classifier(B, C, D)",
};

/* x: log p of the four at this place; past: of the tokens before. */
static void by_hand(int which, double (*x)[V], const double *past, double *out)
{
    double sum[V], top = -INFINITY;
    for (int v = 0; v < V; v++) {
        sum[v] = (0.5 * x[2][v] + 1.5 * x[3][v]) / 2;
        top = fmax(top, x[0][v]);
    }
    to_logs(sum);
    for (int v = 0; v < V; v++) {
        double a = x[0][v], b = x[1][v], c = x[2][v], d = x[3][v];
        double gain = fmin(exp(a) - exp(b), exp(a) - exp(c)), all = 0;
        for (int k = 1; k < FAKES; k++) all += exp(past[k] + x[k][v]);
        switch (which) {
        case 0: out[v] = a + 2 * (b - c); break;
        case 1: out[v] = (0.5 * a + 0.25 * b + 3 * c) / 3.75; break;
        case 2: out[v] = (2 * a - 0.5 * fmin(b, fmin(c, d))) / 1.5; break;
        case 3: out[v] = (a + fmax(b, sum[v])) / 2; break;
        case 4: out[v] = exp(a) >= 0.2 * exp(top) ? a - b : -INFINITY; break;
        case 5: out[v] = a + 0.25 * b - 0.5 * c; break;
        case 6: out[v] = a + (gain < 0 ? fmax(log(0.05), 20 * gain) : 0); break;
        default: out[v] = a + 1.5 * (past[1] + b - log(all)); break;
        }
    }
    to_logs(out);
}

static void test_formula__equals_sums_written_out(void **state)
{
    (void)state;
    for (int which = 0; which < CASES; which++) {
        struct lt_lm lm = open_lm(formula[which]), fake[FAKES];
        struct lt_session s = session_of(&lm), f[FAKES];
        double past[FAKES] = { 0 }, x[FAKES][V], want[V];
        for (int k = 0; k < FAKES; k++) {
            char spec[64];
            snprintf(spec, sizeof spec, "fake:vocab=9,seed=%d", k + 1);
            fake[k] = open_lm(spec);
            f[k] = session_of(&fake[k]);
        }
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < FAKES; k++) {
                float logp;
                assert_ok(f[k].type->score(f[k].self, token + i, 1, &logp, NULL));
                past[k] += (double)logp;
                for (int v = 0; v < V; v++) x[k][v] = (double)row_of(&f[k])[v];
                to_logs(x[k]);
            }
            assert_ok(s.type->feed(s.self, token + i, 1));
            by_hand(which, x, past, want);
            for (int v = 0; v < V; v++) {
                double have = (double)row_of(&s)[v];
                if (have != want[v] && !(fabs(have - want[v]) < 2e-5))
                    fail_msg("%s, after %d tokens: token %d has %g, expected %g", formula[which], i + 1, v, have,
                             want[v]);
            }
        }
        lt_session_close(&s);
        lt_lm_close(&lm);
        for (int k = 0; k < FAKES; k++) {
            lt_session_close(&f[k]);
            lt_lm_close(&fake[k]);
        }
    }
}

/* Formulas that must say what the first of the fakes says, and how closely. */
static void test_formula__laws(void **state)
{
    (void)state;
    static const struct { const char *text; double within; } same[] = {
        { FOUR "A + 0*B", 0 },
        { FOUR "3*A", 0 },
        { FOUR "A + 2*(B - B)", 0 },
        { FOUR "union(A, A)", 2e-6 },
        { FOUR "intersection(A, A, A)", 2e-6 },
        { FOUR "A + 0.6*(B - B|[1]) - 0.6*(B - B|[1])", 0 },
        { FOUR "debias(A, B, C, lambda=0)", 2e-6 },
        { FOUR "A + 3*classifier(B, B)", 2e-6 },
        { FOUR "A + uniform - uniform", 2e-6 },
        { FOUR "A + plausible(A, 0.000001)", 2e-6 },
        { FOUR "1*(B|[4,5]) - B + A - B|[4,5] + B", 0 },
    };
    struct lt_lm fake = open_lm("fake:vocab=9,seed=1");
    for (int i = 0; i < LT_COUNT(same); i++) {
        struct lt_lm lm = open_lm(same[i].text);
        struct lt_session s = session_of(&lm), f = session_of(&fake);
        assert_ok(s.type->feed(s.self, token, N));
        assert_ok(f.type->feed(f.self, token, N));
        double x[V], y[V];
        for (int v = 0; v < V; v++) x[v] = (double)row_of(&s)[v];
        if (!same[i].within) assert_memory_equal(row_of(&s), row_of(&f), V * sizeof(float));
        for (int v = 0; v < V; v++) y[v] = (double)row_of(&f)[v];
        to_logs(x);
        to_logs(y);
        for (int v = 0; v < V; v++)
            if (!(fabs(x[v] - y[v]) <= same[i].within)) fail_msg("%s: token %d: %g, %g", same[i].text, v, x[v], y[v]);
        lt_session_close(&s);
        lt_session_close(&f);
        lt_lm_close(&lm);
    }
    lt_lm_close(&fake);
}

/* ---- the same model after another text ---- */

static const char arpa[] =
    "\\data\\\nngram 1=6\nngram 2=6\nngram 3=3\n\n\\1-grams:\n-99\t<s>\t-0.3\n-1.1\t</s>\n-2\t<unk>\n-0.7\tthe\t-0.4\n"
    "-0.6\tcat\t-0.2\n-0.8\tsat\t-0.3\n\n\\2-grams:\n-0.2\t<s> the\t-0.1\n-0.5\tthe cat\t-0.2\n-0.1\tcat sat\n"
    "-0.9\tcat the\t-0.3\n-0.4\tsat the\t-0.2\n-0.7\t<s> cat\n\n\\3-grams:\n-0.3\t<s> the cat\n-0.6\tcat the cat\n"
    "-0.2\tsat the cat\n\n\\end\\\n";

/* A prefix stands behind the begin token, and before everything where there is none; taken back with all else. */
static void test_formula__a_prefix_is_text_before_the_text(void **state)
{
    (void)state;
    char *folder = lt_test_temp(), spec[1200];
    const char *path = lt_test_path(folder, "x.arpa");
    assert_ok(lt_file_save(path, arpa, sizeof arpa - 1));
    snprintf(spec, sizeof spec, "formula:\"%s\"|\"cat the\"", path);
    struct lt_lm lm = open_lm(spec), plain = open_lm(path);
    const struct lt_tokenizer *t = lm.type->tokenizer(lm.self);
    int32_t bos = lt_tokenizer_bos(t), the = lt_tokenizer_id(t, "the"), cat = lt_tokenizer_id(t, "cat");
    for (int with = 0; with < 2; with++) {
        struct lt_session s = session_of(&lm), p = session_of(&plain);
        int32_t text[] = { bos, cat, the, cat }, longer[] = { bos, cat, the, cat, the, cat };
        float logp[4];
        double want[6] = { 0 };
        for (int again = 0; again < 2; again++) {
            double x[6] = { 0 };
            assert_ok(s.type->score(s.self, text + !with, 3 + with, logp, NULL));
            for (int i = !with; i < 6; i++) {
                want[i] = i > !with ? x[longer[i]] : 0;
                assert_ok(p.type->feed(p.self, longer + i, 1));
                for (int v = 0; v < 6; v++) x[v] = (double)row_of(&p)[v];
                to_logs_of(x, 6);
            }
            assert_true(logp[0] == 0);
            for (int i = 1; i < 3 + with; i++) assert_float_equal(logp[i], want[i + 3 - with], 1e-6);
            for (int v = 0; v < 6; v++) assert_float_equal(row_of(&s)[v], x[v], 1e-5);
            assert_int_equal(s.type->count(s.self), 3 + with);
            assert_ok(s.type->rewind(s.self, 3 + with));
            assert_ok(p.type->rewind(p.self, 5 + with));
        }
        lt_session_close(&s);
        lt_session_close(&p);
    }
    lt_lm_close(&lm);
    lt_lm_close(&plain);
    lt_test_temp_end(folder);
}

static void test_formula__models_must_fit(void **state)
{
    (void)state;
    struct lt_lm lm;
    struct lt_list more = { .item = (const char *[]){ "dtype=bfloat16" }, .count = 1 };
    assert_fails(lt_lm_open("formula:\"fake:vocab=9\" + \"fake:vocab=8\"", NULL, &lm), "the vocabularies differ");
    assert_fails(lt_lm_open("formula:nothing.here", NULL, &lm), "nothing.here");
    assert_fails(lt_lm_open("formula:\"fake:vocab=9\"|\"text\"", NULL, &lm), "has no tokenizer");
    assert_fails(lt_lm_open("formula:\"fake:vocab=9\"|[9]", NULL, &lm), "token 9 of a prefix");
    assert_fails(lt_lm_open_with("formula:\"fake:vocab=9\"", &more, NULL, &lm), "no model of the formula");
    lm = open_lm("formula:A=\"fake:vocab=9,seed=1,limit=20\"; A|[1,2,3] + A + plausible(A, 1) + "
                 "plausible(\"fake:vocab=9,seed=2\", 1)");
    struct lt_session s = session_of(&lm);
    int vocab;
    assert_int_equal(s.type->limit(s.self), 17);
    assert_null(s.type->logits(s.self, &vocab));
    assert_ok(s.type->feed(s.self, token, 2));
    assert_null(s.type->logits(s.self, &vocab));
    assert_non_null(strstr(lt_error(), "leaves no token"));
    float logp[4];
    assert_int_equal(s.type->score(s.self, token + 2, 4, logp, NULL), -1);
    assert_int_equal(s.type->count(s.self), 2);
    assert_int_equal(s.type->feed(s.self, (const int32_t[]){ 1, 2, 77 }, 3), -1);
    assert_int_equal(s.type->count(s.self), 2);
    assert_ok(s.type->rewind(s.self, 2));
    lt_session_close(&s);
    lt_lm_close(&lm);
}

/* What one model cannot take no model has taken, whichever of them it is. */
static void test_formula__takes_all_or_nothing(void **state)
{
    (void)state;
    static const char *const text[] = {
        "formula:A=" FAKE "1\"; B=\"fake:vocab=9,seed=2,limit=12\"; A + B|[4,5] + 0.2*classifier(A, B)",
        "formula:B=\"fake:vocab=9,seed=2,limit=12\"; A=" FAKE "1\"; B|[4,5] + A + 0.2*classifier(A, B)",
    };
    for (int i = 0; i < LT_COUNT(text); i++) {
        struct lt_lm lm = open_lm(text[i]);
        struct lt_session s = session_of(&lm), fresh = session_of(&lm);
        float before[V], logp[N];
        assert_int_equal(s.type->feed(s.self, token, 11), -1);
        assert_int_equal(s.type->count(s.self), 0);
        assert_ok(s.type->feed(s.self, token, 7));
        memcpy(before, row_of(&s), sizeof before);
        assert_int_equal(s.type->feed(s.self, token + 7, 4), -1);
        assert_int_equal(s.type->score(s.self, token + 7, 4, logp, NULL), -1);
        assert_int_equal(s.type->count(s.self), 7);
        assert_memory_equal(row_of(&s), before, sizeof before);
        assert_ok(fresh.type->feed(fresh.self, token, 10));
        assert_ok(s.type->feed(s.self, token + 7, 3));
        assert_memory_equal(row_of(&s), row_of(&fresh), sizeof before);
        lt_session_close(&s);
        lt_session_close(&fresh);
        lt_lm_close(&lm);
    }
}

/* A mixture file that holds a formula that holds the mixture: an error, not a crash. */
static void test_formula__must_not_hold_itself(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "mix.json");
    struct lt_buf b = { 0 };
    struct lt_lm lm;
    lt_buf_fmt(&b, "{\"format\": \"lathe-mixture\", \"members\": [{\"path\": \"formula:\\\"%s\\\"\"}]}", path);
    assert_ok(lt_file_save(path, b.p, b.n));
    assert_fails(lt_lm_open(path, NULL, &lm), "does one hold itself");
    lt_buf_free(&b);
    lt_test_temp_end(folder);
}

/* ---- beside others ---- */

enum { ASKS = 12 };

static void make_model(const char *path, uint64_t seed)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *o = lt_options_new(&a->m);
    struct lt_model *m;
    assert_ok(lt_options_json(o, "{\"vocab_size\": 30, \"hidden_size\": 16, \"intermediate_size\": 24, "
                                 "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"initializer_range\": 0.3, "
                                 "\"max_position_embeddings\": 400}"));
    assert_ok(lt_model_new(a, o, seed, NULL, &m));
    assert_ok(lt_mkdirs(path));
    assert_ok(lt_model_save(m, path, LT_F32));
    lt_model_free(m);
}

static void test_formula__company_changes_nothing(void **state)
{
    (void)state;
    char *folder = lt_test_temp(), spec[4096];
    const char *a = lt_test_path(folder, "a"), *b = lt_test_path(folder, "b");
    static int32_t prompt[ASKS][300];
    struct lt_ask ask[ASKS];
    struct lt_reply want[ASKS], have[ASKS];
    make_model(a, 1);
    make_model(b, 2);
    snprintf(spec, sizeof spec, "formula:A=\"%s\"; B=\"%s\"; A + 0.5*(A|[3,4,5] - B) + 0.3*classifier(A, B|[7])", a, b);
    struct lt_lm lm = open_lm(spec);
    for (int i = 0; i < ASKS; i++) {
        int n = 1 + i % 2 * 100 + 13 * i;
        for (int k = 0; k < n; k++) prompt[i][k] = k < 90 ? (k * 7 + 3) % 30 : (k * k + i) % 30;
        ask[i] = (struct lt_ask){ .prompt_ids = prompt[i], .prompt_count = n, .max_tokens = 5 + i % 3 * 7, .seed = 9,
                                  .number = (uint64_t)i, .greedy = i % 4 == 0 };
    }
    for (int i = 0; i < ASKS; i++) assert_ok(lt_generate(&lm, NULL, &ask[i], 1, &want[i]));
    static const struct lt_batcher_how how[] = {
        { .batch = 1 }, { .batch = 5 }, { .batch = 32 }, { .batch = 5, .draft = { .lookup = 2, .tokens = 3 } },
    };
    for (int i = 0; i < LT_COUNT(how); i++) {
        assert_ok(lt_generate_how(&lm, NULL, &how[i], ask, ASKS, have));
        for (int k = 0; k < ASKS; k++) {
            assert_int_equal(have[k].count, want[k].count);
            assert_memory_equal(have[k].token, want[k].token, (size_t)want[k].count * 4);
            assert_memory_equal(have[k].logp, want[k].logp, (size_t)want[k].count * 4);
            lt_reply_release(&have[k]);
        }
    }
    /* Scored whole, in pieces, and one by one. */
    struct lt_session s = session_of(&lm);
    float all[150], parts[150];
    assert_ok(s.type->score(s.self, prompt[11], 150, all, NULL));
    for (int size = 1; size < 100; size += 46) {
        assert_ok(s.type->rewind(s.self, 150));
        for (int at = 0; at < 150; at += size)
            assert_ok(s.type->score(s.self, prompt[11] + at, LT_MIN(size, 150 - at), parts + at, NULL));
        assert_memory_equal(all, parts, sizeof all);
    }
    lt_session_close(&s);
    for (int i = 0; i < ASKS; i++) lt_reply_release(&want[i]);
    lt_lm_close(&lm);
    lt_test_temp_end(folder);
}

/* ---- terms that come late ---- */

enum { W = 4, LONG = 3, CELLS = W * W * W, DRAWS = 20000 };

static void exact(struct lt_lm *lm, const int32_t *prompt, double *p)
{
    for (int cell = 0; cell < CELLS; cell++) {
        struct lt_session s = session_of(lm);
        int32_t text[] = { cell / W / W, cell / W % W, cell % W };
        float logp[LONG];
        assert_ok(s.type->feed(s.self, prompt, 2));
        assert_ok(s.type->score(s.self, text, LONG, logp, NULL));
        p[cell] = exp((double)logp[0] + (double)logp[1] + (double)logp[2]);
        lt_session_close(&s);
    }
}

/* Chi-square of 63 degrees: above 120 once in a hundred thousand. */
static void test_formula__late_terms_leave_the_distribution(void **state)
{
    (void)state;
    static const char *const text[] = {
        "A + speculate(0.2*(B - C), 2)",
        "0.5*A + speculate(0.3*union(A, B) + 0.1*classifier(B, C), 1)",
        "0.4*A + 0.2*B + speculate(0.2*debias(A, B|[1], 5) + 0.2*C, 3)",
    };
    const int32_t prompt[] = { 1, 2 };
    for (int i = 0; i < LT_COUNT(text); i++) {
        char spec[400];
        snprintf(spec, sizeof spec, "formula:A=\"fake:vocab=4,seed=4\"; B=\"fake:vocab=4,seed=5\"; "
                 "C=\"fake:vocab=4,seed=6\"; %s + 2*uniform", text[i]);
        struct lt_lm lm = open_lm(spec);
        struct lt_batcher *b;
        struct lt_done d;
        int count[CELLS] = { 0 };
        double p[CELLS], chi = 0, total = 0;
        exact(&lm, prompt, p);
        assert_ok(lt_batcher_open(&lm, NULL, &(struct lt_batcher_how){ .batch = 16 }, &b));
        for (int k = 0; k < DRAWS; k++) {
            struct lt_ask a = { .prompt_ids = prompt, .prompt_count = 2, .max_tokens = LONG, .seed = (uint64_t)i,
                                .number = (uint64_t)k };
            assert_ok(lt_batcher_add(b, &a, NULL));
            if (k + 1 < DRAWS && lt_batcher_waiting(b) < 16) continue;
            while (lt_batcher_step(b) > 0)
                while (lt_batcher_take(b, &d)) {
                    count[(d.reply.token[0] * W + d.reply.token[1]) * W + d.reply.token[2]]++;
                    lt_reply_release(&d.reply);
                }
        }
        for (int k = 0; k < CELLS; k++) {
            chi += pow(count[k] - DRAWS * p[k], 2) / (DRAWS * p[k]);
            total += p[k];
        }
        assert_float_equal(total, 1, 1e-5);
        if (chi > 120) fail_msg("%s: chi-square %g", text[i], chi);
        struct lt_batcher_sums sums = lt_batcher_sums(b);
        assert_true(sums.kept > sums.guessed / 3 && sums.kept < sums.guessed);
        lt_batcher_close(b);
        lt_lm_close(&lm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula__is_refused_by_column),
        cmocka_unit_test(test_formula__gathers_what_is_the_same),
        cmocka_unit_test(test_formula__equals_sums_written_out),
        cmocka_unit_test(test_formula__laws),
        cmocka_unit_test(test_formula__a_prefix_is_text_before_the_text),
        cmocka_unit_test(test_formula__models_must_fit),
        cmocka_unit_test(test_formula__takes_all_or_nothing),
        cmocka_unit_test(test_formula__must_not_hold_itself),
        cmocka_unit_test(test_formula__company_changes_nothing),
        cmocka_unit_test(test_formula__late_terms_leave_the_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
