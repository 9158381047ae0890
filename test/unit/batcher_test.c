/* Many replies at once, guesses, and scoring of pairs: the same as one after the other, and as brute force says. */
#include "test.h"
#include "decode/sample.h"
#include "decode/score.h"
#include "lm/feed.h"
#include "math/kernel.h"
#include "model/cache.h"
#include "model/session.h"
#include "text/tokenizer.h"
#include <math.h>

static struct lt_lm open_lm(const char *spec)
{
    struct lt_lm lm;
    assert_ok(lt_lm_open(spec, NULL, &lm));
    return lm;
}

/* ---- a small model in memory, as a language model ---- */

struct small { struct lt_model *m; struct lt_runner *run; };

static int small_session(void *self, struct lt_session *out)
{
    lt_runner_session(((struct small *)self)->run, out);
    return 0;
}

static const struct lt_lm_type small_type = { .m = { .name = "small" }, .session = small_session };

static struct lt_lm make_small(struct small *s, uint64_t seed, int pages)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *o = lt_options_new(&a->m);
    assert_ok(lt_options_json(o, "{\"vocab_size\": 30, \"hidden_size\": 16, \"intermediate_size\": 24, "
                                 "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"initializer_range\": 0.3, "
                                 "\"max_position_embeddings\": 400}"));
    assert_ok(lt_model_new(a, o, seed, NULL, &s->m));
    struct lt_pages *p = lt_pages_new(s->m, LT_F32, 0);
    struct lt_session_spec spec = { .cache_limit = (size_t)pages * lt_pages_use(p).page };
    lt_pages_free(p);
    assert_ok(lt_runner_new(s->m, NULL, spec, &s->run));
    return (struct lt_lm){ &small_type, s };
}

static void drop_small(struct small *s)
{
    lt_runner_free(s->run);
    lt_model_free(s->m);
}

/* ---- replies ---- */

enum { ASKS = 20, MOST = 40 };

/* Half of the prompts begin alike; lengths differ. */
static void make_asks(struct lt_ask *a, int32_t (*prompt)[300])
{
    struct lt_rng r = lt_rng_make(3, "asks");
    for (int i = 0; i < ASKS; i++) {
        int n = 1 + (int)lt_rng_below(&r, 60) + (i % 2 ? 150 : 0);
        for (int k = 0; k < n; k++)
            prompt[i][k] = i % 2 && k < 140 ? (k * 7 + 3) % 30 : (int32_t)lt_rng_below(&r, 30);
        a[i] = (struct lt_ask){ .prompt_ids = prompt[i], .prompt_count = n, .max_tokens = 5 + i % 7 * 5, .seed = 9,
                                .number = (uint64_t)i, .greedy = i % 5 == 0 };
    }
}

static void assert_replies(struct lt_lm *lm, const struct lt_batcher_how *how, const struct lt_ask *a,
                           const struct lt_reply *want, const char *what)
{
    struct lt_reply have[ASKS];
    assert_ok(lt_generate_how(lm, NULL, how, a, ASKS, have));
    for (int i = 0; i < ASKS; i++) {
        if (have[i].count != want[i].count || memcmp(have[i].token, want[i].token, (size_t)want[i].count * 4)
            || memcmp(have[i].logp, want[i].logp, (size_t)want[i].count * 4))
            fail_msg("reply %d differs: %s", i, what);
        assert_string_equal(have[i].finish, want[i].finish);
        lt_reply_release(&have[i]);
    }
}

