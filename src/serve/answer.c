#include "serve/answer.h"

static const struct lt_dialect *dialect(const struct lt_exchange *x) { return x->req.dialect; }

void lt_answer_body(const struct lt_exchange *x, struct lt_buf *out)
{
    dialect(x)->body(x, out);
}

/* ---- streams ---- */

struct stream { struct lt_slot *s; struct lt_buf *out; };

static void put_part(void *self, enum lt_tool_event what, struct lt_str text)
{
    struct stream *to = self;
    if (what == LT_TOOL_TEXT && !text.n) return;
    dialect(to->s->x)->part(to->s, what, text, to->out);
    to->s->calls += what == LT_TOOL_CALL;
}

static void put_piece(struct lt_slot *s, struct lt_str piece, bool last, struct lt_buf *out)
{
    struct lt_buf text = { 0 };
    struct stream to = { s, out };
    lt_text_flow_put(&s->flow, lt_buf_view(&s->held), false, &text);
    lt_text_flow_put(&s->flow, piece, last, &text);
    lt_buf_clear(&s->held);
    if (s->reader) lt_tool_reader_push(s->reader, lt_buf_view(&text), last, put_part, &to);
    else put_part(&to, LT_TOOL_TEXT, lt_buf_view(&text));
    lt_buf_free(&text);
}

/* The log-probabilities of an echoed prompt come before those of the reply. */
void lt_answer_piece(struct lt_slot *s, const struct lt_reply_part *piece, struct lt_buf *out)
{
    s->now = piece->reply;
    s->shown = piece->shown;
    if (s->x->prompt[s->prompt].scoring) lt_buf_put(&s->held, piece->text.p, piece->text.n);
    else put_piece(s, piece->text, false, out);
}

void lt_answer_end(struct lt_exchange *x, struct lt_buf *out)
{
    for (int i = 0; i < x->slots && !x->fault.status; i++) {
        struct lt_slot *s = &x->slot[i];
        s->now = &s->reply;
        put_piece(s, lt_str(""), true, out);
        s->shown = s->reply.count;
        dialect(x)->done(s, out);
    }
    dialect(x)->end(x, out);
}

/* ---- for dialects ---- */

void lt_answer_hear(const struct lt_slot *s, struct lt_heard *out)
{
    struct lt_tool_reader *reader = lt_request_tool_reader(&s->x->req);
    struct lt_buf text = { 0 };
    *out = (struct lt_heard){ 0 };
    lt_buf_put(&out->text, "", 0);
    lt_buf_put(&text, "", 0);
    lt_plain_text(&text, (struct lt_str){ s->reply.text ? s->reply.text : "", s->reply.text_size });
    if (reader) lt_tool_reader_push(reader, lt_buf_view(&text), true, lt_heard_put, out);
    else lt_heard_put(out, LT_TOOL_TEXT, lt_buf_view(&text));
    lt_tool_reader_free(reader);
    lt_buf_free(&text);
}

void lt_answer_counts(const struct lt_exchange *x, int64_t *prompt, int64_t *written)
{
    *prompt = *written = 0;
    for (int i = 0; i < lt_exchange_prompts(x); i++) *prompt += x->prompt[i].count;
    for (int i = 0; i < x->slots; i++) *written += x->slot[i].reply.count;
}
