/* The operation behind `lathe generate`: prompts from the command line or files, replies as text or JSON lines. */
#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "decode/sample.h"
#include "lm/generation.h"
#include "text/document.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

struct run {
    const struct lt_generate_options *o;
    struct lt_ctx *c;
    struct lt_lm lm;
    const struct lt_tokenizer *t;
    struct lt_writer out;
    struct lt_buf line;
    struct lt_generation says;      /* what the model's folder says: the tokens that end a text */
    bool jsonl, live;               /* live: text goes out as it is written */
    uint64_t number;                /* of the reply */
};

static int put_piece(void *self, struct lt_str piece)
{
    struct run *r = self;
    lt_writer_put(&r->out, piece.p, piece.n);
    fflush(r->out.f);
    return r->out.failed != 0;
}

static void json_ids(struct lt_buf *b, const int32_t *id, int n)
{
    for (int i = 0; i < n; i++) lt_buf_fmt(b, "%s%d", i ? "," : "[", id[i]);
    lt_buf_str(b, n ? "]" : "[]");
}

static void json_reals(struct lt_buf *b, const float *x, int n)
{
    lt_buf_char(b, '[');
    for (int i = 0; i < n; i++) {
        if (i) lt_buf_char(b, ',');
        lt_json_put_real(b, (double)x[i]);
    }
    lt_buf_char(b, ']');
}

static void json_tops(struct lt_buf *b, const struct run *r, const struct lt_reply *y)
{
    int k = (int)r->o->logprobs;
    lt_buf_char(b, '[');
    for (int i = 0; i < y->count; i++) {
        lt_buf_str(b, i ? ",[" : "[");
        for (int j = 0; j < k; j++) {
            int32_t id = y->top_token[i * k + j];
            struct lt_str piece = r->t ? lt_tokenizer_piece(r->t, id) : (struct lt_str){ 0 };
            lt_buf_fmt(b, "%s{\"id\":%d,\"piece\":", j ? "," : "", id);
            lt_json_put_text(b, piece.p ? piece : lt_str(""));
            lt_buf_str(b, ",\"logprob\":");
            lt_json_put_real(b, (double)y->top_logp[i * k + j]);
            lt_buf_char(b, '}');
        }
        lt_buf_char(b, ']');
    }
    lt_buf_char(b, ']');
}

static void put_json(struct run *r, const struct lt_ask *a, struct lt_str id, const struct lt_reply *y)
{
    struct lt_buf *b = &r->line;
    lt_buf_clear(b);
    lt_buf_char(b, '{');
    if (id.n) {
        lt_buf_str(b, "\"id\":");
        lt_json_put_text(b, id);
        lt_buf_char(b, ',');
    }
    if (a->prompt_ids) {
        lt_buf_str(b, "\"prompt_ids\":");
        json_ids(b, a->prompt_ids, a->prompt_count);
    } else {
        lt_buf_str(b, "\"prompt\":");
        lt_json_put_text(b, a->prompt);
    }
    lt_buf_str(b, ",\"text\":");
    lt_json_put_text(b, (struct lt_str){ y->text, y->text_size });
    lt_buf_fmt(b, ",\"finish\":\"%s\",\"prompt_tokens\":%d,\"tokens\":", y->finish, y->prompt_count);
    json_ids(b, y->token, y->count);
    lt_buf_str(b, ",\"logprobs\":");
    json_reals(b, y->logp, y->count);
    if (y->top_token) {
        lt_buf_str(b, ",\"top_logprobs\":");
        json_tops(b, r, y);
    }
    lt_buf_str(b, "}\n");
    lt_writer_put(&r->out, b->p, b->n);
}

/* One line of ids for a model without a tokenizer. */
static void put_text(struct run *r, const struct lt_reply *y)
{
    if (!r->t)
        for (int i = 0; i < y->count; i++) lt_writer_fmt(&r->out, "%s%d", i ? " " : "", y->token[i]);
    else if (!r->live) lt_writer_put(&r->out, y->text, y->text_size);
    lt_writer_put(&r->out, "\n", 1);
}

