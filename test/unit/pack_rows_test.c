/* Rows of a prompt and what follows it: one text in tokens, of which those are predicted that hold a byte of what
 * follows; one begin token and one end token, whoever wrote them. */
#include "test.h"
#include "data/pack_rows.h"
#include "decode/prompt.h"

struct fixture { char *folder; struct lt_tokenizer *t; struct lt_encoder *e; struct lt_row_coder c; };

/* A BPE with merges over blanks and letters, so that a word's first token holds the blank before it. */
static struct fixture prepare(enum lt_row_kind kind)
{
    struct fixture f = { .folder = lt_test_temp() };
    struct lt_buf b = { 0 };
    for (int i = 0; i < 200; i++)
        lt_buf_fmt(&b, "{\"text\": \"the capital of land %d is the town of %d, is it?\"}\n", i % 9, i % 7);
    char *input = lt_strdup(lt_test_path(f.folder, "input.jsonl"));
    assert_ok(lt_file_save(input, b.p, b.n));
    const struct lt_tokenizer_trainer *bpe = (const struct lt_tokenizer_trainer *)lt_method_find("tokenizer", "bpe");
    struct lt_options *s = lt_options_new(&bpe->m);
    assert_ok(lt_options_set(s, "vocab_size", "320"));
    const char *file = input;
    assert_ok(bpe->train(lt_options_done(s), NULL, &(struct lt_list){ .item = &file, .count = 1 }, &f.t));
    f.e = lt_encoder_new(f.t);
    f.c = (struct lt_row_coder){ .kind = kind, .bos = lt_tokenizer_bos(f.t), .eos = lt_tokenizer_eos(f.t) };
    assert_true(f.c.bos >= 0 && f.c.eos >= 0);
    lt_options_free(s);
    lt_buf_free(&b);
    free(input);
    return f;
}

static void end(struct fixture *f)
{
    lt_encoder_free(f->e);
    lt_tokenizer_free(f->t);
    lt_test_temp_end(f->folder);
}

/* The text of the tokens whose mask is `mask`. */
static char *text_of(const struct fixture *f, const struct lt_packed *p, int mask)
{
    int32_t id[256];
    size_t n = 0, size;
    char *text = NULL;
    assert_true(p->count <= LT_COUNT(id));
    for (size_t i = 0; i < p->count; i++)
        if (p->mask[i] == mask) id[n++] = p->id[i];
    assert_ok(lt_tokenizer_decode(f->t, id, n, false, &text, &size));
    text = lt_realloc(text, size + 1);
    text[size] = 0;
    return text;
}

static int encode(const struct fixture *f, const char *row, struct lt_packed out[2], uint64_t *key)
{
    out[0] = out[1] = (struct lt_packed){ 0 };
    return lt_row_encode(&f->c, f->e, lt_str(row), 5, out, key);
}

/* What is predicted is the completion from the first token with a byte of it on. */
static void test_pack_rows__seam(void **state)
{
    (void)state;
    static const struct { const char *row, *given, *predicted; size_t bytes; } cases[] = {
        { "{\"prompt\": \"the capital of\", \"completion\": \" land 3\"}", "the capital of", " land 3", 7 },
        { "{\"prompt\": \"the capital of \", \"completion\": \"land 3\"}", "the capital of", " land 3", 6 },
        { "{\"prompt\": \"the cap\", \"completion\": \"ital of\"}", "the", " capital of", 7 },
        { "{\"prompt\": \"\", \"completion\": \"the town\"}", "", "the town", 8 },
        { "{\"completion\": \"the town\", \"other\": 3}", "", "the town", 8 },
        { "{\"prompt\": \"is it?\", \"completion\": \"\"}", "is it?", "", 0 },
    };
    struct fixture f = prepare(LT_ROW_COMPLETION);
    for (int i = 0; i < LT_COUNT(cases); i++) {
        struct lt_packed p[2];
        uint64_t key;
        assert_ok(encode(&f, cases[i].row, p, &key));
        char *given = text_of(&f, &p[0], 0), *predicted = text_of(&f, &p[0], 1);
        assert_string_equal(given, cases[i].given);
        assert_string_equal(predicted, cases[i].predicted);
        assert_int_equal(p[0].bytes, cases[i].bytes);
        assert_true(p[0].id[0] == f.c.bos && p[0].id[p[0].count - 1] == f.c.eos);
        assert_true(!p[0].mask[0] && p[0].mask[p[0].count - 1]);
        assert_null(p[1].id);
        free(given);
        free(predicted);
        lt_packed_release(&p[0]);
    }
    end(&f);
}

