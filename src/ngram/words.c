#include "ngram/words.h"
#include "base/io.h"
#include "text/document.h"
#include "text/tokenizer.h"
#include <stdlib.h>

static const char *const mark[] = { "<unk>", "<s>", "</s>" };

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of a line; false when there is none. */
static bool next_word(struct lt_str *line, struct lt_str *word)
{
    const char *p = line->p, *end = p + line->n;
    while (p < end && is_space(*p)) p++;
    word->p = p;
    while (p < end && !is_space(*p)) p++;
    word->n = (size_t)(p - word->p);
    *line = (struct lt_str){ p, (size_t)(end - p) };
    return word->n;
}

/* Is it how a mark is spelt, in ARPA files or here? */
static bool is_mark(struct lt_str word)
{
    if (word.p[0] != '<' || word.n < 3 || word.n > 5) return false;
    return lt_str_is(word, "<s>") || lt_str_is(word, "</s>") || lt_str_is(word, "<unk>") || lt_str_is(word, "<UNK>");
}

static uint32_t id_of(struct lt_ngram_words *w, struct lt_str word)
{
    bool fresh;
    uint64_t *id = lt_map_put(&w->vocabulary, word, &fresh);
    if (fresh) *id = w->vocabulary.count - 1;
    return (uint32_t)*id;
}

/* ---- the vocabulary ---- */
static int add_listed(void *to, struct lt_str line)
{
    struct lt_ngram_words *w = to;
    for (struct lt_str word; next_word(&line, &word);) {
        if (is_mark(word)) continue;
        if (word.n > LT_WORD_MAX) return lt_fail("a word of %zu bytes", word.n);
        if (w->how.outside_is_unk) id_of(w, word);
        else lt_map_put(&w->listed, word, NULL);
    }
    return lt_ngram_words_bytes(w) <= w->how.bytes ? 0 : lt_fail("it takes more than half of the memory (--memory)");
}

static int read_list(struct lt_ngram_words *w)
{
    const struct lt_list file = { &w->how.limit_vocab, 1 };
    if (lt_ngram_words_read(&file, "txt", NULL, NULL, add_listed, w)) return -1;
    return w->listed.count || w->vocabulary.count > LT_TEXT_EOS + 1 ? 0
        : lt_fail("%s: there are no words in it", w->how.limit_vocab);
}

/* How a piece is spelt in a file of words.  Most stand for themselves. */
static void spell_piece(struct lt_buf *b, struct lt_str piece, int32_t id)
{
    bool plain = piece.n && piece.n <= LT_WORD_MAX && !is_mark(piece);
    for (size_t i = 0; i < piece.n && plain; i++) plain = !is_space(piece.p[i]) && piece.p[i];
    lt_buf_clear(b);
    if (plain) lt_buf_put(b, piece.p, piece.n);
    else lt_buf_fmt(b, "<id:%d>", id);
}

/* Pieces are words; those for the unknown and for begin and end are the marks. */
static int take_pieces(struct lt_ngram_words *w)
{
    struct lt_buf b = { 0 };
    int rc = lt_tokenizer_open(w->how.tokenizer, &w->tokenizer);
    if (rc) return -1;
    int n = lt_tokenizer_vocab(w->tokenizer);
    int32_t bos = lt_tokenizer_bos(w->tokenizer), eos = lt_tokenizer_eos(w->tokenizer);
    int32_t unk = lt_tokenizer_id(w->tokenizer, "<unk>");
    w->piece = lt_alloc((size_t)LT_MAX(n, 1) * sizeof *w->piece);
    for (int32_t i = 0; i < n && !rc; i++) {
        struct lt_str piece = lt_tokenizer_piece(w->tokenizer, i);
        w->piece[i] = i == unk ? LT_TEXT_UNK : i == eos ? LT_TEXT_EOS : i == bos ? LT_TEXT_BOS : LT_NGRAM_NONE;
        if (!piece.p || w->piece[i] != LT_NGRAM_NONE) continue;
        spell_piece(&b, piece, i);
        uint32_t before = w->vocabulary.count;
        w->piece[i] = id_of(w, lt_buf_view(&b));
        if (w->piece[i] < before)
            rc = lt_fail("%s: two pieces are spelt \"%.*s\"", w->how.tokenizer, (int)b.n, b.p);
    }
    lt_buf_free(&b);
    if (!rc) w->encoder = lt_encoder_new(w->tokenizer);
    return rc;
}

int lt_ngram_words_begin(struct lt_ngram_words *w, const struct lt_ngram_words_how *how, struct lt_counter *to)
{
    *w = (struct lt_ngram_words){ .how = *how, .to = to };
    for (int i = 0; i < LT_COUNT(mark); i++) id_of(w, lt_str(mark[i]));
    if (how->tokenizer && take_pieces(w)) return -1;
    if (how->limit_vocab && read_list(w)) return -1;
    if (how->min_count > 1 || how->vocab_size) w->count = lt_calloc(w->count_cap = 1024, sizeof *w->count);
    return 0;
}

