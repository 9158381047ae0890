/* The law of the engine: a text has the same log probabilities, bit for bit, in the trainer's forward pass and in
 * sessions, however it is cut, whatever is fed beside it, whatever lay in the memory for keys and values before.  Then
 * what sessions share, against sessions that share nothing. */
#include "test.h"
#include "base/ctx.h"
#include "base/io.h"
#include "lm/feed.h"
#include "model/cache.h"
#include "model/session.h"

#include <math.h>

enum { VOCAB = 50, TEXTS = 32, LONGEST = 200, CONTEXT = 256 };

static struct lt_model *make(const char *arch)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", arch);
    struct lt_options *o = lt_options_new(&a->m);
    struct lt_model *m;
    bool gpt2 = !strcmp(arch, "gpt2");
    assert_ok(lt_options_json(o, gpt2 ? "{\"vocab_size\": 50, \"n_embd\": 24, \"n_layer\": 2, \"n_head\": 3, "
                                        "\"n_positions\": 256}"
                                      : "{\"vocab_size\": 50, \"hidden_size\": 32, \"intermediate_size\": 40, "
                                        "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
                                        "\"num_key_value_heads\": 2, \"max_position_embeddings\": 256}"));
    assert_ok(lt_model_new(a, o, 3, NULL, &m));
    return m;
}

struct text { int32_t token[LONGEST]; int n; };

/* The first half begin alike for 100 tokens. */
static void fill(struct text *t)
{
    struct lt_rng r = lt_rng_make(5, "texts");
    for (int i = 0; i < TEXTS; i++) {
        t[i].n = i == 0 ? LONGEST : 110 + (int)lt_rng_below(&r, LONGEST - 110);
        for (int k = 0; k < t[i].n; k++)
            t[i].token[k] = i && i < TEXTS / 2 && k < 100 ? t[0].token[k] : (int32_t)lt_rng_below(&r, VOCAB);
    }
}

typedef float logps[TEXTS][LONGEST];

/* As the trainer sees it: documents packed one after the other, targets one token later. */
static void trained(struct lt_model *m, enum lt_compute compute, const struct text *t, logps out)
{
    struct lt_graph *g = lt_graph_new(NULL, compute);
    int32_t token[4 * LONGEST], pos[4 * LONGEST], target[4 * LONGEST];
    float weight[4 * LONGEST], logp[4 * LONGEST];
    for (int i = 0; i < TEXTS; i += 4) {
        int64_t seq[5] = { 0 };
        int n = 0;
        for (int k = 0; k < 4; seq[++k] = n)
            for (int j = 0; j < t[i + k].n; j++, n++) {
                token[n] = t[i + k].token[j];
                pos[n] = j;
                weight[n] = j + 1 < t[i + k].n;
                target[n] = j + 1 < t[i + k].n ? t[i + k].token[j + 1] : 0;
            }
        struct lt_batch b = { .rows = n, .token = token, .pos = pos, .target = target, .weight = weight,
                              .seq_count = 4, .seq_row = seq };
        lt_graph_reset(g);
        struct lt_tensor *x = m->arch->forward(m->o, m, g, &b);
        assert_non_null(x);
        lt_model_loss(g, m, x, &(struct lt_head){ .target = target, .weight = weight, .logp = logp });
        for (int k = 0; k < 4; k++) {
            out[i + k][0] = 0;
            memcpy(out[i + k] + 1, logp + seq[k], (size_t)(t[i + k].n - 1) * sizeof(float));
        }
    }
    lt_graph_free(g);
}

/* All texts through sessions of one runner, `beside` at a time, in parts of `part` tokens. */
static void scored(struct lt_runner *r, const struct text *t, int beside, int part, logps out)
{
    for (int i = 0; i < TEXTS; i += beside) {
        struct lt_session s[TEXTS];
        int at[TEXTS] = { 0 };
        for (int k = 0; k < beside; k++) lt_runner_session(r, &s[k]);
        for (bool more = true; more;) {
            struct lt_feed f[TEXTS];
            int n = 0;
            for (int k = 0; k < beside; k++) {
                int some = LT_MIN(part, t[i + k].n - at[k]);
                if (!some) continue;
                f[n++] = (struct lt_feed){ .s = s[k].self, .token = t[i + k].token + at[k], .n = some,
                                           .logp = out[i + k] + at[k] };
                at[k] += some;
            }
            assert_ok(lt_feed_many(s[0].type, f, n));
            more = n;
        }
        for (int k = 0; k < beside; k++) lt_session_close(&s[k]);
    }
}

