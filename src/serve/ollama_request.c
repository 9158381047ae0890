/* Ollama's requests as those of this server.  Its options are the controls of verbs under other names, with its
 * defaults where it documents some. */
#include "serve/ollama.h"

#include "serve/answer.h"
#include "serve/messages.h"
#include <string.h>

struct asked {
    struct lt_request *r;
    const char *prompt, *system;
    bool raw, stream;
    const json_t *options;
    const json_t *repeat_penalty; int64_t repeat_last_n;
};

/* ---- options ---- */

static const struct lt_method *control(const char *name)
{
    return lt_method_find("control", name);
}

static int take_number(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    return lt_request_number(((struct asked *)into)->r, d->key, control(d->key), v, f);
}

static int take_repeat_penalty(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (!json_is_number(v)) return lt_wrong_type(f, d->key, "a number", v);
    ((struct asked *)into)->repeat_penalty = v;
    return 0;
}

static int take_seed(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_request *r = ((struct asked *)into)->r;
    if (lt_take_int(v, d->key, INT64_MIN, (int64_t)9e15, &r->seed, f)) return -1;
    r->seed = LT_MAX(r->seed, -1);
    return 0;
}

/* -1 and -2: as many as the model holds. */
static int take_num_predict(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_request *r = ((struct asked *)into)->r;
    if (lt_take_int(v, d->key, -2, LT_REQUEST_MOST, &r->max_tokens, f)) return -1;
    if (r->max_tokens < 0) r->max_tokens = LT_REQUEST_MOST;
    return 0;
}

static int take_stop(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    return lt_request_stop(((struct asked *)into)->r, d, v, f);
}

/* Only the value that switches it off. */
static int take_neutral(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    double x = json_number_value(v);
    return json_is_number(v) && x >= d->min && x <= d->min ? 0 : lt_field_refused(into, d, v, f);
}

#define NUMBER "{\"type\":[\"number\",\"null\"]}"
static const struct lt_field option_fields[] = {
    { "temperature", "0.8 unless said; 0: the most likely token", LT_FIELD_OTHER, .take = take_number,
      .schema = "{\"type\":[\"number\",\"null\"],\"minimum\":0}" },
    { "top_k", "40 unless said", LT_FIELD_OTHER, .take = take_number,
      .schema = "{\"type\":[\"integer\",\"null\"],\"minimum\":0}" },
    { "top_p", "0.9 unless said", LT_FIELD_OTHER, .take = take_number, .schema = NUMBER },
    { "min_p", "share of the highest probability a token must have", LT_FIELD_OTHER, .take = take_number,
      .schema = NUMBER },
    { "typical_p", "probability the typical tokens must reach", LT_FIELD_OTHER, .take = take_number,
      .schema = NUMBER },
    { "repeat_penalty", "1.1 unless said; 1: none", LT_FIELD_OTHER, .take = take_repeat_penalty, .schema = NUMBER },
    { "repeat_last_n", "tokens it looks back on, 64 unless said; -1: all, 0: none", LT_FIELD_INT, .min = -1,
      .max = 1e9, .at = offsetof(struct asked, repeat_last_n) },
    { "presence_penalty", "subtracted once from every token that occurred", LT_FIELD_OTHER, .take = take_number,
      .schema = NUMBER },
    { "frequency_penalty", "subtracted for each time a token occurred", LT_FIELD_OTHER, .take = take_number,
      .schema = NUMBER },
    { "seed", "the same seed gives the same reply", LT_FIELD_OTHER, .take = take_seed,
      .schema = "{\"type\":[\"integer\",\"null\"]}" },
    { "num_predict", "tokens at most; -1: as many as the model holds", LT_FIELD_OTHER, .take = take_num_predict,
      .schema = "{\"type\":[\"integer\",\"null\"],\"minimum\":-2}" },
    { "stop", "texts that end a reply", LT_FIELD_OTHER, .take = take_stop,
      .schema = "{\"type\":[\"string\",\"array\",\"null\"],\"items\":{\"type\":\"string\"}}" },
    /* these change no text here */
    { "num_ctx", "without effect: the model's own context is used and nothing is cut", LT_FIELD_OTHER,
      .take = lt_field_ignored, .schema = "{}" },
    { "num_keep", "without effect: nothing is cut", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "num_batch", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "num_gpu", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "main_gpu", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "num_thread", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "use_mmap", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "use_mlock", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "numa", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "low_vram", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "mirostat", "Mirostat is not supported: 0 only", LT_FIELD_OTHER, .take = take_neutral, .schema = "{}" },
    { "tfs_z", "tail-free sampling is not supported: 1 only", LT_FIELD_OTHER, .min = 1, .take = take_neutral,
      .schema = "{}" },
    { 0 },
};
static const struct lt_body options_body = { .name = "OllamaOptions", .field = option_fields };

