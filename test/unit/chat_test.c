/* Conversations: what of them becomes control tokens, what of them the model is fed again, settings and files. */
#include "chat_model.h"
#include "decode/chat/chat_state.h"
#include "decode/sample.h"

/* ---- text that spells control tokens ---- */

static struct lt_tokenizer *tokenizer(const char *folder)
{
    struct lt_tokenizer *t;
    chat_tokenizer(folder);
    assert_ok(lt_tokenizer_open(lt_test_path(folder, "tokenizer.json"), &t));
    return t;
}

struct counts { int of[CHAT_VOCAB]; };

static struct counts count_tokens(const char *template, const struct lt_tokenizer *t, json_t *messages,
                                  struct lt_buf *text)
{
    struct lt_chat *c;
    struct lt_chat_ask a = { .messages = messages, .generation_prompt = true };
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0, size = 0;
    struct counts k = { { 0 } };
    char *back = NULL;
    assert_ok(lt_chat_parse("template", lt_str(template), NULL, &c));
    assert_ok(lt_chat_encode(c, &a, t, text, &token, &n, &cap));
    int32_t *id = lt_alloc((n + 1) * sizeof *id);
    for (size_t i = 0; i < n; i++) {
        id[i] = token[i].id;
        k.of[token[i].id]++;
        assert_true(token[i].begin < token[i].end && (!i || token[i].begin >= token[i - 1].end));
    }
    assert_ok(lt_tokenizer_decode(t, id, n, true, &back, &size));   /* the tokens say the text and nothing else */
    assert_int_equal(size, text->n);
    assert_memory_equal(back, text->p, size);
    free(back);
    free(id);
    free(token);
    lt_chat_free(c);
    return k;
}

/* Every text of up to five of these parts, said by everybody. */
static void test_chat__what_a_message_spells_stays_text(void **unused)
{
    static const char *const part[] = { "</s>", "<|start|>", "</think>", "[INST]", "<|", "a", " ", "\xEF\xB7\x90" };
    static const char *const role[] = { "user", "system", "tool" };
    char *folder = lt_test_temp();
    struct lt_tokenizer *t = tokenizer(folder);
    (void)unused;
    for (int n = 0; n < 8 * 8 * 8 * 8; n++) {
        struct lt_buf said = { 0 }, text = { 0 }, want = { 0 };
        lt_buf_fmt(&said, "%s%s%s%s", part[n % 8], part[n / 8 % 8], part[n / 64 % 8], part[n / 512]);
        json_t *m = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", role[n % 3], "content", said.p, "role", "user",
                              "content", said.p);
        struct counts k = count_tokens(CHAT_TEMPLATE, t, m, &text);
        lt_buf_fmt(&want, "<|start|>%s\n%s</s>\n<|start|>user\n%s</s>\n<|start|>assistant\n", role[n % 3],
                   said.p, said.p);
        assert_string_equal(text.p, want.p);
        assert_int_equal(k.of[CHAT_END], 2);
        assert_int_equal(k.of[CHAT_START], 3);
        assert_int_equal(k.of[CHAT_THINK] + k.of[CHAT_NORMAL], 0);
        json_decref(m);
        lt_buf_free(&said);
        lt_buf_free(&text);
        lt_buf_free(&want);
    }
    lt_tokenizer_free(t);
    lt_test_temp_end(folder);
}

/* The assistant's own tags are read, its control tokens are not; runs of blanks are what the tokenizer makes of them;
 * what lies deeper in a message is text too. */
static void test_chat__roles_and_depth(void **unused)
{
    char *folder = lt_test_temp();
    struct lt_tokenizer *t = tokenizer(folder);
    struct lt_buf text = { 0 };
    (void)unused;
    json_t *m = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "user", "content", "x    y</think>", "role", "assistant",
                          "content", "well</think></s>    ");
    struct counts k = count_tokens(CHAT_TEMPLATE, t, m, &text);
    assert_int_equal(k.of[CHAT_THINK], 1);
    assert_int_equal(k.of[CHAT_END], 2);
    assert_int_equal(k.of[CHAT_BLANKS], 2);
    json_decref(m);
    m = json_pack("[{s:s, s:[{s:s}, {s:{s:s}}]}]", "role", "user", "content", "text", "</s>", "text", "is",
                  "[INST]");
    lt_buf_clear(&text);
    k = count_tokens("{{ messages[0].content[0].text }}{{ messages[0].content[1].text.is | trim }}</s>", t, m,
                     &text);
    assert_string_equal(text.p, "</s>[INST]</s>");
    assert_int_equal(k.of[CHAT_END], 1);
    assert_int_equal(k.of[CHAT_NORMAL], 0);
    json_decref(m);
    lt_buf_free(&text);
    lt_tokenizer_free(t);
    lt_test_temp_end(folder);
}

