/* Adapters over HTTP: a base and two adapters asked at once answer, to the bit, as each alone does; and what the server
 * says of them. */
#include "serving.h"
#include "adapter_folder.h"
#include "byte_tokenizer.h"
#include "model/model.h"

enum { NAMES = 3, ASKS = 12 };
static const char *const names[NAMES] = { "model", "one", "two" };

struct place { char *folder, model[256], one[256], two[256]; };

static struct lt_model *make_model(const char *arch, int layers)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", arch);
    struct lt_options *o = lt_options_new(&a->m);
    struct lt_model *m;
    assert_ok(lt_options_json(o, "{\"vocab_size\": 257, \"hidden_size\": 32, \"intermediate_size\": 40, "
                                 "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"initializer_range\": 0.2, "
                                 "\"max_position_embeddings\": 256}"));
    assert_ok(lt_options_set(o, "num_hidden_layers", layers == 2 ? "2" : "1"));
    assert_ok(lt_model_new(a, o, 3, NULL, &m));
    return m;
}

static void make_place(struct place *p)
{
    struct lt_model *m = make_model("llama", 2);
    p->folder = lt_test_temp();
    snprintf(p->model, sizeof p->model, "%s/model", p->folder);
    snprintf(p->one, sizeof p->one, "one=%s/adapters/one", p->folder);
    snprintf(p->two, sizeof p->two, "%s/adapters/two", p->folder);         /* named after its folder */
    assert_ok(lt_model_save(m, p->model, LT_F32));
    free(byte_tokenizer(p->model));
    adapter_folder(lt_test_path(p->folder, "adapters/one"), m, "*_proj*", 4, 0.2, LT_F32);
    adapter_folder(p->two, m, "*.q_proj.weight", 2, 0.5, LT_BF16);
    lt_model_free(m);
}

/* What ask i has to say: long beginnings that are alike for all, echoes and texts, drawn and greedy. */
static void put_ask(struct lt_buf *b, int i, const char *model)
{
    lt_buf_str(b, "{\"model\":");
    lt_json_put_text(b, lt_str(model));
    lt_buf_fmt(b, ",\"prompt\":[256");
    for (int k = 0; k < 90; k++) lt_buf_fmt(b, ",%d", 'a' + k * 5 % 23);
    lt_buf_fmt(b, ",%d],\"max_tokens\":%d,\"seed\":%d,\"temperature\":%g,\"logprobs\":2%s}", 'a' + i / NAMES,
               i % 4 == 3 ? 0 : 12, i, i % 2 ? 0.9 : 0.0, i % 4 == 3 ? ",\"echo\":true" : "");
}

/* "choices" of a reply, as text; free() it. */
static char *choices_of(const struct http_reply *r, const char *model)
{
    json_t *reply = json_loadb(r->body.p, r->body.n, 0, NULL);
    if (r->status != 200) fail_msg("status %d: %.*s", r->status, (int)r->body.n, r->body.p);
    assert_string_equal(json_string_value(json_object_get(reply, "model")), model);
    char *text = json_dumps(json_object_get(reply, "choices"), JSON_SORT_KEYS);
    json_decref(reply);
    return text;
}

static char *ask(int port, int i, const char *model)
{
    struct lt_buf body = { 0 };
    put_ask(&body, i, model);
    struct http_reply r = http_ask(port, "POST", "/v1/completions", NULL, body.p);
    char *text = choices_of(&r, model);
    http_release(&r);
    lt_buf_free(&body);
    return text;
}

static void ask_all_at_once(int port, char *const *want)
{
    int fd[ASKS];
    struct lt_buf body = { 0 };
    for (int i = 0; i < ASKS; i++) {
        lt_buf_clear(&body);
        put_ask(&body, i, names[i % NAMES]);
        fd[i] = http_dial(port);
        http_send_request(fd[i], "POST", "/v1/completions", NULL, body.p);
    }
    for (int i = 0; i < ASKS; i++) {
        struct http_reply r = http_hear(fd[i]);
        char *have = choices_of(&r, names[i % NAMES]);
        if (strcmp(have, want[i])) fail_msg("ask %d of %s: %s, and alone %s", i, names[i % NAMES], have, want[i]);
        free(have);
        http_release(&r);
    }
    lt_buf_free(&body);
}

static void check_batch(const struct place *p, const char *dtype, int threads)
{
    char *want[ASKS];
    struct serving s;
    int differ = 0;
    for (int n = 0; n < NAMES; n++) {       /* each in a server of its own, one after the other */
        const char *alone = n == 1 ? p->one : p->two;
        const char *const words[] = { p->model, "--dtype", dtype, n ? "--adapter" : NULL, alone, NULL };
        assert_ok(serving_open(&s, 1, words));
        for (int i = n; i < ASKS; i += NAMES) want[i] = ask(s.port, i, names[n]);
        serving_close(&s);
    }
    for (int i = 0; i + 2 < ASKS; i += NAMES)
        differ += strcmp(want[i], want[i + 1]) && strcmp(want[i + 1], want[i + 2]);
    assert_int_equal(differ, ASKS / NAMES);
    assert_ok(serving_open(&s, threads, SERVING(p->model, "--dtype", dtype, "--adapter", p->one, "--adapter", p->two,
                                                "--batch_size", threads == 1 ? "8" : "5")));
    for (int round = 0; round < 2; round++) ask_all_at_once(s.port, want);
    serving_close(&s);
    for (int i = 0; i < ASKS; i++) free(want[i]);
}

static void test_served_adapters__a_batch_of_many_is_each_alone(void **state)
{
    (void)state;
    struct place p;
    make_place(&p);
    for (int threads = 1; threads <= 2; threads++) {
        check_batch(&p, "float32", threads);
        check_batch(&p, "bfloat16", threads);
    }
    lt_test_temp_end(p.folder);
}

