/* The server as its clients see it: replies, refusals, clients that vanish or dawdle, models that fail, the stop. */
#include "serving.h"
#include "byte_tokenizer.h"
#include "base/ctx.h"
#include "decode/sample.h"
#include <poll.h>

static void nap(double seconds)
{
    poll(NULL, 0, (int)(seconds * 1000));
}

static json_t *choice(const json_t *reply, size_t i)
{
    return json_array_get(json_object_get(reply, "choices"), i);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static const char *error_code(const json_t *reply)
{
    return text_at(json_object_get(reply, "error"), "code");
}

/* A number that /metrics shows for the first model. */
static double metric(int port, const char *name)
{
    struct http_reply r = http_ask(port, "GET", "/metrics", NULL, NULL);
    char key[100];
    snprintf(key, sizeof key, "\n%s{", name);
    const char *at = strstr(r.body.p, key), *value = at ? strstr(at, "} ") : NULL;
    double v = value ? atof(value + 2) : -1;
    http_release(&r);
    return v;
}

static void assert_settles(int port)
{
    double until = lt_clock() + 5;
    while (metric(port, "lathe_replies_running") + metric(port, "lathe_replies_waiting") > 0)
        if (lt_clock() > until) fail_msg("replies that nobody waits for are still written");
        else nap(0.02);
}

/* A fake model that reads bytes; folder owns the tokenizer. */
struct bytes { char *folder, *tokenizer, *model; };

static struct bytes make_bytes(const char *more)
{
    struct bytes b = { .folder = lt_test_temp() };
    struct lt_buf spec = { 0 };
    b.tokenizer = byte_tokenizer(b.folder);
    lt_buf_fmt(&spec, "bytes=fake:seed=7%s,tokenizer=%s", more, b.tokenizer);
    b.model = lt_strdup(spec.p);
    lt_buf_free(&spec);
    return b;
}

static void drop_bytes(struct bytes *b)
{
    free(b->model);
    free(b->tokenizer);
    lt_test_temp_end(b->folder);
}

/* ---- replies ---- */

static void test_serve__replies_are_those_of_generate(void **state)
{
    (void)state;
    struct serving s;
    struct lt_lm lm;
    json_t *reply;
    static const int32_t prompt[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40,seed=3", "--batch_size", "3")));
    assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":[[1,2,3],[4,5,6]],\"n\":3,\"max_tokens\":20,"
                               "\"seed\":11,\"logprobs\":1,\"temperature\":0.7}", &reply), 200);
    assert_int_equal(json_array_size(json_object_get(reply, "choices")), 6);
    assert_ok(lt_lm_open("fake:vocab=40,seed=3", NULL, &lm));
    const struct lt_method *temperature = lt_method_find("control", "temperature");
    struct lt_options *set = lt_options_new(temperature);
    assert_ok(lt_options_set(set, temperature->opts[0].key, "0.7"));
    struct lt_choice one = { temperature, (void *)lt_options_done(set) };
    struct lt_choices chain = { .item = &one, .count = 1 };
    for (int i = 0; i < 6; i++) {
        struct lt_ask ask = { .prompt_ids = prompt[i / 3], .prompt_count = 3, .max_tokens = 20, .seed = 11,
                              .number = (uint64_t)i, .controls = &chain };
        struct lt_reply want;
        assert_ok(lt_generate(&lm, NULL, &ask, 1, &want));
        json_t *logprobs = json_object_get(choice(reply, (size_t)i), "logprobs");
        json_t *tokens = json_object_get(logprobs, "tokens"), *value = json_object_get(logprobs, "token_logprobs");
        assert_int_equal(json_array_size(tokens), want.count);
        for (int k = 0; k < want.count; k++) {
            char name[20];
            snprintf(name, sizeof name, "token_id:%d", want.token[k]);
            assert_string_equal(json_string_value(json_array_get(tokens, (size_t)k)), name);
            float logp = (float)json_number_value(json_array_get(value, (size_t)k));
            assert_memory_equal(&logp, &want.logp[k], sizeof logp);
        }
        lt_reply_release(&want);
    }
    lt_options_free(set);
    lt_lm_close(&lm);
    json_decref(reply);
    serving_close(&s);
}

