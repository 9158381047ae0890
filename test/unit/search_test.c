/* Searches on tiny vocabularies, over arithmetic and over an n-gram model, against brute force. */
#include "test.h"
#include "decode/sample.h"
#include "decode/search/beams.h"
#include "lm/feed.h"
#include "math/kernel.h"
#include "text/tokenizer.h"
#include <math.h>

enum { LONGEST = 5, WIDEST = 64 };

static const char arpa[] =
    "\\data\\\nngram 1=7\nngram 2=8\n\n\\1-grams:\n-99\t<s>\t-0.3\n-1.1\t</s>\n-2\t<unk>\n-0.7\tthe\t-0.4\n"
    "-0.9\tcat\t-0.2\n-1.0\that\t-0.5\n-0.8\tsat\t-0.3\n\n\\2-grams:\n-0.2\t<s> the\n-0.5\tthe cat\n-0.6\tthe hat\n"
    "-0.4\tcat sat\n-0.9\tcat the\n-0.3\tsat </s>\n-0.8\that the\n-0.7\that </s>\n\n\\end\\\n";

static struct lt_lm open_lm(const char *spec)
{
    struct lt_lm lm;
    assert_ok(lt_lm_open(spec, NULL, &lm));
    return lm;
}

static struct lt_lm open_words(const char *folder)
{
    const char *path = lt_test_path(folder, "words.arpa");
    assert_ok(lt_file_save(path, arpa, sizeof arpa - 1));
    return open_lm(path);
}

static struct lt_reply search(struct lt_lm *lm, const char *name, const char *json, const struct lt_ask *a)
{
    const struct lt_method *m = lt_method_find("search", name);
    struct lt_options *o = lt_options_new(m);
    struct lt_reply r;
    assert_ok(lt_options_json(o, json));
    const void *filled = lt_options_done(o);
    if (!filled) fail_msg("%s", lt_error());
    assert_ok(((const struct lt_search *)m)->run(filled, lm, NULL, a, &r));
    lt_options_free(o);
    return r;
}

/* Log probabilities of what follows, after the ask's first control. */
static int follow(struct lt_lm *lm, const struct lt_ask *a, const int32_t *token, int n, float *out)
{
    struct lt_session s;
    int vocab;
    int32_t all[LONGEST + 8];
    memcpy(all, a->prompt_ids, (size_t)a->prompt_count * sizeof *all);
    memcpy(all + a->prompt_count, token, (size_t)n * sizeof *all);
    assert_ok(lm->type->session(lm->self, &s));
    assert_ok(s.type->feed(s.self, all, a->prompt_count + n));
    const float *x = s.type->logits(s.self, &vocab);
    memcpy(out, x, (size_t)vocab * sizeof *x);
    const struct lt_tokenizer *t = lm->type->tokenizer(lm->self);
    for (int i = t ? lt_tokenizer_vocab(t) : vocab; i < vocab; i++) out[i] = -INFINITY;
    if (a->controls)
        ((const struct lt_control *)a->controls->item[0].method)
            ->apply(NULL, NULL, (struct lt_seq){ all, a->prompt_count + n, a->prompt_count }, out, vocab);
    lt_log_softmax(out, vocab, out);
    s.type->close(s.self);
    return vocab;
}

struct best { int32_t token[LONGEST], now[LONGEST]; int n; double worth; };
struct brute {
    struct lt_lm *lm;
    const struct lt_ask *a;
    double penalty, weight;
    const struct lt_reward *reward;
};

static double reward_of(const struct brute *b, const int32_t *token, int n)
{
    char *text;
    size_t size;
    if (!b->reward) return 0;
    assert_ok(lt_tokenizer_decode(b->lm->type->tokenizer(b->lm->self), token, (size_t)n, false, &text, &size));
    double r = b->weight * lt_reward(b->reward, (struct lt_str){ text, size });
    free(text);
    return r;
}

/* Does the text hold a stop string? */
static bool is_stopped(const struct brute *b, const int32_t *token, int n)
{
    char *text;
    size_t size;
    bool is = false;
    if (!b->a->stop) return false;
    assert_ok(lt_tokenizer_decode(b->lm->type->tokenizer(b->lm->self), token, (size_t)n, false, &text, &size));
    for (int i = 0; i < b->a->stop->count; i++) is |= strstr(text, b->a->stop->item[i]) != NULL;
    free(text);
    return is;
}

