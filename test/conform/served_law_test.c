/* The law of the engine over HTTP: log-probabilities of prompts and of written tokens have the bits of the trainer's
 * forward pass and of `lathe perplexity`, whatever is asked beside them, however many are written at once. */
#include "serving.h"
#include "byte_tokenizer.h"
#include "model/model.h"

#include <math.h>

enum { VOCAB = 257, START = 256, TEXTS = 32, LONGEST = 160, WRITTEN = 12, ROOM = LONGEST + WRITTEN };

struct text { int32_t token[ROOM]; int n; float logp[ROOM]; };

static struct lt_model *make(const char *folder)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *o = lt_options_new(&a->m);
    struct lt_model *m;
    assert_ok(lt_options_json(o, "{\"vocab_size\": 257, \"hidden_size\": 32, \"intermediate_size\": 40, "
                                 "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "
                                 "\"initializer_range\": 0.2, \"max_position_embeddings\": 256}"));
    assert_ok(lt_model_new(a, o, 3, NULL, &m));
    assert_ok(lt_model_save(m, folder, LT_F32));
    free(byte_tokenizer(folder));
    return m;
}

/* Letters; half of the texts begin alike.  Each stands behind the token that texts start from. */
static void fill(struct text *t)
{
    struct lt_rng r = lt_rng_make(5, "texts");
    for (int i = 0; i < TEXTS; i++) {
        t[i].n = i == 0 ? LONGEST : 90 + (int)lt_rng_below(&r, LONGEST - 90);
        t[i].token[0] = START;
        for (int k = 1; k < t[i].n; k++)
            t[i].token[k] = i && i < TEXTS / 2 && k < 80 ? t[0].token[k] : 'a' + (int32_t)lt_rng_below(&r, 26);
    }
}

/* As the trainer sees it. */
static void train_view(struct lt_model *m, enum lt_compute compute, struct text *t)
{
    struct lt_graph *g = lt_graph_new(NULL, compute);
    for (int i = 0; i < TEXTS; i++) {
        int32_t pos[ROOM], target[ROOM] = { 0 };
        float weight[ROOM] = { 0 }, logp[ROOM];
        int64_t seq[2] = { 0, t[i].n };
        for (int k = 0; k < t[i].n; k++) {
            pos[k] = k;
            if (k + 1 == t[i].n) continue;
            weight[k] = 1;
            target[k] = t[i].token[k + 1];
        }
        struct lt_batch b = { .rows = t[i].n, .token = t[i].token, .pos = pos, .target = target, .weight = weight,
                              .seq_count = 1, .seq_row = seq };
        lt_graph_reset(g);
        struct lt_tensor *x = m->arch->forward(m->o, m, g, &b);
        assert_non_null(x);
        lt_model_loss(g, m, x, &(struct lt_head){ .target = target, .weight = weight, .logp = logp });
        t[i].logp[0] = 0;
        memcpy(t[i].logp + 1, logp, (size_t)(t[i].n - 1) * sizeof(float));
    }
    lt_graph_free(g);
}

static void same_bits(float have, float want, const char *what, int i, int k)
{
    if (memcmp(&have, &want, sizeof have)) fail_msg("%s: text %d token %d: %.9g, not %.9g", what, i, k, have, want);
}

/* `lathe perplexity --tokens` on the texts, a line each. */
static void assert_perplexity(const char *model, const char *folder, const struct text *t, const char *dtype)
{
    const struct lt_verb *verb = (const struct lt_verb *)lt_method_find("verb", "perplexity");
    const char *input = lt_test_path(folder, "texts.jsonl"), *tokens = lt_test_path(folder, "tokens.tsv");
    struct lt_buf lines = { 0 };
    for (int i = 0; i < TEXTS; i++) {
        lt_buf_str(&lines, "{\"text\":\"");
        for (int k = 1; k < t[i].n; k++) lt_buf_char(&lines, (char)t[i].token[k]);
        lt_buf_str(&lines, "\"}\n");
    }
    assert_ok(lt_file_save(input, lines.p, lines.n));
    struct lt_options *set = lt_options_new(&verb->m);
    char path[1024], *words[] = { path, (char *)input, "--tokens", (char *)tokens, "--dtype", (char *)dtype,
                                  "--baseline", "none", "--output", (char *)lt_test_path(folder, "figures.json") };
    snprintf(path, sizeof path, "%s", model);
    assert_ok(lt_options_args(set, LT_COUNT(words), words));
    const void *o = lt_options_done(set);
    if (!o) fail_msg("%s", lt_error());
    assert_ok(verb->run(o, NULL));
    lt_options_free(set);
    lt_buf_clear(&lines);
    assert_ok(lt_file_read(tokens, &lines));
    struct lt_str rest = lt_buf_view(&lines), line;
    int rows = 0, want = 0;
    for (int i = 0; i < TEXTS; i++) want += t[i].n - 1;
    lt_str_split(&rest, '\n', &line);
    while (rest.n && lt_str_split(&rest, '\n', &line)) {
        int document, position, id, begin, end;
        float logp;
        assert_int_equal(sscanf(line.p, "%d\t%d\t%d\t%d\t%d\t%f", &document, &position, &id, &begin, &end, &logp), 6);
        const struct text *x = &t[document];
        assert_int_equal(id, x->token[begin + 1]);
        same_bits(logp, x->logp[begin + 1], "perplexity", document, begin + 1);
        rows++;
    }
    assert_int_equal(rows, want);
    lt_buf_free(&lines);
}