/* The texts of the events of choice 0, one after the other; *events counts them. */
static void join_events(const char *body, struct lt_buf *text, int *events)
{
    *events = 0;
    for (const char *at = body; (at = strstr(at, "data: ")) != NULL; (*events)++) {
        const char *end = strstr(at, "\n\n");
        json_t *event;
        assert_non_null(end);
        at += strlen("data: ");
        if (!strncmp(at, "[DONE]", 6)) break;
        assert_ok(lt_json_parse("an event", (struct lt_str){ at, (size_t)(end - at) }, &event));
        lt_buf_str(text, text_at(choice(event, 0), "text"));
        json_decref(event);
    }
}

static void test_serve__a_stream_has_the_text_of_the_whole_reply(void **state)
{
    (void)state;
    struct bytes b = make_bytes("");
    struct serving s;
    json_t *whole;
    struct lt_buf text = { 0 };
    int events;
    assert_ok(serving_open(&s, 1, SERVING(b.model)));
    assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":\"ab\",\"max_tokens\":40,\"seed\":6,"
                               "\"echo\":true}", &whole), 200);
    struct http_reply r = http_ask(s.port, "POST", "/v1/completions", NULL, "{\"prompt\":\"ab\",\"max_tokens\":40,"
                                   "\"seed\":6,\"echo\":true,\"stream\":true}");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.head.p, "text/event-stream"));
    assert_non_null(strstr(r.body.p, "data: [DONE]\n\n"));
    join_events(r.body.p, &text, &events);
    assert_true(events > 3);
    assert_string_equal(text.p, text_at(choice(whole, 0), "text"));
    lt_buf_free(&text);
    http_release(&r);
    json_decref(whole);
    serving_close(&s);
    drop_bytes(&b);
}

static void test_serve__echo_tells_the_log_probabilities_of_the_prompt(void **state)
{
    (void)state;
    struct serving s;
    struct lt_lm lm;
    struct lt_session session;
    struct lt_buf body = { 0 };
    int32_t token[200];
    float logp[200];
    json_t *reply;
    lt_buf_str(&body, "{\"max_tokens\":0,\"echo\":true,\"logprobs\":2,\"prompt\":[[3],[");
    for (int i = 0; i < 200; i++) lt_buf_fmt(&body, "%s%d", i ? "," : "", token[i] = i * 7 % 30);
    lt_buf_str(&body, "]]}");
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=30,seed=2")));
    assert_int_equal(http_post(s.port, "/v1/completions", body.p, &reply), 200);
    assert_ok(lt_lm_open("fake:vocab=30,seed=2", NULL, &lm));
    assert_ok(lm.type->session(lm.self, &session));
    assert_ok(session.type->score(session.self, token, 200, logp, NULL));
    json_t *have = json_object_get(json_object_get(choice(reply, 1), "logprobs"), "token_logprobs");
    assert_int_equal(json_array_size(have), 200);
    assert_true(json_is_null(json_array_get(have, 0)));
    for (size_t i = 1; i < 200; i++)
        assert_float_equal(json_number_value(json_array_get(have, i)), logp[i], 1e-5);
    session.type->close(session.self);
    lt_lm_close(&lm);
    json_decref(reply);
    lt_buf_free(&body);
    serving_close(&s);
}

/* ---- refusals ---- */

static void test_serve__refusals_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct { const char *method, *path, *body; int status; const char *code; } row[] = {
        { "GET", "/nothing", NULL, 404, "not_found" },
        { "GET", "/v1/completions", NULL, 405, "method_not_allowed" },
        { "DELETE", "/v1/models", NULL, 405, "method_not_allowed" },
        { "BREW", "/v1/models", NULL, 405, "method_not_allowed" },
        { "POST", "/v1/completions", "", 400, "invalid_json" },
        { "POST", "/v1/completions", "{\"prompt\":", 400, "invalid_json" },
        { "POST", "/v1/completions", "[1]", 400, "invalid_type" },
        { "POST", "/v1/completions", "{}", 400, "missing_field" },
        { "POST", "/v1/completions", "{\"prompt\":[1],\"max_tokens\":1e999}", 400, "invalid_json" },
        { "POST", "/v1/completions", "{\"prompt\":[99]}", 400, "invalid_value" },
        { "POST", "/v1/completions", "{\"prompt\":[1,2,3,4,5,6,7,8,9]}", 400, "prompt_too_long" },
        { "POST", "/v1/completions", "{\"prompt\":[[1,2,3,4,5],[1,2,3,4,5]]}", 400, "prompt_too_long" },
        { "POST", "/v1/completions", "{\"prompt\":[1],\"model\":\"other\"}", 404, "model_not_found" },
        { "POST", "/v1/completions", "{\"prompt\":[1],\"n\":1025}", 400, "invalid_value" },
        { "POST", "/v1/completions", "{\"prompt\":[1],\"max_tokens\":1,\"grammar\":\"root ::= (\"}", 400,
          "invalid_value" },
        { "POST", "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", 400,
          "no_chat_template" },
    };
    struct serving s;
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40", "--max_body", "300", "--max_prompt_tokens", "8")));
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct http_reply r = http_ask(s.port, row[i].method, row[i].path, NULL, row[i].body);
        json_t *body = NULL;
        if (r.status != row[i].status) fail_msg("row %d: status %d: %s", i, r.status, r.body.p);
        assert_ok(lt_json_parse("the reply", lt_buf_view(&r.body), &body));
        assert_string_equal(error_code(body), row[i].code);
        if (r.status == 405)
            assert_non_null(strstr(r.head.p, strcmp(row[i].path, "/v1/models") ? "Allow: POST" : "Allow: GET"));
        json_decref(body);
        http_release(&r);
    }
    serving_close(&s);
}

