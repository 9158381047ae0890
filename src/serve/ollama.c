/* Ollama's endpoints, and replies as its clients expect them: one JSON object, or one a line. */
#include "serve/ollama.h"

#include "base/ctx.h"
#include "serve/answer.h"
#include "serve/call.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ---- parts ---- */

static void put_time(struct lt_buf *b, time_t at)
{
    char text[40];
    struct tm when;
    gmtime_r(&at, &when);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &when);
    lt_buf_fmt(b, "\"%s\"", text);
}

static void put_head(struct lt_buf *b, const struct lt_exchange *x)
{
    lt_buf_str(b, "{\"model\":");
    lt_json_put_text(b, lt_str(lt_exchange_model(x)));
    lt_buf_str(b, ",\"created_at\":");
    put_time(b, time(NULL));
}

static bool is_chat(const struct lt_exchange *x) { return x->req.dialect == &lt_dialect_ollama_chat; }

/* Arguments are an object here: a call that was cut before its end is none. */
static void put_calls(struct lt_buf *b, const struct lt_heard *h)
{
    int count = 0;
    for (int i = 0; i < h->calls; i++) {
        const struct lt_heard_call *c = &h->call[i];
        json_t *arguments = json_loadb(c->arguments.p ? c->arguments.p : "", c->arguments.n, 0, NULL);
        if (arguments) {
            lt_buf_str(b, count++ ? "," : ",\"tool_calls\":[");
            lt_buf_str(b, "{\"function\":{\"name\":");
            lt_json_put_text(b, lt_buf_view(&c->name));
            lt_buf_str(b, ",\"arguments\":");
            char *line = json_dumps(arguments, JSON_COMPACT);
            lt_buf_str(b, line ? line : "{}");
            lt_buf_str(b, "}}");
            free(line);
        }
        json_decref(arguments);
    }
    if (count) lt_buf_char(b, ']');
}

/* h: calls that come with the text, or NULL. */
static void put_text(struct lt_buf *b, const struct lt_exchange *x, struct lt_str text, const struct lt_heard *h)
{
    lt_buf_str(b, is_chat(x) ? ",\"message\":{\"role\":\"assistant\",\"content\":" : ",\"response\":");
    lt_json_put_text(b, text);
    if (h) put_calls(b, h);
    if (is_chat(x)) lt_buf_char(b, '}');
}

static void put_nanoseconds(struct lt_buf *b, const char *key, double seconds)
{
    lt_buf_fmt(b, ",\"%s\":%lld", key, llround(fmax(seconds, 0) * 1e9));
}

static void put_figures(struct lt_buf *b, const struct lt_exchange *x)
{
    int64_t prompt, written;
    double now = lt_clock(), first = x->first_at > 0 ? x->first_at : now;
    lt_answer_counts(x, &prompt, &written);
    lt_buf_fmt(b, ",\"done\":true,\"done_reason\":\"%s\"", x->slot[0].reply.finish);
    put_nanoseconds(b, "total_duration", now - x->asked_at);
    put_nanoseconds(b, "load_duration", 0);
    lt_buf_fmt(b, ",\"prompt_eval_count\":%lld", (long long)prompt);
    put_nanoseconds(b, "prompt_eval_duration", first - x->begun_at);
    lt_buf_fmt(b, ",\"eval_count\":%lld", (long long)written);
    put_nanoseconds(b, "eval_duration", now - first);
}

/* ---- the dialect ---- */

static void body(const struct lt_exchange *x, struct lt_buf *out)
{
    struct lt_heard h;
    lt_answer_hear(&x->slot[0], &h);
    put_head(out, x);
    put_text(out, x, lt_buf_view(&h.text), &h);
    put_figures(out, x);
    lt_buf_str(out, "}\n");
    lt_heard_release(&h);
}

static void part(struct lt_slot *s, enum lt_tool_event what, struct lt_str text, struct lt_buf *out)
{
    if (what != LT_TOOL_TEXT) {
        lt_heard_put(&s->heard, what, text);
        return;
    }
    put_head(out, s->x);
    put_text(out, s->x, text, NULL);
    lt_buf_str(out, ",\"done\":false}\n");
}

static void done(struct lt_slot *s, struct lt_buf *out)
{
    put_head(out, s->x);
    put_text(out, s->x, lt_str(""), &s->heard);
    put_figures(out, s->x);
    lt_buf_str(out, "}\n");
}

static void end(const struct lt_exchange *x, struct lt_buf *out)
{
    struct lt_fault f = x->fault;
    if (!f.status) return;
    f.plain = true;
    lt_fault_put(out, &f);
    lt_buf_char(out, '\n');
}

const struct lt_dialect
    lt_dialect_ollama_generate = { .stream_type = "application/x-ndjson", .body = body, .part = part, .done = done,
                                   .end = end },
    lt_dialect_ollama_chat = { .stream_type = "application/x-ndjson", .body = body, .part = part, .done = done,
                               .end = end };

/* ---- writing ---- */

