/* Every stage of a tokenizer against Hugging Face tokenizers: test/oracle/tokenizers.json, made by
 * test/oracle/make_tokenizers.py.  Where we mean to differ the difference is here, with its reason. */
#include "test.h"
#include "text/tokenizer.h"
#include <jansson.h>

static json_t *oracle(const char *part)
{
    struct lt_buf b = { 0 };
    assert_ok(lt_file_read("test/oracle/tokenizers.json", &b));
    json_t *all = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL), *rows = json_incref(json_object_get(all, part));
    assert_true(json_array_size(rows) > 0);
    json_decref(all);
    lt_buf_free(&b);
    return rows;
}

static struct lt_str str_of(json_t *j)
{
    return (struct lt_str){ json_string_value(j), json_string_length(j) };
}

static struct lt_tokenizer *tokenizer_of(json_t *j)
{
    struct lt_tokenizer *t;
    char *text = json_dumps(j, 0);
    if (lt_tok_read_json("oracle", lt_str(text), &t))
        fail_msg("%s: %s", text, lt_error());
    free(text);
    return t;
}

/* Counts differences and prints the first ones. */
static void differ(int *count, json_t *what, const char *text, const char *want, const char *got)
{
    if ((*count)++ < 12) {
        char *spelt = json_dumps(what, JSON_COMPACT);
        printf("%.300s\n    text %s\n    want %s\n    got  %s\n", spelt, text, want, got);
        free(spelt);
    }
}

struct words { struct lt_buf text; bool bytes; };

static int take_word(void *to, struct lt_str word)
{
    struct words *w = to;
    if (w->bytes)
        lt_tok_spell(&w->text, word);
    else
        lt_buf_put(&w->text, word.p, word.n);
    lt_buf_char(&w->text, '\1');
    return 0;
}

static void test_tokenizer_stages__words(void **state)
{
    (void)state;
    json_t *rows = oracle("words"), *row, *pair;
    size_t i, k, m;
    int differences = 0;
    json_array_foreach(rows, i, row) {
        json_t *j = json_pack("{s:{s:s,s:{s:i},s:s}}", "model", "type", "WordLevel", "vocab", "?", 0, "unk_token", "?");
        json_object_update(j, json_array_get(row, 0));
        const char *preset = json_string_value(json_object_get(j, "pre_tokenizer"));    /* or a name of ours */
        if (preset)
            json_object_set_new(j, "pre_tokenizer", json_loads(lt_tok_preset(preset), 0, NULL));
        struct lt_tokenizer *t = tokenizer_of(j);
        struct lt_encoder *e = lt_encoder_new(t);
        json_array_foreach(json_array_get(row, 1), k, pair) {
            struct words got = { .bytes = lt_tokenizer_byte_level(t) };
            struct lt_buf want = { 0 };
            json_t *word;
            json_array_foreach(json_array_get(pair, 1), m, word) {
                lt_buf_put(&want, json_string_value(word), json_string_length(word));
                lt_buf_char(&want, '\1');
            }
            assert_ok(lt_tokenizer_words(t, e, str_of(json_array_get(pair, 0)), take_word, &got));
            if (!lt_str_eq(lt_buf_view(&want), lt_buf_view(&got.text)))
                differ(&differences, j, json_string_value(json_array_get(pair, 0)), want.p ? want.p : "",
                       got.text.p ? got.text.p : "");
            lt_buf_free(&want);
            lt_buf_free(&got.text);
        }
        lt_encoder_free(e);
        lt_tokenizer_free(t);
        json_decref(j);
    }
    json_decref(rows);
    assert_int_equal(differences, 0);
}

static void test_tokenizer_stages__ids(void **state)
{
    (void)state;
    json_t *rows = oracle("encode"), *row, *pair;
    size_t i, k;
    int differences = 0;
    json_array_foreach(rows, i, row) {
        struct lt_tokenizer *t = tokenizer_of(json_array_get(row, 0));
        json_array_foreach(json_array_get(row, 1), k, pair) {
            struct lt_token *tok = NULL;
            size_t n = 0, cap = 0;
            assert_ok(lt_tokenizer_encode(t, str_of(json_array_get(pair, 0)), LT_SPECIAL, &tok, &n, &cap));
            json_t *got = json_array();
            for (size_t m = 0; m < n; m++)
                json_array_append_new(got, json_integer(tok[m].id));
            char *a = json_dumps(json_array_get(pair, 1), JSON_COMPACT), *b = json_dumps(got, JSON_COMPACT);
            if (!json_equal(got, json_array_get(pair, 1)))
                differ(&differences, json_array_get(row, 0), json_string_value(json_array_get(pair, 0)), a, b);
            free(a);
            free(b);
            free(tok);
            json_decref(got);
        }
        lt_tokenizer_free(t);
    }
    json_decref(rows);
    assert_int_equal(differences, 0);
}

/* Ours hands bytes on as they are where the peer writes U+FFFD. */
static bool same_text(const char *got, size_t n, json_t *want)
{
    static const char lone[] = "\xC3", replaced[] = "\xEF\xBF\xBD";
    struct lt_buf b = { 0 };
    for (size_t i = 0; i < n; i++) {
        bool stray = got[i] == lone[0] && (i + 1 == n || ((unsigned char)got[i + 1] & 0xC0) != 0x80);
        lt_buf_put(&b, stray ? replaced : got + i, stray ? 3 : 1);
    }
    bool same = lt_str_eq(lt_buf_view(&b), str_of(want));
    lt_buf_free(&b);
    return same;
}

static void test_tokenizer_stages__decoded(void **state)
{
    (void)state;
    json_t *rows = oracle("decode"), *row, *pair;
    size_t i, k;
    int differences = 0;
    json_array_foreach(rows, i, row) {
        struct lt_tokenizer *t = tokenizer_of(json_array_get(row, 0));
        json_array_foreach(json_array_get(row, 1), k, pair) {
            json_t *list = json_array_get(pair, 0);
            int32_t ids[32];
            size_t n = json_array_size(list), size;
            for (size_t m = 0; m < n; m++)
                ids[m] = (int32_t)json_integer_value(json_array_get(list, m));
            for (int keep = 0; keep < 2; keep++) {
                char *text, *spelt = json_dumps(list, JSON_COMPACT);
                assert_ok(lt_tokenizer_decode(t, ids, n, keep, &text, &size));
                if (!same_text(text, size, json_array_get(pair, 1 + (size_t)keep)))
                    differ(&differences, json_object_get(json_array_get(row, 0), "decoder"), spelt,
                           json_string_value(json_array_get(pair, 1 + (size_t)keep)), text);
                free(text);
                free(spelt);
            }
        }
        lt_tokenizer_free(t);
    }
    json_decref(rows);
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer_stages__words),
        cmocka_unit_test(test_tokenizer_stages__ids),
        cmocka_unit_test(test_tokenizer_stages__decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