static void test_serve__refusals_name_the_field(void **state)
{
    (void)state;
    static const struct { const char *more, *param, *says; } row[] = {
        { "\"logit_bias\":{\"300\":1}", "logit_bias", "token 300 is not among the" },
        { "\"logit_bias\":{\"3\":101}", "logit_bias", "from -100 to 100" },
        { "\"logit_bias\":{\"3\":101},\"regex\":\"[a-z]*\"", "logit_bias", "from -100 to 100" },
        { "\"logit_bias\":{\"3\":1},\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":"
          "{\"type\":\"no\"}}}", "response_format", "#/type: expected" },
        { "\"max_tokens\":15", "max_tokens", "the prompt has 2 tokens (n_prompt), 15 more are asked for, and the model "
          "holds 16 (n_ctx): max_tokens of at most 14 fits" },
    };
    struct serving s;
    struct bytes b = make_bytes(",limit=16");
    json_t *reply;
    assert_ok(serving_open(&s, 1, SERVING(b.model)));
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct lt_buf body = { 0 };
        lt_buf_fmt(&body, "{\"prompt\":[4,5],%s}", row[i].more);
        assert_int_equal(http_post(s.port, "/v1/completions", body.p, &reply), 400);
        const json_t *error = json_object_get(reply, "error");
        assert_string_equal(text_at(error, "param"), row[i].param);
        if (!strstr(text_at(error, "message"), row[i].says)) fail_msg("row %d: %s", i, text_at(error, "message"));
        json_decref(reply);
        lt_buf_free(&body);
    }
    serving_close(&s);
    drop_bytes(&b);
}

/* Who does not say how long a reply may be, or asks as Ollama's clients do, gets what the model has room for. */
static void test_serve__a_reply_ends_where_the_model_does(void **state)
{
    (void)state;
    static const char *const more[] = { "", ",\"max_tokens\":14" };
    struct serving s;
    struct bytes b = make_bytes(",limit=16");
    struct lt_tokenizer *t;
    json_t *reply;
    assert_ok(lt_tokenizer_open(b.tokenizer, &t));
    assert_ok(serving_open(&s, 1, SERVING(b.model)));
    for (int i = 0; i < LT_COUNT(more); i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"prompt\":[4,5],\"logit_bias\":{\"%d\":\"ban\"}%s}", lt_tokenizer_eos(t),
                 more[i]);
        assert_int_equal(http_post(s.port, "/v1/completions", body, &reply), 200);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(reply, "usage"), "completion_tokens")), 14);
        assert_string_equal(text_at(choice(reply, 0), "finish_reason"), "length");
        json_decref(reply);
    }
    assert_int_equal(http_post(s.port, "/api/generate", "{\"model\":\"bytes\",\"prompt\":\"ab\",\"raw\":true,"
                               "\"stream\":false,\"options\":{\"num_predict\":500}}", &reply), 200);
    json_decref(reply);
    serving_close(&s);
    lt_tokenizer_free(t);
    drop_bytes(&b);
}

static void test_serve__any_number_of_tokens_is_null(void **state)
{
    (void)state;
    for (int limit = 0; limit <= 16; limit += 16) {
        struct serving s;
        struct bytes b = make_bytes(limit ? ",limit=16" : "");
        static const struct { const char *path, *body, *key; } row[] = {
            { "/tokenize", "{\"prompt\":\"ab\"}", "max_model_len" }, { "/v1/models/bytes", NULL, "max_model_len" },
            { "/tokenizer_info", NULL, "model_max_length" },
        };
        assert_ok(serving_open(&s, 1, SERVING(b.model)));
        for (int i = 0; i < LT_COUNT(row); i++) {
            struct http_reply r = http_ask(s.port, row[i].body ? "POST" : "GET", row[i].path, NULL, row[i].body);
            json_t *reply, *found;
            assert_int_equal(r.status, 200);
            assert_ok(lt_json_parse("the reply", lt_buf_view(&r.body), &reply));
            found = json_object_get(reply, row[i].key);
            assert_true(limit ? json_integer_value(found) == limit : json_is_null(found));
            json_decref(reply);
            http_release(&r);
        }
        serving_close(&s);
        drop_bytes(&b);
    }
}

