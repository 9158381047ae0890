/* Replies as clients read them. */
#include "test.h"
#include "base/json.h"
#include "lm/generation.h"
#include "serve/answer.h"

/* ---- bytes that are no text ---- */

/* What Python's bytes.decode(errors="replace") makes of them; ? stands for U+FFFD. */
static const char *const broken[][2] = {
    { "plain", "plain" }, { "", "" },
    { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80" },
    { "\xFF", "?" }, { "\xFF\xFE", "??" }, { "a\x80z", "a?z" }, { "\xF0\x9F\x98 b", "? b" }, { "\xE2(", "?(" },
    { "\xED\xA0\x80", "???" }, { "\xC0\xAF", "??" }, { "\xE0\x80\xAF", "???" }, { "\xF4\x90\x80\x80", "????" },
    { "\xF0\x9F\x98", "?" }, { "\xC3", "?" }, { "\xC3\xC3\xA9", "?\xC3\xA9" },
    { "\xE2\x82\xE2\x82\xAC", "?\xE2\x82\xAC" },
    { "\xF8\x88\x80\x80\x80", "?????" }, { "\xF1\x80\x80\x41\xF1\x80", "?A?" },
};

static char *expected(const char *marked)
{
    struct lt_buf b = { 0 };
    lt_buf_put(&b, "", 0);
    for (; *marked; marked++) {
        if (*marked == '?') lt_buf_str(&b, "\xEF\xBF\xBD");
        else lt_buf_char(&b, *marked);
    }
    return b.p;
}

static void test_plain_text__broken_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < LT_COUNT(broken); i++) {
        struct lt_buf have = { 0 };
        char *want = expected(broken[i][1]);
        lt_buf_put(&have, "", 0);
        lt_plain_text(&have, lt_str(broken[i][0]));
        assert_string_equal(have.p, want);
        lt_buf_free(&have);
        free(want);
    }
}

/* Cut anywhere, the pieces make the same text, and every piece is whole characters. */
static void test_plain_text__pieces(void **state)
{
    struct lt_rng r = lt_rng_make(1, "bytes");
    (void)state;
    for (int round = 0; round < 2000; round++) {
        static const char likely[] = "\x80\x9F\xA0\xBF\xC3\xE0\xE2\xED\xF0\xF4\xFFz";
        struct lt_buf bytes = { 0 }, whole = { 0 }, flowed = { 0 };
        struct lt_text_flow flow = { 0 };
        int n = (int)lt_rng_below(&r, 12);
        for (int i = 0; i < n; i++) lt_buf_char(&bytes, likely[lt_rng_below(&r, sizeof likely - 1)]);
        lt_buf_put(&whole, "", 0);
        lt_buf_put(&flowed, "", 0);
        lt_plain_text(&whole, lt_buf_view(&bytes));
        for (int at = 0; at < n;) {
            int part = 1 + (int)lt_rng_below(&r, (uint64_t)(n - at));
            lt_text_flow_put(&flow, (struct lt_str){ bytes.p + at, (size_t)part }, false, &flowed);
            json_t *text = json_stringn(flowed.p, flowed.n);
            assert_non_null(text);
            json_decref(text);
            at += part;
        }
        lt_text_flow_put(&flow, lt_str(""), true, &flowed);
        assert_string_equal(flowed.p, whole.p);
        lt_buf_free(&bytes);
        lt_buf_free(&whole);
        lt_buf_free(&flowed);
    }
}

/* ---- bodies ---- */

struct served { struct lt_lm lm; struct lt_generation says; struct lt_engine *engine; };

static void serve(struct served *s)
{
    struct lt_engine_how how = { .batch = 2, .queue = 2, .says = &s->says, .name = "fake" };
    lt_generation_init(&s->says);
    assert_ok(lt_lm_open("fake:vocab=20", NULL, &s->lm));
    assert_ok(lt_engine_open(&s->lm, &how, &s->engine));
}