static void put_ids(struct lt_buf *b, const struct text *t)
{
    for (int k = 0; k < t->n; k++) lt_buf_fmt(b, "%s%d", k ? "," : "[", t->token[k]);
    lt_buf_char(b, ']');
}

/* The legacy fields of choice i, against text t from token `from` on. */
static void assert_choice(const json_t *reply, size_t i, const struct text *t, int from, const char *what)
{
    const json_t *logprobs = json_object_get(json_array_get(json_object_get(reply, "choices"), i), "logprobs");
    const json_t *value = json_object_get(logprobs, "token_logprobs");
    assert_int_equal(json_array_size(value), t->n - from);
    for (int k = from; k < t->n; k++)
        if (!k) assert_true(json_is_null(json_array_get(value, 0)));
        else same_bits((float)json_number_value(json_array_get(value, (size_t)(k - from))), t->logp[k], what, (int)i,
                       k);
}

static json_t *post(int port, struct lt_buf *body)
{
    json_t *reply;
    int status = http_post(port, "/v1/completions", body->p, &reply);
    if (status != 200) fail_msg("status %d: %s", status, json_dumps(reply, 0));
    lt_buf_clear(body);
    return reply;
}

/* All prompts in one request; then one by one, with others written beside them. */
static void assert_prompts(int port, const struct text *t)
{
    struct lt_buf body = { 0 };
    json_t *reply;
    lt_buf_str(&body, "{\"echo\":true,\"logprobs\":0,\"max_tokens\":0,\"prompt\":[");
    for (int i = 0; i < TEXTS; i++) {
        if (i) lt_buf_char(&body, ',');
        put_ids(&body, &t[i]);
    }
    lt_buf_str(&body, "]}");
    reply = post(port, &body);
    for (int i = 0; i < TEXTS; i++) assert_choice(reply, (size_t)i, &t[i], 0, "echo");
    json_decref(reply);
    int beside = http_dial(port);
    http_send_request(beside, "POST", "/v1/completions", NULL, "{\"prompt\":[1,2,3],\"n\":6,\"max_tokens\":60}");
    for (int i = 0; i < 4; i++) {
        lt_buf_str(&body, "{\"echo\":true,\"logprobs\":3,\"max_tokens\":0,\"prompt\":");
        put_ids(&body, &t[i]);
        lt_buf_char(&body, '}');
        reply = post(port, &body);
        assert_choice(reply, 0, &t[i], 0, "echo beside others");
        json_decref(reply);
    }
    struct http_reply r = http_hear(beside);
    assert_int_equal(r.status, 200);
    http_release(&r);
    lt_buf_free(&body);
}

/* Takes the ids of written tokens from the pieces that the reply names: this tokenizer's are single bytes. */
static void take_written(const json_t *reply, struct text *t, size_t i)
{
    const json_t *choice = json_array_get(json_object_get(reply, "choices"), i), *token;
    size_t k;
    json_array_foreach(json_object_get(json_object_get(choice, "logprobs"), "tokens"), k, token) {
        const char *s = json_string_value(token);
        unsigned byte = (unsigned char)s[0];
        if (!strcmp(s, "<|endoftext|>")) byte = START;
        else if (strlen(s) > 1) assert_int_equal(sscanf(s, "bytes:\\x%x", &byte), 1);
        t->token[t->n++] = (int32_t)byte;
    }
}

