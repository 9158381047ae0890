/* Texts and tokens: /tokenize, /detokenize, /apply-template and /tokenizer_info, with the fields that vLLM and
 * llama-server give them. */
#include "serve/call.h"
#include "serve/messages.h"
#include "text/tokenizer.h"
#include <stdlib.h>

struct asked {
    const char *model, *content, *prompt;
    bool add_special, pieces, strings, special_said, no_generation_prompt;
    json_t *messages; const json_t *tools, *extra;
    int32_t *id; int count;
};

static void release(struct asked *a, json_t *body)
{
    free(a->id);
    json_decref(a->messages);
    json_decref(body);
}

static int take_special(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct asked *a = into;
    a->special_said = true;
    return lt_take_bool(v, d->key, &a->add_special, f);
}

static int take_generation_prompt(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    bool wanted = true;
    int rc = lt_take_bool(v, d->key, &wanted, f);
    ((struct asked *)into)->no_generation_prompt = !wanted;
    return rc;
}

static int take_messages(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    (void)d;
    return lt_messages_take(v, &((struct asked *)into)->messages, f);
}

static int take_tools(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    (void)d;
    ((struct asked *)into)->tools = json_array_size(v) ? v : NULL;
    return lt_tools_check(v, f);
}

static int take_tokens(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct asked *a = into;
    if (!json_is_array(v)) return lt_wrong_type(f, d->key, "a list of token numbers", v);
    return lt_take_ids(v, d->key, &a->id, &a->count, f);
}

enum { TOKENIZE = 1, DETOKENIZE = 2, TEMPLATE = 4 };
#define AT(f) .at = offsetof(struct asked, f)
#define BOOL "{\"type\":[\"boolean\",\"null\"]}"
static const struct lt_field fields[] = {
    { "model", "name of a served model or adapter; without it the first answers", LT_FIELD_TEXT, AT(model) },
    { "content", "the text; without special tokens around it unless add_special says so", LT_FIELD_TEXT, TOKENIZE,
      AT(content) },
    { "prompt", "the text; with special tokens around it unless add_special_tokens says otherwise", LT_FIELD_TEXT,
      TOKENIZE, AT(prompt) },
    { "add_special", "what the tokenizer puts around a text", LT_FIELD_OTHER, TOKENIZE, .take = take_special,
      .schema = BOOL },
    { "add_special_tokens", "the same", LT_FIELD_OTHER, TOKENIZE, .take = take_special, .schema = BOOL },
    { "with_pieces", "each token with its piece", LT_FIELD_BOOL, TOKENIZE, AT(pieces) },
    { "return_token_strs", "the pieces as a list of their own", LT_FIELD_BOOL, TOKENIZE, AT(strings) },
    { "tokens", "token numbers", LT_FIELD_OTHER, DETOKENIZE, true, .take = take_tokens,
      .schema = "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0}}" },
    { "messages", "the conversation", LT_FIELD_OTHER, TEMPLATE, true, .take = take_messages,
      .schema = "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\",\"required\":[\"role\"]}}" },
    { "messages", "a conversation, as the template makes it a text", LT_FIELD_OTHER, TOKENIZE, .take = take_messages,
      .schema = "{\"type\":[\"array\",\"null\"]}" },
    { "tools", "functions the template is told", LT_FIELD_OTHER, TOKENIZE | TEMPLATE, .take = take_tools,
      .schema = "{\"type\":[\"array\",\"null\"]}" },
    { "add_generation_prompt", "false: not what begins the next turn", LT_FIELD_OTHER, TOKENIZE | TEMPLATE,
      .take = take_generation_prompt, .schema = BOOL },
    { "chat_template_kwargs", "further variables of the template", LT_FIELD_OBJECT, TOKENIZE | TEMPLATE, AT(extra) },
    { 0 },
};
static const struct lt_body tokenize_body = { .name = "TokenizeRequest", .field = fields, .where = TOKENIZE },
    detokenize_body = { .name = "DetokenizeRequest", .field = fields, .where = DETOKENIZE },
    template_body = { .name = "ApplyTemplateRequest", .field = fields, .where = TEMPLATE };