static void test_batcher__company_changes_nothing(void **state)
{
    (void)state;
    struct small s, tight, other;
    struct lt_lm lm = make_small(&s, 1, 0), narrow = make_small(&tight, 1, 14), draft = make_small(&other, 2, 0);
    static int32_t prompt[ASKS][300];
    struct lt_ask a[ASKS];
    struct lt_reply want[ASKS];
    make_asks(a, prompt);
    for (int i = 0; i < ASKS; i++) assert_ok(lt_generate(&lm, NULL, &a[i], 1, &want[i]));
    static const int batch[] = { 1, 3, 8, 32 };
    for (int i = 0; i < LT_COUNT(batch); i++) {
        struct lt_batcher_how how = { .batch = batch[i] };
        assert_replies(&lm, &how, a, want, "beside others");
        assert_replies(&narrow, &how, a, want, "in little memory");
        how.draft = (struct lt_draft_how){ .lookup = 3, .tokens = 5 };
        assert_replies(&lm, &how, a, want, "with guesses looked up");
        assert_replies(&narrow, &how, a, want, "with guesses looked up, in little memory");
    }
    /* Guesses of another model change what is drawn, but not with the batch; greedy replies stay as they are. */
    struct lt_reply drafted[ASKS];
    struct lt_batcher_how how = { .batch = 1, .draft = { .lm = &draft, .tokens = 4 } };
    assert_ok(lt_generate_how(&lm, NULL, &how, a, ASKS, drafted));
    for (int i = 0; i < ASKS; i += 5) assert_memory_equal(drafted[i].token, want[i].token, (size_t)want[i].count * 4);
    for (int i = 1; i < LT_COUNT(batch); i++) {
        how.batch = batch[i];
        assert_replies(&lm, &how, a, drafted, "with guesses of a model");
        assert_replies(&narrow, &how, a, drafted, "with guesses of a model, in little memory");
    }
    for (int i = 0; i < ASKS; i++) {
        lt_reply_release(&want[i]);
        lt_reply_release(&drafted[i]);
    }
    drop_small(&s);
    drop_small(&tight);
    drop_small(&other);
}

static bool give_room(void *self)
{
    int *left = self;
    return (*left)-- > 0;
}

/* A reply that outgrows the memory fails alone, after others were asked for room. */
static void test_batcher__a_reply_too_large_fails_alone(void **state)
{
    (void)state;
    struct small s, tight;
    struct lt_lm lm = make_small(&s, 1, 0), narrow = make_small(&tight, 1, 4);
    static int32_t prompt[300];
    struct lt_batcher *b;
    struct lt_done d;
    int room = 2;
    struct lt_batcher_how how = { .batch = 3, .make_room = give_room, .self = &room };
    struct lt_ask a[3];
    for (int i = 0; i < 3; i++)
        a[i] = (struct lt_ask){ .prompt_ids = prompt, .prompt_count = i == 1 ? 300 : 20, .max_tokens = 10, .seed = 1,
                                .number = (uint64_t)i };
    assert_ok(lt_batcher_open(&narrow, NULL, &how, &b));
    for (int i = 0; i < 3; i++) assert_ok(lt_batcher_add(b, &a[i], &a[i]));
    while (lt_batcher_step(b) > 0) { }
    for (int i = 0; i < 3; i++) {
        struct lt_reply want;
        assert_true(lt_batcher_take(b, &d));
        assert_ok(lt_generate(&lm, NULL, d.tag, 1, &want));
        if (d.tag == &a[1]) assert_non_null(d.error);
        else assert_memory_equal(d.reply.logp, want.logp, 10 * sizeof *want.logp);
        assert_true(!d.error == (d.tag != &a[1]));
        free(d.error);
        lt_reply_release(&d.reply);
        lt_reply_release(&want);
    }
    assert_int_equal(room, -1);
    lt_batcher_close(b);
    drop_small(&s);
    drop_small(&tight);
}

/* Little memory does set replies back; what prompts have in common is fed once. */
static void test_batcher__pages_are_shared_and_short(void **state)
{
    (void)state;
    struct small s, tight;
    struct lt_lm lm = make_small(&s, 1, 0), narrow = make_small(&tight, 1, 14);
    static int32_t prompt[ASKS][300];
    struct lt_ask a[ASKS];
    struct lt_batcher *b;
    struct lt_done d;
    struct lt_pages_use most = { 0 };
    make_asks(a, prompt);
    for (int way = 0; way < 2; way++) {
        assert_ok(lt_batcher_open(way ? &narrow : &lm, NULL, &(struct lt_batcher_how){ .batch = ASKS }, &b));
        for (int i = 1; i < ASKS; i += 2) assert_ok(lt_batcher_add(b, &a[i], &a[i]));
        int done = 0;
        while (lt_batcher_step(b) > 0) {
            struct lt_pages_use now = lt_pages_use(lt_runner_pages(way ? tight.run : s.run));
            if (now.held > most.held) most = now;
            while (lt_batcher_take(b, &d)) {
                assert_null(d.error);
                lt_reply_release(&d.reply);
                done++;
            }
        }
        assert_int_equal(done, ASKS / 2);
        if (way) assert_true(lt_batcher_sums(b).set_back > 0);
        else assert_true(most.held < most.page * (4 + ASKS / 2 * 5));      /* apart: six to eight pages each */
        lt_batcher_close(b);
    }
    drop_small(&s);
    drop_small(&tight);
}

