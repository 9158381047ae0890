/* The operation behind `lathe generate`: prompts from the command line or files, replies as text or JSON lines. */
#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "decode/sample.h"
#include "lm/feed.h"
#include "lm/generation.h"
#include "lm/vocabulary.h"
#include "text/document.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* One reply of the output, in order: what it was asked with, and its text so far. */
struct slot {
    struct slot *next;
    struct run *run;
    struct lt_ask ask;
    struct lt_buf prompt, id, piece;        /* piece: streamed while replies before it were not finished */
    char *where;                            /* of a prompt from a file, for messages; or NULL */
    struct lt_reply reply;
    char *error; bool misuse, done;
};
struct run {
    const struct lt_generate_options *o;
    struct lt_ctx *c;
    struct lt_lm lm, draft;
    const struct lt_tokenizer *t;
    struct lt_writer out;
    struct lt_buf line;
    struct lt_generation says;      /* what the model's folder says: the tokens that end a text */
    bool jsonl, live;               /* live: text goes out as it is written */
    struct lt_ask base;
    struct lt_batcher *batcher;
    struct slot *head, **end;       /* not written out yet */
    int64_t sample;                 /* of the prompt */
    uint64_t number, written;       /* of the next reply; replies written out */
    struct lt_docs *docs; struct lt_doc doc;        /* prompts from files */
    bool last;                      /* no further prompt */
};

