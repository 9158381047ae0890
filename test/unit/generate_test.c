/* Generation and perplexity over a model of arithmetic, against brute force. */
#include "test.h"
#include "byte_tokenizer.h"
#include "base/json.h"
#include "decode/sample.h"
#include "decode/score.h"
#include "text/document.h"
#include "text/tokenizer.h"
#include <math.h>

static struct lt_lm open_fake(const char *tokenizer, const char *more)
{
    struct lt_lm lm;
    struct lt_buf spec = { 0 };
    lt_buf_fmt(&spec, "fake:seed=7%s%s%s", more, tokenizer ? ",tokenizer=" : "", tokenizer ? tokenizer : "");
    assert_ok(lt_lm_open(spec.p, NULL, &lm));
    lt_buf_free(&spec);
    return lm;
}

static const int32_t prompt[] = { 3, 5, 7 };

static void test_generate__greedy_takes_the_most_likely(void **unused)
{
    (void)unused;
    struct lt_lm lm = open_fake(NULL, "");
    struct lt_ask a = { .prompt_ids = prompt, .prompt_count = 3, .max_tokens = 20, .greedy = true, .top_logprobs = 3 };
    struct lt_reply r;
    struct lt_session s;
    assert_ok(lt_generate(&lm, NULL, &a, 1, &r));
    assert_int_equal(r.count, 20);
    assert_string_equal(r.finish, "length");
    assert_ok(lm.type->session(lm.self, &s));
    assert_ok(s.type->feed(s.self, prompt, 3));
    for (int i = 0; i < 20; i++) {
        int vocab, best = 0;
        const float *x = s.type->logits(s.self, &vocab);
        double z = 0;
        for (int j = 0; j < vocab; j++) z += exp((double)x[j]), best = x[j] > x[best] ? j : best;
        assert_int_equal(r.token[i], best);
        assert_true(fabs((double)r.logp[i] - ((double)x[best] - log(z))) < 1e-5);
        assert_int_equal(r.top_token[3 * i], best);
        assert_true(r.top_logp[3 * i] >= r.top_logp[3 * i + 1] && r.top_logp[3 * i + 1] >= r.top_logp[3 * i + 2]);
        assert_ok(s.type->feed(s.self, &r.token[i], 1));
    }
    s.type->close(s.self);
    lt_reply_release(&r);
    lt_lm_close(&lm);
}

/* A reply is the same alone, beside others, and after a session has served another prompt. */
static void test_generate__does_not_depend_on_company(void **unused)
{
    (void)unused;
    enum { N = 12 };
    static const int32_t other[] = { 3, 5, 9, 11 };
    struct lt_lm lm = open_fake(NULL, "");
    struct lt_ask a[N];
    struct lt_reply together[N], alone;
    int different = 0;
    for (int i = 0; i < N; i++) {
        a[i] = (struct lt_ask){ .prompt_ids = prompt, .prompt_count = 3, .max_tokens = 15, .seed = 1,
                                .number = (uint64_t)i };
        if (i % 3 == 1) a[i].prompt_ids = other, a[i].prompt_count = 4;
    }
    assert_ok(lt_generate(&lm, NULL, a, N, together));
    for (int i = 0; i < N; i++) {
        assert_ok(lt_generate(&lm, NULL, &a[i], 1, &alone));
        assert_int_equal(alone.count, together[i].count);
        assert_memory_equal(alone.token, together[i].token, (size_t)alone.count * sizeof(int32_t));
        assert_memory_equal(alone.logp, together[i].logp, (size_t)alone.count * sizeof(float));
        different += memcmp(alone.token, together[0].token, (size_t)alone.count * sizeof(int32_t)) != 0;
        lt_reply_release(&alone);
    }
    assert_true(different >= N - 2);
    for (int i = 0; i < N; i++) lt_reply_release(&together[i]);
    lt_lm_close(&lm);
}