static int ask(struct lt_call *c, const struct lt_body *b, struct asked *a, json_t **body, struct lt_fault *f)
{
    *a = (struct asked){ 0 };
    if (lt_body_parse(c->body, body, f)) return -1;
    return lt_body_take(b, a, "", *body, f) || lt_call_model(c, a->model, f) ? -1 : 0;
}

static struct lt_chat_ask conversation(const struct asked *a)
{
    return (struct lt_chat_ask){ .messages = a->messages, .tools = a->tools, .extra = a->extra,
                                 .generation_prompt = !a->no_generation_prompt };
}

static void put_piece(struct lt_buf *b, const struct lt_tokenizer *t, int32_t id)
{
    struct lt_str piece = lt_tokenizer_piece(t, id);
    lt_json_put_text(b, piece.p ? piece : lt_str(""));
}

static void put_tokens(struct lt_call *c, const struct asked *a, const struct lt_given *g)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->model->engine);
    struct lt_buf *b = &c->out;
    lt_buf_fmt(b, "{\"count\":%d,\"max_model_len\":", g->count);
    lt_put_limit(b, c->model);
    lt_buf_str(b, ",\"tokens\":[");
    for (int i = 0; i < g->count; i++) {
        lt_buf_fmt(b, a->pieces ? "%s{\"id\":%d,\"piece\":" : "%s%d", i ? "," : "", g->id[i]);
        if (!a->pieces) continue;
        put_piece(b, t, g->id[i]);
        lt_buf_char(b, '}');
    }
    lt_buf_str(b, "],\"token_strs\":");
    if (!a->strings) lt_buf_str(b, "null");
    for (int i = 0; i < g->count && a->strings; i++) {
        lt_buf_char(b, i ? ',' : '[');
        put_piece(b, t, g->id[i]);
    }
    lt_buf_str(b, !a->strings ? "}\n" : g->count ? "]}\n" : "[]}\n");
}

static int encode(struct lt_call *c, const struct asked *a, struct lt_given *to, struct lt_fault *f)
{
    const char *text = a->content ? a->content : a->prompt;
    struct lt_chat_ask chat = conversation(a);
    if ((a->content != NULL) + (a->prompt != NULL) + (a->messages != NULL) != 1)
        return lt_fault_set(f, 400, "content", "missing_field", "content, prompt or messages: expected one of them");
    if (text) {
        bool special = a->special_said ? a->add_special : a->prompt != NULL;
        return lt_call_encode(c, lt_str(text), special ? LT_SPECIAL : 0, a->content ? "content" : "prompt", to, f);
    }
    if (a->add_special)
        return lt_fault_set(f, 400, "add_special_tokens", "invalid_value",
                            "add_special_tokens: what stands around messages is the chat template's: leave it out");
    return lt_call_turn(c, &chat, to, f);
}

static int tokenize(struct lt_call *c, struct lt_fault *f)
{
    struct lt_given given = { 0 };
    struct asked a;
    json_t *body;
    int rc = ask(c, &tokenize_body, &a, &body, f) || encode(c, &a, &given, f) ? -1 : 0;
    if (!rc) put_tokens(c, &a, &given);
    free(given.id);
    release(&a, body);
    return rc;
}

static int decode(struct lt_call *c, const struct asked *a, struct lt_fault *f)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->model->engine);
    char *text = NULL;
    size_t n = 0;
    if (!t) return lt_fault_set(f, 400, "tokens", "no_tokenizer", "the model has no tokenizer");
    for (int i = 0; i < a->count; i++)
        if (a->id[i] >= lt_tokenizer_vocab(t))
            return lt_fault_set(f, 400, "tokens", "invalid_value", "tokens: token %d is not below the vocabulary of %d",
                                a->id[i], lt_tokenizer_vocab(t));
    int rc = lt_tokenizer_decode(t, a->id, (size_t)a->count, true, &text, &n);
    if (rc) rc = lt_fault_set(f, 400, "tokens", "invalid_value", "%s", lt_error());
    static const char *const key[] = { "{\"content\":", ",\"prompt\":" };
    for (int i = 0; i < LT_COUNT(key) && !rc; i++) {
        lt_buf_str(&c->out, key[i]);
        lt_json_put_text(&c->out, (struct lt_str){ text ? text : "", n });
    }
    if (!rc) lt_buf_str(&c->out, "}\n");
    free(text);
    return rc;
}