static void test_serve__bodies_have_a_limit(void **state)
{
    (void)state;
    struct serving s;
    struct lt_buf big = { 0 };
    for (int i = 0; i < 5000; i++) lt_buf_char(&big, ' ');
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40", "--max_body", "1000")));
    struct http_reply r = http_ask(s.port, "POST", "/v1/completions", NULL, big.p);      /* announced */
    assert_int_equal(r.status, 413);
    http_release(&r);
    int fd = http_dial(s.port);
    http_send_request(fd, "POST", "/v1/completions", "Transfer-Encoding: chunked\r\n", NULL);
    for (int i = 0; i < 20; i++) {
        http_send(fd, lt_str("64\r\n"));
        http_send(fd, (struct lt_str){ big.p, 100 });
        http_send(fd, lt_str("\r\n"));
    }
    http_send(fd, lt_str("0\r\n\r\n"));
    r = http_hear(fd);
    assert_int_equal(r.status, 413);
    http_release(&r);
    lt_buf_free(&big);
    serving_close(&s);
}

static void test_serve__keys(void **state)
{
    (void)state;
    static const struct { const char *header; int status; } row[] = {
        { NULL, 401 }, { "Authorization: Bearer \r\n", 401 }, { "Authorization: Bearer onetwo\r\n", 401 },
        { "Authorization: Bearer on\r\n", 401 }, { "Authorization: Basic one\r\n", 401 },
        { "Authorization: Bearer one\r\n", 200 }, { "Authorization: bearer two\r\n", 200 },
        { "Authorization: Bearer three\r\n", 200 }, { "Authorization: Bearer # no\r\n", 401 },
    };
    char *folder = lt_test_temp();
    const char *file = lt_test_path(folder, "keys"), *none = lt_test_path(folder, "none");
    struct serving s;
    assert_ok(lt_file_save(file, "# no\n\nthree\r\n", 13));
    assert_ok(lt_file_save(none, "# no\n", 5));
    assert_int_equal(serving_open(&s, 1, SERVING("fake:vocab=40", "--api_key_file", none)), -1);
    assert_non_null(strstr(lt_error(), "expected keys"));
    serving_close(&s);
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40", "--api_key", "one,two", "--api_key_file", file)));
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct http_reply r = http_ask(s.port, "GET", "/v1/models", row[i].header, NULL);
        if (r.status != row[i].status) fail_msg("row %d: status %d", i, r.status);
        if (r.status == 401) assert_non_null(strstr(r.head.p, "WWW-Authenticate: Bearer"));
        http_release(&r);
    }
    struct http_reply r = http_ask(s.port, "GET", "/health", NULL, NULL);
    assert_int_equal(r.status, 200);
    http_release(&r);
    r = http_ask(s.port, "GET", "/nothing", NULL, NULL);        /* what there is, is for those with a key */
    assert_int_equal(r.status, 401);
    http_release(&r);
    serving_close(&s);
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40", "--host", "0.0.0.0")));
    assert_non_null(strstr(s.said.p, "warning: whoever reaches 0.0.0.0"));
    serving_close(&s);
    lt_test_temp_end(folder);
}