/* Tools and documents are guarded too, with the names of their members; what begins the answer is the template's. */
static void test_chat__tools_and_what_has_begun(void **unused)
{
    static const char template[] = "{{ tools | tojson }}{{ documents[0].text }}{{ messages[0].content }}</s>";
    char *folder = lt_test_temp();
    struct lt_tokenizer *t = tokenizer(folder);
    struct lt_chat *c;
    struct lt_buf text = { 0 };
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    int control[CHAT_VOCAB] = { 0 };
    (void)unused;
    struct lt_chat_ask a = {
        .messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "a"), .begun = lt_str("<|start|>b"),
        .tools = json_pack("[{s:{s:s}}]", "function", "</s>", "[INST]"),
        .documents = json_pack("[{s:s}]", "text", "<|start|></s>"),
    };
    assert_ok(lt_chat_parse("template", lt_str(template), NULL, &c));
    assert_ok(lt_chat_encode(c, &a, t, &text, &token, &n, &cap));
    lt_buf_put(&text, "", 0);
    assert_string_equal(text.p, "[{\"function\": {\"</s>\": \"[INST]\"}}]<|start|></s>a</s><|start|>b");
    for (size_t i = 0; i < n; i++) control[token[i].id]++;
    assert_int_equal(control[CHAT_END], 1);
    assert_int_equal(control[CHAT_START], 1);
    assert_int_equal(control[CHAT_NORMAL], 0);
    json_t *deep = json_array();
    for (int i = 0; i < 200; i++) deep = json_pack("[o]", deep);
    json_decref((json_t *)a.documents);
    a.documents = deep;
    assert_fails(lt_chat_encode(c, &a, t, &text, &token, &n, &cap), "nested deeper than 128");
    json_decref((json_t *)a.messages);
    json_decref((json_t *)a.tools);
    json_decref(deep);
    free(token);
    lt_buf_free(&text);
    lt_chat_free(c);
    lt_tokenizer_free(t);
    lt_test_temp_end(folder);
}

/* ---- a conversation with a model of arithmetic ---- */

struct table { char *folder; struct lt_chat_options o; struct lt_buf model, template; struct lt_chat_talk h; };

static void sit(struct table *k, const char *more)
{
    *k = (struct table){ .folder = lt_test_temp() };
    chat_tokenizer(k->folder);
    lt_buf_fmt(&k->model, "fake:seed=5%s,tokenizer=%s/tokenizer.json", more, k->folder);
    lt_buf_fmt(&k->template, "%s/chat.jinja", k->folder);
    k->o = (struct lt_chat_options){ .model = k->model.p, .chat_template = k->template.p, .generation_config = "auto",
                                     .how = { .cache_memory = -1 },
                                     .settings = { .max_tokens = 20, .seed = 3, .logprobs = 2 } };
    struct lt_chat_talk *h = &k->h;
    struct lt_chat_set set;
    struct lt_line_how lines = { 0 };
    *h = (struct lt_chat_talk){ .o = &k->o };
    assert_ok(lt_chat_model_open(&k->o, k->o.model, NULL, &h->model));
    lt_conversation_init(&h->talk, 0);
    assert_ok(lt_writer_open(&h->screen.out, lt_test_path(k->folder, "said.txt")));
    assert_ok(lt_line_editor_open(&lines, &h->lines));
    assert_ok(lt_chat_set_from(&k->o.settings, &set));
    assert_ok(lt_chat_settle(h, &set));
}

static void leave(struct table *k)
{
    struct lt_chat_talk *h = &k->h;
    lt_line_editor_close(h->lines);
    assert_ok(lt_chat_screen_close(&h->screen));
    lt_reply_release(&h->last);
    lt_chat_set_release(&h->set);
    lt_conversation_release(&h->talk);
    lt_chat_model_close(&h->model);
    lt_buf_free(&k->model);
    lt_buf_free(&k->template);
    lt_test_temp_end(k->folder);
}

static int64_t fed(const struct table *k) { return lt_batcher_sums(k->h.model.batcher).fed; }

/* What the model was given stays: a turn feeds what is new in it, and the answer is that of a model that is given
 * everything at once. */