static int take_options(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (!json_is_object(v)) return lt_wrong_type(f, d->key, "an object", v);
    ((struct asked *)into)->options = v;
    return lt_body_take(&options_body, into, "options.", v, f);
}

static int set_defaults(const struct asked *a, struct lt_fault *f)
{
    static const struct { const char *control; double value; } row[] = { { "temperature", 0.8 }, { "top_k", 40 },
                                                                         { "top_p", 0.9 } };
    struct lt_request *r = a->r;
    double penalty = a->repeat_penalty ? json_number_value(a->repeat_penalty) : 1.1;
    for (int i = 0; i < LT_COUNT(row); i++) {
        const json_t *said = json_object_get(a->options, row[i].control);
        if (said && !json_is_null(said)) continue;
        json_t *v = row[i].value > 1 ? json_integer((json_int_t)row[i].value) : json_real(row[i].value);
        int rc = lt_request_number(r, row[i].control, control(row[i].control), v, f);
        json_decref(v);
        if (rc) return -1;
    }
    if (a->repeat_last_n == 0 || (penalty >= 1 && penalty <= 1)) return 0;
    json_t *v = json_real(penalty);
    int rc = lt_request_number(r, "repeat_penalty", control("repetition_penalty"), v, f);
    json_decref(v);
    struct lt_buf last = { 0 };
    lt_buf_fmt(&last, "%lld", (long long)LT_MAX(a->repeat_last_n, 0));
    if (!rc) rc = lt_request_control(r, "repeat_last_n", "repetition_penalty.last_n", last.p, f);
    lt_buf_free(&last);
    return rc;
}

/* ---- fields ---- */

static int take_model(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (!json_is_string(v)) return lt_wrong_type(f, d->key, "a text", v);
    ((struct asked *)into)->r->model = json_string_value(v);
    return 0;
}

static int take_format(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_request *r = ((struct asked *)into)->r;
    const char *text = json_string_value(v);
    if (text && !*text) return 0;
    if (json_is_object(v)) return lt_request_schema(r, d->key, v, f);
    if (!text || strcmp(text, "json"))
        return lt_fault_set(f, 400, d->key, "invalid_value", "format: expected \"json\" or a JSON Schema");
    json_t *object = json_pack("{s:s}", "type", "object");
    int rc = lt_request_schema(r, d->key, object, f);
    json_decref(object);
    return rc;
}

static int take_messages(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (json_is_array(v) && !json_array_size(v)) return 0;
    return lt_request_messages(((struct asked *)into)->r, d, v, f);
}

static int take_tools(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    return lt_request_tools(((struct asked *)into)->r, d, v, f);
}

static int take_inputs(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    return lt_request_prompts(((struct asked *)into)->r, d, v, f);
}

static int take_dimensions(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    return lt_take_int(v, d->key, 0, 1000 * 1000, &((struct asked *)into)->r->dimensions, f);
}

static int take_truncate(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    return lt_take_bool(v, d->key, &((struct asked *)into)->r->truncate, f);
}

