/* Tokenizers: laws of encoding and decoding, files written and read again, what is refused and how it is said. */
#include "test.h"
#include "text/document.h"
#include "text/tokenizer.h"

/* ---- small tokenizers ---- */
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define FALLBACK "{\"type\":\"Sequence\",\"decoders\":[" \
                 "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"}," \
                 "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}," \
                 "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"
#define MARKS "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"}," \
              "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}]}"

struct parts {
    char text[512][32];
    struct lt_str piece[512];
    struct lt_tok_merge merge[8];
    int32_t count;
    size_t merges;
};

static int32_t add_piece(struct parts *p, const char *text)
{
    snprintf(p->text[p->count], sizeof p->text[0], "%.31s", text);
    p->piece[p->count] = lt_str(p->text[p->count]);
    return p->count++;
}

static void add_merge(struct parts *p, int32_t left, int32_t right)
{
    char both[64];
    snprintf(both, sizeof both, "%s%s", p->text[left], p->text[right]);
    p->merge[p->merges] = (struct lt_tok_merge){ left, right, add_piece(p, both), (uint32_t)p->merges };
    p->merges++;
}

static const struct lt_tok_added added[] = {
    { .id = 300, .content = { "<|end|>", 7 }, .special = true },
    { .id = 301, .content = { "[x]", 3 }, .normalized = true },
};

/* 256 bytes, some merges, two added tokens. */
static struct lt_tokenizer *byte_level(double dropout)
{
    struct parts p = { .count = 0 };
    for (int c = 0; c < 256; c++) {
        struct lt_buf b = { 0 };
        lt_tok_spell(&b, (struct lt_str){ &(char){ (char)c }, 1 });
        add_piece(&p, b.p);
        lt_buf_free(&b);
    }
    add_merge(&p, 't', 'h');
    add_merge(&p, 256, 'e');
    add_merge(&p, ' ', 257);
    add_merge(&p, 0xC3, 0xA9);
    struct lt_tok_spec s = { .kind = LT_TOK_BPE, .count = p.count, .piece = p.piece, .merge = p.merge,
                             .merge_count = p.merges, .added = added, .added_count = 2, .pre_tokenizer = BYTE_LEVEL,
                             .decoder = BYTE_LEVEL, .unk_id = -1, .dropout = dropout, .bos = -2, .eos = -2 };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&s, &t));
    return t;
}

/* Characters where they are pieces, else bytes; a mark for a space. */
static struct lt_tokenizer *fallback(enum lt_tok_kind kind)
{
    struct parts p = { .count = 0 };
    double score[512] = { 0 };
    add_piece(&p, "<unk>");
    for (int c = 0; c < 256; c++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", c);
        score[add_piece(&p, name)] = -12;
    }
    for (char c = 'a'; c <= 'z'; c++)
        score[add_piece(&p, (char[2]){ c })] = -5;
    int32_t mark = add_piece(&p, "\xE2\x96\x81");
    add_piece(&p, "\xC3\xA9");
    add_merge(&p, 257 + 'h' - 'a', 257 + 'e' - 'a');
    add_merge(&p, mark, p.count - 1);
    struct lt_tok_spec s = { .kind = kind, .count = p.count, .piece = p.piece, .score = score, .merge = p.merge,
                             .merge_count = kind == LT_TOK_BPE ? p.merges : 0, .normalizer = MARKS, .decoder = FALLBACK,
                             .unk = "<unk>", .byte_fallback = true, .fuse_unk = true, .bos = -1, .eos = -1 };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&s, &t));
    return t;
}

/* ---- laws ---- */
struct encoded { struct lt_token *tok; size_t n, cap; int32_t *id; };

static struct encoded encode(const struct lt_tokenizer *t, struct lt_str text, unsigned flags)
{
    struct encoded e = { 0 };
    assert_ok(lt_tokenizer_encode(t, text, flags, &e.tok, &e.n, &e.cap));
    e.id = lt_alloc(e.n * sizeof *e.id);
    for (size_t i = 0; i < e.n; i++)
        e.id[i] = e.tok[i].id;
    return e;
}

