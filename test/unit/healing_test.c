/* Token healing against brute force, over a model of arithmetic and a tokenizer of words' parts. */
#include "test.h"
#include "decode/sample.h"
#include "lm/feed.h"
#include "text/tokenizer.h"
#include <math.h>

static const char text[] = "the theatre there then thesis these them a thermal thin thing think see seen sea\n"
                           "http://the.theatre/see https://thesis/seen \303\244pfel \303\244hre \303\266l\n";

static struct lt_tokenizer *train(const char *folder, const char *method)
{
    const struct lt_tokenizer_trainer *m = (const struct lt_tokenizer_trainer *)lt_method_find("tokenizer", method);
    struct lt_options *o = lt_options_new(&m->m);
    const char *path = lt_test_path(folder, "text.txt");
    struct lt_list files = { &path, 1 };
    struct lt_buf all = { 0 };
    struct lt_tokenizer *t;
    for (int i = 0; i < 20; i++) lt_buf_str(&all, text);
    assert_ok(lt_file_save(path, all.p, all.n));
    assert_ok(lt_options_set(o, "vocab_size", "320"));
    assert_non_null(lt_options_done(o));
    assert_ok(m->train(lt_options_done(o), NULL, &files, &t));
    assert_ok(lt_tokenizer_save(t, lt_test_path(folder, "tokenizer.json")));
    lt_options_free(o);
    lt_buf_free(&all);
    return t;
}

static bool bytes_of(const struct lt_tokenizer *t, int32_t id, struct lt_str *s)
{
    return !lt_tokenizer_special(t, id) && lt_tokenizer_bytes(t, id, s) && s->n;
}

/* The reply that the definition gives: the prompt without its last token, then tokens by the random numbers of their
 * places, among those that agree with what is left of that token. */
static int slow_reply(struct lt_lm *lm, const struct lt_tokenizer *t, const struct lt_ask *a, const int32_t *prompt,
                      int count, struct lt_str left, int32_t *out)
{
    struct lt_session s;
    int vocab, n = 0;
    assert_ok(lm->type->session(lm->self, &s));
    assert_ok(s.type->feed(s.self, prompt, count));
    while (n < a->max_tokens) {
        const float *raw = s.type->logits(s.self, &vocab);
        float *x = lt_alloc((size_t)vocab * sizeof *x), *p = lt_alloc((size_t)vocab * sizeof *p);
        for (int i = 0; i < vocab; i++) {
            struct lt_str b = { 0 };
            bool text_token = i < lt_tokenizer_vocab(t) && bytes_of(t, i, &b);
            bool fits = !left.n || (text_token && !memcmp(b.p, left.p, LT_MIN(b.n, left.n)));
            x[i] = fits && i < lt_tokenizer_vocab(t) ? raw[i] : -INFINITY;
        }
        lt_softmax(x, vocab, p);
        int32_t id = a->greedy ? lt_argmax(x, vocab) : lt_draw(p, vocab, lt_place_unit(a, n, LT_USE_PICK));
        free(x);
        free(p);
        struct lt_str b = { 0 };
        if (left.n && bytes_of(t, id, &b)) {
            size_t k = LT_MIN(b.n, left.n);
            left = (struct lt_str){ left.p + k, left.n - k };
        }
        out[n++] = id;
        if (id == lt_tokenizer_eos(t)) break;
        assert_ok(s.type->feed(s.self, &id, 1));
    }
    lt_session_close(&s);
    return n;
}

static bool has_longer(const struct lt_tokenizer *t, struct lt_str b)
{
    struct lt_str s;
    bool found = false;
    for (int32_t i = 0; i < lt_tokenizer_vocab(t); i++)
        found |= bytes_of(t, i, &s) && s.n > b.n && !memcmp(s.p, b.p, b.n);
    return found;
}

/* Prompts that end at every byte of the text. */
static void check(const char *method)
{
    char *folder = lt_test_temp();
    struct lt_tokenizer *t = train(folder, method);
    struct lt_buf spec = { 0 };
    struct lt_lm lm;
    int healed = 0, longer = 0;
    lt_buf_fmt(&spec, "fake:seed=9,tokenizer=%s", lt_test_path(folder, "tokenizer.json"));
    assert_ok(lt_lm_open(spec.p, NULL, &lm));
    for (size_t end = 3; end < sizeof text - 1; end++) {
        struct lt_ask a = { .prompt = { text, end }, .max_tokens = 6, .seed = 2, .number = end, .greedy = end % 5 == 0,
                            .heal = true };
        struct lt_reply r;
        struct lt_str last = { 0 };
        int32_t *id = NULL, want[6];
        int count = 0;
        if (((uint8_t)text[end] & 0xC0) == 0x80) continue;              /* in the middle of a character */
        assert_ok(lt_generate(&lm, NULL, &a, 1, &r));
        assert_ok(lt_ask_ids(&a, t, 0, &id, &count));
        bool heals = bytes_of(t, id[count - 1], &last) && count > 1 && has_longer(t, last) &&
                     ((uint8_t)last.p[0] & 0xC0) != 0x80;
        int n = slow_reply(&lm, t, &a, id, count - heals, heals ? last : (struct lt_str){ 0 }, want);
        assert_int_equal(r.count, n);
        assert_memory_equal(r.token, want, (size_t)n * sizeof *want);
        assert_int_equal(r.prompt_count, count - heals);
        struct lt_str first = { 0 };
        longer += heals && bytes_of(t, r.token[0], &first) && first.n > last.n;
        healed += heals;
        /* The prompt's tokens and the reply's say the prompt's text and the reply's. */
        int32_t *all = lt_alloc((size_t)(count + n) * sizeof *all);
        memcpy(all, id, (size_t)(count - heals) * sizeof *all);
        memcpy(all + count - heals, r.token, (size_t)n * sizeof *all);
        char *said = NULL, *before = NULL;
        size_t said_n = 0, before_n = 0;
        assert_ok(lt_tokenizer_decode(t, all, (size_t)(count - heals + n), false, &said, &said_n));
        assert_ok(lt_tokenizer_decode(t, id, (size_t)count, false, &before, &before_n));
        assert_true(said_n >= before_n && !memcmp(said, before, before_n));
        if (!strcmp(method, "bpe")) {
            assert_int_equal(said_n - before_n, r.text_size);
            assert_memory_equal(said + before_n, r.text, r.text_size);
        }
        free(said);
        free(before);
        free(all);
        free(id);
        lt_reply_release(&r);
    }
    assert_true(healed > 50 && longer > 20);
    lt_buf_free(&spec);
    lt_lm_close(&lm);
    lt_tokenizer_free(t);
    lt_test_temp_end(folder);
}

static void test_healing__is_what_brute_force_says(void **unused)
{
    (void)unused;
    check("bpe");
}

static void test_healing__of_pieces_too(void **unused)
{
    (void)unused;
    check("unigram");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healing__is_what_brute_force_says),
        cmocka_unit_test(test_healing__of_pieces_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
