#include "text/train/learn.h"

#include "base/json.h"
#include "text/tok_char.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- special tokens ---- */
int32_t lt_trainer_special(const struct lt_pieces *pieces, int specials, const char *name)
{
    for (int i = 0; name && *name && i < specials; i++)
        if (lt_str_is(pieces->piece[i], name))
            return i;
    return -1;
}

static int add_special(struct lt_pieces *pieces, const char *name)
{
    if (!name || !*name || lt_trainer_special(pieces, pieces->count, name) >= 0)
        return 0;
    size_t n = strlen(name);
    if (n >= LT_TOK_PIECE_MAX || lt_text_check(name, n) != n)
        return lt_misuse("special token \"%.40s\": at most %d bytes of UTF-8 were expected", name,
                         LT_TOK_PIECE_MAX - 1);
    lt_pieces_add(pieces, lt_str(name), 1);
    return 0;
}

int lt_trainer_specials(const struct lt_trainer_options *o, struct lt_pieces *pieces, struct lt_tok_added **added,
                        int *count)
{
    *added = NULL;
    *count = 0;
    const char *const named[] = { o->unk_token, o->bos_token, o->eos_token, o->pad_token };
    for (int i = 0; i < LT_COUNT(named); i++)
        if (add_special(pieces, named[i]))
            return -1;
    for (int i = 0; i < o->special_tokens.count; i++) {
        if (!*o->special_tokens.item[i])
            return lt_misuse("special token %d is empty", i + 1);
        if (add_special(pieces, o->special_tokens.item[i]))
            return -1;
    }
    *count = pieces->count;
    *added = lt_calloc((size_t)*count, sizeof **added);
    for (int i = 0; i < *count; i++)
        (*added)[i] = (struct lt_tok_added){ .id = i, .content = pieces->piece[i], .special = true };
    return 0;
}

/* ---- words ---- */
int lt_trainer_words(const struct lt_trainer_options *o, const struct lt_tok_spec *like, bool whole_documents,
                     const struct lt_list *files, struct lt_ctx *c, struct lt_words *out)
{
    struct lt_tokenizer *pipeline;
    if (lt_tokenizer_build(like, &pipeline))
        return -1;
    struct lt_word_how how = {
        .docs = o->docs,
        .memory = ((size_t)o->memory << 20) / 4, .least = (uint64_t)o->word_min_count,
        .whole_documents = whole_documents,
    };
    int rc = lt_count_words(&how, files, pipeline, c, out);
    lt_tokenizer_free(pipeline);
    if (rc)
        return -1;
    if (out->count)
        return 0;
    lt_fail("no words to learn from: %" PRIu64 " documents, %" PRIu64 " words, none %s", out->documents, out->total,
            o->word_min_count > 1 ? "as frequent as word_min_count asks" : "left after splitting");
    lt_words_release(out);
    return -1;
}

int lt_trainer_fits(const struct lt_trainer_options *o, const struct lt_words *w, uint64_t bytes)
{
    if (bytes >> 20 <= (uint64_t)o->memory)
        return 0;
    return lt_fail("learning from %zu distinct words takes about %" PRIu64 " MiB, more than memory = %" PRId64 "; "
                   "allow more memory, or leave rare words out with word_min_count", w->count, (bytes >> 20) + 1,
                   o->memory);
}

/* ---- characters ---- */
enum { CODES = 0x110000 };

struct letter { uint32_t code; uint64_t count; };

static int by_count(const void *a, const void *b, void *ctx)
{
    const struct letter *x = a, *y = b;
    (void)ctx;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->code > y->code) - (x->code < y->code);
}

static int by_code(const void *a, const void *b, void *ctx)
{
    const struct letter *x = a, *y = b;
    (void)ctx;
    return (x->code > y->code) - (x->code < y->code);
}

static uint64_t *count_characters(const struct lt_words *w, uint64_t *total)
{
    uint64_t *count = lt_calloc(CODES, sizeof *count);
    *total = 0;
    for (size_t i = 0; i < w->count; i++) {
        uint32_t c;
        for (size_t at = 0; at < w->word[i].n;) {
            at += (size_t)lt_utf8_get(w->word[i].p + at, &c);
            count[c] += w->word[i].count;
            *total += w->word[i].count;
        }
    }
    return count;
}

void lt_alphabet_of(const struct lt_words *w, int64_t most, double coverage, struct lt_alphabet *out)
{
    uint64_t total, *count = count_characters(w, &total), taken = 0;
    size_t n = 0, kept = 0;
    for (uint32_t c = 0; c < CODES; c++)
        n += count[c] > 0;
    struct letter *letter = lt_alloc(n * sizeof *letter);
    for (uint32_t c = 0, k = 0; c < CODES; c++)
        if (count[c])
            letter[k++] = (struct letter){ .code = c, .count = count[c] };
    free(count);
    lt_sort(letter, n, sizeof *letter, by_count, NULL);
    while (kept < n && (!most || (int64_t)kept < most) && (double)taken < coverage * (double)total)
        taken += letter[kept++].count;
    lt_sort(letter, kept, sizeof *letter, by_code, NULL);
    *out = (struct lt_alphabet){ .count = (int32_t)kept, .covered = total ? (double)taken / (double)total : 0 };
    out->letter = lt_alloc(kept * sizeof *out->letter);
    out->seen = lt_alloc(kept * sizeof *out->seen);
    for (size_t i = 0; i < kept; i++) {
        char text[4];
        size_t bytes = (size_t)lt_utf8_put(text, letter[i].code);
        out->letter[i] = (struct lt_str){ lt_arena_str(&out->text, (struct lt_str){ text, bytes }), bytes };
        out->seen[i] = letter[i].count;
    }
    free(letter);
}