static void test_batcher__asks_come_and_go(void **state)
{
    (void)state;
    struct lt_lm lm = open_lm("fake:vocab=20,seed=4,limit=30");
    struct lt_batcher *b;
    struct lt_done d;
    int32_t long_prompt[40] = { 0 };
    struct lt_ask a = { .prompt_ids = (const int32_t[]){ 1, 2 }, .prompt_count = 2, .max_tokens = 10, .seed = 1 };
    struct lt_ask too_long = { .prompt_ids = long_prompt, .prompt_count = 40, .max_tokens = 1 };
    assert_ok(lt_batcher_open(&lm, NULL, &(struct lt_batcher_how){ .batch = 2 }, &b));
    assert_int_equal(lt_batcher_step(b), 0);
    for (int i = 0; i < 4; i++) assert_ok(lt_batcher_add(b, &a, (void *)(intptr_t)(i + 1)));
    assert_fails(lt_batcher_add(b, &too_long, NULL), "40 tokens and the model holds 30");
    assert_int_equal(lt_batcher_step(b), 1);
    assert_int_equal(lt_batcher_waiting(b), 2);
    lt_batcher_cancel(b, (void *)1);
    lt_batcher_cancel(b, (void *)4);
    assert_true(lt_batcher_take(b, &d));
    assert_ptr_equal(d.tag, (void *)1);
    assert_string_equal(d.reply.finish, "interrupted");
    assert_int_equal(d.reply.count, 1);
    lt_reply_release(&d.reply);
    assert_true(lt_batcher_take(b, &d));
    assert_ptr_equal(d.tag, (void *)4);
    assert_int_equal(d.reply.count, 0);
    lt_reply_release(&d.reply);
    int finished = 0;
    while (lt_batcher_step(b) > 0)
        for (; lt_batcher_take(b, &d); finished++) {
            assert_int_equal(d.reply.count, 10);
            lt_reply_release(&d.reply);
        }
    assert_int_equal(finished, 2);
    assert_ok(lt_batcher_add(b, &a, NULL));     /* after all was quiet; left unfinished */
    assert_int_equal(lt_batcher_step(b), 1);
    lt_batcher_close(b);
    lt_lm_close(&lm);
}

/* ---- the distribution of guessed texts ---- */

enum { V = 4, LONG = 3, CELLS = V * V * V, DRAWS = 20000 };

static void exact(struct lt_lm *lm, const int32_t *prompt, double temperature, double *p)
{
    for (int cell = 0; cell < CELLS; cell++) {
        struct lt_session s;
        int32_t token[] = { cell / V / V, cell / V % V, cell % V };
        int vocab;
        float x[V];
        assert_ok(lm->type->session(lm->self, &s));
        assert_ok(s.type->feed(s.self, prompt, 2));
        p[cell] = 1;
        for (int i = 0; i < LONG; i++) {
            memcpy(x, s.type->logits(s.self, &vocab), sizeof x);
            for (int k = 0; k < V; k++) x[k] = (float)((double)x[k] / temperature);
            lt_log_softmax(x, V, x);
            p[cell] *= exp((double)x[token[i]]);
            assert_ok(s.type->feed(s.self, &token[i], 1));
        }
        lt_session_close(&s);
    }
}