/* The same from logits, over pages that other sessions have left: the prompt is only fed. */
static void from_prompts(struct lt_runner *r, const struct text *t, logps out)
{
    for (int i = 0; i < TEXTS; i++) {
        struct lt_session s;
        float *row = lt_alloc(LONGEST * VOCAB * sizeof *row), z[VOCAB];
        int prompt = 101, n = t[i].n - prompt;
        lt_runner_session(r, &s);
        assert_ok(s.type->feed(s.self, t[i].token, prompt));
        assert_ok(s.type->feed_many(&(struct lt_feed){ .s = s.self, .token = t[i].token + prompt, .n = n, .row = row,
                                                       .rows = n }, 1));
        for (int k = 0; k + 1 < n; k++) {
            lt_log_softmax(row + k * VOCAB, VOCAB, z);
            out[i][prompt + k + 1] = z[t[i].token[prompt + k + 1]];
        }
        free(row);
        lt_session_close(&s);
    }
}

static void assert_same(const struct text *t, logps a, logps b, const char *what)
{
    for (int i = 0; i < TEXTS; i++)
        if (memcmp(a[i], b[i], (size_t)t[i].n * sizeof(float))) fail_msg("text %d: other bits %s", i, what);
}

static void test_sessions__one_law(void **state)
{
    (void)state;
    static struct text t[TEXTS];
    static logps want, have;
    fill(t);
    for (int way = 0; way < 8; way++) {
        struct lt_model *m = make(way & 4 ? "gpt2" : "llama");
        enum lt_compute compute = way & 1 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
        struct lt_ctx *c = lt_ctx_new(way & 2 ? 2 : 1, NULL, NULL);
        struct lt_session_spec spec = { .compute = compute };
        struct lt_runner *r;
        trained(m, compute, t, want);
        assert_ok(lt_runner_new(m, c, spec, &r));
        scored(r, t, 1, 1, have);
        assert_same(t, want, have, "token by token");
        if (way & 2) lt_model_pack(m, compute, c);
        scored(r, t, 8, 33, have);
        assert_same(t, want, have, "eight at a time");
        scored(r, t, 32, LONGEST, have);
        assert_same(t, want, have, "thirty-two at a time");
        for (int again = 0; again < 2; again++) {
            from_prompts(r, t, have);
            for (int i = 0; i < TEXTS; i++)
                for (int k = 102; k < t[i].n; k++) assert_true(have[i][k] == want[i][k]);
        }
        assert_true(lt_pages_use(lt_runner_pages(r)).idle > 0);
        lt_runner_free(r);
        lt_ctx_free(c);
        lt_model_free(m);
    }
}

/* Texts that begin alike hold their common pages once. */
static void test_sessions__what_begins_alike_is_kept_once(void **state)
{
    (void)state;
    static struct text t[TEXTS];
    struct lt_model *m = make("llama");
    struct lt_runner *r;
    struct lt_session s[TEXTS];
    fill(t);
    assert_ok(lt_runner_new(m, NULL, (struct lt_session_spec){ 0 }, &r));
    struct lt_feed f[TEXTS];
    for (int i = 0; i < TEXTS / 2; i++) {
        lt_runner_session(r, &s[i]);
        f[i] = (struct lt_feed){ .s = s[i].self, .token = t[i].token, .n = 101 };
    }
    assert_ok(lt_feed_many(s[0].type, f, TEXTS / 2));       /* at once: nobody finds, all give up what is there */
    struct lt_pages_use use = lt_pages_use(lt_runner_pages(r));
    assert_int_equal((use.held - use.idle) / use.page, 3 + TEXTS / 2);
    struct lt_session late, fork;
    lt_runner_session(r, &late);
    assert_ok(late.type->feed(late.self, t[0].token, 101));
    assert_ok(lt_session_fork(&late, &fork));
    use = lt_pages_use(lt_runner_pages(r));
    assert_int_equal((use.held - use.idle) / use.page, 3 + TEXTS / 2 + 1);
    assert_ok(fork.type->feed(fork.self, t[0].token, 1));   /* writes: a page of its own */
    use = lt_pages_use(lt_runner_pages(r));
    assert_int_equal((use.held - use.idle) / use.page, 3 + TEXTS / 2 + 2);
    lt_session_close(&late);
    lt_session_close(&fork);
    for (int i = 0; i < TEXTS / 2; i++) lt_session_close(&s[i]);
    use = lt_pages_use(lt_runner_pages(r));
    assert_int_equal(use.held, use.idle);
    lt_runner_free(r);
    lt_model_free(m);
}