/* Without a prompt a client only wants the model to be there. */
static int answer_loaded(struct lt_call *c, bool chat, const char *name, struct lt_fault *f)
{
    if (lt_call_model(c, name, f)) return -1;
    lt_buf_str(&c->out, "{\"model\":");
    lt_json_put_text(&c->out, lt_str(lt_called_name(lt_call_called(c))));
    lt_buf_str(&c->out, ",\"created_at\":");
    put_time(&c->out, time(NULL));
    lt_buf_fmt(&c->out, ",%s,\"done\":true,\"done_reason\":\"load\"}\n",
               chat ? "\"message\":{\"role\":\"assistant\",\"content\":\"\"}" : "\"response\":\"\"");
    return 0;
}

static int write_reply(struct lt_call *c, const struct lt_body *kind, struct lt_fault *f)
{
    struct lt_request r;
    int rc = lt_ollama_parse(&r, kind, c->body, f);
    bool chat = r.dialect == &lt_dialect_ollama_chat;
    if (!rc && (r.prompts || r.messages)) return lt_call_complete(c, &r, f);
    if (!rc) rc = answer_loaded(c, chat, r.model, f);
    lt_request_release(&r);
    return rc;
}

static int generate(struct lt_call *c, struct lt_fault *f) { return write_reply(c, &lt_body_ollama_generate, f); }
static int chat_turn(struct lt_call *c, struct lt_fault *f) { return write_reply(c, &lt_body_ollama_chat, f); }

/* ---- embeddings ---- */

static int put_vectors(struct lt_call *c, const struct lt_exchange *x, const char *key, bool several,
                       struct lt_fault *f)
{
    lt_buf_fmt(&c->out, "{\"%s\":%s", key, several ? "[" : "");
    for (int i = 0; i < x->slots && (several || !i); i++) {
        int n;
        float *v = lt_call_embedding(x, i, &n, f);
        if (!v) return -1;
        for (int k = 0; k < n; k++) {
            lt_buf_str(&c->out, k ? "," : i ? ",[" : "[");
            lt_put_float(&c->out, v[k]);
        }
        lt_buf_char(&c->out, ']');
        free(v);
    }
    if (several) lt_buf_char(&c->out, ']');
    return 0;
}

static int embed_with(struct lt_call *c, const struct lt_body *kind, struct lt_fault *f)
{
    struct lt_request r;
    struct lt_exchange *x;
    bool several = kind == &lt_body_ollama_embed;
    int64_t prompt, written;
    if (lt_ollama_parse(&r, kind, c->body, f)) {
        lt_request_release(&r);
        return -1;
    }
    if (lt_call_finish(c, &r, &x, f)) return -1;
    int rc = put_vectors(c, x, several ? "embeddings" : "embedding", several, f);
    if (!rc && several) {
        lt_answer_counts(x, &prompt, &written);
        lt_buf_str(&c->out, ",\"model\":");
        lt_json_put_text(&c->out, lt_str(lt_called_name(lt_call_called(c))));
        put_nanoseconds(&c->out, "total_duration", lt_clock() - x->asked_at);
        put_nanoseconds(&c->out, "load_duration", 0);
        lt_buf_fmt(&c->out, ",\"prompt_eval_count\":%lld", (long long)prompt);
    }
    if (!rc) lt_buf_str(&c->out, "}\n");
    lt_exchange_free(x);
    return rc;
}

static int embed(struct lt_call *c, struct lt_fault *f) { return embed_with(c, &lt_body_ollama_embed, f); }
static int embeddings(struct lt_call *c, struct lt_fault *f) { return embed_with(c, &lt_body_ollama_embeddings, f); }

/* ---- about models ---- */

static void put_details(struct lt_buf *b, struct lt_called c)
{
    size_t n = strlen(c.model->path);
    const char *format = n > 5 && !strcmp(c.model->path + n - 5, ".gguf") ? "gguf" : "safetensors";
    const char *family = c.model->lm.type->m.name;
    lt_buf_str(b, "\"details\":{\"parent_model\":");
    lt_json_put_text(b, lt_str(c.adapter ? c.model->name : ""));
    lt_buf_fmt(b, ",\"format\":\"%s\",\"family\":\"%s\",\"families\":[\"%s\"],"
               "\"parameter_size\":\"\",\"quantization_level\":\"\"}", format, family, family);
}

/* The digest names name and tokenizer: files are not read for it. */
static void put_model(struct lt_buf *b, struct lt_called c)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(c.model->engine);
    const char *hash = t ? lt_tokenizer_hash(t) : "00000000000000000000000000000000", *own = lt_called_name(c);
    struct stat about = { 0 };
    bool there = !stat(c.adapter ? c.adapter->path : c.model->path, &about);
    uint64_t name = lt_hash(own, strlen(own), 0);
    lt_buf_str(b, "{\"name\":");
    lt_json_put_text(b, lt_str(own));
    lt_buf_str(b, ",\"model\":");
    lt_json_put_text(b, lt_str(own));
    lt_buf_str(b, ",\"modified_at\":");
    put_time(b, there ? about.st_mtime : 0);
    lt_buf_fmt(b, ",\"size\":%lld,\"digest\":\"%s%016llx%016llx\",", there && S_ISREG(about.st_mode)
               ? (long long)about.st_size : 0LL, hash, (unsigned long long)name, ~(unsigned long long)name);
    put_details(b, c);
}