void lt_ngram_words_release(struct lt_ngram_words *w)
{
    lt_map_free(&w->vocabulary);
    lt_map_free(&w->listed);
    lt_encoder_free(w->encoder);
    lt_tokenizer_free(w->tokenizer);
    free(w->count);
    free(w->piece);
    free(w->tokens);
    *w = (struct lt_ngram_words){ 0 };
}

static size_t map_bytes(const struct lt_map *m)
{
    return m->keys.used_total + m->cap * sizeof *m->entry + m->slot_count * sizeof *m->slot;
}

size_t lt_ngram_words_bytes(const struct lt_ngram_words *w)
{
    return map_bytes(&w->vocabulary) + map_bytes(&w->listed) + w->count_cap * sizeof *w->count;
}

/* ---- lines ---- */
static int add(struct lt_ngram_words *w, uint32_t id)
{
    if (w->count) {
        while (id >= w->count_cap) {
            w->count = lt_realloc(w->count, 2 * w->count_cap * sizeof *w->count);
            memset(w->count + w->count_cap, 0, w->count_cap * sizeof *w->count);
            w->count_cap *= 2;
        }
        w->count[id]++;
    }
    return lt_counter_add(w->to, id, w->vocabulary.count);
}

static int add_mark(struct lt_ngram_words *w, struct lt_str word)
{
    if (w->how.outside_is_unk && (word.p[1] == 'u' || word.p[1] == 'U')) return add(w, LT_TEXT_UNK);
    if (w->how.skip_symbols) return 0;
    return lt_fail("the word \"%.*s\" is a mark of the model's own: take it out of the text, or pass over it with "
                   "--skip_symbols", (int)word.n, word.p);
}

static int add_word(struct lt_ngram_words *w, struct lt_str word)
{
    if (is_mark(word)) return add_mark(w, word);
    if (word.n > LT_WORD_MAX)
        return lt_fail("a word of %zu bytes; at most %zu are taken: is this text, with white space between its words?",
                       word.n, LT_WORD_MAX);
    if (!w->how.outside_is_unk) return add(w, id_of(w, word));
    const uint64_t *id = lt_map_get(&w->vocabulary, word);
    return add(w, id ? (uint32_t)*id : LT_TEXT_UNK);
}

static int add_words(struct lt_ngram_words *w, struct lt_str line)
{
    for (struct lt_str word; next_word(&line, &word);)
        if (add_word(w, word)) return -1;
    if (w->vocabulary.count > LT_WORDS_MAX) return lt_fail("there are more than %u different words", LT_WORDS_MAX);
    return 0;
}

static int add_pieces(struct lt_ngram_words *w, struct lt_str line)
{
    size_t n = 0;
    if (lt_encoder_encode(w->encoder, line, LT_NO_ADDED, NULL, &w->tokens, &n, &w->tokens_cap)) return -1;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = w->piece[w->tokens[i].id];
        if (id == LT_TEXT_BOS || id == LT_TEXT_EOS)
            return lt_fail("the tokenizer reads \"%s\" in the text, which is a mark of the model's own", mark[id]);
        if (id == LT_NGRAM_NONE)
            return lt_fail("the tokenizer gives the id %d, which has no piece", w->tokens[i].id);
        if (add(w, id)) return -1;
    }
    return 0;
}

int lt_ngram_words_line(struct lt_ngram_words *w, struct lt_str line)
{
    size_t bad = lt_text_check(line.p, line.n);
    if (bad < line.n && !line.p[bad]) return lt_fail("a NUL byte; this is not text");
    if (bad < line.n)
        return lt_fail("not UTF-8 (byte 0x%02X); convert the file first, for example with iconv",
                       (unsigned char)line.p[bad]);
    if (add(w, LT_TEXT_BOS)) return -1;
    if (w->encoder ? add_pieces(w, line) : add_words(w, line)) return -1;
    if (add(w, LT_TEXT_EOS)) return -1;
    if (lt_ngram_words_bytes(w) > w->how.bytes)
        return lt_fail("the vocabulary, of %u words so far, takes more than half of the memory: give more (--memory), "
                       "or list the words (--limit_vocab, --outside unk)", w->vocabulary.count);
    return 0;
}

/* ---- what is left out ---- */
static int by_count(const void *a, const void *b, void *ctx)
{
    const uint64_t *count = ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return count[x] != count[y] ? (count[x] < count[y] ? 1 : -1) : (x > y) - (x < y);
}

