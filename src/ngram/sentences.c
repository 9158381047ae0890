#include "ngram/sentences.h"
#include "base/io.h"
#include "base/json.h"
#include "text/document.h"
#include "text/words_tokenizer.h"
#include <stdlib.h>
#include <string.h>

static const char *const mark[LT_SENTENCES_MARKS] = { "<unk>", "<s>", "</s>" };

void lt_sentences_init(struct lt_sentences *s)
{
    *s = (struct lt_sentences){ 0 };
    for (int i = 0; i < LT_SENTENCES_MARKS; i++) *lt_map_put(&s->vocabulary, lt_str(mark[i]), NULL) = (uint64_t)i;
}

void lt_sentences_release(struct lt_sentences *s)
{
    lt_map_free(&s->vocabulary);
    free(s->token);
    *s = (struct lt_sentences){ 0 };
}

static void put(struct lt_sentences *s, uint32_t id)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap + s->cap / 2 : 4096;
        s->token = lt_realloc(s->token, s->cap * sizeof *s->token);
    }
    s->token[s->n++] = id;
}

static int put_word(struct lt_sentences *s, struct lt_str word)
{
    bool fresh;
    uint64_t *id = lt_map_put(&s->vocabulary, word, &fresh);
    if (fresh) *id = s->vocabulary.count - 1;
    if (*id == LT_SENTENCES_BOS || *id == LT_SENTENCES_EOS)
        return lt_fail("the word \"%.*s\" is a mark of the model's own: take it out of the text or spell it otherwise",
                       (int)word.n, word.p);
    put(s, (uint32_t)*id);
    s->bytes += word.n + 1;
    return 0;
}

/* <unk> in a text is an unknown word: closed vocabularies are made so. */
int lt_sentences_add(struct lt_sentences *s, struct lt_str line)
{
    struct lt_str word;
    size_t before = s->n;
    put(s, LT_SENTENCES_BOS);
    while (lt_word_next(&line, &word))
        if (put_word(s, word)) return -1;
    if (s->n == before + 1) {
        s->n = before;
        return 0;
    }
    put(s, LT_SENTENCES_EOS);
    s->count++;
    return 0;
}

void lt_sentences_prune(struct lt_sentences *s, int64_t min_count)
{
    uint32_t words = s->vocabulary.count, kept = LT_SENTENCES_MARKS, *to = lt_alloc(words * sizeof *to);
    uint64_t *seen = lt_calloc(words, sizeof *seen);
    struct lt_map small = { 0 };
    for (size_t i = 0; i < s->n; i++) seen[s->token[i]]++;
    for (uint32_t w = 0; w < words; w++) {
        bool keep = w < LT_SENTENCES_MARKS || (int64_t)seen[w] >= min_count;
        to[w] = w < LT_SENTENCES_MARKS ? w : keep ? kept++ : LT_SENTENCES_UNK;
        if (keep) *lt_map_put(&small, s->vocabulary.entry[w].key, NULL) = to[w];
    }
    for (size_t i = 0; i < s->n; i++) s->token[i] = to[s->token[i]];
    lt_map_free(&s->vocabulary);
    s->vocabulary = small;
    free(seen);
    free(to);
}

/* ---- reading ---- */
struct reading {
    const struct lt_sentences_how *how;
    struct lt_sentences *s;
    struct lt_writer *held_out;
    struct lt_buf line;
};

static bool is_held_out(const struct lt_sentences_how *how, struct lt_str line)
{
    return how->validation > 0 && (double)(lt_hash(line.p, line.n, 0) >> 11) * 0x1p-53 < how->validation;
}

static void hold_out(struct reading *r, struct lt_str line)
{
    r->s->held_out++;
    if (!r->held_out) return;
    lt_buf_clear(&r->line);
    lt_buf_str(&r->line, "{\"text\": ");
    lt_json_put_text(&r->line, line);
    lt_buf_str(&r->line, "}\n");
    lt_writer_put(r->held_out, r->line.p, r->line.n);
}

static struct lt_str trimmed(struct lt_str s)
{
    while (s.n && lt_word_space(s.p[s.n - 1])) s.n--;
    while (s.n && lt_word_space(*s.p)) s.p++, s.n--;
    return s;
}

static int add_document(void *self, const struct lt_doc *d)
{
    struct reading *r = self;
    struct lt_sentences *s = r->s;
    struct lt_str text = d->text, line;
    while (text.p && lt_str_split(&text, '\n', &line)) {
        line = trimmed(line);
        if (!line.n) continue;
        if (is_held_out(r->how, line)) hold_out(r, line);
        else if (!r->how->bytes || s->bytes < (uint64_t)r->how->bytes)
            if (lt_sentences_add(s, line)) return -1;
        if (s->n >= UINT32_MAX / 2) return lt_fail("the text has more than %zu words", s->n);
    }
    size_t held = s->n * sizeof *s->token + s->vocabulary.keys.used_total
                + s->vocabulary.cap * (sizeof *s->vocabulary.entry + 8);
    if (held > r->how->memory)
        return lt_fail("the first %zu words take more than the %zu MiB they may (--memory)", s->n,
                       r->how->memory >> 20);
    return 0;
}

static int read_documents(struct reading *r, struct lt_ctx *c)
{
    static const char *standard_input[] = { "-" };
    struct lt_list input = r->how->input.count ? r->how->input : (struct lt_list){ standard_input, 1 };
    struct lt_docs_how how = { .format = r->how->format, .field = r->how->field };
    return lt_docs_each(&input, &how, c, "reading", add_document, r);
}

int lt_sentences_read(const struct lt_sentences_how *how, struct lt_ctx *c, struct lt_sentences *out)
{
    struct reading r = { .how = how, .s = out };
    struct lt_writer w;
    lt_sentences_init(out);
    if (how->held_out && how->validation == 0)
        return lt_misuse("held_out has nothing to receive: --validation says which share of the sentences it gets");
    if (how->held_out && lt_writer_open(&w, how->held_out)) return -1;
    if (how->held_out) r.held_out = &w;
    int rc = read_documents(&r, c);
    if (!rc && out->vocabulary.count == LT_SENTENCES_MARKS && !out->n)
        rc = lt_fail("the text has no words%s", out->held_out ? " but those held out" : "");
    if (r.held_out && rc) lt_writer_abort(&w);
    else if (r.held_out) rc = lt_writer_commit(&w);
    lt_buf_free(&r.line);
    if (!rc && how->min_count > 1) lt_sentences_prune(out, how->min_count);
    return rc;
}