/* Text of the reply whose turn it is goes out at once. */
static int put_piece(void *self, const struct lt_reply_part *piece)
{
    struct slot *s = self;
    struct run *r = s->run;
    if (s != r->head) {
        lt_buf_put(&s->piece, piece->text.p, piece->text.n);
        return 0;
    }
    lt_writer_put(&r->out, piece->text.p, piece->text.n);
    return lt_writer_flush(&r->out);
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

/* ---- replies in order ---- */

static void free_slot(struct slot *s)
{
    lt_reply_release(&s->reply);
    lt_buf_free(&s->prompt);
    lt_buf_free(&s->id);
    lt_buf_free(&s->piece);
    free(s->where);
    free(s->error);
    free(s);
}

static void begin_text(struct run *r, struct slot *s)
{
    if (r->jsonl) return;
    if (s->ask.number) lt_writer_put(&r->out, "---\n", 4);
    if (r->o->echo) lt_writer_put(&r->out, s->ask.prompt.p, s->ask.prompt.n);
    lt_writer_put(&r->out, s->piece.p, s->piece.n);
    lt_buf_clear(&s->piece);
    if (r->live) lt_writer_flush(&r->out);
}

static struct slot *add_slot(struct run *r)
{
    struct slot *s = lt_calloc(1, sizeof *s);
    *s = (struct slot){ .run = r, .ask = r->base };
    s->ask.number = r->number++;
    if (r->docs) {
        lt_buf_put(&s->prompt, r->doc.text.p, r->doc.text.n);
        lt_buf_put(&s->id, r->doc.id.p, r->doc.id.n);
        s->ask.prompt = lt_buf_view(&s->prompt);
        struct lt_buf where = { 0 };
        lt_buf_fmt(&where, "prompt %llu of %s: ", (unsigned long long)r->doc.number, r->doc.source);
        s->where = where.p;
    }
    if (r->live) {
        s->ask.stream = put_piece;
        s->ask.stream_self = s;
    }
    *r->end = s;
    r->end = &s->next;
    if (s == r->head) begin_text(r, s);
    return s;
}

static void fail_slot(struct slot *s, const char *why, bool misuse)
{
    s->error = lt_strdup(why);
    s->misuse = misuse;
    s->done = true;
}

/* Whether there is another reply to ask for: 1, 0, -1. */
static int next_prompt(struct run *r)
{
    if (r->last) return 0;
    if (++r->sample < r->o->n) return 1;
    r->sample = 0;
    int rc = r->docs ? lt_docs_next(r->docs, &r->doc) : r->number == 0;
    if (rc <= 0) r->last = true;
    return rc;
}

/* Writes out what is finished, in order. */
static int write_out(struct run *r)
{
    for (struct slot *s; (s = r->head) && s->done;) {
        if (s->error)
            return s->misuse ? lt_misuse("%s%s", s->where ? s->where : "", s->error)
                : lt_fail("%s%s", s->where ? s->where : "", s->error);
        if (r->jsonl) put_json(r, &s->ask, lt_buf_view(&s->id), &s->reply);
        else put_text(r, &s->reply);
        if (lt_writer_flush(&r->out)) return -1;
        r->written++;
        if (!(r->head = s->next)) r->end = &r->head;
        free_slot(s);
        if (r->head) begin_text(r, r->head);
    }
    return 0;
}

static int ask_more(struct run *r)
{
    while (lt_batcher_waiting(r->batcher) < r->o->batch_size) {
        int rc = next_prompt(r);
        if (rc <= 0) return rc;
        struct slot *s = add_slot(r);
        if (!lt_batcher_add(r->batcher, &s->ask, s)) continue;
        fail_slot(s, lt_error(), lt_error_is_misuse());
        r->last = true;
    }
    return 0;
}

/* A search finds one reply after the other. */
static int search_all(struct run *r)
{
    const struct lt_search *search = (const struct lt_search *)r->o->search.method;
    struct lt_progress p;
    int rc = 0;
    lt_progress_begin(r->c, &p, "generate", "replies", 0);
    while (!rc && (rc = next_prompt(r)) > 0) {
        struct slot *s = add_slot(r);
        rc = search->run(r->o->search.o, &r->lm, r->c, &s->ask, &s->reply);
        if (rc) fail_slot(s, lt_error(), lt_error_is_misuse());
        s->done = true;
        rc = write_out(r);
        lt_progress_at(&p, (double)r->written, NULL);
        if (!rc && lt_ctx_interrupted(r->c))
            rc = lt_fail("interrupted after %llu replies", (unsigned long long)r->written);
    }
    lt_progress_end(&p);
    return rc;
}

static int write_all(struct run *r)
{
    struct lt_progress p;
    struct lt_done d;
    int more = 1, rc = 0;
    if (r->docs) lt_progress_begin(r->c, &p, "generate", "replies", 0);
    while (more > 0 && !rc) {
        if (!lt_ctx_interrupted(r->c)) rc = ask_more(r);
        if (!rc) more = lt_batcher_step(r->batcher);
        while (lt_batcher_take(r->batcher, &d)) {
            struct slot *s = d.tag;
            s->reply = d.reply;
            s->done = true;
            if (d.error) fail_slot(s, d.error, false);
            free(d.error);
        }
        if (more < 0) rc = -1;
        if (!rc) rc = write_out(r);
        if (r->docs) lt_progress_at(&p, (double)r->written, NULL);
    }
    if (r->docs) lt_progress_end(&p);
    if (!rc && lt_ctx_interrupted(r->c))
        rc = lt_fail("interrupted after %llu replies", (unsigned long long)r->written);
    return rc;
}

static void tell_guesses(struct run *r)
{
    struct lt_batcher_sums s = lt_batcher_sums(r->batcher);
    if (!s.guessed) return;
    lt_note(r->c, "%lld of %lld guesses kept (%.0f %%), %.2f tokens a pass of the model", (long long)s.kept,
            (long long)s.guessed, 100 * (double)s.kept / (double)s.guessed,
            (double)s.written / (double)LT_MAX(s.passes, 1));
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

/* Is there a search that is more than one token after the other? */
static bool searches(const struct lt_generate_options *o) { return strcmp(o->search.method->name, "sample"); }

static int check_search(const struct lt_generate_options *o)
{
    const char *name = o->search.method->name;
    if (!searches(o)) return 0;
    if (o->n > 1) return lt_misuse("--search %s finds one reply to a prompt: n must be 1, found %lld", name,
                                   (long long)o->n);
    if (o->greedy) return lt_misuse("greedy is for --search sample, not %s", name);
    if (o->token_healing) return lt_misuse("token_healing is for --search sample, not %s", name);
    if (o->draft || o->lookup) return lt_misuse("draft and lookup are for --search sample, not %s", name);
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
    if (check_search(o)) return -1;
    if (o->draft && o->lookup) return lt_misuse("give one of draft and lookup, not both");
    if (o->draft_tokens && !o->draft && !o->lookup)
        return lt_misuse("draft_tokens says how many tokens are guessed: give draft or lookup with it");
    if (o->prompt_cache && o->input.count)
        return lt_misuse("prompt_cache keeps one prompt: give it with prompt or prompt_ids, not with input");
    return 0;
}

/* ---- the prompt's keys and values between runs ---- */

/* The session stays open, and with it what it holds. */
static int open_cache(struct run *r, struct lt_session *s)
{
    const char *path = r->o->prompt_cache;
    if (!path) return 0;
    if (!r->lm.type->session || r->lm.type->session(r->lm.self, s)) return -1;
    if (!s->type->save) return lt_misuse("prompt_cache: %s models keep nothing of a prompt", r->lm.type->m.name);
    return lt_path_exists(path) ? s->type->load(s->self, path) : 0;
}

static int save_cache(struct run *r, struct lt_session *s)
{
    int32_t *id;
    int count;
    if (!r->o->prompt_cache || s->type->count(s->self)) return 0;
    int rc = lt_ask_ids(&r->base, r->t, s->type->limit(s->self), &id, &count);
    if (!rc) rc = s->type->feed(s->self, id, count) || s->type->save(s->self, r->o->prompt_cache) ? -1 : 0;
    free(id);
    return rc;
}

static int answer_all(struct run *r)
{
    const struct lt_generate_options *o = r->o;
    struct lt_batcher_how how = { .batch = (int)o->batch_size };
    struct lt_docs_how from = { .field = o->field };
    struct lt_session cache = { 0 };
    int32_t *id = NULL;
    how.draft = (struct lt_draft_how){ .lm = o->draft ? &r->draft : NULL, .lookup = (int)o->lookup,
                                       .tokens = o->draft_tokens ? (int)o->draft_tokens : 4 };
    r->base = (struct lt_ask){
        .prompt = lt_str(o->prompt ? o->prompt : ""), .controls = &o->controls, .max_tokens = (int)o->max_tokens,
        .top_logprobs = (int)o->logprobs, .seed = (uint64_t)o->seed, .greedy = o->greedy, .stop = &o->stop,
        .heal = o->token_healing,
        .end = r->says.eos, .end_count = r->says.eos_count,
    };
    if (o->prompt_ids.count && read_ids(&o->prompt_ids, &id)) return -1;
    r->base.prompt_ids = id;
    r->base.prompt_count = o->prompt_ids.count;
    r->end = &r->head;
    r->sample = o->n;
    int rc = o->input.count ? lt_docs_open(&o->input, &from, &r->docs) : 0;
    if (!rc && o->draft) rc = lt_lm_open(o->draft, r->c, &r->draft);
    if (!rc) rc = open_cache(r, &cache);
    if (!rc && searches(o)) rc = search_all(r);
    else if (!rc) {
        rc = lt_batcher_open(&r->lm, r->c, &how, &r->batcher);
        if (!rc) rc = write_all(r);
        if (!rc) tell_guesses(r);
    }
    if (!rc) rc = save_cache(r, &cache);
    lt_batcher_close(r->batcher);
    for (struct slot *s; (s = r->head); free_slot(s)) r->head = s->next;
    lt_session_close(&cache);
    lt_lm_close(&r->draft);
    lt_docs_close(r->docs);
    free(id);
    return rc;
}

int lt_generate_run(const struct lt_generate_options *o, struct lt_ctx *c)
{
    struct run r = { .o = o, .c = c, .jsonl = !strcmp(o->format, "jsonl") };
    lt_generation_init(&r.says);
    if (check(o) || lt_generation_read(o->model, &r.says)) return -1;
    if (lt_how_open(&o->how, o->model, c, &r.lm)) return -1;
    r.t = lt_lm_tokenizer(&r.lm);
    r.live = !r.jsonl && r.t && !o->output && !searches(o);
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