static void test_chat__a_turn_feeds_what_is_new(void **unused)
{
    struct table k;
    (void)unused;
    sit(&k, "");
    for (int turn = 0; turn < 6; turn++) {
        struct lt_spoken s;
        struct lt_reply alone;
        int64_t before = fed(&k);
        int held = turn ? k.h.talk.count : 0;       /* with the last token of the answer, which is not fed yet */
        assert_ok(lt_conversation_add(&k.h.talk, "user", lt_str("tell me </s> more"), false));
        assert_ok(lt_conversation_tokens(&k.h.talk, k.h.model.chat, k.h.model.t, true, &s));
        struct lt_ask ask = { .prompt_ids = s.id, .prompt_count = s.count, .max_tokens = 20, .seed = 3,
                              .number = k.h.asked };
        assert_ok(lt_generate(&k.h.model.lm, NULL, &ask, 1, &alone));
        assert_ok(lt_chat_answer(&k.h));
        assert_int_equal(alone.count, k.h.last.count);
        assert_memory_equal(alone.token, k.h.last.token, (size_t)alone.count * sizeof *alone.token);
        assert_memory_equal(alone.logp, k.h.last.logp, (size_t)alone.count * sizeof *alone.logp);
        if (turn) assert_memory_equal(s.id, k.h.talk.id, (size_t)s.count * sizeof *s.id);
        assert_true(fed(&k) - before <= s.count - held + 1 + alone.count - 1);
        lt_reply_release(&alone);
        lt_spoken_release(&s);
    }
    leave(&k);
}

/* The tokens the model wrote are given to it again, not those that its tokenizer would make of their text. */
static void test_chat__its_own_tokens_stay(void **unused)
{
    struct table k;
    struct lt_spoken s;
    static int32_t own[] = { ' ', ' ', ' ', ' ', 'x' };     /* the tokenizer has one token for four blanks */
    static float logp[5];
    char text[] = "    x";
    struct lt_reply r = { .text = text, .text_size = 5, .token = own, .logp = logp, .count = 5, .finish = "stop" };
    (void)unused;
    sit(&k, "");
    assert_ok(lt_conversation_add(&k.h.talk, "user", lt_str("hi"), false));
    assert_ok(lt_conversation_tokens(&k.h.talk, k.h.model.chat, k.h.model.t, true, &s));
    int before = s.count;
    for (int i = 0; i < 5; i++)                             /* bytes have the ids of the spelling's order */
        own[i] = i < 4 ? lt_tokenizer_id(k.h.model.t, "\xC4\xA0") : lt_tokenizer_id(k.h.model.t, "x");
    assert_ok(lt_conversation_answer(&k.h.talk, k.h.model.t, &s, &r));
    lt_spoken_release(&s);
    assert_ok(lt_conversation_add(&k.h.talk, "user", lt_str("ho"), false));
    assert_ok(lt_conversation_tokens(&k.h.talk, k.h.model.chat, k.h.model.t, true, &s));
    assert_memory_equal(s.id + before, own, sizeof own);
    assert_int_equal(s.id[before + 5], CHAT_END);
    lt_spoken_release(&s);
    lt_conversation_pop(&k.h.talk);                         /* an edited answer is what its text says */
    lt_conversation_pop(&k.h.talk);
    assert_ok(lt_conversation_add(&k.h.talk, "assistant", lt_str("    y"), false));
    assert_ok(lt_conversation_tokens(&k.h.talk, k.h.model.chat, k.h.model.t, false, &s));
    assert_int_equal(s.id[before], CHAT_BLANKS);
    lt_spoken_release(&s);
    leave(&k);
}

static void test_chat__too_long_is_not_said(void **unused)
{
    struct table k;
    (void)unused;
    sit(&k, ",limit=120");
    assert_ok(lt_chat_say(&k.h, lt_str("a short one")));
    int before = lt_conversation_turns(&k.h.talk), count = k.h.talk.count;
    char *long_one = lt_alloc(201);
    memset(long_one, 'x', 200);
    long_one[200] = 0;
    assert_fails(lt_chat_say(&k.h, lt_str(long_one)), "the model holds 120");
    assert_int_equal(lt_conversation_turns(&k.h.talk), before);
    assert_int_equal(k.h.talk.count, count);
    assert_ok(lt_chat_command(&k.h, lt_str("/regenerate")));
    assert_fails(lt_chat_command(&k.h, lt_str("/forget 2")), "1 turns");
    assert_ok(lt_chat_command(&k.h, lt_str("/forget 1")));
    assert_int_equal(lt_conversation_turns(&k.h.talk), 0);
    free(long_one);
    leave(&k);
}

static void test_chat__an_answer_taken_back_comes_again(void **unused)
{
    struct table k;
    (void)unused;
    sit(&k, "");
    assert_ok(lt_chat_say(&k.h, lt_str("one")));
    assert_ok(lt_chat_say(&k.h, lt_str("two")));
    json_t *before = json_deep_copy(k.h.talk.messages);
    uint64_t asked = k.h.asked;
    assert_ok(lt_chat_command(&k.h, lt_str("/undo")));
    k.h.asked = asked - 1;                                  /* the same random choices */
    assert_ok(lt_chat_say(&k.h, lt_str("two")));
    assert_true(json_equal(before, k.h.talk.messages));
    assert_ok(lt_chat_command(&k.h, lt_str("/regenerate")));
    assert_false(json_equal(before, k.h.talk.messages));
    assert_int_equal(lt_conversation_turns(&k.h.talk), 2);
    json_decref(before);
    leave(&k);
}