static void release(struct encoded *e)
{
    free(e->tok);
    free(e->id);
}

/* Token by token: whole characters at every step, and in the end what decode gives. */
static void check_detok(const struct lt_tokenizer *t, const int32_t *id, size_t n, bool keep, struct lt_str want)
{
    struct lt_detok *d = lt_detok_new(t, keep);
    struct lt_buf out = { 0 };
    for (int round = 0; round < 2; round++) {                       /* finish starts afresh */
        lt_buf_clear(&out);
        for (size_t i = 0; i < n; i++) {
            assert_ok(lt_detok_push(d, id[i], &out));
            assert_true(out.n == 0 || out.n == want.n || ((unsigned char)want.p[out.n] & 0xC0) != 0x80 ||
                        lt_text_check(want.p, want.n) < want.n);
        }
        assert_ok(lt_detok_finish(d, &out));
        assert_true(lt_str_eq(lt_buf_view(&out), want));
    }
    lt_buf_free(&out);
    lt_detok_free(d);
}

static void check_round_trip(const struct lt_tokenizer *t, struct lt_str text)
{
    struct encoded e = encode(t, text, 0);
    char *back;
    size_t n;
    assert_ok(lt_tokenizer_decode(t, e.id, e.n, true, &back, &n));
    assert_true(lt_str_eq((struct lt_str){ back, n }, text));
    for (size_t i = 0; i < e.n; i++)
        assert_true(e.tok[i].begin <= e.tok[i].end && e.tok[i].end <= text.n &&
                    (i == 0 || e.tok[i].begin >= e.tok[i - 1].begin));
    check_detok(t, e.id, e.n, true, text);
    free(back);
    release(&e);
}

static void random_bytes(struct lt_rng *r, struct lt_buf *b, bool utf8)
{
    lt_buf_clear(b);
    for (uint64_t n = lt_rng_below(r, 60); n; n--) {
        uint32_t c = (uint32_t)lt_rng_below(r, 4) ? (uint32_t)lt_rng_below(r, 128) : (uint32_t)lt_rng_below(r, 0x3000);
        if (c == 0x2581)                                            /* the mark stands for a space */
            c = ' ';
        if (!utf8)
            lt_buf_char(b, (char)lt_rng_below(r, 256));
        else if (c < 0x80)
            lt_buf_char(b, (char)c);
        else if (c < 0x800)
            lt_buf_fmt(b, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 63)));
        else
            lt_buf_fmt(b, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
    }
    lt_buf_put(b, "", 0);
}

static void test_tokenizer__round_trip_of_bytes(void **state)
{
    (void)state;
    struct lt_tokenizer *t = byte_level(0);
    struct lt_rng r = lt_rng_make(1, "bytes");
    struct lt_buf b = { 0 };
    for (int i = 0; i < 3000; i++) {
        random_bytes(&r, &b, i % 2);
        check_round_trip(t, lt_buf_view(&b));
    }
    check_round_trip(t, lt_str("the <|end|>th[x] \xC3\xA9\xC3 the\xF0\x9F"));
    lt_buf_free(&b);
    lt_tokenizer_free(t);
}

static void test_tokenizer__round_trip_of_text(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(2, "text");
    struct lt_buf b = { 0 };
    for (int kind = 0; kind < 2; kind++) {
        struct lt_tokenizer *t = fallback(kind ? LT_TOK_UNIGRAM : LT_TOK_BPE);
        for (int i = 0; i < 2000; i++) {
            random_bytes(&r, &b, true);
            check_round_trip(t, lt_buf_view(&b));
        }
        lt_tokenizer_free(t);
    }
    lt_buf_free(&b);
}

