/* What a grammar leaves no choice about comes in one pass, and the text is the same as without. */
#include "chat_model.h"
#include "decode/chain.h"
#include "decode/chat/chat_settings.h"
#include "decode/sample.h"

/* Of one byte a token but for the added ones, so that forced text may be spelt in several ways where they stand. */
static const char *const grammars[] = {
    "root ::= \"{\\\"name\\\": \\\"\" [a-c]+ \"\\\", \\\"age\\\": \" [0-9] [0-9]? \"}\"",
    "root ::= \"always the same    text</think> and its end\"",
    "root ::= [xy] \"</think>\" [xy] \"    [INST]\" [xy]",
    "root ::= (\"yes, \" | \"yellow \")+ \"done\"",
    "root ::= \"\303\244\303\266\303\274\" [a-z]*",
};

struct outcome { struct lt_reply reply[4]; struct lt_batcher_sums sums; };

static struct outcome write_with(struct lt_lm *lm, struct lt_lm *draft, const struct lt_choices *controls, bool greedy,
                                 int lookup, bool step_by_step)
{
    struct lt_batcher_how how = { .batch = 2, .step_by_step = step_by_step,
                                  .draft = { .lm = draft, .lookup = lookup, .tokens = draft || lookup ? 3 : 0 } };
    static const int32_t prompt[] = { 5, 6, 7 };
    struct lt_ask a = { .prompt_ids = prompt, .prompt_count = 3, .controls = controls, .max_tokens = 60,
                        .greedy = greedy, .seed = 4, .top_logprobs = 2 };
    struct outcome out = { .reply = { { 0 } } };
    struct lt_batcher *b;
    struct lt_done d;
    assert_ok(lt_batcher_open(lm, NULL, &how, &b));
    for (int i = 0; i < 4; i++) {
        a.number = (uint64_t)i;
        a.prompt_count = 1 + i % 3;
        assert_ok(lt_batcher_add(b, &a, &out.reply[i]));
    }
    for (int more = 1; more > 0;) {
        more = lt_batcher_step(b);
        assert_true(more >= 0);
        while (lt_batcher_take(b, &d)) {
            assert_null(d.error);
            *(struct lt_reply *)d.tag = d.reply;
        }
    }
    out.sums = lt_batcher_sums(b);
    lt_batcher_close(b);
    return out;
}

static void release(struct outcome *o)
{
    for (int i = 0; i < 4; i++) lt_reply_release(&o->reply[i]);
}

static void same_replies(const struct outcome *a, const struct outcome *b)
{
    for (int i = 0; i < 4; i++) {
        const struct lt_reply *x = &a->reply[i], *y = &b->reply[i];
        size_t n = (size_t)x->count;
        assert_int_equal(x->count, y->count);
        assert_memory_equal(x->token, y->token, n * sizeof *x->token);
        assert_memory_equal(x->logp, y->logp, n * sizeof *x->logp);
        assert_memory_equal(x->top_logp, y->top_logp, 2 * n * sizeof *x->top_logp);
        assert_string_equal(x->text, y->text);
        assert_string_equal(x->finish, y->finish);
    }
}

static struct lt_lm fake(const char *folder, int seed)
{
    struct lt_buf spec = { 0 };
    struct lt_lm lm;
    lt_buf_fmt(&spec, "fake:seed=%d,tokenizer=%s/tokenizer.json", seed, folder);
    assert_ok(lt_lm_open(spec.p, NULL, &lm));
    lt_buf_free(&spec);
    return lm;
}

static struct lt_chat_set controls_of(const char *grammar)
{
    struct lt_chat_set s;
    json_t *o = json_pack("{s:s, s:f}", "grammar", grammar, "temperature", 1.5);
    assert_ok(lt_chat_set_read(o, &s));
    json_decref(o);
    return s;
}

static void test_forced__the_text_is_the_same(void **unused)
{
    char *folder = lt_test_temp();
    (void)unused;
    chat_tokenizer(folder);
    struct lt_lm lm = fake(folder, 5), draft = fake(folder, 6);
    int64_t kept = 0;
    for (int i = 0; i < LT_COUNT(grammars); i++) {
        struct lt_chat_set s = controls_of(grammars[i]);
        for (int way = 0; way < 5; way++) {
            bool greedy = way == 1 || way == 4;
            struct lt_lm *guesser = way == 4 ? &draft : NULL;
            struct outcome slow = write_with(&lm, NULL, &s.now->controls, greedy, 0, true);
            int lookup = way == 2 || way == 3 ? 2 : 0;
            struct outcome fast = write_with(&lm, guesser, &s.now->controls, greedy, lookup, false);
            same_replies(&slow, &fast);
            assert_int_equal(slow.sums.forced, 0);
            assert_true(fast.sums.passes <= slow.sums.passes);
            kept += fast.sums.forced;
            release(&slow);
            release(&fast);
        }
        lt_chat_set_release(&s);
    }
    assert_true(kept > 500);
    lt_lm_close(&lm);
    lt_lm_close(&draft);
    lt_test_temp_end(folder);
}

/* A text of n forced bytes takes n / (AHEAD + 1) passes, not n. */
static void test_forced__it_saves_passes(void **unused)
{
    char *folder = lt_test_temp();
    (void)unused;
    chat_tokenizer(folder);
    struct lt_lm lm = fake(folder, 5);
    struct lt_chat_set s = controls_of("root ::= \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\"");
    struct outcome slow = write_with(&lm, NULL, &s.now->controls, false, 0, true);
    struct outcome fast = write_with(&lm, NULL, &s.now->controls, false, 0, false);
    assert_int_equal(slow.sums.passes, 2 * 53);             /* two at a time, and the end */
    assert_int_equal(fast.sums.passes, 2 * 6);              /* 9 tokens a pass, the last of them the end token */
    assert_int_equal(fast.sums.written, slow.sums.written);
    release(&slow);
    release(&fast);
    lt_chat_set_release(&s);
    lt_lm_close(&lm);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forced__the_text_is_the_same),
        cmocka_unit_test(test_forced__it_saves_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
