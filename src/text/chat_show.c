/* Rows of conversations as the model sees them, and what of them it would learn. */
#include "text/chat.h"

#include "base/io.h"
#include "text/document.h"
#include "text/tokenizer.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct show {
    const struct lt_chat_show_options *o;
    struct lt_tokenizer *t;
    struct lt_chat *chat;
    struct lt_encoder *encoder;
    struct lt_token *token; size_t n, cap;
    struct lt_jinja_spans spans;
    struct lt_buf text, out;
    uint64_t rows, learnt;          /* rows shown; tokens that would be learnt */
};

static bool is_learnt(const struct show *s, const struct lt_token *k)
{
    for (size_t i = 0; i < s->spans.n; i++)
        if (k->begin < k->end && k->begin >= s->spans.at[i].begin && k->end <= s->spans.at[i].end) return true;
    return false;
}

static int make(struct show *s, const json_t *row)
{
    struct lt_chat_ask a = { .messages = json_object_get(row, s->o->field), .tools = json_object_get(row, "tools"),
                             .documents = json_object_get(row, "documents"),
                             .generation_prompt = s->o->generation_prompt, .now = (int64_t)time(NULL) };
    if (json_is_null(a.tools)) a.tools = NULL;
    lt_buf_clear(&s->text);
    s->spans.n = s->n = 0;
    int rc = s->o->mask ? lt_chat_learnt(s->chat, &a, &s->text, &s->spans)
                        : lt_chat_render(s->chat, &a, &s->text, NULL);
    return rc ? -1 : lt_encoder_encode(s->encoder, lt_buf_view(&s->text), 0, NULL, &s->token, &s->n, &s->cap);
}

static void put_json(struct show *s)
{
    lt_buf_str(&s->out, "{\"text\": ");
    lt_json_put_text(&s->out, lt_buf_view(&s->text));
    lt_buf_str(&s->out, ", \"ids\": [");
    for (size_t i = 0; i < s->n; i++) lt_buf_fmt(&s->out, "%s%" PRId32, i ? ", " : "", s->token[i].id);
    lt_buf_str(&s->out, "], \"tokens\": [");
    for (size_t i = 0; i < s->n; i++) {
        if (i) lt_buf_str(&s->out, ", ");
        lt_json_put_text(&s->out, lt_tokenizer_piece(s->t, s->token[i].id));
    }
    if (s->o->mask) lt_buf_str(&s->out, "], \"mask\": [");
    for (size_t i = 0; i < s->n && s->o->mask; i++)
        lt_buf_fmt(&s->out, "%s%d", i ? ", " : "", is_learnt(s, &s->token[i]));
    lt_buf_str(&s->out, "]}\n");
}

/* The text, then ids and pieces on a line each. */
static void put_plain(struct show *s)
{
    if (s->rows) lt_buf_str(&s->out, "---\n");
    lt_buf_put(&s->out, s->text.p, s->text.n);
    lt_buf_str(&s->out, s->text.n && s->text.p[s->text.n - 1] == '\n' ? "ids" : "\nids");
    for (size_t i = 0; i < s->n; i++) lt_buf_fmt(&s->out, " %" PRId32, s->token[i].id);
    lt_buf_str(&s->out, "\npieces");
    for (size_t i = 0; i < s->n; i++) {
        struct lt_str piece = lt_tokenizer_piece(s->t, s->token[i].id);
        lt_buf_char(&s->out, ' ');
        lt_json_put_text(&s->out, piece);
    }
    lt_buf_char(&s->out, '\n');
}

static void put_mask(struct show *s)
{
    if (!s->rows) lt_buf_str(&s->out, "row\tposition\tid\tmask\tpiece\n");
    for (size_t i = 0; i < s->n; i++) {
        const struct lt_token *k = &s->token[i];
        lt_buf_fmt(&s->out, "%" PRIu64 "\t%zu\t%" PRId32 "\t%d\t", s->rows, i, k->id, is_learnt(s, k));
        lt_json_put_text(&s->out, (struct lt_str){ s->text.p + k->begin, k->end - k->begin });
        lt_buf_char(&s->out, '\n');
    }
}

static int show_row(struct show *s, const json_t *row)
{
    if (make(s, row)) return -1;
    if (s->o->json) put_json(s);
    else if (s->o->mask) put_mask(s);
    else put_plain(s);
    for (size_t i = 0; i < s->n; i++) s->learnt += is_learnt(s, &s->token[i]);
    s->rows++;
    return 0;
}

static int show_file(struct show *s, const char *path, struct lt_ctx *c)
{
    struct lt_stream *in = lt_stream_open(path);
    struct lt_buf line = { 0 };
    uint64_t number = 0;
    int rc = in ? 0 : -1;
    while (!rc && (!s->o->rows || s->rows < (uint64_t)s->o->rows)) {
        json_t *row = NULL;
        lt_buf_clear(&line);
        int got = lt_stream_line(in, &line, LT_DOC_LINE_MAX, true);
        if (got <= 0) {
            rc = got;
            break;
        }
        number++;
        if (!line.n) continue;
        rc = lt_ctx_interrupted(c) ? lt_fail("interrupted")
           : lt_json_parse("row", lt_buf_view(&line), &row) || show_row(s, row) ? -1 : 0;
        json_decref(row);
    }
    if (rc) lt_fail("%s, line %" PRIu64 ": %s", path, number, lt_error());
    lt_buf_free(&line);
    if (in) lt_stream_close(in);
    return rc;
}

static int show_all(struct show *s, struct lt_ctx *c)
{
    for (int i = 0; i < s->o->input.count; i++)
        if (show_file(s, s->o->input.item[i], c)) return -1;
    if (!s->rows) return lt_fail("there are no rows");
    if (lt_file_save("-", s->out.p, s->out.n)) return -1;
    if (!s->o->mask) return 0;
    lt_note(c, "%" PRIu64 " tokens of %" PRIu64 " rows would be learnt", s->learnt, s->rows);
    return s->learnt ? 0 : lt_fail("no token of these rows would be learnt: they hold no turn of the assistant");
}

int lt_chat_show_run(const struct lt_chat_show_options *o, struct lt_ctx *c)
{
    struct show s = { .o = o };
    int rc = lt_tokenizer_open(o->model, &s.t) || lt_chat_open(o->chat_template ? o->chat_template : o->model, &s.chat)
           ? -1 : 0;
    if (!rc) {
        s.encoder = lt_encoder_new(s.t);
        rc = show_all(&s, c);
        lt_encoder_free(s.encoder);
    }
    lt_chat_free(s.chat);
    lt_tokenizer_free(s.t);
    free(s.token);
    free(s.spans.at);
    lt_buf_free(&s.text);
    lt_buf_free(&s.out);
    return rc;
}