static void test_tokenizer__random_ids_decode_alike_in_pieces(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(3, "ids");
    struct lt_tokenizer *all[] = { byte_level(0), fallback(LT_TOK_BPE) };
    for (int k = 0; k < LT_COUNT(all); k++) {
        for (int i = 0; i < 1000; i++) {
            int32_t id[40];
            size_t n = (size_t)lt_rng_below(&r, 40), size;
            for (size_t m = 0; m < n; m++)
                id[m] = (int32_t)lt_rng_below(&r, 256 + 4);
            char *text;
            assert_ok(lt_tokenizer_decode(all[k], id, n, false, &text, &size));
            check_detok(all[k], id, n, false, (struct lt_str){ text, size });
            free(text);
        }
        lt_tokenizer_free(all[k]);
    }
}

static void test_tokenizer__offsets(void **state)
{
    (void)state;
    static const char *const json =
        "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Lowercase\"}]},"
        "\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\","
        "\"vocab\":{\"?\":0,\"fi\":1,\"\xC3\xA9\":2}}}";
    /* the ligature fi; e and a combining accent; IJ in full width */
    static const char text[] = "\xEF\xAC\x81  e\xCC\x81 \xEF\xBC\xA9\xEF\xBC\xAA";
    static const struct lt_token want[] = { { 1, 0, 3 }, { 2, 5, 8 }, { 0, 9, 15 } };
    struct lt_tokenizer *t;
    assert_ok(lt_tok_read_json("offsets", lt_str(json), &t));
    struct encoded e = encode(t, lt_str(text), 0);
    assert_int_equal(e.n, 3);
    assert_memory_equal(e.tok, want, sizeof want);
    release(&e);
    lt_tokenizer_free(t);
}

/* ---- added tokens and flags ---- */
static void test_tokenizer__special_tokens_as_text(void **state)
{
    (void)state;
    struct lt_tokenizer *t = byte_level(0);
    struct encoded a = encode(t, lt_str("a<|end|>[x]"), 0), b = encode(t, lt_str("a<|end|>[x]"), LT_NO_ADDED);
    assert_int_equal(a.n, 3);
    assert_int_equal(a.id[1], 300);
    assert_int_equal(a.tok[1].begin, 1);
    assert_int_equal(a.tok[1].end, 8);
    assert_int_equal(b.n, 9);                                       /* seven characters, and [x] is no special token */
    assert_int_equal(b.id[8], 301);
    char *text;
    size_t n;
    assert_ok(lt_tokenizer_decode(t, a.id, a.n, false, &text, &n));
    assert_string_equal(text, "a[x]");
    free(text);
    assert_true(lt_tokenizer_special(t, 300));
    assert_int_equal(lt_tokenizer_vocab(t), 302);
    assert_int_equal(lt_tokenizer_id(t, "<|end|>"), 300);
    assert_null(lt_tokenizer_piece(t, 280).p);
    struct lt_str bytes;
    assert_true(lt_tokenizer_bytes(t, 258, &bytes));
    assert_true(lt_str_is(bytes, " the"));
    assert_false(lt_tokenizer_bytes(t, 280, &bytes));
    release(&a);
    release(&b);
    lt_tokenizer_free(t);
}

static void test_tokenizer__dropout_needs_randomness(void **state)
{
    (void)state;
    struct lt_tokenizer *t = byte_level(0.5);
    struct lt_encoder *e = lt_encoder_new(t);
    struct lt_str text = lt_str("the the the the the the the the");
    struct lt_token *tok[3] = { NULL };
    size_t n[3] = { 0 }, cap[3] = { 0 };
    for (int i = 0; i < 3; i++) {
        struct lt_rng r = lt_rng_make(5, "dropout");
        assert_ok(lt_encoder_encode(e, text, 0, i ? &r : NULL, &tok[i], &n[i], &cap[i]));
    }
    assert_int_equal(n[0], 8);
    assert_true(n[1] > 8);
    assert_int_equal(n[1], n[2]);
    assert_memory_equal(tok[1], tok[2], n[1] * sizeof *tok[1]);
    for (int i = 0; i < 3; i++)
        free(tok[i]);
    lt_encoder_free(e);
    lt_tokenizer_free(t);
}