enum { GENERATE = 1, CHAT = 2, EMBED = 4, EMBEDDINGS = 8 };
#define AT(f) .at = offsetof(struct asked, f)
static const struct lt_field fields[] = {
    { "model", "name of a model or adapter, with or without :latest", LT_FIELD_OTHER, .need = true, .take = take_model,
      .schema = "{\"type\":\"string\"}" },
    { "prompt", "the text; it becomes a turn of the chat template unless raw; without one nothing is written",
      LT_FIELD_TEXT, GENERATE, AT(prompt) },
    { "system", "the system's turn before it", LT_FIELD_TEXT, GENERATE, AT(system) },
    { "raw", "the prompt goes to the model as it is", LT_FIELD_BOOL, GENERATE, AT(raw) },
    { "messages", "the conversation; without one nothing is written", LT_FIELD_OTHER, CHAT, .take = take_messages,
      .schema = "{\"type\":[\"array\",\"null\"]}" },
    { "tools", "functions the model may call", LT_FIELD_OTHER, CHAT, .take = take_tools,
      .schema = "{\"type\":[\"array\",\"null\"]}" },
    { "format", "\"json\", or a JSON Schema the reply keeps to", LT_FIELD_OTHER, GENERATE | CHAT, .take = take_format,
      .schema = "{\"type\":[\"string\",\"object\",\"null\"]}" },
    { "stream", "true unless said: lines as the text is written", LT_FIELD_BOOL, GENERATE | CHAT, AT(stream) },
    { "options", "controls of the text", LT_FIELD_OTHER, GENERATE | CHAT, .take = take_options,
      .schema = "{\"type\":[\"object\",\"null\"]}" },
    { "input", "a text or a list of texts", LT_FIELD_OTHER, EMBED, true, .take = take_inputs,
      .schema = "{\"type\":[\"string\",\"array\"]}" },
    { "prompt", "the text", LT_FIELD_OTHER, EMBEDDINGS, true, .take = take_inputs, .schema = "{\"type\":\"string\"}" },
    { "truncate", "true: what the model cannot hold is cut; otherwise it is refused", LT_FIELD_OTHER, EMBED,
      .take = take_truncate, .schema = "{\"type\":[\"boolean\",\"null\"]}" },
    { "dimensions", "numbers of each vector", LT_FIELD_OTHER, EMBED, .take = take_dimensions,
      .schema = "{\"type\":[\"integer\",\"null\"],\"minimum\":0}" },
    { "options", "without effect on embeddings", LT_FIELD_OTHER, EMBED | EMBEDDINGS, .take = lt_field_ignored,
      .schema = "{}" },
    { "keep_alive", "without effect: models stay loaded", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "suffix", "writing between two texts is not supported", LT_FIELD_OTHER, GENERATE,
      .take = lt_field_refused_unless_empty, .schema = "{}" },
    { "images", "images are not read", LT_FIELD_OTHER, GENERATE, .take = lt_field_refused_unless_empty,
      .schema = "{}" },
    { "template", "the server's --chat_template says it", LT_FIELD_OTHER, GENERATE,
      .take = lt_field_refused_unless_empty, .schema = "{}" },
    { "context", "deprecated by the interface: use /api/chat with messages", LT_FIELD_OTHER, GENERATE,
      .take = lt_field_refused_unless_empty, .schema = "{}" },
    { "think", "only false: no thoughts are told apart from the text", LT_FIELD_OTHER, GENERATE | CHAT,
      .take = lt_field_refused_unless_empty, .schema = "{}" },
    { "logprobs", "log-probabilities are told by /v1/chat/completions and /v1/completions", LT_FIELD_OTHER,
      GENERATE | CHAT, .take = lt_field_refused_unless_empty, .schema = "{}" },
    { 0 },
};
const struct lt_body lt_body_ollama_generate = { .name = "OllamaGenerateRequest", .field = fields, .where = GENERATE },
    lt_body_ollama_chat = { .name = "OllamaChatRequest", .field = fields, .where = CHAT },
    lt_body_ollama_embed = { .name = "OllamaEmbedRequest", .field = fields, .where = EMBED },
    lt_body_ollama_embeddings = { .name = "OllamaEmbeddingsRequest", .field = fields, .where = EMBEDDINGS };

/* ---- the whole ---- */

static void make_prompt(const struct asked *a)
{
    struct lt_request *r = a->r;
    if (!a->prompt || !*a->prompt) return;
    r->prompt = lt_calloc(1, sizeof *r->prompt);
    r->prompt[r->prompts++] = (struct lt_given){ .text = lt_str(a->prompt) };
    if (a->raw) return;
    r->chat = true;
    r->template_optional = !a->system || !*a->system;
    r->messages = json_array();
    if (!r->template_optional)
        json_array_append_new(r->messages, json_pack("{s:s, s:s}", "role", "system", "content", a->system));
    json_array_append_new(r->messages, json_pack("{s:s, s:s}", "role", "user", "content", a->prompt));
}

int lt_ollama_parse(struct lt_request *r, const struct lt_body *kind, struct lt_str body, struct lt_fault *f)
{
    struct asked a = { .r = r, .stream = true, .repeat_last_n = 64 };
    lt_request_init(r);
    r->chat = kind->where == CHAT;
    r->embed = kind->where >= EMBED;
    r->dialect = r->chat ? &lt_dialect_ollama_chat : &lt_dialect_ollama_generate;
    r->max_tokens = r->embed ? 0 : LT_REQUEST_MOST;
    if (lt_body_parse(body, &r->body, f) || lt_body_take(kind, &a, "", r->body, f)) return -1;
    if (r->embed) return 0;
    r->stream = a.stream;
    if (kind->where == GENERATE) make_prompt(&a);
    return set_defaults(&a, f);
}
