/* Published encodings reproduce exactly: the fixtures of the data folder's tokenizers/ (skipped without it). */
#include "test.h"
#include "text/tokenizer.h"
#include <jansson.h>

/* ---- reading ---- */
static struct lt_buf content(const char *name)
{
    const char *path = lt_test_data(name);
    struct lt_buf b = { 0 };
    struct lt_stream *s = lt_stream_open(path);
    assert_non_null(s);
    int64_t n;
    while ((n = lt_stream_read(s, lt_buf_room(&b, 1 << 16), 1 << 16)) > 0)
        b.n += (size_t)n;
    assert_int_equal(n, 0);
    lt_stream_close(s);
    lt_buf_put(&b, "", 0);
    return b;
}

static json_t *json_of(const char *name)
{
    struct lt_buf b = content(name);
    json_t *j = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
    assert_non_null(j);
    lt_buf_free(&b);
    return j;
}

static struct lt_tokenizer *open_data(const char *name)
{
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_open(lt_test_data(name), &t));
    return t;
}

static struct lt_str str_of(json_t *j)
{
    return (struct lt_str){ json_string_value(j), json_string_length(j) };
}

/* ---- comparing ---- */
struct tally { int texts, wrong; };

static void report(const struct tally *t, const char *what)
{
    printf("    %-40s %5d texts, %d wrong\n", what, t->texts, t->wrong);
    assert_true(t->texts > 0);
    assert_int_equal(t->wrong, 0);
}

static void wrong(struct tally *tally, struct lt_str text, const char *want, const char *got)
{
    if (tally->wrong++ < 5)
        printf("text %.*s\n    want %s\n    got  %s\n", (int)text.n, text.p, want, got);
}

/* Encodes and compares with a JSON list of ids; the offsets must lie in order within the text. */
static void check_ids(struct tally *tally, const struct lt_tokenizer *t, struct lt_str text, unsigned flags,
                      json_t *want)
{
    struct lt_token *tok = NULL;
    size_t n = 0, cap = 0;
    assert_ok(lt_tokenizer_encode(t, text, flags, &tok, &n, &cap));
    json_t *got = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(got, json_integer(tok[i].id));
        assert_true(tok[i].begin <= tok[i].end && tok[i].end <= text.n);
        assert_true(i == 0 || tok[i].begin >= tok[i - 1].begin);
    }
    tally->texts++;
    if (!json_equal(got, want)) {
        char *a = json_dumps(want, JSON_COMPACT), *b = json_dumps(got, JSON_COMPACT);
        wrong(tally, text, a, b);
        free(a);
        free(b);
    }
    json_decref(got);
    free(tok);
}

/* transformers takes spaces before punctuation out of the decoded text where tokenizer_config.json says
 * clean_up_tokenization_spaces; tokenizer.json says nothing of it. */