/* First tokens are drawn as often as the model says. */
static void test_generate__draws_from_the_distribution(void **unused)
{
    (void)unused;
    enum { N = 4000, V = 8 };
    struct lt_lm lm = open_fake(NULL, ",vocab=8");
    struct lt_session s;
    int vocab, seen[V] = { 0 };
    double p[V], z = 0, chi = 0;
    assert_ok(lm.type->session(lm.self, &s));
    assert_ok(s.type->feed(s.self, prompt, 3));
    const float *x = s.type->logits(s.self, &vocab);
    for (int i = 0; i < V; i++) z += p[i] = exp((double)x[i]);
    s.type->close(s.self);
    for (int i = 0; i < N; i++) {
        struct lt_ask a = { .prompt_ids = prompt, .prompt_count = 3, .max_tokens = 1, .seed = 3,
                            .number = (uint64_t)i };
        struct lt_reply r;
        assert_ok(lt_generate(&lm, NULL, &a, 1, &r));
        seen[r.token[0]]++;
        lt_reply_release(&r);
    }
    for (int i = 0; i < V; i++) chi += pow(seen[i] - N * p[i] / z, 2) / (N * p[i] / z);
    if (chi > 24.3) fail_msg("chi squared %.1f with 7 degrees of freedom: p < 0.001", chi);
    lt_lm_close(&lm);
}

static int append(void *self, const struct lt_reply_part *piece)
{
    lt_buf_put(self, piece->text.p, piece->text.n);
    return 0;
}

static void test_generate__stops_before_a_stop_string(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp(), *path = byte_tokenizer(folder);
    struct lt_lm lm = open_fake(path, "");
    struct lt_choices none = { 0 };
    struct lt_ask a = { .prompt = lt_str("ab"), .max_tokens = 400, .seed = 5, .controls = &none };
    struct lt_reply whole, cut;
    struct lt_buf streamed = { 0 };
    assert_ok(lt_generate(&lm, NULL, &a, 1, &whole));
    assert_true(whole.text_size > 60);
    char stop[4];                                   /* what stands in the middle of the text */
    memcpy(stop, whole.text + 50, 3);
    stop[3] = 0;
    const char *item[] = { "never in it", stop };
    struct lt_list list = { item, 2 };
    size_t at = (size_t)((char *)memmem(whole.text, whole.text_size, stop, 3) - whole.text);
    a.stop = &list;
    a.stream = append;
    a.stream_self = &streamed;
    assert_ok(lt_generate(&lm, NULL, &a, 1, &cut));
    assert_string_equal(cut.finish, "stop");
    assert_int_equal(cut.text_size, at);
    assert_memory_equal(cut.text, whole.text, at);
    assert_int_equal(streamed.n, at);
    assert_memory_equal(streamed.p, cut.text, at);
    lt_reply_release(&whole);
    lt_reply_release(&cut);
    lt_buf_free(&streamed);
    item[0] = "";
    struct lt_reply r;
    assert_fails(lt_generate(&lm, NULL, &a, 1, &r), "a stop string is empty");
    lt_lm_close(&lm);
    free(path);
    lt_test_temp_end(folder);
}

/* Models pad their vocabulary; what no tokenizer can spell is never written. */
static void test_generate__padding_is_never_chosen(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp(), *path = byte_tokenizer(folder);
    struct lt_lm lm = open_fake(path, ",vocab=4096");
    struct lt_ask a = { .prompt = lt_str("ab"), .max_tokens = 50 };
    struct lt_reply r;
    for (int greedy = 0; greedy < 2; greedy++) {
        a.greedy = greedy;
        assert_ok(lt_generate(&lm, NULL, &a, 1, &r));
        assert_true(r.count > 0);
        for (int i = 0; i < r.count; i++) assert_in_range(r.token[i], 0, 256);
        lt_reply_release(&r);
    }
    lt_lm_close(&lm);
    free(path);
    lt_test_temp_end(folder);
}