/* ---- files ---- */
static void check_saved(struct lt_tokenizer *t, const char *text)
{
    char *folder = lt_test_temp();
    struct lt_tokenizer *again;
    assert_ok(lt_tokenizer_save(t, lt_test_path(folder, "tokenizer.json")));
    assert_ok(lt_tokenizer_open(folder, &again));
    assert_string_equal(lt_tokenizer_hash(t), lt_tokenizer_hash(again));
    struct encoded a = encode(t, lt_str(text), LT_SPECIAL), b = encode(again, lt_str(text), LT_SPECIAL);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.tok, b.tok, a.n * sizeof *a.tok);
    release(&a);
    release(&b);
    struct lt_buf one = { 0 }, two = { 0 };
    lt_tok_write_json(t, &one);
    lt_tok_write_json(again, &two);
    assert_true(lt_str_eq(lt_buf_view(&one), lt_buf_view(&two)));
    lt_buf_free(&one);
    lt_buf_free(&two);
    lt_tokenizer_free(again);
    lt_tokenizer_free(t);
    lt_test_temp_end(folder);
}

static void test_tokenizer__saved_and_read_again(void **state)
{
    (void)state;
    check_saved(byte_level(0.1), "the <|end|> \x80\xFF the [x]");
    check_saved(fallback(LT_TOK_BPE), "he he \xE4\xB8\xAD");
    check_saved(fallback(LT_TOK_UNIGRAM), "he he \xE4\xB8\xAD");
}

static void test_tokenizer__presets(void **state)
{
    (void)state;
    for (const char *const *name = lt_tok_presets(); *name; name++) {
        struct lt_tok_spec s = { .kind = LT_TOK_BPE, .pre_tokenizer = lt_tok_preset(*name), .unk_id = -1 };
        struct lt_tokenizer *t;
        if (lt_tokenizer_build(&s, &t))
            fail_msg("%s: %s", *name, lt_error());
        assert_true(lt_tokenizer_byte_level(t));
        lt_tokenizer_free(t);
        assert_true(!name[1] || strcmp(name[0], name[1]) < 0);
    }
    assert_null(lt_tok_preset("llama"));
    assert_non_null(strstr(lt_error(), "llama-bpe"));
}

static void test_tokenizer__alphabet(void **state)
{
    (void)state;
    struct lt_buf b = { 0 }, back = { 0 };
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    lt_tok_spell(&b, (struct lt_str){ all, 256 });
    assert_true(lt_tok_unspell(&back, lt_buf_view(&b)));
    assert_true(lt_str_eq(lt_buf_view(&back), (struct lt_str){ all, 256 }));
    lt_buf_clear(&b);
    lt_tok_spell(&b, lt_str(" \n\xAD"));
    assert_string_equal(b.p, "\xC4\xA0\xC4\x8A\xC5\x83");            /* U+0120, U+010A, U+0143 */
    static const char *const outside[] = { " ", "\xC2\xA0", "\xC5\x84", "\xC3" };
    for (int i = 0; i < LT_COUNT(outside); i++)
        assert_false(lt_tok_unspell(&back, lt_str(outside[i])));
    lt_buf_free(&b);
    lt_buf_free(&back);
}