static void clean_up(struct lt_buf *b)
{
    static const char *const rule[][2] = {
        { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" }, { " n't", "n't" }, { " 'm", "'m" },
        { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    for (int i = 0; i < LT_COUNT(rule); i++) {
        size_t n = strlen(rule[i][0]), m = strlen(rule[i][1]);
        for (char *at = b->p; (at = strstr(at, rule[i][0])); at += m) {
            memcpy(at, rule[i][1], m);
            memmove(at + m, at + n, strlen(at + n) + 1);
        }
    }
    b->n = strlen(b->p);
}

/* Cut anywhere, the text of the first part and what goes on behind it are the whole. */
static void check_cuts(const struct lt_tokenizer *t, const int32_t *ids, size_t n, bool keep, struct lt_str whole)
{
    for (size_t cut = 0; cut <= n; cut += 1 + n / 9) {
        char *first, *rest;
        size_t size, more;
        assert_ok(lt_tokenizer_decode(t, ids, cut, keep, &first, &size));
        assert_ok(lt_tokenizer_decode_from(t, ids, cut, n, keep, &rest, &more));
        assert_int_equal(size + more, whole.n);
        assert_memory_equal(first, whole.p, size);
        assert_memory_equal(rest, whole.p + size, more);
        free(first);
        free(rest);
    }
}

static void check_text(struct tally *tally, const struct lt_tokenizer *t, json_t *list, bool keep, bool cleaned,
                       struct lt_str want)
{
    size_t n = json_array_size(list), size;
    int32_t *ids = lt_alloc(n * sizeof *ids);
    char *text;
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    assert_ok(lt_tokenizer_decode(t, ids, n, keep, &text, &size));
    check_cuts(t, ids, n, keep, (struct lt_str){ text, size });
    tally->texts++;
    struct lt_buf got = { .p = text, .n = size, .cap = size + 1 };
    if (cleaned)
        clean_up(&got);
    if (!lt_str_eq(lt_buf_view(&got), want))
        wrong(tally, lt_str("(decoding)"), want.p, got.p);
    lt_buf_free(&got);
    free(ids);
}

static void check_pieces(struct tally *tally, const struct lt_tokenizer *t, json_t *ids, json_t *pieces)
{
    json_t *id;
    size_t i;
    json_array_foreach(ids, i, id) {
        struct lt_str p = lt_tokenizer_piece(t, (int32_t)json_integer_value(id));
        tally->texts++;
        if (!lt_str_eq(p, str_of(json_array_get(pieces, i))))
            wrong(tally, p, json_string_value(json_array_get(pieces, i)), p.p ? p.p : "(none)");
    }
}

/* ---- conformance/: transformers on 83 texts in many scripts ---- */
static void conformance(const char *baseline, const char *tokenizer, bool cleaned)
{
    char name[200];
    snprintf(name, sizeof name, "tokenizers/conformance/baselines/%s_multilingual.json", baseline);
    json_t *base = json_of(name), *inputs = json_of("tokenizers/conformance/inputs.json"), *entry, *input;
    snprintf(name, sizeof name, "tokenizers/hf/%s/tokenizer.json.zst", tokenizer);
    struct lt_tokenizer *t = open_data(name);
    struct tally ids = { 0 }, texts = { 0 }, pieces = { 0 };
    size_t i, k;
    json_array_foreach(json_object_get(base, "entries"), i, entry) {
        struct lt_str text = { NULL, 0 };
        json_array_foreach(inputs, k, input)
            if (json_equal(json_object_get(input, "id"), json_object_get(entry, "id")))
                text = str_of(json_object_get(input, "text"));
        assert_non_null(text.p);
        json_t *list = json_object_get(entry, "input_ids");
        check_ids(&ids, t, text, LT_SPECIAL, list);
        check_pieces(&pieces, t, list, json_object_get(entry, "tokens"));
        check_text(&texts, t, list, true, cleaned, str_of(json_object_get(entry, "decoded_with_special")));
        check_text(&texts, t, list, false, cleaned, str_of(json_object_get(entry, "decoded_skip_special")));
    }
    lt_tokenizer_free(t);
    json_decref(base);
    json_decref(inputs);
    report(&ids, baseline);
    report(&pieces, "  pieces");
    report(&texts, "  decoded");
}

static void test_tokenizer_fixtures__conformance_gpt2(void **state) { (void)state; conformance("gpt2", "gpt2", false); }
static void test_tokenizer_fixtures__conformance_roberta(void **s)
{
    (void)s;
    conformance("roberta_base", "roberta-base", false);
}

static void test_tokenizer_fixtures__conformance_t5(void **state)
{
    (void)state;
    conformance("t5_small", "t5-base", true);
}
static void test_tokenizer_fixtures__conformance_llama(void **state)
{
    (void)state;
    conformance("tinyllama", "llama-2", false);
}

/* ---- encoded/tokenizer_tests.json: the models whose tokenizer.json is there ---- */
static void test_tokenizer_fixtures__tokenizer_tests(void **state)
{
    (void)state;
    static const char *const have[][2] = {
        { "bert-base-uncased", "bert-base-uncased" },   { "google-bert/bert-base-uncased", "bert-base-uncased" },
        { "distilgpt2", "gpt2" },                       { "coreml-projects/Llama-2-7b-chat-coreml", "llama-2" },
        { "tiiuae/falcon-7b", "falcon-7b" },            { "t5-base", "t5-base" },
    };
    json_t *all = json_of("tokenizers/encoded/tokenizer_tests.json"), *row;
    for (int m = 0; m < LT_COUNT(have); m++) {
        char name[200];
        snprintf(name, sizeof name, "tokenizers/hf/%s/tokenizer.json.zst", have[m][1]);
        struct lt_tokenizer *t = open_data(name);
        struct tally ids = { 0 }, texts = { 0 };
        size_t i;
        json_array_foreach(json_object_get(all, have[m][0]), i, row) {
            json_t *list = json_object_get(json_object_get(row, "encoded"), "input_ids");
            bool cleaned = strcmp(have[m][1], "llama-2") != 0;
            check_ids(&ids, t, str_of(json_object_get(row, "input")), LT_SPECIAL, list);
            check_text(&texts, t, list, true, cleaned, str_of(json_object_get(row, "decoded_with_special")));
            check_text(&texts, t, list, false, cleaned, str_of(json_object_get(row, "decoded_without_special")));
        }
        lt_tokenizer_free(t);
        report(&ids, have[m][0]);
        report(&texts, "  decoded");
    }
    printf("    %zu of its models are not in hf/\n", json_object_size(all) - LT_COUNT(have));
    json_decref(all);
}

/* ---- encoded/: one long text ---- */
static void test_tokenizer_fixtures__long_text(void **state)
{
    (void)state;
    static const char *const have[][2] = {
        { "bert_uncased_encoded", "bert-base-uncased" }, { "falcon_encoded", "falcon-7b" },
        { "llama_encoded", "llama-2" }, { "t5_base_encoded", "t5-base" }, { "gpt2_encoded_tokens", "gpt2" },
    };
    for (int m = 0; m < LT_COUNT(have); m++) {
        char name[200];
        snprintf(name, sizeof name, "tokenizers/encoded/%s.json", have[m][0]);
        json_t *j = json_of(name);
        snprintf(name, sizeof name, "tokenizers/hf/%s/tokenizer.json.zst", have[m][1]);
        struct lt_tokenizer *t = open_data(name);
        struct tally ids = { 0 };
        check_ids(&ids, t, str_of(json_object_get(j, "text")), LT_SPECIAL, json_object_get(j, "token_ids"));
        check_text(&ids, t, json_object_get(j, "token_ids"), true, m == 0, str_of(json_object_get(j, "decoded_text")));
        lt_tokenizer_free(t);
        json_decref(j);
        report(&ids, have[m][0]);
    }
}

/* ---- tiktoken/: jtokkit's table ---- */
/* The next field of a CSV record into *out; *last: it ends the record.  False at the end. */
static bool csv_field(struct lt_str *rest, struct lt_buf *out, bool *last)
{
    lt_buf_clear(out);
    lt_buf_put(out, "", 0);
    if (!rest->n)
        return false;
    size_t i = 0;
    bool quoted = rest->p[0] == '"';
    for (i = quoted; i < rest->n; i++) {
        char c = rest->p[i];
        if (quoted && c == '"' && i + 1 < rest->n && rest->p[i + 1] == '"')
            i++;
        else if (quoted && c == '"')
            quoted = false;
        else if (!quoted && (c == ',' || c == '\n'))
            break;
        else if (quoted || c != '\r')
            lt_buf_char(out, c);
    }
    *last = i >= rest->n || rest->p[i] == '\n';
    size_t used = LT_MIN(i + 1, rest->n);
    *rest = (struct lt_str){ rest->p + used, rest->n - used };
    return true;
}

static void tiktoken(const char *model)
{
    char name[200];
    snprintf(name, sizeof name, "tokenizers/tiktoken/%s.tiktoken", model);
    struct lt_tokenizer *t = open_data(name);
    snprintf(name, sizeof name, "tokenizers/tiktoken/%s_encodings.csv", model);
    struct lt_buf file = content(name), text = { 0 }, ids = { 0 }, head = { 0 };
    struct lt_str rest = lt_buf_view(&file);
    struct tally tally = { 0 };
    bool last = false;
    while (!last && csv_field(&rest, &text, &last))             /* the header */
        ;
    while (csv_field(&rest, &text, &last) && !last && csv_field(&rest, &ids, &last) && csv_field(&rest, &head, &last)) {
        json_t *want = json_loadb(ids.p, ids.n, 0, NULL), *first = json_loadb(head.p, head.n, 0, NULL);
        assert_non_null(want);
        check_ids(&tally, t, lt_buf_view(&text), LT_NO_ADDED, want);
        check_text(&tally, t, want, true, false, lt_buf_view(&text));
        assert_true(json_array_size(first) <= 10);
        for (size_t i = 0; i < json_array_size(first); i++)
            assert_true(json_equal(json_array_get(first, i), json_array_get(want, i)));
        json_decref(want);
        json_decref(first);
    }
    lt_buf_free(&file);
    lt_buf_free(&text);
    lt_buf_free(&ids);
    lt_buf_free(&head);
    lt_tokenizer_free(t);
    report(&tally, model);
}

static void test_tokenizer_fixtures__tiktoken_r50k(void **state) { (void)state; tiktoken("r50k_base"); }
static void test_tokenizer_fixtures__tiktoken_cl100k(void **state) { (void)state; tiktoken("cl100k_base"); }

/* ---- llama.cpp/: .inp and .out; vocabularies from GGUF, and from tokenizer.json where there is one ---- */
static void check_vocab(const char *vocab, const char *path, const char *what)
{
    static const char between[] = "\n__ggml_vocab_test__\n";
    char name[200];
    struct lt_tokenizer *t = open_data(path);
    snprintf(name, sizeof name, "tokenizers/llama.cpp/ggml-vocab-%s.gguf.inp", vocab);
    struct lt_buf in = content(name);
    snprintf(name, sizeof name, "tokenizers/llama.cpp/ggml-vocab-%s.gguf.out", vocab);
    struct lt_buf out = content(name);
    struct lt_str lines = lt_buf_view(&out), line, text = lt_buf_view(&in);
    struct tally tally = { 0 };
    while (text.p && lt_str_split(&lines, '\n', &line)) {
        const char *end = memmem(text.p, text.n, between, strlen(between));
        size_t n = end ? (size_t)(end - text.p) : text.n;
        json_t *want = json_array();
        struct lt_str number;
        int64_t id;
        while (lt_str_split(&line, ' ', &number))
            if (number.n && lt_str_int(number, &id) == 0)
                json_array_append_new(want, json_integer(id));
        check_ids(&tally, t, (struct lt_str){ text.p, n }, 0, want);
        json_decref(want);
        text = end ? (struct lt_str){ end + strlen(between),
                                      text.n - n - strlen(between) } : (struct lt_str){ NULL, 0 };
    }
    assert_null(text.p);
    lt_buf_free(&in);
    lt_buf_free(&out);
    lt_tokenizer_free(t);
    snprintf(name, sizeof name, "%s from its %s", vocab, what);
    report(&tally, name);
}

static void llama_cpp(const char *vocab, const char *tokenizer)
{
    char path[200];
    bool packed = !strcmp(vocab, "falcon") || !strcmp(vocab, "deepseek-llm");
    snprintf(path, sizeof path, "tokenizers/llama.cpp/ggml-vocab-%s.gguf%s", vocab, packed ? ".zst" : "");
    check_vocab(vocab, path, "GGUF file");
    if (!tokenizer) return;
    snprintf(path, sizeof path, "tokenizers/hf/%s/tokenizer.json.zst", tokenizer);
    check_vocab(vocab, path, "tokenizer.json");
}

static void test_tokenizer_fixtures__llama_cpp_gpt2(void **state) { (void)state; llama_cpp("gpt-2", "gpt2"); }
static void test_tokenizer_fixtures__llama_cpp_deepseek(void **s) { (void)s; llama_cpp("deepseek-llm", NULL); }
static void test_tokenizer_fixtures__llama_cpp_falcon(void **state) { (void)state; llama_cpp("falcon", "falcon-7b"); }
static void test_tokenizer_fixtures__llama_cpp_llama(void **state) { (void)state; llama_cpp("llama-spm", "llama-2"); }
static void test_tokenizer_fixtures__llama_cpp_phi3(void **state) { (void)state; llama_cpp("phi-3", "llama-2"); }
static void test_tokenizer_fixtures__llama_cpp_bert(void **s) { (void)s; llama_cpp("bert-bge", "bert-base-uncased"); }

/* ---- gpt2-original/: the same vocabulary and merges as tokenizer.json ---- */
static void test_tokenizer_fixtures__gpt2_original(void **state)
{
    (void)state;
    struct lt_tokenizer *t = open_data("tokenizers/hf/gpt2/tokenizer.json.zst");
    json_t *j = json_of("tokenizers/gpt2-original/encoder.json.zst"), *id;
    struct tally tally = { 0 };
    const char *key;
    json_object_foreach(j, key, id) {
        tally.texts++;
        if (lt_tokenizer_id(t, key) != json_integer_value(id))
            wrong(&tally, lt_str(key), "another id", "");
    }
    json_decref(j);
    lt_tokenizer_free(t);
    report(&tally, "gpt2-original");
}

/* ---- sentencepiece/normalization/: Unicode's forms as tables "SOURCE TAB TARGET", code points in hexadecimal ---- */
static void code_points(struct lt_str list, struct lt_buf *out)
{
    struct lt_str one;
    lt_buf_clear(out);
    while (lt_str_split(&list, ' ', &one)) {
        char hex[16] = { 0 };
        memcpy(hex, one.p, LT_MIN(one.n, 15));
        unsigned c = (unsigned)strtoul(hex, NULL, 16);
        if (c >= 0x10000)
            lt_buf_fmt(out, "%c%c%c%c", (int)(0xF0 | c >> 18), (int)(0x80 | (c >> 12 & 63)),
                       (int)(0x80 | (c >> 6 & 63)),
                       (int)(0x80 | (c & 63)));
        else if (c >= 0x800)
            lt_buf_fmt(out, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
        else if (c >= 0x80)
            lt_buf_fmt(out, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 63)));
        else
            lt_buf_char(out, (char)c);
    }
}

static int take_word(void *to, struct lt_str word)
{
    lt_buf_put(to, word.p, word.n);
    return 0;
}

static void normal_form(const char *form, const char *table)
{
    char name[200], json[300];
    snprintf(name, sizeof name, "tokenizers/sentencepiece/normalization/%s.tsv.zst", table);
    struct lt_buf file = content(name), from = { 0 }, to = { 0 }, got = { 0 };      /* first: it may skip the test */
    snprintf(json, sizeof json, "{\"normalizer\":{\"type\":\"%s\"},\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}",
             form);
    struct lt_tokenizer *t;
    assert_ok(lt_tok_read_json(form, lt_str(json), &t));
    struct lt_encoder *e = lt_encoder_new(t);
    struct lt_str rest = lt_buf_view(&file), line, source, target;
    struct tally tally = { 0 };
    while (lt_str_split(&rest, '\n', &line)) {
        if (!lt_str_split(&line, '\t', &source) || !source.n || !lt_str_split(&line, '\t', &target))
            continue;
        code_points(source, &from);
        code_points(target, &to);
        lt_buf_clear(&got);
        assert_ok(lt_tokenizer_words(t, e, lt_buf_view(&from), take_word, &got));
        tally.texts++;
        if (!lt_str_eq(lt_buf_view(&got), lt_buf_view(&to)))
            wrong(&tally, source, to.p, got.p);
    }
    lt_buf_free(&file);
    lt_buf_free(&from);
    lt_buf_free(&to);
    lt_buf_free(&got);
    lt_encoder_free(e);
    lt_tokenizer_free(t);
    report(&tally, table);
}

static void test_tokenizer_fixtures__nfc(void **state) { (void)state; normal_form("NFC", "nfc"); }
static void test_tokenizer_fixtures__nfd(void **state) { (void)state; normal_form("NFD", "nfd"); }
static void test_tokenizer_fixtures__nfkd(void **state) { (void)state; normal_form("NFKD", "nfkd"); }

/* ---- sentencepiece/: its own models on its own texts; figures of test/oracle/make_sentencepiece.py ---- */
static void sentencepiece(const char *model, const char *text_name, size_t tokens, uint64_t hash)
{
    char name[200];
    snprintf(name, sizeof name, "tokenizers/sentencepiece/%s", model);
    struct lt_tokenizer *t = open_data(name);
    snprintf(name, sizeof name, "tokenizers/sentencepiece/%s", text_name);
    struct lt_buf file = content(name), ids = { 0 };
    struct lt_str rest = lt_buf_view(&file), line;
    struct lt_token *tok = NULL;
    size_t n = 0, cap = 0;
    while (lt_str_split(&rest, '\n', &line))
        assert_ok(lt_tokenizer_encode(t, line, 0, &tok, &n, &cap));
    for (size_t i = 0; i < n; i++)
        lt_buf_put(&ids, &tok[i].id, sizeof tok[i].id);
    assert_int_equal(n, tokens);
    assert_true(lt_hash(ids.p, ids.n, 0) == hash);
    free(tok);
    lt_buf_free(&file);
    lt_buf_free(&ids);
    lt_tokenizer_free(t);
}

static void test_tokenizer_fixtures__sentencepiece(void **state)
{
    (void)state;
    sentencepiece("test_model.model", "botchan.txt", 95515, 0x430825098df48e16);
    sentencepiece("test_ja_model.model", "wagahaiwa_nekodearu.txt.zst", 286722, 0x111b059186967d62);
}

/* ---- llama2.c's tokenizer of stories260K: the published text comes back from its ids ---- */
static void test_tokenizer_fixtures__llama2c(void **state)
{
    (void)state;
    struct lt_tokenizer *t = open_data("models/stories260K/tok512.bin");
    struct lt_buf text = content("models/stories260K/expected-greedy.txt");
    struct lt_token *tok = NULL;
    size_t n = 0, cap = 0, size;
    assert_int_equal(lt_tokenizer_vocab(t), 512);
    assert_ok(lt_tokenizer_encode(t, lt_buf_view(&text), LT_SPECIAL, &tok, &n, &cap));
    assert_int_equal(tok[0].id, 1);
    int32_t *ids = lt_alloc(n * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = tok[i].id;
    char *back;
    assert_ok(lt_tokenizer_decode(t, ids, n, false, &back, &size));
    assert_true(lt_str_eq((struct lt_str){ back, size }, lt_buf_view(&text)));
    free(back);
    free(ids);
    free(tok);
    lt_buf_free(&text);
    lt_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer_fixtures__conformance_gpt2),
        cmocka_unit_test(test_tokenizer_fixtures__conformance_roberta),
        cmocka_unit_test(test_tokenizer_fixtures__conformance_t5),
        cmocka_unit_test(test_tokenizer_fixtures__conformance_llama),
        cmocka_unit_test(test_tokenizer_fixtures__tokenizer_tests),
        cmocka_unit_test(test_tokenizer_fixtures__long_text),
        cmocka_unit_test(test_tokenizer_fixtures__tiktoken_r50k),
        cmocka_unit_test(test_tokenizer_fixtures__tiktoken_cl100k),
        cmocka_unit_test(test_tokenizer_fixtures__llama_cpp_gpt2),
        cmocka_unit_test(test_tokenizer_fixtures__llama_cpp_deepseek),
        cmocka_unit_test(test_tokenizer_fixtures__llama_cpp_falcon),
        cmocka_unit_test(test_tokenizer_fixtures__llama_cpp_llama),
        cmocka_unit_test(test_tokenizer_fixtures__llama_cpp_phi3),
        cmocka_unit_test(test_tokenizer_fixtures__llama_cpp_bert),
        cmocka_unit_test(test_tokenizer_fixtures__gpt2_original),
        cmocka_unit_test(test_tokenizer_fixtures__nfc),
        cmocka_unit_test(test_tokenizer_fixtures__nfd),
        cmocka_unit_test(test_tokenizer_fixtures__nfkd),
        cmocka_unit_test(test_tokenizer_fixtures__sentencepiece),
        cmocka_unit_test(test_tokenizer_fixtures__llama2c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
