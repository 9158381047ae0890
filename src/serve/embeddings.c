/* /v1/embeddings: texts as vectors of length 1, pooled from the model's hidden states after its last norm. */
#include "serve/call.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lt_put_float(struct lt_buf *b, float v)
{
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    for (char *c = text; *c; c++)           /* whatever the program's locale */
        if (*c == ',') *c = '.';
    lt_buf_str(b, text);
}

/* Little-endian floats, four bytes each. */
static void put_base64(struct lt_buf *b, const float *v, int n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t bytes = (size_t)n * 4;
    lt_buf_char(b, '"');
    for (size_t i = 0; i < bytes; i += 3) {
        uint32_t three = 0;
        for (size_t k = i; k < i + 3; k++) {
            uint32_t word = 0;
            if (k < bytes) memcpy(&word, &v[k / 4], 4);
            three = three << 8 | (word >> (8 * (k % 4)) & 0xFF);
        }
        for (int k = 0; k < 4; k++) lt_buf_char(b, i + (size_t)k > bytes ? '=' : digit[three >> (18 - 6 * k) & 63]);
    }
    lt_buf_char(b, '"');
}

float *lt_call_embedding(const struct lt_exchange *x, int prompt, int *count, struct lt_fault *f)
{
    const struct lt_prompt_score *p = &x->prompt[prompt].score;
    if (x->req.dimensions > p->width) {
        lt_fault_set(f, 400, "dimensions", "invalid_value", "dimensions: expected at most %d, which this model's "
                     "embeddings have, found %lld", p->width, (long long)x->req.dimensions);
        return NULL;
    }
    *count = x->req.dimensions ? (int)x->req.dimensions : p->width;
    float *v = lt_alloc((size_t)p->width * sizeof *v);
    memcpy(v, p->vector, (size_t)p->width * sizeof *v);
    if (*count < p->width) lt_unit_length(v, *count);
    return v;
}

static int put_embedding(struct lt_buf *b, const struct lt_exchange *x, int i, struct lt_fault *f)
{
    int n;
    float *v = lt_call_embedding(x, i, &n, f);
    if (!v) return -1;
    lt_buf_fmt(b, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":", i ? "," : "", i);
    if (x->req.base64) put_base64(b, v, n);
    for (int k = 0; k < n && !x->req.base64; k++) {
        lt_buf_char(b, k ? ',' : '[');
        lt_put_float(b, v[k]);
    }
    lt_buf_str(b, x->req.base64 ? "}" : "]}");
    free(v);
    return 0;
}

static int take_encoding(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    const char *text = json_string_value(v);
    ((struct lt_request *)into)->base64 = text && !strcmp(text, "base64");
    if (text && (!strcmp(text, "base64") || !strcmp(text, "float"))) return 0;
    return lt_fault_set(f, 400, d->key, "invalid_value", "encoding_format: expected float or base64");
}

#define AT(f) .at = offsetof(struct lt_request, f)
static const struct lt_field fields[] = {
    { "model", "name of a served model or adapter; without it the first answers", LT_FIELD_TEXT, AT(model) },
    { "input", "a text, a list of token numbers, or a list of such inputs", LT_FIELD_OTHER, .need = true,
      .take = lt_request_prompts, .schema = "{\"type\":[\"string\",\"array\"]}" },
    { "encoding_format", "float: numbers; base64: little-endian floats", LT_FIELD_OTHER, .take = take_encoding,
      .schema = "{\"enum\":[\"float\",\"base64\",null]}" },
    { "dimensions", "numbers of each vector: its first so many, of length 1 again", LT_FIELD_INT, .min = 1, .max = 1e6,
      AT(dimensions) },
    { "user", "who asks; without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { 0 },
};
static const struct lt_body body = { .name = "EmbeddingRequest", .field = fields };

static int put_reply(struct lt_call *c, const struct lt_exchange *x, struct lt_fault *f)
{
    int64_t tokens = 0;
    lt_buf_str(&c->out, "{\"object\":\"list\",\"data\":[");
    for (int i = 0; i < x->slots; i++) {
        if (put_embedding(&c->out, x, i, f)) return -1;
        tokens += x->prompt[i].count;
    }
    lt_buf_str(&c->out, "],\"model\":");
    lt_json_put_text(&c->out, lt_str(lt_exchange_model(x)));
    lt_buf_fmt(&c->out, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}\n", (long long)tokens,
               (long long)tokens);
    return 0;
}

static int embeddings(struct lt_call *c, struct lt_fault *f)
{
    struct lt_request r;
    struct lt_exchange *x;
    lt_request_init(&r);
    r.embed = true;
    r.max_tokens = 0;
    int rc = lt_body_parse(c->body, &r.body, f) || lt_body_take(&body, &r, "", r.body, f) ? -1 : 0;
    if (rc) lt_request_release(&r);
    else rc = lt_call_finish(c, &r, &x, f);
    if (rc) return -1;
    rc = put_reply(c, x, f);
    lt_exchange_free(x);
    return rc;
}

const struct lt_endpoint lt_endpoints_embed[] = {
    { "POST", "/v1/embeddings", false, embeddings, .body = &body, .brief = "texts as vectors",
      .reply = "{\"type\":\"object\",\"required\":[\"object\",\"data\",\"model\",\"usage\"],\"properties\":{\"data\":"
               "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"object\",\"index\","
               "\"embedding\"]}}}}" },
    { 0 },
};