void lt_alphabet_release(struct lt_alphabet *a)
{
    free(a->letter);
    free(a->seen);
    lt_arena_free(&a->text);
    *a = (struct lt_alphabet){ 0 };
}

/* ---- words into symbols ---- */
static void end_word(struct lt_symbols *s, uint64_t *filled, uint64_t count)
{
    uint64_t begin = s->first[s->words];
    if (*filled - begin < 2) {
        *filled = begin;
        return;
    }
    s->size[s->words] = (uint32_t)(*filled - begin);
    s->count[s->words++] = count;
    s->first[s->words] = *filled;
}

static void put_characters(struct lt_symbols *s, const struct lt_word *w, const struct lt_map *first,
                           const struct lt_map *rest, uint64_t *filled)
{
    size_t n;
    for (size_t at = 0; at < w->n; at += n) {
        n = (size_t)lt_utf8_size(w->p[at]);
        const uint64_t *id = lt_map_get(at ? rest : first, (struct lt_str){ w->p + at, n });
        if (id)
            s->symbol[(*filled)++] = (uint32_t)*id;
        else
            end_word(s, filled, w->count);
    }
}

static uint64_t bytes_of(const struct lt_words *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->count; i++)
        sum += w->word[i].n;
    return sum;
}

void lt_trainer_symbols(const struct lt_words *w, const int32_t *byte, const struct lt_map *first,
                        const struct lt_map *rest, struct lt_symbols *out)
{
    uint64_t total = bytes_of(w), filled = 0;
    size_t room = byte ? w->count : LT_MAX(total / 2, w->count);     /* words can fall apart into more */
    struct lt_symbols *s = out;
    *s = (struct lt_symbols){ 0 };
    s->symbol = lt_alloc(total * sizeof *s->symbol);
    s->size = lt_alloc(room * sizeof *s->size);
    s->count = lt_alloc(room * sizeof *s->count);
    s->first = lt_calloc(room + 1, sizeof *s->first);
    for (size_t i = 0; i < w->count; i++) {
        const struct lt_word *word = &w->word[i];
        if (!byte)
            put_characters(s, word, first, rest, &filled);
        for (size_t at = 0; byte && at < word->n; at++)
            s->symbol[filled++] = (uint32_t)byte[(unsigned char)word->p[at]];
        end_word(s, &filled, word->count);
    }
}

/* A symbol and its place in a pair's list, and the pairs, of which there are fewer than symbols; as measured. */
uint64_t lt_symbols_bytes(const struct lt_words *w, bool bytes)
{
    return bytes_of(w) * (bytes ? 20 : 30) + w->count * 32;
}

/* ---- what the finished tokenizer is made of ---- */
#define MARK "\xE2\x96\x81"
const char lt_trainer_space_mark[] =
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\n+\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\","
    "\"prepend_scheme\":\"first\",\"split\":true}]}";
const char lt_trainer_space_mark_decoder[] =
    "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"" MARK "\"},"
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
    "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}";

static void put_special(struct lt_buf *b, const char *name, bool *more)
{
    if (!name || !*name)
        return;
    lt_buf_str(b, *more ? ",{\"SpecialToken\":{\"id\":" : "{\"SpecialToken\":{\"id\":");
    lt_json_put_text(b, lt_str(name));
    lt_buf_str(b, ",\"type_id\":0}}");
    *more = true;
}

static void put_sequence(struct lt_buf *b, const char *id, const char *first, const char *last, bool *more)
{
    put_special(b, first, more);
    lt_buf_fmt(b, "%s{\"Sequence\":{\"id\":\"%s\",\"type_id\":0}}", *more ? "," : "", id);
    *more = true;
    put_special(b, last, more);
}

char *lt_trainer_template(const struct lt_pieces *pieces, int specials, const char *first, const char *last)
{
    struct lt_buf b = { 0 };
    bool more = false;
    lt_buf_str(&b, "{\"type\":\"TemplateProcessing\",\"single\":[");
    put_sequence(&b, "A", first, last, &more);
    lt_buf_str(&b, "],\"pair\":[");
    more = false;
    put_sequence(&b, "A", first, last, &more);
    put_sequence(&b, "B", NULL, last, &more);
    lt_buf_str(&b, "],\"special_tokens\":{");
    const char *const name[] = { first, last && first && !strcmp(first, last) ? NULL : last };
    more = false;
    for (int i = 0; i < 2; i++) {
        if (!name[i] || !*name[i])
            continue;
        struct lt_buf quoted = { 0 };
        lt_json_put_text(&quoted, lt_str(name[i]));
        lt_buf_fmt(&b, "%s%s:{\"id\":%s,\"ids\":[%" PRId32 "],\"tokens\":[%s]}", more ? "," : "", quoted.p, quoted.p,
                   lt_trainer_special(pieces, specials, name[i]), quoted.p);
        lt_buf_free(&quoted);
        more = true;
    }
    lt_buf_str(&b, "}}");
    return b.p;
}

struct lt_str *lt_trainer_spellings(const struct lt_pieces *pieces, int specials, bool spell, struct lt_arena *text)
{
    struct lt_str *out = lt_alloc((size_t)pieces->count * sizeof *out);
    struct lt_buf b = { 0 };
    for (int32_t i = 0; i < pieces->count; i++) {
        out[i] = pieces->piece[i];
        if (!spell || i < specials)
            continue;
        lt_buf_clear(&b);
        lt_tok_spell(&b, pieces->piece[i]);
        out[i] = (struct lt_str){ lt_arena_str(text, lt_buf_view(&b)), b.n };
    }
    lt_buf_free(&b);
    return out;
}