/* Chi-square of 63 degrees: above 120 once in a hundred thousand. */
static void test_batcher__guessed_texts_are_drawn_from_the_model(void **state)
{
    (void)state;
    struct lt_lm lm = open_lm("fake:vocab=4,seed=4"), draft = open_lm("fake:vocab=4,seed=5");
    const int32_t prompt[] = { 1, 2 };
    struct lt_options *o = lt_options_new(lt_method_find("control", "temperature"));
    assert_ok(lt_options_set(o, lt_method_find("control", "temperature")->opts->key, "3"));
    struct lt_choice choice = { lt_method_find("control", "temperature"), (void *)lt_options_done(o) };
    struct lt_choices controls = { .item = &choice, .count = 1 };
    double p[CELLS];
    int64_t kept[4], guessed[4];
    exact(&lm, prompt, 3, p);
    for (int way = 0; way < 4; way++) {
        struct lt_batcher_how how = { .batch = 16, .draft = { .lm = way < 2 ? &draft : way < 3 ? &lm : NULL,
                                                              .tokens = 1 + way % 2, .lookup = way == 3 } };
        struct lt_batcher *b;
        struct lt_done d;
        int count[CELLS] = { 0 };
        double chi = 0;
        assert_ok(lt_batcher_open(&lm, NULL, &how, &b));
        for (int i = 0; i < DRAWS; i++) {
            struct lt_ask a = { .prompt_ids = prompt, .prompt_count = 2, .max_tokens = LONG, .seed = (uint64_t)way,
                                .number = (uint64_t)i, .controls = &controls };
            assert_ok(lt_batcher_add(b, &a, NULL));
            if (i + 1 < DRAWS && lt_batcher_waiting(b) < 16) continue;
            while (lt_batcher_step(b) > 0)
                while (lt_batcher_take(b, &d)) {
                    count[(d.reply.token[0] * V + d.reply.token[1]) * V + d.reply.token[2]]++;
                    lt_reply_release(&d.reply);
                }
        }
        for (int i = 0; i < CELLS; i++) chi += pow(count[i] - DRAWS * p[i], 2) / (DRAWS * p[i]);
        if (chi > 120) fail_msg("way %d: chi-square %g", way, chi);
        kept[way] = lt_batcher_sums(b).kept;
        guessed[way] = lt_batcher_sums(b).guessed;
        assert_true(guessed[way] > 0);
        lt_batcher_close(b);
    }
    assert_true(kept[0] < guessed[0] && kept[0] > guessed[0] / 4);
    assert_int_equal(kept[2], guessed[2]);      /* a model that guesses itself is always right */
    lt_options_free(o);
    lt_lm_close(&lm);
    lt_lm_close(&draft);
}

static void test_batcher__a_draft_must_share_the_vocabulary(void **state)
{
    (void)state;
    struct lt_lm lm = open_lm("fake:vocab=20,seed=4"), draft = open_lm("fake:vocab=21,seed=4");
    struct lt_batcher *b;
    struct lt_batcher_how how = { .draft = { .lm = &draft, .tokens = 2 } };
    assert_fails(lt_batcher_open(&lm, NULL, &how, &b), "knows 21 tokens and the model 20");
    lt_lm_close(&lm);
    lt_lm_close(&draft);
}

/* The same n-gram model with its words in another order, and one word of its own: tokens are matched by spelling. */
static void test_batcher__tokens_are_matched_by_spelling(void **state)
{
    (void)state;
    static const char *const arpa[] = {
        "\\data\\\nngram 1=6\nngram 2=3\n\n\\1-grams:\n-99\t<s>\t-0.3\n-1.1\t</s>\n-2\t<unk>\n"
        "-0.7\tthe\t-0.4\n"
        "-0.6\tcat\t-0.2\n-0.8\tsat\t-0.3\n\n\\2-grams:\n-0.2\t<s> the\n-0.5\tthe cat\n-0.1\tcat sat\n\n\\end\\\n",
        "\\data\\\nngram 1=7\nngram 2=3\n\n\\1-grams:\n-2\t<unk>\n-0.8\tsat\t-0.3\n-9\tdog\n"
        "-99\t<s>\t-0.3\n-1.1\t</s>\n"
        "-0.6\tcat\t-0.2\n-0.7\tthe\t-0.4\n\n\\2-grams:\n-0.2\t<s> the\n-0.5\tthe cat\n-0.1\tcat sat\n\n\\end\\\n",
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-2\t<unk>\n-99\t<s>\n-1\t</s>\n-1\tZug\n\n\\end\\\n",
    };
    char *folder = lt_test_temp();
    struct lt_lm lm[3];
    for (int i = 0; i < 3; i++) {
        char name[] = { (char)('a' + i), '.', 'a', 'r', 'p', 'a', 0 };
        const char *path = lt_test_path(folder, name);
        assert_ok(lt_file_save(path, arpa[i], strlen(arpa[i])));
        lm[i] = open_lm(path);
    }
    struct lt_ask a = { .prompt = lt_str("the"), .max_tokens = 12, .greedy = true };
    struct lt_reply want;
    struct lt_done d;
    struct lt_batcher *b;
    struct lt_batcher_how how = { .batch = 2, .draft = { .lm = &lm[1], .tokens = 3 } };
    assert_ok(lt_generate(&lm[0], NULL, &a, 1, &want));
    assert_true(want.count > 3);
    assert_ok(lt_batcher_open(&lm[0], NULL, &how, &b));
    assert_ok(lt_batcher_add(b, &a, NULL));
    while (lt_batcher_step(b) > 0) { }
    assert_true(lt_batcher_take(b, &d));
    assert_string_equal(d.reply.text, want.text);
    assert_true(lt_batcher_sums(b).kept > 0);
    assert_int_equal(lt_batcher_sums(b).kept, lt_batcher_sums(b).guessed);
    lt_batcher_close(b);
    lt_reply_release(&d.reply);
    lt_reply_release(&want);
    how.draft.lm = &lm[2];
    assert_fails(lt_batcher_open(&lm[1], NULL, &how, &b), "are spelt alike");
    for (int i = 0; i < 3; i++) lt_lm_close(&lm[i]);
    lt_test_temp_end(folder);
}