static bool is_end(const struct brute *b, int32_t id)
{
    const struct lt_tokenizer *t = b->lm->type->tokenizer(b->lm->self);
    return (t && id == lt_tokenizer_eos(t)) || (b->a->end_count && id == b->a->end[0]);
}

/* Every text, in the order of its tokens; depth at most max_tokens. */
static void every(const struct brute *b, struct best *best, int n, double logp)
{
    float x[WIDEST];
    int vocab = follow(b->lm, b->a, best->now, n, x);
    for (int32_t id = 0; id < vocab; id++) {
        double sum = logp + (double)x[id];
        if (!(sum > -INFINITY)) continue;
        best->now[n] = id;
        if (!is_end(b, id) && !is_stopped(b, best->now, n + 1) && n + 1 < b->a->max_tokens) {
            every(b, best, n + 1, sum);
            continue;
        }
        double worth = b->reward ? sum + reward_of(b, best->now, n + 1) : sum / pow(n + 1, b->penalty);
        if (best->n && worth <= best->worth) continue;
        best->worth = worth;
        best->n = n + 1;
        memcpy(best->token, best->now, sizeof best->now);
    }
}

static void assert_finds(const struct brute *b, struct lt_reply r)
{
    struct best best = { .n = 0 };
    every(b, &best, 0, 0);
    assert_int_equal(r.count, best.n);
    assert_memory_equal(r.token, best.token, (size_t)best.n * sizeof(int32_t));
    lt_reply_release(&r);
}

static void odd_apply(const void *o, void *st, struct lt_seq seq, float *logits, int vocab)
{
    (void)o;
    (void)st;
    for (int i = 0; i < vocab; i++)
        if ((i + seq.count) % 2 == 0) logits[i] = -INFINITY;
}
static const struct lt_control odd = { .m = { .name = "odd" }, .apply = odd_apply };

static void test_search__a_full_beam_finds_the_best(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_lm lm[] = { open_lm("fake:vocab=5,seed=3"), open_lm("fake:vocab=4,seed=8"), open_words(folder) };
    struct lt_choice choice = { .method = &odd.m };
    struct lt_choices banned = { .item = &choice, .count = 1 };
    for (int i = 0; i < 3; i++)
        for (int way = 0; way < 4; way++) {
            struct lt_ask a = { .prompt_ids = (const int32_t[]){ 3, 1 }, .prompt_count = 2, .max_tokens = 4,
                                .end = i < 2 ? (const int32_t[]){ 2 } : NULL, .end_count = i < 2,
                                .controls = way == 3 ? &banned : NULL };
            struct brute b = { .lm = &lm[i], .a = &a, .penalty = way == 3 ? 0 : way * 0.7 - 0.7 };
            char json[100];
            snprintf(json, sizeof json, "{\"width\": 4000, \"length_penalty\": %g}", b.penalty);
            assert_finds(&b, search(&lm[i], "beam", json, &a));
        }
    for (int i = 0; i < 3; i++) lt_lm_close(&lm[i]);
    lt_test_temp_end(folder);
}

/* As everything else that a reply has: one beam of width 1 and greedy writing agree on it. */
static void assert_same_reply(const struct lt_reply *have, const struct lt_reply *want, int tops)
{
    assert_int_equal(have->count, want->count);
    assert_memory_equal(have->token, want->token, (size_t)want->count * sizeof(int32_t));
    assert_memory_equal(have->logp, want->logp, (size_t)want->count * sizeof(float));
    assert_string_equal(have->finish, want->finish);
    assert_int_equal(have->text_size, want->text_size);
    if (want->text_size) assert_memory_equal(have->text, want->text, want->text_size);
    if (!tops) return;
    assert_memory_equal(have->top_token, want->top_token, (size_t)(want->count * tops) * sizeof(int32_t));
    assert_memory_equal(have->top_logp, want->top_logp, (size_t)(want->count * tops) * sizeof(float));
}