/* Tokens written after each prompt, by what the trainer says of prompt and tokens together. */
static void assert_written(int port, struct lt_model *m, enum lt_compute compute, const struct text *prompt)
{
    static struct text t[TEXTS];
    struct lt_buf body = { 0 };
    memcpy(t, prompt, sizeof t);
    lt_buf_fmt(&body, "{\"logprobs\":0,\"seed\":3,\"max_tokens\":%d,\"prompt\":[", WRITTEN);
    for (int i = 0; i < TEXTS; i++) {
        if (i) lt_buf_char(&body, ',');
        put_ids(&body, &t[i]);
    }
    lt_buf_str(&body, "]}");
    json_t *reply = post(port, &body);
    for (int i = 0; i < TEXTS; i++) take_written(reply, &t[i], (size_t)i);
    train_view(m, compute, t);
    for (int i = 0; i < TEXTS; i++) assert_choice(reply, (size_t)i, &t[i], prompt[i].n, "written");
    json_decref(reply);
    lt_buf_free(&body);
}

/* Two models at once, over one pool of threads. */
static void assert_two(const char *model, const char *dtype, const struct text *t)
{
    struct lt_buf body[2] = { { 0 } };
    char item[2][210];
    struct serving s;
    for (int k = 0; k < 2; k++) {
        snprintf(item[k], sizeof item[k], "%c=%s", 'a' + k, model);
        lt_buf_fmt(&body[k], "{\"model\":\"%c\",\"echo\":true,\"logprobs\":0,\"max_tokens\":%d,\"prompt\":[", 'a' + k,
                   k * WRITTEN);
        for (int i = 0; i < TEXTS; i++) {
            if (i) lt_buf_char(&body[k], ',');
            put_ids(&body[k], &t[i]);
        }
        lt_buf_str(&body[k], "]}");
    }
    assert_ok(serving_open(&s, 2, SERVING(item[0], item[1], "--dtype", dtype)));
    int fd[4];
    for (int k = 0; k < 4; k++) {
        fd[k] = http_dial(s.port);
        http_send_request(fd[k], "POST", "/v1/completions", NULL, body[k % 2].p);
    }
    for (int k = 0; k < 4; k++) {
        struct http_reply r = http_hear(fd[k]);
        json_t *reply = json_loadb(r.body.p, r.body.n, 0, NULL);
        assert_int_equal(r.status, 200);
        for (int i = 0; i < TEXTS; i++) {
            json_t *choice = json_array_get(json_object_get(reply, "choices"), (size_t)i);
            json_t *value = json_object_get(json_object_get(choice, "logprobs"), "token_logprobs");
            for (int j = 1; j < t[i].n; j++)
                same_bits((float)json_number_value(json_array_get(value, (size_t)j)), t[i].logp[j], "two models", i, j);
        }
        json_decref(reply);
        http_release(&r);
    }
    for (int k = 0; k < 2; k++) lt_buf_free(&body[k]);
    serving_close(&s);
}

static void check(const char *dtype, enum lt_compute compute)
{
    static struct text t[TEXTS];
    char *folder = lt_test_temp(), model[200];
    snprintf(model, sizeof model, "%s/model", folder);
    assert_ok(lt_mkdirs(model));
    struct lt_model *m = make(model);
    fill(t);
    train_view(m, compute, t);
    assert_perplexity(model, folder, t, dtype);
    static const char *const batch[] = { "1", "8", "32" };
    for (int i = 0; i < 6; i++) {
        struct serving s;
        assert_ok(serving_open(&s, 1 + i / 3, SERVING(model, "--batch_size", batch[i % 3], "--dtype", dtype)));
        assert_prompts(s.port, t);
        assert_written(s.port, m, compute, t);
        if (i % 3 == 1) assert_written(s.port, m, compute, t);      /* over what the memory holds of the prompts */
        serving_close(&s);
    }
    assert_two(model, dtype, t);
    lt_model_free(m);
    lt_test_temp_end(folder);
}

static void test_served_law__float32(void **state)
{
    (void)state;
    check("float32", LT_COMPUTE_F32);
}

static void test_served_law__bfloat16(void **state)
{
    (void)state;
    check("bfloat16", LT_COMPUTE_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_served_law__float32),
        cmocka_unit_test(test_served_law__bfloat16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