static void assert_stands(struct lt_model *m, struct lt_session_spec spec, struct lt_session *s, const int32_t *token,
                          int n)
{
    struct lt_session fresh;
    int vocab;
    float have[VOCAB];
    assert_int_equal(s->type->count(s->self), n);
    if (!n) return;
    memcpy(have, s->type->logits(s->self, &vocab), sizeof have);
    assert_ok(lt_model_session(m, NULL, spec, &fresh));
    assert_ok(fresh.type->feed(fresh.self, token, n));
    assert_memory_equal(fresh.type->logits(fresh.self, &vocab), have, sizeof have);
    lt_session_close(&fresh);
}

/* Feeding, rewinding, forking and closing in any order, in little memory: every session says what one alone says, and
 * one that finds no room is as before. */
static void test_sessions__any_order_of_calls(void **state)
{
    (void)state;
    enum { SOME = 6, ROUNDS = 250 };
    static const enum lt_dtype type[] = { LT_F32, LT_BF16, LT_I8 };
    static int32_t token[SOME][CONTEXT];
    for (int way = 0; way < 3; way++) {
        struct lt_model *m = make("llama");
        struct lt_session_spec spec = { .cache = type[way] }, tight = spec;
        struct lt_pages *one = lt_pages_new(m, type[way], 0);
        struct lt_rng r = lt_rng_make((uint64_t)way, "calls");
        struct lt_runner *run;
        struct lt_session s[SOME];
        int n[SOME] = { 0 }, full = 0;
        tight.cache_limit = 14 * lt_pages_use(one).page;
        lt_pages_free(one);
        assert_ok(lt_runner_new(m, NULL, tight, &run));
        for (int i = 0; i < SOME; i++) lt_runner_session(run, &s[i]);
        for (int round = 0; round < ROUNDS; round++) {
            int i = (int)lt_rng_below(&r, SOME), k = (int)lt_rng_below(&r, SOME), some = 1 + (int)lt_rng_below(&r, 40);
            switch (lt_rng_below(&r, 5)) {
            case 0:
                some = LT_MIN(some, n[i]);
                assert_ok(s[i].type->rewind(s[i].self, some));
                n[i] -= some;
                break;
            case 1:
                if (i == k) break;
                lt_session_close(&s[k]);
                assert_ok(lt_session_fork(&s[i], &s[k]));
                memcpy(token[k], token[i], sizeof token[k]);
                n[k] = n[i];
                break;
            default:
                some = LT_MIN(some, CONTEXT - n[i]);
                if (!some) break;
                for (int j = 0; j < some; j++) token[i][n[i] + j] = (int32_t)lt_rng_below(&r, 2);
                int rc = s[i].type->feed_many(&(struct lt_feed){ .s = s[i].self, .token = token[i] + n[i], .n = some },
                                              1);
                assert_true(rc == 0 || rc == LT_FULL);
                if (rc) assert_non_null(strstr(lt_error(), "memory for keys and values is full"));
                full += rc == LT_FULL;
                if (!rc) n[i] += some;
            }
            struct lt_pages_use use = lt_pages_use(lt_runner_pages(run));
            assert_true(use.held <= use.limit && use.idle <= use.held);
            if (round % 5 == 0 && full < ROUNDS && use.held - use.idle < use.limit - use.page)
                assert_stands(m, spec, &s[i], token[i], n[i]);
        }
        assert_true(full > 0);
        for (int i = 0; i < SOME; i++) lt_session_close(&s[i]);
        lt_runner_free(run);
        lt_model_free(m);
    }
}

/* Narrower keys and values are close to what they were, and take less. */
static void test_sessions__types_of_keys_and_values(void **state)
{
    (void)state;
    static struct text t[TEXTS];
    static logps out[3];
    static const enum lt_dtype type[] = { LT_F32, LT_BF16, LT_I8 };
    struct lt_model *m = make("llama");
    size_t page[3];
    fill(t);
    for (int i = 0; i < 3; i++) {
        struct lt_runner *r;
        assert_ok(lt_runner_new(m, NULL, (struct lt_session_spec){ .cache = type[i] }, &r));
        scored(r, t, 8, 50, out[i]);
        page[i] = lt_pages_use(lt_runner_pages(r)).page;
        lt_runner_free(r);
    }
    double worst[3] = { 0 };
    for (int i = 1; i < 3; i++)
        for (int k = 0; k < TEXTS; k++)
            for (int j = 0; j < t[k].n; j++)
                worst[i] = fmax(worst[i], fabs((double)out[i][k][j] - (double)out[0][k][j]));
    assert_true(worst[1] > 0 && worst[1] < 0.01);
    assert_true(worst[2] > 0 && worst[2] < 0.01);
    assert_true(page[1] < page[0] && page[2] < page[1]);
    lt_model_free(m);
}

