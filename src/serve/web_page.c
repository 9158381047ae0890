/* The page at / and the endpoints it asks (doc/formats/http-page.md). */
#include "serve/call.h"
#include "serve/field.h"
#include "serve/grammar_next.h"
#include "serve/model_card.h"
#include "serve/spelling.h"
#include "text/tokenizer.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* The files of src/serve/page as one (tools/embed-page). */
static const unsigned char page[] = {
#include "page.inc"
};
static const char unmarked[] = "nonce=\"\"";

/* ---- the page ---- */

/* Only what this reply marks may run or style; nothing comes from anywhere else, and no other page may frame it. */
static int answer_page(struct lt_call *c, struct lt_fault *f)
{
    struct lt_str rest = { (const char *)page, sizeof page };
    struct lt_buf policy = { 0 };
    uint64_t random[2];
    char nonce[33];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return lt_fault_set(f, 500, NULL, "no_randomness", "the system gives no random numbers");
    snprintf(nonce, sizeof nonce, "%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
    for (const char *at; (at = memmem(rest.p, rest.n, unmarked, sizeof unmarked - 1));) {
        size_t before = (size_t)(at - rest.p), past = before + sizeof unmarked - 1;
        lt_buf_put(&c->out, rest.p, before);
        lt_buf_fmt(&c->out, "nonce=\"%s\"", nonce);
        rest = (struct lt_str){ rest.p + past, rest.n - past };
    }
    lt_buf_put(&c->out, rest.p, rest.n);
    lt_buf_fmt(&policy, "default-src 'none'; connect-src 'self'; img-src data:; script-src 'nonce-%s'; "
               "style-src 'nonce-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nonce, nonce);
    c->policy = policy.p;
    c->type = "text/html; charset=utf-8";
    return 0;
}

/* ---- what it asks ---- */

static int answer_controls(struct lt_call *c, struct lt_fault *f)
{
    const struct lt_method *m;
    (void)f;
    lt_buf_str(&c->out, "{\"object\":\"list\",\"data\":[");
    for (int i = 0; (m = lt_number_control(i)); i++) {
        const struct lt_opt *first = m->opts;           /* the one a request sets by the name of the control */
        lt_buf_fmt(&c->out, "%s{\"name\":\"%s\",\"brief\":", i ? "," : "", m->name);
        lt_json_put_text(&c->out, lt_str(m->brief));
        lt_buf_str(&c->out, ",\"help\":");
        lt_json_put_text(&c->out, lt_str(first->help));
        lt_buf_fmt(&c->out, ",\"type\":\"%s\",\"default\":", first->type == LT_INT ? "integer" : "number");
        lt_json_put_real(&c->out, first->dflt);
        if (first->min < first->max) {
            lt_buf_str(&c->out, ",\"minimum\":");
            lt_json_put_real(&c->out, first->min);
            lt_buf_str(&c->out, ",\"maximum\":");
            lt_json_put_real(&c->out, first->max);
        }
        lt_buf_char(&c->out, '}');
    }
    lt_buf_str(&c->out, "]}\n");
    return 0;
}

static int answer_model_card(struct lt_call *c, struct lt_fault *f)
{
    if (lt_call_model(c, lt_call_argument(c, "model"), f)) return -1;
    const struct lt_served *m = c->model;
    json_t *card = lt_model_card(lt_called_name(lt_call_called(c)), m->path, &m->lm, lt_engine_limit(m->engine),
                                 lt_engine_vocab(m->engine));
    if (c->adapter) {
        json_object_set_new(card, "parent", json_string(m->name));
        lt_model_card_put_adapter(card, c->adapter->path);
    }
    lt_json_put(&c->out, card);
    lt_buf_char(&c->out, '\n');
    json_decref(card);
    return 0;
}

static int answer_vocabulary(struct lt_call *c, struct lt_fault *f)
{
    if (lt_call_model(c, lt_call_argument(c, "model"), f)) return -1;
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->model->engine);
    if (!t) return lt_fault_set(f, 400, NULL, "no_tokenizer", "the model has no tokenizer");
    lt_buf_str(&c->out, "{\"model\":");
    lt_json_put_text(&c->out, lt_str(lt_called_name(lt_call_called(c))));
    lt_buf_str(&c->out, ",\"pieces\":[");
    for (int32_t i = 0; i < lt_tokenizer_vocab(t); i++) {
        if (i) lt_buf_char(&c->out, ',');
        lt_spelling_put(&c->out, t, i);
    }
    lt_buf_str(&c->out, "],\"special\":[");
    for (int32_t i = 0, count = 0; i < lt_tokenizer_vocab(t); i++)
        if (lt_tokenizer_special(t, i)) lt_buf_fmt(&c->out, "%s%d", count++ ? "," : "", i);
    lt_buf_str(&c->out, "]}\n");
    return 0;
}

static int answer_grammar_next(struct lt_call *c, struct lt_fault *f)
{
    struct lt_grammar_ask a;
    int rc = lt_grammar_ask_parse(&a, c->body, f) || lt_call_model(c, a.model, f) ? -1 : 0;
    if (!rc) rc = lt_grammar_ask_answer(&a, lt_engine_tokenizer(c->model->engine), &c->out, f);
    lt_grammar_ask_release(&a);
    return rc;
}

const struct lt_endpoint lt_endpoints_page[] = {
    { "GET", "/", true, answer_page, .brief = "a page for people", .type = "text/html" },
    { "GET", "/controls", false, answer_controls, .brief = "the sampling settings that requests may carry",
      .reply = LT_REPLY("\"object\",\"data\"") },
    { "GET", "/model-card", false, answer_model_card, .query = "model", .brief = "what is known of a model",
      .reply = LT_REPLY("\"model\",\"kind\",\"vocabulary\"") },
    { "GET", "/vocabulary", false, answer_vocabulary, .query = "model", .brief = "the spelling of every token",
      .reply = LT_REPLY("\"model\",\"pieces\",\"special\"") },
    { "POST", "/grammar/next", false, answer_grammar_next, &lt_body_grammar_next,
      .brief = "what a grammar lets follow a text", .reply = "{\"type\":\"object\"}" },
    { 0 },
};