/* ---- a prompt kept between runs ---- */

static void test_batcher__a_prompt_is_kept_in_a_file(void **state)
{
    (void)state;
    char *folder = lt_test_temp(), *model = lt_strdup(lt_test_path(folder, "model"));
    struct small s;
    struct lt_buf text[3] = { { 0 } };
    make_small(&s, 1, 0);
    assert_ok(lt_mkdirs(model));
    assert_ok(lt_model_save(s.m, model, LT_F32));
    drop_small(&s);
    struct lt_buf ids = { 0 };
    for (int i = 0; i < 90; i++) lt_buf_fmt(&ids, "%s%d", i ? "," : "", i * 11 % 30);
    for (int run = 0; run < 4; run++) {         /* without the file, writing it, reading it, unable to */
        struct lt_options *o = lt_options_new(lt_method_find("verb", "generate"));
        const char *out = lt_test_path(folder, "out.jsonl"), *cache = lt_test_path(folder, "prompt.cache");
        assert_ok(lt_options_set(o, "model", model));
        assert_ok(lt_options_set(o, "prompt_ids", ids.p));
        assert_ok(lt_options_set(o, "n", "3"));
        assert_ok(lt_options_set(o, "max_tokens", "20"));
        assert_ok(lt_options_set(o, "format", "jsonl"));
        assert_ok(lt_options_set(o, "output", out));
        if (run) assert_ok(lt_options_set(o, "prompt_cache", cache));
        if (run == 3) assert_ok(lt_options_set(o, "cache_type", "q8"));
        assert_int_equal(lt_path_exists(cache), run >= 2);
        if (run == 3) {
            assert_fails(lt_generate_run(lt_options_done(o), NULL), "this session keeps them as q8");
        } else {
            assert_ok(lt_generate_run(lt_options_done(o), NULL));
            assert_ok(lt_file_read(out, &text[run]));
            assert_true(lt_str_eq(lt_buf_view(&text[0]), lt_buf_view(&text[run])));
        }
        lt_options_free(o);
    }
    for (int i = 0; i < 3; i++) lt_buf_free(&text[i]);
    lt_buf_free(&ids);
    free(model);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batcher__company_changes_nothing),
        cmocka_unit_test(test_batcher__a_reply_too_large_fails_alone),
        cmocka_unit_test(test_batcher__pages_are_shared_and_short),
        cmocka_unit_test(test_batcher__asks_come_and_go),
        cmocka_unit_test(test_batcher__guessed_texts_are_drawn_from_the_model),
        cmocka_unit_test(test_batcher__tokens_are_matched_by_spelling),
        cmocka_unit_test(test_batcher__a_prompt_is_kept_in_a_file),
        cmocka_unit_test(test_batcher__a_draft_must_share_the_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
