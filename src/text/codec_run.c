/* lathe tokenizer encode and decode: one text a line in, one line of ids out, and back. */
#include "text/tools.h"

#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "text/document.h"
#include "text/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- encode ---- */
struct encode {
    const struct lt_tokenizer_encode_options *o;
    const struct lt_tokenizer *t;
    struct lt_encoder *encoder;
    struct lt_token *token;
    size_t n, cap;
    struct lt_buf line;
    struct lt_writer out;
};

static void put_plain(struct encode *e)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct lt_token *k = &e->token[i];
        lt_buf_fmt(&e->line, i ? " %" PRId32 : "%" PRId32, k->id);
        if (e->o->offsets)
            lt_buf_fmt(&e->line, ":%" PRIu32 "-%" PRIu32, k->begin, k->end);
    }
}

static void put_pieces(struct encode *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct lt_str piece = lt_tokenizer_piece(e->t, e->token[i].id);
        if (i)
            lt_buf_char(&e->line, ' ');
        lt_buf_put(&e->line, piece.p, piece.n);
    }
}

static void put_json(struct encode *e)
{
    lt_buf_str(&e->line, "{\"ids\": [");
    for (size_t i = 0; i < e->n; i++)
        lt_buf_fmt(&e->line, i ? ", %" PRId32 : "%" PRId32, e->token[i].id);
    if (e->o->pieces) {
        lt_buf_str(&e->line, "], \"tokens\": [");
        for (size_t i = 0; i < e->n; i++) {
            if (i)
                lt_buf_str(&e->line, ", ");
            lt_json_put_text(&e->line, lt_tokenizer_piece(e->t, e->token[i].id));
        }
    }
    if (e->o->offsets) {
        lt_buf_str(&e->line, "], \"offsets\": [");
        for (size_t i = 0; i < e->n; i++)
            lt_buf_fmt(&e->line, i ? ", [%" PRIu32 ", %" PRIu32 "]" : "[%" PRIu32 ", %" PRIu32 "]", e->token[i].begin,
                       e->token[i].end);
    }
    lt_buf_str(&e->line, "]}");
}

static int encode_text(struct encode *e, struct lt_str text)
{
    unsigned flags = (e->o->special ? LT_SPECIAL : 0) | (e->o->parse_special ? 0 : LT_NO_ADDED);
    e->n = 0;
    if (lt_encoder_encode(e->encoder, text, flags, NULL, &e->token, &e->n, &e->cap))
        return -1;
    lt_buf_clear(&e->line);
    if (e->o->json)
        put_json(e);
    else if (e->o->pieces)
        put_pieces(e);
    else
        put_plain(e);
    lt_buf_char(&e->line, '\n');
    lt_writer_put(&e->out, e->line.p, e->line.n);
    return 0;
}

static int encode_document(void *self, const struct lt_doc *d) { return encode_text(self, d->text); }

/* Calls fn for every line of every file; a file may be "-". */
typedef int line_fn(void *to, struct lt_str line);
static int each_line(const struct lt_list *files, struct lt_ctx *c, line_fn *fn, void *to)
{
    struct lt_buf line = { 0 };
    int rc = 0;
    for (int i = 0; i < files->count && rc == 0; i++) {
        struct lt_stream *s = lt_stream_open(files->item[i]);
        if (!s)
            rc = -1;
        uint64_t number = 0;
        while (rc == 0 && (lt_buf_clear(&line), rc = lt_stream_line(s, &line, LT_DOC_LINE_MAX, true)) > 0) {
            number++;
            rc = lt_ctx_interrupted(c) ? lt_fail("interrupted") : fn(to, lt_buf_view(&line));
            if (rc)
                lt_fail("%s: line %" PRIu64 ": %s", files->item[i], number, lt_error());
        }
        lt_stream_close(s);
    }
    lt_buf_free(&line);
    return rc;
}

static int encode_line(void *to, struct lt_str line)
{
    return encode_text(to, line);
}