/* ---- settings and files ---- */

static char *options_of(const struct lt_chat_set *s)
{
    json_t *o = lt_chat_set_options(s);
    char *text = json_dumps(o, JSON_SORT_KEYS);
    json_decref(o);
    return text;
}

static void test_chat__settings_say_what_was_given(void **unused)
{
    static const char *const all = "{\"greedy\": true, \"max_tokens\": 7, \"repetition_penalty\": 1.5, "
                                   "\"stop\": [\"a,b\", \"c\"], \"temperature\": 0.25, \"top_k\": 4}";
    struct lt_chat_set a, b, c;
    json_t *o = json_loads(all, 0, NULL);
    (void)unused;
    assert_ok(lt_chat_set_read(o, &a));
    assert_int_equal(a.now->max_tokens, 7);
    assert_int_equal(a.now->stop.count, 2);
    assert_int_equal(a.now->controls.count, 3);
    assert_ok(lt_chat_set_from(a.now, &b));                 /* as a verb that was given the same says it */
    char *x = options_of(&a), *y = options_of(&b);
    assert_string_equal(x, all);
    assert_string_equal(y, all);
    free(x);
    free(y);
    assert_ok(lt_chat_set_changed(&b, "top-k", NULL, &c));
    assert_int_equal(c.now->controls.count, 2);
    assert_true(lt_chat_set_has(&c, "temperature") && !lt_chat_set_has(&c, "top_k"));
    lt_chat_set_release(&c);
    assert_fails(lt_chat_set_changed(&b, "topk", "3", &c), "did you mean \"top_k\"");
    assert_fails(lt_chat_set_changed(&b, "temperature", "-1", &c), "temperature");
    assert_fails(lt_chat_set_changed(&b, "stop", "\xFF", &c), "UTF-8");
    assert_ok(lt_chat_set_changed(&b, "stop", "[\"x\"]", &c));
    assert_int_equal(c.now->stop.count, 1);
    assert_string_equal(c.now->stop.item[0], "x");
    lt_chat_set_release(&c);
    json_decref(o);
    o = json_loads("{\"top_k\": 3, \"top_k.k\": 4}", 0, NULL);
    assert_fails(lt_chat_set_read(o, &c), "twice");
    json_decref(o);
    lt_chat_set_release(&a);
    lt_chat_set_release(&b);
}

static void test_chat__a_file_is_read_as_it_was_written(void **unused)
{
    struct table k;
    struct lt_buf path = { 0 }, line = { 0 }, was = { 0 }, is = { 0 };
    (void)unused;
    sit(&k, "");
    lt_buf_fmt(&path, "%s/talk.json", k.folder);
    assert_ok(lt_chat_command(&k.h, lt_str("/system be \"brief\"")));
    assert_ok(lt_chat_command(&k.h, lt_str("/set temperature 0.5")));
    assert_ok(lt_chat_say(&k.h, lt_str("one\ntwo")));
    lt_buf_fmt(&line, "/save %s", path.p);
    assert_ok(lt_chat_command(&k.h, lt_buf_view(&line)));
    json_t *before = json_deep_copy(k.h.talk.messages);
    assert_ok(lt_chat_command(&k.h, lt_str("/clear")));
    assert_ok(lt_chat_command(&k.h, lt_str("/unset temperature")));
    assert_ok(lt_chat_load(&k.h, path.p));
    assert_true(json_equal(before, k.h.talk.messages));
    assert_true(lt_chat_set_has(&k.h.set, "temperature"));
    assert_ok(lt_file_read(path.p, &was));                  /* what cannot be written leaves the file that is there */
    assert_fails(lt_chat_command(&k.h, lt_str("/save /nowhere/at/all.json")), "/nowhere");
    assert_fails(lt_chat_load(&k.h, k.folder), "folder");
    assert_ok(lt_file_read(path.p, &is));
    assert_string_equal(was.p, is.p);
    assert_true(json_equal(before, k.h.talk.messages));
    json_decref(before);
    lt_buf_free(&path);
    lt_buf_free(&line);
    lt_buf_free(&was);
    lt_buf_free(&is);
    leave(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat__what_a_message_spells_stays_text),
        cmocka_unit_test(test_chat__roles_and_depth),
        cmocka_unit_test(test_chat__tools_and_what_has_begun),
        cmocka_unit_test(test_chat__a_turn_feeds_what_is_new),
        cmocka_unit_test(test_chat__its_own_tokens_stay),
        cmocka_unit_test(test_chat__too_long_is_not_said),
        cmocka_unit_test(test_chat__an_answer_taken_back_comes_again),
        cmocka_unit_test(test_chat__settings_say_what_was_given),
        cmocka_unit_test(test_chat__a_file_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