static void test_generate__a_prompt_is_never_cut(void **unused)
{
    (void)unused;
    struct lt_lm lm = open_fake(NULL, ",limit=5");
    int32_t five[] = { 1, 2, 3, 4, 5 };
    struct lt_ask a = { .prompt_ids = five, .prompt_count = 5, .max_tokens = 9 };
    struct lt_reply r;
    assert_fails(lt_generate(&lm, NULL, &a, 1, &r), "the prompt has 5 tokens and the model holds 5");
    a.prompt_count = 3;
    assert_ok(lt_generate(&lm, NULL, &a, 1, &r));
    assert_int_equal(r.count, 2);
    assert_string_equal(r.finish, "length");
    lt_reply_release(&r);
    a.prompt_count = 0;
    assert_fails(lt_generate(&lm, NULL, &a, 1, &r), "the prompt is empty");
    lt_lm_close(&lm);
}

/* The token that is one byte. */
static int32_t byte_token(const char *tokenizer, char byte)
{
    struct lt_tokenizer *t;
    struct lt_str bytes;
    int32_t id = 0;
    assert_ok(lt_tokenizer_open(tokenizer, &t));
    while (!lt_tokenizer_bytes(t, id, &bytes) || bytes.n != 1 || *bytes.p != byte) id++;
    lt_tokenizer_free(t);
    return id;
}

/* Whatever bytes a model writes, NUL often here, a line of JSON can be read again. */
static void test_generate__json_lines_are_utf8(void **unused)
{
    (void)unused;
    int lines = 0;
    char *folder = lt_test_temp(), *path = byte_tokenizer(folder), bias[40];
    const char *out = lt_test_path(folder, "out.jsonl");
    struct lt_docs *docs;
    struct lt_doc doc;
    struct lt_options *o = lt_options_new(lt_method_find("verb", "generate"));
    struct lt_buf spec = { 0 };
    lt_buf_fmt(&spec, "fake:seed=7,tokenizer=%s", path);
    snprintf(bias, sizeof bias, "%d=4", byte_token(path, '\0'));
    assert_ok(lt_options_set(o, "model", spec.p));
    assert_ok(lt_options_set(o, "logit_bias", bias));
    assert_ok(lt_options_set(o, "n", "20"));
    assert_ok(lt_options_set(o, "format", "jsonl"));
    assert_ok(lt_options_set(o, "output", out));
    assert_ok(lt_generate_run(lt_options_done(o), NULL));
    assert_ok(lt_docs_open(&(struct lt_list){ (const char *[]){ out }, 1 }, NULL, &docs));
    while (lt_docs_next(docs, &doc) > 0) {
        assert_non_null(strstr(doc.text.p, "\xEF\xBF\xBD"));
        lines++;
    }
    lt_docs_close(docs);
    assert_int_equal(lines, 20);
    lt_buf_free(&spec);
    lt_options_free(o);
    free(path);
    lt_test_temp_end(folder);
}

struct seen { int64_t count, unscored; double nll; };
static int see(void *self, const struct lt_ppl_token *k)
{
    struct seen *s = self;
    assert_int_equal(k->position, s->count++);
    assert_int_equal(k->token.begin, k->position);  /* one byte a token */
    if (isnan(k->logp)) s->unscored++;
    else s->nll -= (double)k->logp;
    return 0;
}