int lt_tokenizer_encode_run(const struct lt_tokenizer_encode_options *o, struct lt_ctx *c)
{
    struct lt_tokenizer *t;
    struct encode e = { .o = o };
    if (lt_tokenizer_open(o->tokenizer, &t))
        return -1;
    e.t = t;
    e.encoder = lt_encoder_new(t);
    int rc = lt_writer_open(&e.out, "-");
    if (rc == 0) {
        rc = o->lines ? each_line(&o->input, c, encode_line, &e)
                      : lt_docs_each(&o->input, &o->docs, c, "encoding", encode_document, &e);
        if (rc == 0)
            rc = lt_writer_commit(&e.out);
        else
            lt_writer_abort(&e.out);
    }
    free(e.token);
    lt_buf_free(&e.line);
    lt_encoder_free(e.encoder);
    lt_tokenizer_free(t);
    return rc;
}

/* ---- decode ---- */
struct decode {
    const struct lt_tokenizer_decode_options *o;
    const struct lt_tokenizer *t;
    int32_t *id;
    size_t n, cap;
    struct lt_buf line;
    struct lt_writer out;
};

static int add_id(struct decode *d, int64_t id)
{
    int vocab = lt_tokenizer_vocab(d->t);
    if (id < 0 || id >= vocab)
        return lt_fail("id %" PRId64 ": ids of this tokenizer are 0 to %d", id, vocab - 1);
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 256;
        d->id = lt_realloc(d->id, d->cap * sizeof *d->id);
    }
    d->id[d->n++] = (int32_t)id;
    return 0;
}

/* "1 2 3", "1,2,3", and what encode --offsets adds to an id is passed over. */
static int parse_plain(struct decode *d, struct lt_str line)
{
    for (size_t i = 0; i < line.n;) {
        size_t end = i;
        while (end < line.n && !strchr(" ,\t", line.p[end]))
            end++;
        if (end > i) {
            struct lt_str word = { line.p + i, end - i };
            const char *colon = memchr(word.p, ':', word.n);
            int64_t id;
            if (lt_str_int((struct lt_str){ word.p, colon ? (size_t)(colon - word.p) : word.n }, &id))
                return lt_fail("\"%.*s\": an id was expected", (int)LT_MIN(word.n, 40), word.p);
            if (add_id(d, id))
                return -1;
        }
        i = end + 1;
    }
    return 0;
}

/* [1, 2, 3] or {"ids": [1, 2, 3]} */
static int parse_json(struct decode *d, struct lt_str line)
{
    json_t *j;
    if (lt_json_parse("ids", line, &j))
        return -1;
    const json_t *list = json_is_object(j) ? json_object_get(j, "ids") : j;
    int rc = json_is_array(list) ? 0 : lt_fail("a list of ids, or an object with one called \"ids\", was expected");
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);
        rc = json_is_integer(id) ? add_id(d, json_integer_value(id)) : lt_fail("id %zu is not a whole number", i);
    }
    json_decref(j);
    return rc;
}

static int decode_line(void *to, struct lt_str line)
{
    struct decode *d = to;
    d->n = 0;
    if (line.n && (line.p[0] == '{' || line.p[0] == '[') ? parse_json(d, line) : parse_plain(d, line))
        return -1;
    char *text = NULL;
    size_t n = 0;
    if (lt_tokenizer_decode(d->t, d->id, d->n, d->o->keep_special, &text, &n))
        return -1;
    lt_buf_clear(&d->line);
    if (d->o->json) {
        lt_buf_str(&d->line, "{\"text\": ");
        lt_json_put_text(&d->line, (struct lt_str){ text, n });
        lt_buf_char(&d->line, '}');
    } else {
        lt_buf_put(&d->line, text, n);
    }
    lt_buf_char(&d->line, '\n');
    lt_writer_put(&d->out, d->line.p, d->line.n);
    free(text);
    return 0;
}

int lt_tokenizer_decode_run(const struct lt_tokenizer_decode_options *o, struct lt_ctx *c)
{
    struct lt_tokenizer *t;
    struct decode d = { .o = o };
    if (lt_tokenizer_open(o->tokenizer, &t))
        return -1;
    d.t = t;
    int rc = lt_writer_open(&d.out, "-");
    if (rc == 0) {
        rc = each_line(&o->input, c, decode_line, &d);
        if (rc == 0)
            rc = lt_writer_commit(&d.out);
        else
            lt_writer_abort(&d.out);
    }
    free(d.id);
    lt_buf_free(&d.line);
    lt_tokenizer_free(t);
    return rc;
}