/* n replies to one prompt. */
static int answer(struct run *r, struct lt_ask a, struct lt_str id)
{
    for (int64_t i = 0; i < r->o->n; i++) {
        struct lt_reply y;
        a.number = r->number++;
        if (!r->jsonl && a.number) lt_writer_put(&r->out, "---\n", 4);
        if (!r->jsonl && r->o->echo) lt_writer_put(&r->out, a.prompt.p, a.prompt.n);
        if (lt_generate(&r->lm, r->c, &a, 1, &y)) return -1;
        if (r->jsonl) put_json(r, &a, id, &y);
        else put_text(r, &y);
        fflush(r->out.f);
        lt_reply_release(&y);
        if (lt_ctx_interrupted(r->c)) return lt_fail("interrupted after %llu replies", (unsigned long long)r->number);
    }
    return 0;
}

static int answer_files(struct run *r, const struct lt_ask *base)
{
    const struct lt_generate_options *o = r->o;
    struct lt_docs *docs;
    struct lt_docs_how how = { .field = o->field };
    if (lt_docs_open(&o->input, &how, &docs)) return -1;
    struct lt_progress p;
    struct lt_doc d;
    int rc;
    lt_progress_begin(r->c, &p, "generate", "prompts", 0);
    while ((rc = lt_docs_next(docs, &d)) > 0) {
        struct lt_ask a = *base;
        a.prompt = d.text;
        if ((rc = answer(r, a, d.id))) {
            if (!lt_ctx_interrupted(r->c))
                lt_fail("prompt %llu of %s: %s", (unsigned long long)d.number, d.source, lt_error());
            break;
        }
        lt_progress_at(&p, (double)(d.number + 1), NULL);
    }
    lt_progress_end(&p);
    lt_docs_close(docs);
    return rc;
}

static int read_ids(const struct lt_list *list, int32_t **id)
{
    *id = lt_alloc((size_t)list->count * sizeof **id);
    for (int i = 0; i < list->count; i++) {
        int64_t v;
        if (lt_str_int(lt_str(list->item[i]), &v) || v < 0 || v > INT32_MAX) {
            free(*id);
            return lt_misuse("prompt_ids: expected token numbers, found \"%s\"", list->item[i]);
        }
        (*id)[i] = (int32_t)v;
    }
    return 0;
}

static int check(const struct lt_generate_options *o)
{
    int ways = (o->prompt != NULL) + (o->prompt_ids.count > 0) + (o->input.count > 0);
    if (ways > 1) return lt_misuse("give one of prompt, prompt_ids and input, not several");
    if (o->greedy && o->n > 1)
        return lt_misuse("greedy writes the same text every time: n must be 1, found %lld", (long long)o->n);
    if (o->logprobs && strcmp(o->format, "jsonl")) return lt_misuse("logprobs are written with --format jsonl");
    if (o->echo && strcmp(o->format, "text")) return lt_misuse("echo is for --format text; JSON lines hold the prompt");
    return 0;
}

static int answer_all(struct run *r)
{
    const struct lt_generate_options *o = r->o;
    struct lt_ask a = {
        .prompt = lt_str(o->prompt ? o->prompt : ""), .controls = &o->controls, .max_tokens = (int)o->max_tokens,
        .top_logprobs = (int)o->logprobs, .seed = (uint64_t)o->seed, .greedy = o->greedy, .stop = &o->stop,
        .end = r->says.eos, .end_count = r->says.eos_count,
    };
    if (r->live) {
        a.stream = put_piece;
        a.stream_self = r;
    }
    if (o->input.count) return answer_files(r, &a);
    int32_t *id = NULL;
    if (o->prompt_ids.count && read_ids(&o->prompt_ids, &id)) return -1;
    a.prompt_ids = id;
    a.prompt_count = o->prompt_ids.count;
    int rc = answer(r, a, (struct lt_str){ 0 });
    free(id);
    return rc;
}

int lt_generate_run(const struct lt_generate_options *o, struct lt_ctx *c)
{
    struct run r = { .o = o, .c = c, .jsonl = !strcmp(o->format, "jsonl") };
    lt_generation_init(&r.says);
    if (check(o) || lt_generation_read(o->model, &r.says)) return -1;
    if (lt_lm_open(o->model, c, &r.lm)) return -1;
    r.t = r.lm.type->tokenizer ? r.lm.type->tokenizer(r.lm.self) : NULL;
    r.live = !r.jsonl && r.t && !o->output;
    int rc = lt_writer_open(&r.out, o->output ? o->output : "-");
    if (!rc) {
        rc = answer_all(&r);
        if (!rc || !o->output) rc = lt_writer_commit(&r.out) || rc ? -1 : 0;
        else lt_writer_abort(&r.out);
    }
    lt_buf_free(&r.line);
    lt_lm_close(&r.lm);
    return rc;
}