static uint64_t count_of(const struct lt_ngram_words *w, uint32_t id)
{
    return id < w->count_cap ? w->count[id] : 0;
}

static void drop_rare(const struct lt_ngram_words *w, uint8_t *out)
{
    uint32_t n = w->vocabulary.count, *id = lt_alloc(n * sizeof *id), kept = 0;
    uint64_t *count = lt_alloc(n * sizeof *count);
    for (uint32_t i = 0; i < n; i++) {
        count[i] = count_of(w, i);
        id[i] = i;
    }
    if (w->how.vocab_size) lt_sort(id, n, sizeof *id, by_count, count);
    for (uint32_t i = 0; i < n; i++) {
        if (out[id[i]] || id[i] <= LT_TEXT_EOS) continue;
        out[id[i]] = count[id[i]] < (uint64_t)w->how.min_count
                     || (w->how.vocab_size && kept >= (uint64_t)w->how.vocab_size);
        kept += !out[id[i]];
    }
    free(id);
    free(count);
}

uint8_t *lt_ngram_words_left_out(const struct lt_ngram_words *w)
{
    if (!w->listed.count && !w->count) return NULL;
    uint8_t *out = lt_calloc(w->vocabulary.count, 1);
    for (uint32_t i = LT_TEXT_EOS + 1; i < w->vocabulary.count && w->listed.count; i++)
        out[i] = !lt_map_get(&w->listed, w->vocabulary.entry[i].key);
    if (w->count) drop_rare(w, out);
    return out;
}

/* ---- files ---- */
enum { LINES_AT_ONCE = 1024 };
#define LINE_MAX ((size_t)64 << 20)             /* bytes in one sentence */

static int read_lines(const char *path, struct lt_ctx *c, lt_line_fn *fn, void *to)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf line = { 0 };
    struct lt_progress p;
    uint64_t number = 0;
    int rc;
    if (!s) return -1;
    lt_progress_begin(c, &p, "reading", "bytes", (double)lt_stream_size(s));
    while (lt_buf_clear(&line), (rc = lt_stream_line(s, &line, LINE_MAX, true)) > 0) {
        struct lt_str text = lt_buf_view(&line);
        if (!number++ && lt_str_starts(text, "\xEF\xBB\xBF")) text = (struct lt_str){ text.p + 3, text.n - 3 };
        rc = fn(to, text);
        if (rc) {
            lt_fail("%s, line %llu: %s", path, (unsigned long long)number, lt_error());
            break;
        }
        if (number % LINES_AT_ONCE) continue;
        lt_progress_at(&p, (double)lt_stream_position(s), NULL);
        if (lt_ctx_interrupted(c)) {
            rc = lt_fail("interrupted");
            break;
        }
    }
    lt_progress_end(&p);
    lt_buf_free(&line);
    lt_stream_close(s);
    return rc;
}

struct by_line { lt_line_fn *fn; void *to; };

static int read_document(void *self, const struct lt_doc *d)
{
    const struct by_line *b = self;
    struct lt_str rest = d->text, line;
    while (lt_str_split(&rest, '\n', &line)) {
        if (!rest.p && !line.n) break;          /* the last line has ended with '\n' */
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (b->fn(b->to, line)) return -1;
    }
    return 0;
}

static int read_documents(const struct lt_list *paths, const char *format, const char *field, struct lt_ctx *c,
                          lt_line_fn *fn, void *to)
{
    struct lt_docs_how how = { .format = format, .field = field };
    return lt_docs_each(paths, &how, c, "reading", read_document, &(struct by_line){ fn, to });
}

/* Files of lines are read as they come, however long; the others, and folders, one document after the other. */
static bool has_documents(const char *path, const char *format)
{
    static const char *const end[] = { ".jsonl", ".ndjson", ".html", ".htm", ".xhtml" };
    struct lt_str name = lt_str(path);
    if (strcmp(format, "auto")) return strcmp(format, "txt") != 0 || (strcmp(path, "-") && lt_path_is_dir(path));
    if (strcmp(path, "-") && lt_path_is_dir(path)) return true;
    if (lt_str_ends(name, ".gz")) name.n -= 3;
    else if (lt_str_ends(name, ".zst")) name.n -= 4;
    for (int i = 0; i < LT_COUNT(end); i++)
        if (lt_str_ends(name, end[i])) return true;
    return false;
}

int lt_ngram_words_read(const struct lt_list *files, const char *format, const char *field, struct lt_ctx *c,
                        lt_line_fn *fn, void *to)
{
    for (int i = 0; i < files->count; i++) {
        struct lt_list one = { &files->item[i], 1 };
        if (has_documents(files->item[i], format) ? read_documents(&one, format, field, c, fn, to)
                                                  : read_lines(files->item[i], c, fn, to)) return -1;
    }
    return 0;
}