/* ---- files ---- */

static void test_sessions__saved_and_loaded(void **state)
{
    (void)state;
    static struct text t[TEXTS];
    static const enum lt_dtype type[] = { LT_F32, LT_BF16, LT_I8 };
    char *folder = lt_test_temp(), *path = lt_strdup(lt_test_path(folder, "text.cache"));
    fill(t);
    for (int i = 0; i < 3; i++) {
        struct lt_model *m = make("llama"), *other = make("gpt2");
        struct lt_session_spec spec = { .cache = type[i] }, half = { .cache = type[i], .compute = LT_COMPUTE_BF16 },
                               wrong = { .cache = type[(i + 1) % 3] };
        struct lt_session s, back;
        float want[50], have[50];
        assert_ok(lt_model_session(m, NULL, spec, &s));
        assert_ok(s.type->feed(s.self, t[0].token, 77));
        assert_ok(s.type->save(s.self, path));
        assert_ok(s.type->score(s.self, t[0].token + 77, 50, want, NULL));
        assert_fails(s.type->load(s.self, path), "an empty one");
        lt_session_close(&s);
        assert_ok(lt_model_session(m, NULL, spec, &back));
        assert_ok(back.type->load(back.self, path));
        assert_int_equal(back.type->count(back.self), 77);
        assert_ok(back.type->score(back.self, t[0].token + 77, 50, have, NULL));
        assert_memory_equal(want, have, sizeof want);
        lt_session_close(&back);
        assert_ok(lt_model_session(other, NULL, spec, &back));
        assert_fails(back.type->load(back.self, path), "another model");
        lt_session_close(&back);
        assert_ok(lt_model_session(m, NULL, half, &back));
        assert_fails(back.type->load(back.self, path), "another dtype");
        lt_session_close(&back);
        assert_ok(lt_model_session(m, NULL, wrong, &back));
        assert_fails(back.type->load(back.self, path), "cache_type");
        lt_session_close(&back);
        lt_model_free(m);
        lt_model_free(other);
    }
    free(path);
    lt_test_temp_end(folder);
}

static void test_sessions__damaged_files(void **state)
{
    (void)state;
    char *folder = lt_test_temp(), *path = lt_strdup(lt_test_path(folder, "text.cache"));
    int32_t token[] = { 1, 2, 3 };
    struct lt_model *m = make("llama");
    struct lt_session s;
    struct lt_buf b = { 0 };
    assert_ok(lt_model_session(m, NULL, (struct lt_session_spec){ 0 }, &s));
    assert_ok(s.type->feed(s.self, token, 3));
    assert_ok(s.type->save(s.self, path));
    assert_ok(s.type->rewind(s.self, 3));
    assert_ok(lt_file_read(path, &b));
    assert_fails(lt_session_parse(&s, "x", (uint8_t *)b.p, b.n - 1), "expected");
    assert_fails(lt_session_parse(&s, "x", (uint8_t *)b.p, 20), "too few");
    for (size_t i = 0; i < b.n; i += 7) {
        b.p[i] ^= 4;
        assert_int_equal(lt_session_parse(&s, "x", (uint8_t *)b.p, b.n), -1);
        b.p[i] ^= 4;
    }
    assert_int_equal(s.type->count(s.self), 0);
    assert_ok(lt_session_parse(&s, "x", (uint8_t *)b.p, b.n));
    assert_int_equal(s.type->count(s.self), 3);
    lt_session_close(&s);
    lt_buf_free(&b);
    lt_model_free(m);
    free(path);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions__one_law),
        cmocka_unit_test(test_sessions__what_begins_alike_is_kept_once),
        cmocka_unit_test(test_sessions__any_order_of_calls),
        cmocka_unit_test(test_sessions__types_of_keys_and_values),
        cmocka_unit_test(test_sessions__saved_and_loaded),
        cmocka_unit_test(test_sessions__damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