static void unserve(struct served *s)
{
    lt_engine_close(s->engine);
    lt_lm_close(&s->lm);
}

static struct lt_exchange *asked(struct served *s, bool chat, const char *body)
{
    struct lt_request r;
    struct lt_fault f = { 0 };
    struct lt_exchange *x;
    struct lt_given turn = { .id = (int32_t[]){ 1, 2, 3 }, .count = 3 };
    if (lt_request_parse(&r, chat, lt_str(body), &f)) fail_msg("%s: %s", body, f.message);
    r.dialect = &lt_dialect_openai;
    if (lt_exchange_new(s->engine, &r, chat ? &turn : r.prompt, chat ? 1 : r.prompts, &x, &f))
        fail_msg("%s", f.message);
    return x;
}

static json_t *parsed(struct lt_str text)
{
    json_t *v;
    assert_ok(lt_json_parse("reply", text, &v));
    return v;
}

static void test_answer__broken_bytes_make_valid_json(void **state)
{
    struct served s;
    (void)state;
    serve(&s);
    for (int chat = 0; chat < 2; chat++) {
        struct lt_exchange *x = asked(&s, chat, chat ? "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"
                                                     : "{\"prompt\":[1,2]}");
        struct lt_buf out = { 0 };
        static const char bytes[] = "ab\xF0\x9F!\0.";
        x->slot[0].reply = (struct lt_reply){ .text = memcpy(lt_alloc(sizeof bytes), bytes, sizeof bytes),
                                              .text_size = sizeof bytes - 1, .finish = "stop" };
        lt_answer_body(x, &out);
        json_t *v = parsed(lt_buf_view(&out)), *choice = json_array_get(json_object_get(v, "choices"), 0);
        json_t *text = chat ? json_object_get(json_object_get(choice, "message"), "content")
                            : json_object_get(choice, "text");
        assert_string_equal(json_string_value(text), "ab\xEF\xBF\xBD!\xEF\xBF\xBD.");
        json_decref(v);
        lt_buf_free(&out);
        lt_exchange_free(x);
    }
    unserve(&s);
}

/* The text of all events of a stream; each is JSON. */
static void read_events(const char *p, struct lt_buf *text)
{
    lt_buf_put(text, "", 0);
    while (!strncmp(p, "data: {", 7)) {
        const char *end = strstr(p, "\n\n");
        json_t *v = parsed((struct lt_str){ p + 6, (size_t)(end - p - 6) });
        json_t *delta = json_object_get(json_array_get(json_object_get(v, "choices"), 0), "delta");
        const char *piece = json_string_value(json_object_get(delta, "content"));
        if (piece) lt_buf_str(text, piece);
        json_decref(v);
        p = end + 2;
    }
    assert_string_equal(p, "data: [DONE]\n\n");
}

static void test_answer__a_stream_keeps_characters_whole(void **state)
{
    static const char *const piece[] = { "a\xE2", "\x82", "\xAC", "\xFF", "\xF0\x9F" };
    struct served s;
    struct lt_buf out = { 0 }, text = { 0 };
    (void)state;
    serve(&s);
    struct lt_exchange *x = asked(&s, true, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stream\":true}");
    x->slot[0].reply.finish = "stop";
    for (int i = 0; i < LT_COUNT(piece); i++)
        lt_answer_piece(&x->slot[0], &(struct lt_reply_part){ lt_str(piece[i]), &x->slot[0].reply, 0 }, &out);
    lt_answer_end(x, &out);
    read_events(out.p, &text);
    assert_string_equal(text.p, "a\xE2\x82\xAC\xEF\xBF\xBD\xEF\xBF\xBD");
    lt_buf_free(&out);
    lt_buf_free(&text);
    lt_exchange_free(x);
    unserve(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text__broken_bytes),
        cmocka_unit_test(test_plain_text__pieces),
        cmocka_unit_test(test_answer__broken_bytes_make_valid_json),
        cmocka_unit_test(test_answer__a_stream_keeps_characters_whole),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