static int tags(struct lt_call *c, struct lt_fault *f)
{
    struct lt_called called;
    (void)f;
    lt_buf_str(&c->out, "{\"models\":[");
    for (int i = 0; lt_server_called(c->s, i, &called); i++) {
        if (i) lt_buf_char(&c->out, ',');
        put_model(&c->out, called);
        lt_buf_char(&c->out, '}');
    }
    lt_buf_str(&c->out, "]}\n");
    return 0;
}

static int running(struct lt_call *c, struct lt_fault *f)
{
    struct lt_called called;
    (void)f;
    lt_buf_str(&c->out, "{\"models\":[");
    for (int i = 0; lt_server_called(c->s, i, &called); i++) {
        if (i) lt_buf_char(&c->out, ',');
        put_model(&c->out, called);
        lt_buf_str(&c->out, ",\"expires_at\":\"9999-12-31T23:59:59Z\",\"size_vram\":0,\"context_length\":");
        lt_put_limit(&c->out, called.model);
        lt_buf_char(&c->out, '}');
    }
    lt_buf_str(&c->out, "]}\n");
    return 0;
}

struct shown { const char *model; };
static const struct lt_field show_fields[] = {
    { "model", "name of a served model or adapter", LT_FIELD_TEXT, .need = true, .at = offsetof(struct shown, model) },
    { "verbose", "without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { 0 },
};
static const struct lt_body show_body = { .name = "OllamaShowRequest", .field = show_fields };

static void put_show(struct lt_buf *b, struct lt_called c)
{
    const struct lt_served *m = c.model;
    const char *family = m->lm.type->m.name;
    struct lt_str chat_template = { "", 0 };
    if (m->chat) chat_template = lt_chat_source(m->chat, false);
    lt_buf_str(b, "{\"modelfile\":\"\",\"parameters\":\"\",\"template\":");
    lt_json_put_text(b, chat_template);
    lt_buf_char(b, ',');
    put_details(b, c);
    lt_buf_fmt(b, ",\"model_info\":{\"general.architecture\":\"%s\",\"%s.context_length\":", family, family);
    lt_put_limit(b, m);
    lt_buf_fmt(b, ",\"%s.vocab_size\":%d},\"capabilities\":[\"completion\"%s]}\n", family, lt_engine_vocab(m->engine),
               m->chat && lt_tool_form_of(chat_template) ? ",\"tools\"" : "");
}

static int show(struct lt_call *c, struct lt_fault *f)
{
    struct shown a = { NULL };
    json_t *asked;
    int rc = lt_body_parse(c->body, &asked, f) || lt_body_take(&show_body, &a, "", asked, f)
             || lt_call_model(c, a.model, f) ? -1 : 0;
    if (!rc) put_show(&c->out, lt_call_called(c));
    json_decref(asked);
    return rc;
}

static int version(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    lt_buf_str(&c->out, "{\"version\":\"" LATHE_VERSION "\"}\n");
    return 0;
}

#define LINES .streams = "application/x-ndjson"
const struct lt_endpoint lt_endpoints_ollama[] = {
    { "POST", "/api/generate", false, generate, .body = &lt_body_ollama_generate, LINES,
      .brief = "goes on with a text (Ollama)", .reply = LT_REPLY("\"model\",\"created_at\",\"response\",\"done\"") },
    { "POST", "/api/chat", false, chat_turn, .body = &lt_body_ollama_chat, LINES,
      .brief = "the next turn of a conversation (Ollama)",
      .reply = LT_REPLY("\"model\",\"created_at\",\"message\",\"done\"") },
    { "POST", "/api/embed", false, embed, .body = &lt_body_ollama_embed, .brief = "texts as vectors (Ollama)",
      .reply = LT_REPLY("\"model\",\"embeddings\"") },
    { "POST", "/api/embeddings", false, embeddings, .body = &lt_body_ollama_embeddings,
      .brief = "a text as a vector (Ollama)", .reply = LT_REPLY("\"embedding\"") },
    { "GET", "/api/tags", false, tags, .brief = "the models that are served (Ollama)",
      .reply = LT_REPLY("\"models\"") },
    { "GET", "/api/ps", false, running, .brief = "the same: they are all loaded (Ollama)",
      .reply = LT_REPLY("\"models\"") },
    { "POST", "/api/show", false, show, .body = &show_body, .brief = "what is known of a model (Ollama)",
      .reply = LT_REPLY("\"template\",\"details\",\"model_info\",\"capabilities\"") },
    { "GET", "/api/version", true, version, .brief = "of the program (Ollama)", .reply = LT_REPLY("\"version\"") },
    { 0 },
};