/* The model looks back two tokens, so any context of three or more scores alike. */
static void test_perplexity__windows_agree(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp(), *path = byte_tokenizer(folder);
    struct lt_lm lm = open_fake(path, "");
    const struct lt_tokenizer *t = lm.type->tokenizer(lm.self);
    struct lt_str text = lt_str("It was the best of times, it was the worst of times, it was the age of wisdom");
    struct lt_session s;
    assert_ok(lm.type->session(lm.self, &s));
    struct lt_ppl_total whole = { 0 }, none = { 0 };
    struct lt_ppl_how how = { .start = LT_START_AUTO };
    struct seen seen = { 0 };
    assert_ok(lt_ppl_document(&s, t, &how, text, &whole, see, &seen));
    assert_int_equal(whole.tokens, text.n);
    assert_int_equal(whole.bytes, text.n);
    assert_int_equal(whole.words, 18);
    assert_int_equal(seen.count, text.n);
    assert_int_equal(seen.unscored, 0);
    assert_true(fabs(seen.nll - whole.nll) < 1e-9);
    for (int context = 4; context < 90; context += 5)
        for (int stride = 1; stride <= context - 2; stride += 3) {
            struct lt_ppl_total part = { 0 };
            how.context = context;
            how.stride = stride;
            assert_ok(lt_ppl_document(&s, t, &how, text, &part, NULL, NULL));
            assert_int_equal(part.tokens, whole.tokens);
            if (fabs(part.nll - whole.nll) > 1e-9)
                fail_msg("context %d, stride %d: %g, not %g", context, stride, part.nll, whole.nll);
        }
    how = (struct lt_ppl_how){ .start = LT_START_NONE };
    assert_ok(lt_ppl_document(&s, t, &how, text, &none, NULL, NULL));
    assert_int_equal(none.tokens, text.n - 1);
    assert_int_equal(none.bytes, text.n - 1);
    assert_int_equal(none.unscored, 1);
    how.context = 3;
    how.stride = 4;
    assert_fails(lt_ppl_document(&s, t, &how, text, &none, NULL, NULL), "stride: expected at most the context of 3");
    s.type->close(s.self);
    lt_lm_close(&lm);
    free(path);
    lt_test_temp_end(folder);
}

/* ---- many texts ---- */

static int note_logp(void *to, const struct lt_ppl_token *k)
{
    struct lt_buf *b = to;
    lt_buf_fmt(b, "%d %d %a %d\n", k->document, k->token.id, (double)k->logp, k->hit);
    return 0;
}

static void test_perplexity__documents_together(void **unused)
{
    (void)unused;
    enum { DOCS = 5 };
    char *folder = lt_test_temp(), *path = byte_tokenizer(folder);
    struct lt_lm lm = open_fake(path, "");
    const struct lt_tokenizer *t = lm.type->tokenizer(lm.self);
    const struct lt_str text[DOCS] = { lt_str("one"), lt_str("Two words, no more."), lt_str(""), lt_str("x"),
                                       lt_str("A text that is longer than the others by a few windows.") };
    struct lt_session s[DOCS];
    for (int i = 0; i < DOCS; i++) assert_ok(lm.type->session(lm.self, &s[i]));
    for (int way = 0; way < 3; way++) {
        struct lt_ppl_how how = { .context = way * 8, .stride = way * 3, .start = LT_START_AUTO };
        struct lt_ppl_total together = { 0 }, alone = { 0 };
        struct lt_buf all = { 0 }, each = { 0 };
        int failed;
        assert_ok(lt_ppl_documents(s, DOCS, t, &how, text, &together, note_logp, &all, &failed));
        for (int i = 0; i < DOCS; i++) {
            struct lt_buf one = { 0 };
            assert_ok(lt_ppl_document(&s[0], t, &how, text[i], &alone, note_logp, &one));
            for (char *c = one.p; c && *c; c = strchr(c, '\n') + 1)
                lt_buf_fmt(&each, "%d%.*s", i, (int)(strchr(c, '\n') + 1 - c - 1), c + 1);
            lt_buf_free(&one);
        }
        assert_true(lt_str_eq(lt_buf_view(&all), lt_buf_view(&each)));
        assert_memory_equal(&together, &alone, sizeof alone);
        lt_buf_free(&all);
        lt_buf_free(&each);
    }
    for (int i = 0; i < DOCS; i++) s[i].type->close(s[i].self);
    lt_lm_close(&lm);
    free(path);
    lt_test_temp_end(folder);
}

/* A back end that can do nothing but what it must. */
static struct lt_session_type plain_type;
static int plain_session(void *self, struct lt_session *out)
{
    struct lt_lm *inner = self;
    if (inner->type->session(inner->self, out)) return -1;
    plain_type = *out->type;
    plain_type.fork = NULL;
    out->type = &plain_type;
    return 0;
}