static json_t *get(int port, const char *path)
{
    struct http_reply r = http_ask(port, "GET", path, NULL, NULL);
    json_t *reply = json_loadb(r.body.p, r.body.n, 0, NULL);
    assert_int_equal(r.status, 200);
    http_release(&r);
    return reply;
}

static const char *text_at(const json_t *list, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(list, i), key));
}

static void check_lists(int port, const struct place *p)
{
    json_t *reply = get(port, "/v1/models"), *data = json_object_get(reply, "data");
    assert_int_equal(json_array_size(data), NAMES);
    for (size_t i = 0; i < NAMES; i++) assert_string_equal(text_at(data, i, "id"), names[i]);
    assert_null(text_at(data, 0, "parent"));
    assert_string_equal(text_at(data, 0, "root"), p->model);
    assert_string_equal(text_at(data, 2, "parent"), "model");
    assert_string_equal(text_at(data, 2, "root"), p->two);
    json_decref(reply);
    reply = get(port, "/v1/models/one");
    assert_string_equal(json_string_value(json_object_get(reply, "parent")), "model");
    json_decref(reply);
    reply = get(port, "/api/tags");
    data = json_object_get(reply, "models");
    assert_int_equal(json_array_size(data), NAMES);
    assert_string_equal(text_at(data, 1, "name"), "one");
    assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(data, 1), "details"),
                                                          "parent_model")), "model");
    json_decref(reply);
    reply = get(port, "/model-card?model=two");
    assert_string_equal(json_string_value(json_object_get(reply, "model")), "two");
    assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "adapter"), "modules")), 2);
    json_decref(reply);
    assert_int_equal(http_post(port, "/api/show", "{\"model\":\"one:latest\"}", &reply), 200);
    json_decref(reply);
}

static void check_metrics(int port)
{
    static const char *const lines[] = {
        "lathe_adapter_requests_total{model=\"model\",adapter=\"one\"} 1\n",
        "lathe_adapter_requests_total{model=\"model\",adapter=\"two\"} 0\n",
        "lathe_adapter_prompt_tokens_total{model=\"model\",adapter=\"one\"} 92\n",
        "lathe_adapter_written_tokens_total{model=\"model\",adapter=\"one\"} 12\n",
    };
    free(ask(port, 0, "one"));
    struct http_reply r = http_ask(port, "GET", "/metrics", NULL, NULL);
    lt_buf_char(&r.body, 0);
    for (int i = 0; i < LT_COUNT(lines); i++)
        if (!strstr(r.body.p, lines[i])) fail_msg("no line %s in %s", lines[i], r.body.p);
    http_release(&r);
}

static void test_served_adapters__lists_and_figures_name_them(void **state)
{
    (void)state;
    struct place p;
    struct serving s;
    json_t *reply;
    make_place(&p);
    assert_ok(serving_open(&s, 1, SERVING(p.model, "--adapter", p.one, "--adapter", p.two, "--log", "text")));
    check_lists(s.port, &p);
    check_metrics(s.port);
    assert_int_equal(http_post(s.port, "/v1/completions", "{\"model\":\"three\",\"prompt\":\"a\"}", &reply), 404);
    char *text = json_dumps(reply, 0);
    assert_non_null(strstr(text, "this server has \\\"model\\\", \\\"one\\\", \\\"two\\\""));
    free(text);
    json_decref(reply);
    assert_int_equal(http_post(s.port, "/v1/embeddings", "{\"model\":\"two\",\"input\":\"a\"}", &reply), 200);
    assert_string_equal(json_string_value(json_object_get(reply, "model")), "two");
    json_decref(reply);
    serving_close(&s);
    lt_test_temp_end(p.folder);
}

static void refused(const char *const *words, const char *part)
{
    struct serving s;
    assert_int_equal(serving_open(&s, 1, words), -1);
    if (!strstr(lt_error(), part)) fail_msg("\"%s\" does not hold \"%s\"", lt_error(), part);
    assert_true(lt_error_is_misuse());
    serving_close(&s);
}

static void test_served_adapters__names_are_of_one_thing(void **state)
{
    (void)state;
    struct place p;
    struct serving s;
    char big[300], small[300], under[300], base[300];
    make_place(&p);
    snprintf(big, sizeof big, "big=%s", p.model);
    snprintf(small, sizeof small, "small=%s", p.model);
    snprintf(under, sizeof under, "small/poet=%s", p.two);
    snprintf(base, sizeof base, "model=%s", p.two);
    refused(SERVING(p.model, "--adapter", p.one, "--adapter", p.one), "both named \"one\"");
    refused(SERVING(p.model, "--adapter", base), "both named \"model\"");
    refused(SERVING(big, small, "--adapter", p.one), "write MODEL/NAME=PATH");
    refused(SERVING(big, small, "--adapter", p.two), "write MODEL/NAME=PATH");
    refused(SERVING(p.model, "--adapter", "=x"), "expected a path or NAME=PATH");
    assert_ok(serving_open(&s, 1, SERVING(big, small, "--adapter", under)));
    json_t *reply = get(s.port, "/v1/models"), *data = json_object_get(reply, "data");
    assert_int_equal(json_array_size(data), 3);
    assert_string_equal(text_at(data, 2, "id"), "poet");
    assert_string_equal(text_at(data, 2, "parent"), "small");
    json_decref(reply);
    serving_close(&s);
    lt_test_temp_end(p.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_served_adapters__a_batch_of_many_is_each_alone),
        cmocka_unit_test(test_served_adapters__lists_and_figures_name_them),
        cmocka_unit_test(test_served_adapters__names_are_of_one_thing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