static void test_search__stop_strings(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_lm lm = open_words(folder);
    const char *stops[][2] = { { "sat", NULL }, { "at th", "hat" }, { "zebra", NULL } };
    int stopped = 0;
    for (int i = 0; i < LT_COUNT(stops); i++) {
        struct lt_list list = { .item = stops[i], .count = stops[i][1] ? 2 : 1 };
        struct lt_ask a = { .prompt_ids = (const int32_t[]){ 3 }, .prompt_count = 1, .max_tokens = LONGEST,
                            .stop = &list, .top_logprobs = 2 };
        struct brute b = { .lm = &lm, .a = &a, .penalty = 1 };
        struct lt_reply r = search(&lm, "beam", "{\"width\": 4000}", &a), want;
        for (int k = 0; k < list.count; k++) assert_null(strstr(r.text, list.item[k]));
        assert_finds(&b, r);
        a.greedy = true;
        r = search(&lm, "beam", "{\"width\": 1}", &a);
        assert_ok(lt_generate(&lm, NULL, &a, 1, &want));
        assert_same_reply(&r, &want, 2);
        stopped += !strcmp(want.finish, "stop");
        lt_reply_release(&r);
        lt_reply_release(&want);
    }
    assert_true(stopped >= 2);
    lt_lm_close(&lm);
    lt_test_temp_end(folder);
}

static void test_search__a_beam_of_one_is_greedy(void **state)
{
    (void)state;
    struct lt_lm lm = open_lm("fake:vocab=30,seed=3");
    struct lt_ask a = { .prompt_ids = (const int32_t[]){ 3, 1 }, .prompt_count = 2, .max_tokens = 20, .greedy = true,
                        .top_logprobs = 3 };
    struct lt_reply want, have = search(&lm, "beam", "{\"width\": 1}", &a);
    assert_ok(lt_generate(&lm, NULL, &a, 1, &want));
    assert_same_reply(&have, &want, 3);
    lt_reply_release(&have);
    lt_reply_release(&want);
    lt_lm_close(&lm);
}

/* Groups of one text: each is greedy but for what the groups before it took at the same step. */
static void test_search__groups_keep_apart(void **state)
{
    (void)state;
    enum { GROUPS = 3, V = 6, STEPS = 4 };
    int differ = 0;
    for (int seed = 0; seed < 30; seed++) {
        char spec[40];
        snprintf(spec, sizeof spec, "fake:vocab=%d,seed=%d", V, seed);
        struct lt_lm lm = open_lm(spec);
        struct lt_ask a = { .prompt_ids = (const int32_t[]){ 3, 1 }, .prompt_count = 2, .max_tokens = STEPS };
        int32_t token[GROUPS][STEPS];
        double logp[GROUPS] = { 0 };
        for (int t = 0; t < STEPS; t++) {
            int taken[V] = { 0 };
            for (int g = 0; g < GROUPS; g++) {
                float x[WIDEST];
                int best = 0;
                follow(&lm, &a, token[g], t, x);
                for (int v = 1; v < V; v++)
                    if ((double)x[v] - 1.5 * taken[v] > (double)x[best] - 1.5 * taken[best]) best = v;
                taken[best]++;
                token[g][t] = best;
                logp[g] += (double)x[best];
            }
        }
        int best = 0;
        for (int g = 1; g < GROUPS; g++) best = logp[g] > logp[best] ? g : best;
        differ += best > 0;
        struct lt_reply r = search(&lm, "beam", "{\"width\": 3, \"groups\": 3, \"diversity\": 1.5, "
                                                "\"length_penalty\": 0}", &a);
        assert_memory_equal(r.token, token[best], sizeof token[best]);
        lt_reply_release(&r);
        lt_lm_close(&lm);
    }
    assert_true(differ > 3);
}

/* ---- rewards ---- */

static void test_search__rewards(void **state)
{
    (void)state;
    struct lt_reward r = { .keywords = { .item = (const char *[]){ "Cat", "hat" }, .count = 2 }, .length = 4,
                           .keyword_weight = 2, .length_weight = 1 };
    assert_true(fabs(lt_reward(&r, lt_str("the cAt sat down")) - 1) < 1e-12);
    assert_true(fabs(lt_reward(&r, lt_str(" hat \n cat")) - 1.5) < 1e-12);
    assert_true(fabs(lt_reward(&r, lt_str("")) + 1) < 1e-12);
}