static int detokenize(struct lt_call *c, struct lt_fault *f)
{
    struct asked a;
    json_t *body;
    int rc = ask(c, &detokenize_body, &a, &body, f) || decode(c, &a, f) ? -1 : 0;
    release(&a, body);
    return rc;
}

static int apply_template(struct lt_call *c, struct lt_fault *f)
{
    struct lt_buf text = { 0 };
    struct asked a;
    json_t *body;
    int rc = ask(c, &template_body, &a, &body, f);
    struct lt_chat_ask chat = conversation(&a);
    if (!rc) rc = lt_call_render(c, &chat, &text, f);
    if (!rc) {
        lt_buf_str(&c->out, "{\"prompt\":");
        lt_json_put_text(&c->out, lt_buf_view(&text));
        lt_buf_str(&c->out, "}\n");
    }
    lt_buf_free(&text);
    release(&a, body);
    return rc;
}

static void put_token_named(struct lt_buf *b, const char *key, const struct lt_tokenizer *t, int32_t id)
{
    struct lt_str piece = id >= 0 ? lt_tokenizer_piece(t, id) : (struct lt_str){ 0 };
    lt_buf_fmt(b, ",\"%s\":", key);
    if (piece.p) lt_json_put_text(b, piece);
    else lt_buf_str(b, "null");
}

static int tokenizer_info(struct lt_call *c, struct lt_fault *f)
{
    if (lt_call_model(c, NULL, f)) return -1;
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->model->engine);
    struct lt_buf *b = &c->out;
    if (!t) return lt_fault_set(f, 400, NULL, "no_tokenizer", "the model has no tokenizer");
    lt_buf_fmt(b, "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"vocab_size\":%d,\"hash\":\"%s\"",
               lt_tokenizer_vocab(t), lt_tokenizer_hash(t));
    put_token_named(b, "bos_token", t, lt_tokenizer_bos(t));
    put_token_named(b, "eos_token", t, lt_tokenizer_eos(t));
    put_token_named(b, "pad_token", t, c->model->says.pad);
    lt_buf_str(b, ",\"model_max_length\":");
    lt_put_limit(b, c->model);
    lt_buf_str(b, ",\"chat_template\":");
    if (c->model->chat) lt_json_put_text(b, lt_chat_source(c->model->chat, false));
    else lt_buf_str(b, "null");
    lt_buf_str(b, "}\n");
    return 0;
}

const struct lt_endpoint lt_endpoints_text[] = {
    { "POST", "/tokenize", false, tokenize, .body = &tokenize_body, .brief = "the tokens of a text or a conversation",
      .reply = LT_REPLY_OF("\"count\",\"max_model_len\",\"tokens\"", LT_REPLY_LIMIT("max_model_len")) },
    { "POST", "/detokenize", false, detokenize, .body = &detokenize_body, .brief = "the text of tokens",
      .reply = LT_REPLY("\"content\",\"prompt\"") },
    { "POST", "/apply-template", false, apply_template, .body = &template_body,
      .brief = "the text of a conversation, as the model is given it", .reply = LT_REPLY("\"prompt\"") },
    { "GET", "/tokenizer_info", false, tokenizer_info, .brief = "the first model's tokenizer and chat template",
      .reply = LT_REPLY_OF("\"tokenizer_class\",\"eos_token\",\"chat_template\",\"model_max_length\"",
                           LT_REPLY_LIMIT("model_max_length")) },
    { 0 },
};