/* Pages of other origins and names that are made to point here. */
static void test_serve__who_may_ask_from_a_browser(void **state)
{
    (void)state;
    static const struct { const char *header; int status[3]; } row[] = {     /* none allowed; one; all */
        { "Host: localhost:8080\r\n", { 200, 200, 200 } }, { "Host: 127.0.0.9\r\n", { 200, 200, 200 } },
        { "Host: [::1]:80\r\n", { 200, 200, 200 } }, { "Host: a.localhost\r\n", { 200, 200, 200 } },
        { "Host: notlocalhost\r\n", { 403, 403, 200 } }, { "Host: 127.0.0.1.evil.example\r\n", { 403, 403, 200 } },
        { "Host: good.example:81\r\n", { 403, 200, 200 } }, { "Host: 10.0.0.1\r\n", { 403, 403, 200 } },
        { "Host: localhost:80\r\nOrigin: http://localhost:80\r\n", { 200, 200, 200 } },
        { "Host: localhost:80\r\nOrigin: http://localhost:81\r\n", { 403, 403, 200 } },
        { "Origin: null\r\n", { 403, 403, 200 } }, { "Origin: http://evil.example\r\n", { 403, 403, 200 } },
        { "Origin: http://good.example:81\r\n", { 403, 200, 200 } },
        { "Origin: https://good.example:81\r\n", { 403, 403, 200 } },
    };
    static const char *const allow[] = { NULL, "http://good.example:81", "*" };
    struct serving s;
    for (int k = 0; k < 3; k++) {
        assert_ok(serving_open(&s, 1, allow[k] ? SERVING("fake:vocab=40", "--allow_origin", allow[k])
                                               : SERVING("fake:vocab=40")));
        for (int i = 0; i < LT_COUNT(row); i++) {
            struct http_reply r = http_ask(s.port, "GET", "/v1/models", row[i].header, NULL);
            if (r.status != row[i].status[k]) fail_msg("%d, row %d: status %d: %s", k, i, r.status, r.body.p);
            http_release(&r);
        }
        struct http_reply r = http_ask(s.port, "OPTIONS", "/v1/completions", "Origin: http://good.example:81\r\n"
                                       "Access-Control-Request-Headers: x-one\r\n", NULL);
        assert_int_equal(r.status, k ? 204 : 403);
        if (k) assert_non_null(strstr(r.head.p, "Access-Control-Allow-Origin: http://good.example:81\r\n"));
        if (k) assert_non_null(strstr(r.head.p, "Access-Control-Allow-Headers: x-one\r\n"));
        else assert_null(strstr(r.head.p, "Access-Control"));
        http_release(&r);
        serving_close(&s);
    }
    assert_int_equal(serving_open(&s, 1, SERVING("fake:vocab=40", "--allow_origin", "good.example")), -1);
    assert_non_null(strstr(lt_error(), "allow_origin: expected"));
    serving_close(&s);
}

static void test_serve__a_full_queue_refuses(void **state)
{
    (void)state;
    struct serving s;
    static const char ask[] = "{\"prompt\":[1,2],\"max_tokens\":20}";
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40,delay=20", "--batch_size", "1", "--queue", "1")));
    int fd[2];
    for (int i = 0; i < 2; i++) {
        fd[i] = http_dial(s.port);
        http_send_request(fd[i], "POST", "/v1/completions", NULL, ask);
        nap(0.05);
    }
    struct http_reply r = http_ask(s.port, "POST", "/v1/completions", NULL, ask);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.head.p, "Retry-After: 1"));
    assert_non_null(strstr(r.body.p, "queue_full"));
    http_release(&r);
    for (int i = 0; i < 2; i++) {
        r = http_hear(fd[i]);
        assert_int_equal(r.status, 200);
        http_release(&r);
    }
    assert_settles(s.port);
    serving_close(&s);
}

/* ---- clients that vanish ---- */

static void vanish(int fd, bool reset)
{
    struct linger now = { .l_onoff = 1 };
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void test_serve__who_vanishes_costs_nothing(void **state)
{
    (void)state;
    static const char *const body[] = {
        "{\"prompt\":\"ab\",\"max_tokens\":5000}", "{\"prompt\":\"ab\",\"max_tokens\":5000,\"stream\":true}",
        "{\"prompt\":[\"a\",\"b\",\"c\"],\"n\":4,\"max_tokens\":5000,\"stream\":true}",
        "{\"prompt\":[\"ab\",\"c\"],\"max_tokens\":0,\"echo\":true,\"logprobs\":1}",
        "{\"prompt\":[\"ab\",\"c\"],\"max_tokens\":5000,\"echo\":true,\"logprobs\":1,\"stream\":true}",
    };
    static const double moment[] = { 0, 0.005, 0.03, 0.1 };
    struct bytes b = make_bytes(",delay=3");
    struct serving s;
    assert_ok(serving_open(&s, 1, SERVING(b.model, "--batch_size", "2")));
    for (int i = 0; i < LT_COUNT(body) * LT_COUNT(moment) * 2; i++) {
        int fd = http_dial(s.port);
        http_send_request(fd, "POST", "/v1/completions", NULL, body[i / 2 % LT_COUNT(body)]);
        nap(moment[i / 2 / LT_COUNT(body)]);
        vanish(fd, i & 1);
    }
    static const char *const part[] = { "", "PO", "POST /v1/completions HTTP/1.1\r\n",
                                        "POST /v1/completions HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 9\r\n\r\n{" };
    for (int i = 0; i < 2 * LT_COUNT(part); i++) {
        int fd = http_dial(s.port);
        http_send(fd, lt_str(part[i / 2]));
        vanish(fd, i & 1);
    }
    assert_settles(s.port);
    json_t *reply;
    assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":\"ab\",\"max_tokens\":3}", &reply), 200);
    json_decref(reply);
    serving_close(&s);
    drop_bytes(&b);
}