/* The tokens of both texts of a pair are those of the whole text, as a prompt of `lathe generate` would be. */
static void test_pack_rows__pairs_are_whole_texts(void **state)
{
    (void)state;
    struct fixture f = prepare(LT_ROW_PAIR);
    struct lt_packed p[2];
    uint64_t key, same, other;
    static const char *const whole[] = { "is it the town of 4", "is it the capital" };
    static const char row[] = "{\"prompt\": \"is it\", \"chosen\": \" the town of 4\", \"rejected\": \" the capital\"}";
    assert_ok(encode(&f, row, p, &key));
    for (int k = 0; k < 2; k++) {
        int32_t *ids = NULL;
        int count = 0, given;
        assert_ok(lt_prompt_encode(f.t, lt_str(whole[k]), LT_START_AUTO, &ids, &count, &given, NULL));
        assert_int_equal(p[k].count, count + 1);            /* and the end token */
        assert_memory_equal(p[k].id, ids, (size_t)count * sizeof *ids);
        char *predicted = text_of(&f, &p[k], 1);
        assert_string_equal(predicted, whole[k] + strlen("is it"));
        free(predicted);
        free(ids);
        lt_packed_release(&p[k]);
    }
    assert_ok(encode(&f, "{\"prompt\": \"is it\", \"chosen\": \"x\", \"rejected\": \"y\"}", p, &same));
    assert_true(key == same);
    for (int k = 0; k < 2; k++) lt_packed_release(&p[k]);
    assert_ok(encode(&f, "{\"chosen\": \"x\", \"rejected\": \"y\"}", p, &other));
    assert_true(key != other);
    for (int k = 0; k < 2; k++) lt_packed_release(&p[k]);
    assert_fails(encode(&f, "{\"chosen\": \"x\"}", p, &key), "no field \"rejected\"");
    for (int k = 0; k < 2; k++) lt_packed_release(&p[k]);
    end(&f);
}

/* Begin and end tokens that a template has written are not written twice; read as plain text they are text. */
static void test_pack_rows__no_token_twice(void **state)
{
    (void)state;
    struct fixture f = prepare(LT_ROW_COMPLETION);
    struct lt_packed a[2], b[2], plain[2];
    uint64_t key;
    struct lt_buf row = { 0 };
    struct lt_str bos = lt_tokenizer_piece(f.t, f.c.bos), eos = lt_tokenizer_piece(f.t, f.c.eos);
    lt_buf_fmt(&row, "{\"prompt\": \"%.*sis it\", \"completion\": \" the town%.*s\"}", (int)bos.n, bos.p, (int)eos.n,
               eos.p);
    assert_ok(encode(&f, "{\"prompt\": \"is it\", \"completion\": \" the town\"}", a, &key));
    assert_ok(encode(&f, row.p, b, &key));
    assert_int_equal(a[0].count, b[0].count);
    assert_memory_equal(a[0].id, b[0].id, a[0].count * sizeof *a[0].id);
    assert_memory_equal(a[0].mask, b[0].mask, a[0].count);
    f.c.flags = LT_NO_ADDED;
    assert_ok(encode(&f, row.p, plain, &key));
    assert_true(plain[0].count > a[0].count + 4);
    f.c.bos = f.c.eos = -1;
    f.c.flags = 0;
    lt_packed_release(&a[0]);
    assert_ok(encode(&f, "{\"completion\": \" the town\"}", a, &key));
    assert_true(!a[0].mask[0] && a[0].mask[1]);             /* nothing stands before the first */
    struct lt_packed none[2];
    assert_fails(encode(&f, "{\"completion\": \"t\"}", none, &key), "no token to predict");
    lt_packed_release(&a[0]);
    lt_packed_release(&none[0]);
    lt_packed_release(&b[0]);
    lt_packed_release(&plain[0]);
    lt_buf_free(&row);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_rows__seam),
        cmocka_unit_test(test_pack_rows__pairs_are_whole_texts),
        cmocka_unit_test(test_pack_rows__no_token_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