static void test_search__deal_with_all_texts_finds_the_best(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_lm lm = open_words(folder);
    struct lt_reward reward = { .keywords = { .item = (const char *[]){ "hat", "sat" }, .count = 2 }, .length = 3,
                                .keyword_weight = 1, .length_weight = 1 };
    struct lt_ask a = { .prompt = lt_str("the"), .max_tokens = 4 };
    int32_t *id;
    assert_ok(lt_ask_ids(&a, lm.type->tokenizer(lm.self), 0, &id, &a.prompt_count));
    a.prompt_ids = id;
    struct brute b = { .lm = &lm, .a = &a, .weight = 3, .reward = &reward };
    assert_finds(&b, search(&lm, "deal", "{\"width\": 4096, \"top\": 64, \"lookahead\": 0, \"weight\": 3, "
                                         "\"keywords\": [\"hat\", \"sat\"], \"length\": 3}", &a));
    free(id);
    lt_lm_close(&lm);
    lt_test_temp_end(folder);
}

/* One text, two tokens tried, three looked ahead: a few lines say the same. */
static void test_search__deal_looks_ahead(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_lm lm = open_words(folder);
    struct lt_reward reward = { .keywords = { .item = (const char *[]){ "hat" }, .count = 1 }, .keyword_weight = 1 };
    struct lt_ask a = { .prompt_ids = (const int32_t[]){ 3 }, .prompt_count = 1, .max_tokens = LONGEST };
    struct brute b = { .lm = &lm, .a = &a, .weight = 2, .reward = &reward };
    struct lt_reply r = search(&lm, "deal", "{\"width\": 1, \"top\": 2, \"lookahead\": 3, \"weight\": 2, "
                                            "\"keywords\": [\"hat\"]}", &a);
    int32_t token[LONGEST];
    int n = 0;
    for (bool ended = false; !ended && n < LONGEST; n++) {
        float x[WIDEST], y[WIDEST];
        double best = -INFINITY;
        int32_t chosen = -1;
        int vocab = follow(&lm, &a, token, n, x);
        for (int k = 0; k < 2; k++) {
            int32_t ahead[LONGEST], id = lt_argmax(x, vocab);
            int m = n;
            memcpy(ahead, token, sizeof ahead);
            ahead[m++] = id;
            for (int i = 0; i < 3 && m < LONGEST && !is_end(&b, ahead[m - 1]); i++, m++)
                ahead[m] = (follow(&lm, &a, ahead, m, y), lt_argmax(y, vocab));
            double worth = (double)x[id] + reward_of(&b, ahead, m);
            if (worth > best) {
                best = worth;
                chosen = id;
            }
            x[id] = -INFINITY;
        }
        token[n] = chosen;
        ended = is_end(&b, chosen);
    }
    assert_int_equal(r.count, n);
    assert_memory_equal(r.token, token, (size_t)n * sizeof *token);
    lt_reply_release(&r);
    lt_lm_close(&lm);
    lt_test_temp_end(folder);
}

static void test_search__the_best_of_n(void **state)
{
    (void)state;
    struct lt_lm lm = open_lm("fake:vocab=30,seed=3");
    struct lt_ask a = { .prompt_ids = (const int32_t[]){ 3, 1 }, .prompt_count = 2, .max_tokens = 6, .seed = 5,
                        .number = 2 }, each[8];
    struct lt_reply r = search(&lm, "best_of_n", "{\"n\": 8}", &a), all[8];
    double best = -INFINITY, sum[8] = { 0 }, have = 0;
    for (int i = 0; i < 8; i++) {
        each[i] = a;
        each[i].number = 16 + (uint64_t)i;
    }
    assert_ok(lt_generate(&lm, NULL, each, 8, all));
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 6; k++) sum[i] += (double)all[i].logp[k];
        best = fmax(best, sum[i]);
        lt_reply_release(&all[i]);
    }
    for (int k = 0; k < 6; k++) have += (double)r.logp[k];
    assert_true(have == best);
    lt_reply_release(&r);
    lt_lm_close(&lm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search__a_full_beam_finds_the_best),
        cmocka_unit_test(test_search__a_beam_of_one_is_greedy),
        cmocka_unit_test(test_search__stop_strings),
        cmocka_unit_test(test_search__groups_keep_apart),
        cmocka_unit_test(test_search__rewards),
        cmocka_unit_test(test_search__deal_with_all_texts_finds_the_best),
        cmocka_unit_test(test_search__deal_looks_ahead),
        cmocka_unit_test(test_search__the_best_of_n),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