/* ---- time ---- */

/* Sends a head byte by byte on one connection and nothing on another; the seconds until the server ends each. */
static void dawdle(int port, double *silent, double *slow)
{
    int fd[2] = { http_dial(port), http_dial(port) };
    double began = lt_clock(), *took[2] = { silent, slow };
    *silent = *slow = 0;
    http_send(fd[1], lt_str("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nX: "));
    for (; (*silent <= 0 || *slow <= 0) && lt_clock() < began + 10; nap(0.05)) {
        for (int i = 0; i < 2; i++) {
            char c;
            if (*took[i] <= 0 && recv(fd[i], &c, 1, MSG_DONTWAIT) == 0) *took[i] = lt_clock() - began;
        }
        http_send(fd[1], lt_str("a"));
    }
    for (int i = 0; i < 2; i++) close(fd[i]);
}

static bool has_said(struct serving *s, const char *what)
{
    pthread_mutex_lock(&s->mutex);
    bool has = s->said.n && strstr(s->said.p, what);
    pthread_mutex_unlock(&s->mutex);
    return has;
}

static void test_serve__who_dawdles_is_cut_and_who_waits_is_not(void **state)
{
    (void)state;
    struct bytes b = make_bytes("");
    struct serving s;
    double silent, slow;
    assert_ok(serving_open(&s, 1, SERVING(b.model, "waited=fake:vocab=40,delay=700", "--timeout", "1")));
    int waits = http_dial(s.port), deaf = http_dial(s.port), little = 4096;
    http_send_request(waits, "POST", "/v1/completions", NULL, "{\"model\":\"waited\",\"prompt\":[1],\"max_tokens\":3}");
    setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    http_send_request(deaf, "POST", "/v1/completions", NULL,
                      "{\"prompt\":\"a\",\"max_tokens\":2000,\"n\":200,\"stream\":true}");   /* megabytes of events */
    dawdle(s.port, &silent, &slow);
    if (!(silent > 0.9 && silent < 3 && slow > 0.9 && slow < 3)) fail_msg("cut after %g s and %g s", silent, slow);
    struct http_reply r = http_hear(waits);
    assert_int_equal(r.status, 200);
    http_release(&r);
    for (double until = lt_clock() + 5; !has_said(&s, "client=gone"); nap(0.05))
        if (lt_clock() > until) fail_msg("a client that reads nothing is waited for");
    close(deaf);
    serving_close(&s);
    drop_bytes(&b);
}

static void test_serve__a_request_has_its_time(void **state)
{
    (void)state;
    struct serving s;
    json_t *reply;
    static const char ask[] = "{\"prompt\":[1],\"max_tokens\":1000,\"logprobs\":0}";
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40,delay=10", "--request_timeout", "0.5", "--batch_size", "1")));
    int fd = http_dial(s.port);
    http_send_request(fd, "POST", "/v1/completions", NULL, ask);
    nap(0.05);
    assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":[1],\"max_tokens\":1000,\"n\":2}", &reply), 503);
    assert_string_equal(error_code(reply), "timeout");          /* one of the two had not begun */
    json_decref(reply);
    struct http_reply r = http_hear(fd);
    assert_int_equal(r.status, 200);
    assert_ok(lt_json_parse("the reply", lt_buf_view(&r.body), &reply));
    assert_string_equal(text_at(choice(reply, 0), "finish_reason"), "length");
    size_t written = json_array_size(json_object_get(json_object_get(choice(reply, 0), "logprobs"), "tokens"));
    assert_in_range(written, 1, 60);
    json_decref(reply);
    http_release(&r);
    serving_close(&s);
}

/* ---- models that fail ---- */