static const struct lt_tokenizer *plain_tokenizer(void *self)
{
    struct lt_lm *inner = self;
    return inner->type->tokenizer(inner->self);
}

static const struct lt_lm_type plain = { .m = { .name = "plain" }, .session = plain_session,
                                         .tokenizer = plain_tokenizer };

/* One pair from nothing; the byte tokenizer cuts texts anywhere. */
static void brute_score(struct lt_lm *lm, struct lt_score *q)
{
    struct lt_session s;
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0, context = q->context.n;
    struct lt_buf whole = { 0 };
    while (context && q->context.p[context - 1] == ' ') context--;
    lt_buf_put(&whole, q->context.p, q->context.n);
    lt_buf_put(&whole, q->text.p, q->text.n);
    assert_ok(lt_tokenizer_encode(lm->type->tokenizer(lm->self), lt_buf_view(&whole), 0, &token, &n, &cap));
    assert_ok(lm->type->session(lm->self, &s));
    if (!context) assert_ok(s.type->feed(s.self, &(int32_t){ 256 }, 1));
    *q = (struct lt_score){ .context = q->context, .text = q->text, .greedy = true };
    for (size_t i = 0; i < n; i++) {
        float logp;
        uint8_t hit;
        assert_ok(s.type->score(s.self, &token[i].id, 1, &logp, &hit));
        if (i < context) continue;
        q->logp += (double)logp;
        q->greedy = q->greedy && hit;
        q->tokens++;
    }
    s.type->close(s.self);
    lt_buf_free(&whole);
    free(token);
}

static void test_score__pairs_as_from_nothing(void **unused)
{
    (void)unused;
    static const struct { const char *context, *text; } pair[] = {
        { "The cat sat on", " the mat" }, { "The cat sat on", " the hat" }, { "The cat sat on ", "a" },
        { "", "The cat" }, { "The cat sat on", " the mat" }, { "A dog", " barks" }, { "The cat", " sat" },
        { "The cat sat on", "" }, { "  ", "x" }, { "A dog", "" }, { "Zebras", " and so on and so on" },
    };
    enum { N = LT_COUNT(pair), TIMES = 9 };
    char *folder = lt_test_temp(), *path = byte_tokenizer(folder);
    struct lt_lm lm = open_fake(path, ""), alone = { &plain, &lm }, narrow = open_fake(path, ",limit=10");
    struct lt_score want[N], have[N * TIMES];
    for (int i = 0; i < N; i++) {
        want[i] = (struct lt_score){ .context = lt_str(pair[i].context), .text = lt_str(pair[i].text) };
        brute_score(&lm, &want[i]);
    }
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < N * TIMES; i++)
            have[i] = (struct lt_score){ .context = want[i % N].context, .text = want[i % N].text, .tokens = -1 };
        assert_ok(lt_score(way ? &alone : &lm, NULL, have, N * TIMES));
        for (int i = 0; i < N * TIMES; i++) {
            assert_true(fabs(have[i].logp - want[i % N].logp) < 1e-9);
            assert_int_equal(have[i].tokens, want[i % N].tokens);
            assert_int_equal(have[i].greedy, want[i % N].greedy);
        }
    }
    assert_fails(lt_score(&narrow, NULL, have, 1), "22 tokens and the model holds 10");
    lt_lm_close(&narrow);
    lt_lm_close(&lm);
    free(path);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate__greedy_takes_the_most_likely),
        cmocka_unit_test(test_generate__does_not_depend_on_company),
        cmocka_unit_test(test_generate__draws_from_the_distribution),
        cmocka_unit_test(test_generate__stops_before_a_stop_string),
        cmocka_unit_test(test_generate__padding_is_never_chosen),
        cmocka_unit_test(test_generate__a_prompt_is_never_cut),
        cmocka_unit_test(test_generate__json_lines_are_utf8),
        cmocka_unit_test(test_perplexity__windows_agree),
        cmocka_unit_test(test_perplexity__documents_together),
        cmocka_unit_test(test_score__pairs_as_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