/* ---- refusals ---- */
static void test_tokenizer__json_refused(void **state)
{
    (void)state;
#define MODEL(rest) "{\"model\":{\"type\":\"BPE\"," rest "}}"
#define WITH(stage) "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}," stage "}"
    static const struct { const char *json, *says; } bad[] = {
        { "", "not JSON" }, { "[]", "an object" }, { "{}", "model: an object" }, { "{\"model\":{}}", "model.vocab" },
        { "{\"model\":{\"type\":\"Neural\",\"vocab\":{}}}", "the type \"Neural\" is not known" },
        { MODEL("\"vocab\":{\"a\":-1},\"merges\":[]"), "\"a\" needs an id" },
        { MODEL("\"vocab\":{\"a\":900000000},\"merges\":[]"), "\"a\" needs an id" },
        { MODEL("\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"), "the same id" },
        { MODEL("\"vocab\":{\"a\":0}"), "model.merges: a list" },
        { MODEL("\"vocab\":{\"a\":0},\"merges\":[\"ab\"]"), "merges[0]" },
        { MODEL("\"vocab\":{\"a\":0},\"merges\":[\"a b\"]"), "\"b\" is not in the vocabulary" },
        { MODEL("\"vocab\":{\"a\":0},\"merges\":[\"a a\"]"), "\"aa\" is not in the vocabulary" },
        { MODEL("\"vocab\":{},\"merges\":[],\"dropout\":2"), "dropout" },
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":3,\"vocab\":[[\"a\",0]]}}", "unknown piece 3" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "vocab[0]" },
        { "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[U]\",\"vocab\":{\"a\":0}}}", "unknown piece" },
        { WITH("\"normalizer\":{\"type\":\"Rot13\"}"), "normalizer: the type \"Rot13\" is not known" },
        { WITH("\"pre_tokenizer\":{\"type\":\"Morse\"}"), "pre_tokenizer: the type \"Morse\" is not known" },
        { WITH("\"post_processor\":{\"type\":\"Rot13\"}"), "post_processor: the type \"Rot13\" is not known" },
        { WITH("\"decoder\":{\"type\":\"Morse\"}"), "decoder: the type \"Morse\" is not known" },
        { WITH("\"decoder\":7"), "an object with a \"type\"" },
        { WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}"),
          "cannot be compiled" },
        { WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&b]\"},\"behavior\":\"Isolated\"}"),
          "intersection" },
        { WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"x\"},\"behavior\":\"Melted\"}"),
          "Melted" },
        { WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}"), "character map" },
        { WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"}"), "base64" },
        { WITH("\"added_tokens\":[{\"content\":\"x\"}]"), "added_tokens[0]" },
        { WITH("\"added_tokens\":[{\"id\":9000000,\"content\":\"x\"}]"), "out of range" },
        { WITH("\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",5],\"sep\":[\"a\",5]}"), "no token 5" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        struct lt_tokenizer *t;
        assert_fails(lt_tok_read_json("file", lt_str(bad[i].json), &t), bad[i].says);
        assert_non_null(strstr(lt_error(), "file"));
    }
}

static void test_tokenizer__other_files_refused(void **state)
{
    (void)state;
    struct lt_tokenizer *t;
    assert_fails(lt_tok_read_tiktoken("f", lt_str("YQ== 0\nYg== x\n"), &t), "line 2");
    assert_fails(lt_tok_read_tiktoken("f", lt_str("Y 0\n"), &t), "base64");
    assert_fails(lt_tok_read_tiktoken("f", lt_str("YQ== 0\nYg== 0\n"), &t), "twice");
    assert_fails(lt_tok_read_tiktoken("f", lt_str("YQ== 0\nYg== 1\n"), &t), "none is known for 2 tokens");
    assert_fails(lt_tok_read_tiktoken("f", lt_str(""), &t), "no tokens");
    assert_fails(lt_tok_read_spm("f", lt_str(""), &t), "no pieces");
    assert_fails(lt_tok_read_spm("f", lt_str("\x0A\x7Fxyz"), &t), "needs 127 bytes, 3 are left");
    assert_fails(lt_tok_read_spm("f", lt_str("\x0A\x03\x0A\x01"), &t), "needs 3 bytes");
    assert_fails(lt_tok_read_spm("f", lt_str("\x0F\x01"), &t), "is of a kind (7)");
    assert_fails(lt_tok_read_llama2c("f", (struct lt_str){ "\5\0\0\0\0\0\0\0\6\0\0\0abcdef", 18 }, &t),
                 "longer than 5");
    assert_fails(lt_tok_read_llama2c("f", (struct lt_str){ "\5\0\0\0", 4 }, &t), "too few");
    char *folder = lt_test_temp();
    assert_fails(lt_tokenizer_open(folder, &t), "no tokenizer.json");
    assert_ok(lt_file_save(lt_test_path(folder, "x"), "hello", 5));
    assert_fails(lt_tokenizer_open(lt_test_path(folder, "x"), &t), "not a tokenizer");
    assert_ok(lt_file_save(lt_test_path(folder, "x"), "", 0));
    assert_fails(lt_tokenizer_open(lt_test_path(folder, "x"), &t), "empty");
    assert_fails(lt_tokenizer_open(lt_test_path(folder, "y"), &t), "y");
    lt_test_temp_end(folder);
}