static void test_serve__a_model_that_fails_fails_the_request(void **state)
{
    (void)state;
    struct serving s;
    json_t *reply;
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40,broken=9")));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":[1,9,2],\"max_tokens\":5}", &reply), 500);
        assert_string_equal(error_code(reply), "not_written");
        json_decref(reply);
        assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":[[1,2],[1,9,2]],\"max_tokens\":0,"
                                   "\"echo\":true,\"logprobs\":1}", &reply), 500);
        assert_string_equal(error_code(reply), "not_scored");
        json_decref(reply);
        assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":[1,2],\"max_tokens\":1}", &reply), 200);
        json_decref(reply);
    }
    assert_settles(s.port);
    serving_close(&s);
}

/* ---- several threads of clients ---- */

struct talker { int port; pthread_t thread; char *said; };

static void *talk(void *arg)
{
    struct talker *t = arg;
    for (int i = 0; i < 15; i++) {
        struct http_reply r = http_ask(t->port, "POST", "/apply-template", NULL,
                                       "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9 a\"}]}");
        struct http_reply chat = http_ask(t->port, "POST", "/v1/chat/completions", NULL, "{\"messages\":[{\"role\":"
                                          "\"user\",\"content\":\"a\"}],\"max_tokens\":3,\"stream\":true}");
        if (r.status != 200 || chat.status != 200 || (t->said && strcmp(t->said, r.body.p))) r.body.n = 0;
        if (!t->said) t->said = lt_strdup(r.body.n ? r.body.p : "");
        if (!r.body.n) t->said[0] = 0;
        http_release(&r);
        http_release(&chat);
    }
    return NULL;
}

static void test_serve__many_talk_at_once(void **state)
{
    (void)state;
    static const char template[] = "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
                                   "<{{ m.role }}>{{ m.content | trim }}{{ ns.n }}{% endfor %}";
    struct bytes b = make_bytes("");
    struct serving s;
    struct talker t[6];
    const char *path = lt_test_path(b.folder, "chat.jinja");
    assert_ok(lt_file_save(path, template, strlen(template)));
    assert_ok(serving_open(&s, 2, SERVING(b.model, "other=fake:vocab=20", "--chat_template", path)));
    for (int i = 0; i < LT_COUNT(t); i++) {
        t[i] = (struct talker){ .port = s.port };
        assert_int_equal(pthread_create(&t[i].thread, NULL, talk, &t[i]), 0);
    }
    for (int i = 0; i < LT_COUNT(t); i++) {
        pthread_join(t[i].thread, NULL);
        assert_string_equal(t[i].said, "{\"prompt\":\"<user>\xc3\xa9 a1\"}\n");
        free(t[i].said);
    }
    serving_close(&s);
    drop_bytes(&b);
}

/* ---- the log ---- */

static void test_serve__a_line_for_each_request(void **state)
{
    (void)state;
    struct serving s;
    json_t *reply, *line;
    assert_ok(serving_open(&s, 1, SERVING("m=fake:vocab=40,delay=5", "--log", "json")));
    assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":[1,2],\"max_tokens\":4,\"n\":2}", &reply), 200);
    json_decref(reply);
    http_post(s.port, "/\"%00odd", "", &reply);
    json_decref(reply);
    nap(0.1);                                   /* a line comes when the reply is out */
    pthread_mutex_lock(&s.mutex);
    struct lt_str rest = lt_buf_view(&s.said), one;
    assert_true(lt_str_split(&rest, '\n', &one));
    assert_ok(lt_json_parse("the first line", one, &line));
    assert_string_equal(text_at(line, "method"), "POST");
    assert_string_equal(text_at(line, "path"), "/v1/completions");
    assert_string_equal(text_at(line, "model"), "m");
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 200);
    assert_int_equal(json_integer_value(json_object_get(line, "prompt_tokens")), 2);
    assert_int_equal(json_integer_value(json_object_get(line, "written_tokens")), 8);
    double first = json_number_value(json_object_get(line, "first_token_ms"));
    double whole = json_number_value(json_object_get(line, "total_ms"));
    assert_true(first >= 5 && whole >= first + 15);
    json_decref(line);
    assert_true(lt_str_split(&rest, '\n', &one));
    assert_ok(lt_json_parse("the second line", one, &line));
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 404);
    assert_null(json_object_get(line, "model"));
    json_decref(line);
    pthread_mutex_unlock(&s.mutex);
    assert_true(metric(s.port, "lathe_request_seconds_count") == 1);
    assert_true(metric(s.port, "lathe_time_to_first_token_seconds_count") == 1);
    serving_close(&s);
}

/* ---- the end ---- */

static void test_serve__a_stop_lets_replies_finish(void **state)
{
    (void)state;
    struct bytes b = make_bytes(",delay=10");
    struct serving s;
    struct lt_buf first = { 0 };
    assert_ok(serving_open(&s, 1, SERVING(b.model)));
    int fd = http_dial(s.port);
    http_send_request(fd, "POST", "/v1/completions", NULL, "{\"prompt\":\"ab\",\"max_tokens\":60,\"stream\":true}");
    assert_true(http_receive(fd, &first) > 0);
    lt_ctx_interrupt(s.c);
    nap(0.15);
    json_t *reply;
    assert_int_equal(http_post(s.port, "/v1/completions", "{\"prompt\":\"ab\",\"max_tokens\":3}", &reply), 503);
    assert_string_equal(error_code(reply), "stopping");
    json_decref(reply);
    struct http_reply r = http_ask(s.port, "GET", "/health", NULL, NULL);
    assert_int_equal(r.status, 503);
    http_release(&r);
    r = http_hear_on(fd, first);
    assert_non_null(strstr(r.body.p, "[DONE]"));
    assert_null(strstr(r.body.p, "error"));
    http_release(&r);
    serving_close(&s);
    assert_int_equal(s.rc, 0);
    drop_bytes(&b);
}

static void test_serve__a_stop_hands_back_what_is_written(void **state)
{
    (void)state;
    struct serving s;
    json_t *reply;
    assert_ok(serving_open(&s, 1, SERVING("fake:vocab=40,delay=10", "--grace", "0")));
    int fd = http_dial(s.port);
    http_send_request(fd, "POST", "/v1/completions", NULL, "{\"prompt\":[1],\"max_tokens\":100000}");
    nap(0.2);
    lt_ctx_interrupt(s.c);
    struct http_reply r = http_hear(fd);
    assert_int_equal(r.status, 200);
    assert_ok(lt_json_parse("the reply", lt_buf_view(&r.body), &reply));
    assert_string_equal(text_at(choice(reply, 0), "finish_reason"), "length");
    json_decref(reply);
    http_release(&r);
    serving_close(&s);
}

/* A server that listens and is closed before it runs answers whoever has asked. */
static void test_serve__closed_before_it_runs(void **state)
{
    (void)state;
    const struct lt_method *verb = lt_method_find("verb", "serve");
    struct lt_options *set = lt_options_new(verb);
    struct lt_ctx *c = lt_ctx_new(1, NULL, NULL);
    struct lt_server *server;
    assert_ok(lt_options_args(set, 3, (char *[]){ "fake:vocab=9", "--port", "0" }));
    assert_ok(lt_server_open(lt_options_done(set), c, &server));
    int fd = http_dial(lt_server_port(server));
    http_send_request(fd, "POST", "/v1/completions", NULL, "{\"prompt\":[1]}");
    for (double until = lt_clock() + 5; metric(lt_server_port(server), "lathe_replies_waiting") < 1; nap(0.01))
        if (lt_clock() > until) fail_msg("the request did not come in");
    lt_server_close(server);
    struct http_reply r = http_hear(fd);
    assert_int_equal(r.status, 503);
    http_release(&r);
    lt_ctx_free(c);
    lt_options_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve__replies_are_those_of_generate),
        cmocka_unit_test(test_serve__a_stream_has_the_text_of_the_whole_reply),
        cmocka_unit_test(test_serve__echo_tells_the_log_probabilities_of_the_prompt),
        cmocka_unit_test(test_serve__refusals_say_what_is_wrong),
        cmocka_unit_test(test_serve__refusals_name_the_field),
        cmocka_unit_test(test_serve__a_reply_ends_where_the_model_does),
        cmocka_unit_test(test_serve__any_number_of_tokens_is_null),
        cmocka_unit_test(test_serve__bodies_have_a_limit),
        cmocka_unit_test(test_serve__keys),
        cmocka_unit_test(test_serve__who_may_ask_from_a_browser),
        cmocka_unit_test(test_serve__a_full_queue_refuses),
        cmocka_unit_test(test_serve__who_vanishes_costs_nothing),
        cmocka_unit_test(test_serve__who_dawdles_is_cut_and_who_waits_is_not),
        cmocka_unit_test(test_serve__a_request_has_its_time),
        cmocka_unit_test(test_serve__a_model_that_fails_fails_the_request),
        cmocka_unit_test(test_serve__many_talk_at_once),
        cmocka_unit_test(test_serve__a_line_for_each_request),
        cmocka_unit_test(test_serve__a_stop_lets_replies_finish),
        cmocka_unit_test(test_serve__a_stop_hands_back_what_is_written),
        cmocka_unit_test(test_serve__closed_before_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