static void test_tokenizer__bad_text_refused(void **state)
{
    (void)state;
    struct lt_tokenizer *t = fallback(LT_TOK_BPE), *b = byte_level(0);
    struct lt_token *tok = NULL;
    size_t n = 0, cap = 0;
    assert_fails(lt_tokenizer_encode(t, lt_str("ab\xFF"), 0, &tok, &n, &cap), "byte 2 of the text is not UTF-8");
    assert_int_equal(n, 0);
    check_round_trip(t, (struct lt_str){ "a\0b", 3 });
    check_round_trip(b, (struct lt_str){ "\0the\0\xFF", 6 });
    assert_fails(lt_tokenizer_encode(b, (struct lt_str){ "", (size_t)1 << 32 }, 0, &tok, &n, &cap), "too long");
    struct lt_detok *d = lt_detok_new(b, false);
    struct lt_buf out = { 0 };
    assert_fails(lt_detok_push(d, 290, &out), "token 290 cannot be decoded");
    assert_fails(lt_detok_push(d, -1, &out), "0 .. 301");
    lt_detok_free(d);
    lt_buf_free(&out);
    free(tok);
    lt_tokenizer_free(t);
    lt_tokenizer_free(b);
}

static void test_tokenizer__long_words(void **state)
{
    (void)state;
    struct lt_tokenizer *all[] = { byte_level(0), fallback(LT_TOK_BPE), fallback(LT_TOK_UNIGRAM) };
    struct lt_buf b = { 0 };
    for (int i = 0; i < 1 << 20; i++)
        lt_buf_char(&b, "he"[i & 1]);
    for (int k = 0; k < LT_COUNT(all); k++) {
        for (int blank = 0; blank < 2; blank++) {
            if (blank)
                memset(b.p, k ? 'h' : ' ', b.n);
            struct encoded e = encode(all[k], lt_buf_view(&b), 0);
            assert_true(e.n > 0);
            release(&e);
        }
        for (int i = 0; i < 1 << 20; i++)
            b.p[i] = "he"[i & 1];
        lt_tokenizer_free(all[k]);
    }
    lt_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer__round_trip_of_bytes),
        cmocka_unit_test(test_tokenizer__round_trip_of_text),
        cmocka_unit_test(test_tokenizer__random_ids_decode_alike_in_pieces),
        cmocka_unit_test(test_tokenizer__offsets),
        cmocka_unit_test(test_tokenizer__special_tokens_as_text),
        cmocka_unit_test(test_tokenizer__dropout_needs_randomness),
        cmocka_unit_test(test_tokenizer__saved_and_read_again),
        cmocka_unit_test(test_tokenizer__presets),
        cmocka_unit_test(test_tokenizer__alphabet),
        cmocka_unit_test(test_tokenizer__json_refused),
        cmocka_unit_test(test_tokenizer__other_files_refused),
        cmocka_unit_test(test_tokenizer__bad_text_refused),
        cmocka_unit_test(test_tokenizer__long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
