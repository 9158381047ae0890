/* Sentences go to the spool of their partition as they are read.  Then partition by partition they are sorted by their
 * hash, which is as good as shuffling them, and equal ones stand side by side. */
#include "data/sentence_corpus.h"

#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "base/spill.h"
#include "text/document.h"
#include "text/sentence_split.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum split { TRAIN, DEV, TEST, SPLITS };
static const char *const split_name[SPLITS] = { "train", "dev", "test" };

struct totals { uint64_t sentences, words, bytes, unknown; };
struct item { uint64_t key; size_t at, n; };

struct job {
    const struct lt_sentence_corpus_options *o;
    struct lt_ctx *c;
    struct lt_map abbreviations, vocabulary;
    struct lt_spill *spill;
    struct lt_spool *spool;                 /* one a partition */
    struct lt_folder folder;
    struct lt_writer text[SPLITS], documents[SPLITS];
    struct lt_buf partition, line, marked;
    struct item *item;
    size_t items, cap;
    struct totals total[SPLITS];
    uint64_t read, sentences, too_short, too_long, duplicates, kept;
};

static uint64_t key_of(const struct job *j, struct lt_str sentence)
{
    return lt_hash(sentence.p, sentence.n, (uint64_t)j->o->seed);
}

/* The key's partition; *place is how far into it, in [0, 1). */
static size_t partition_of(const struct job *j, uint64_t key, double *place)
{
    unsigned __int128 product = (unsigned __int128)key * (uint64_t)j->o->partitions;
    if (place) *place = (double)((uint64_t)product >> 11) * 0x1p-53;
    return (size_t)(product >> 64);
}

/* ---- reading ---- */
static int add_sentence(void *self, struct lt_str sentence, uint64_t words)
{
    struct job *j = self;
    j->sentences++;
    if (words < (uint64_t)j->o->min_words) {
        j->too_short++;
    } else if (j->o->max_words && words > (uint64_t)j->o->max_words) {
        j->too_long++;
    } else {
        struct lt_spool *s = &j->spool[partition_of(j, key_of(j, sentence), NULL)];
        lt_spool_put_count(s, sentence.n);
        for (size_t i = 0; i < sentence.n; i++) lt_spool_put_byte(s, (uint8_t)sentence.p[i]);
    }
    return lt_ctx_interrupted(j->c) ? lt_fail("interrupted; nothing was written") : 0;
}

static int add_document(void *self, const struct lt_doc *d)
{
    struct job *j = self;
    const struct lt_sentence_corpus_options *o = j->o;
    struct lt_sentence_rules rules = { .abbreviations = &j->abbreviations, .lines = o->lines, .tokenize = o->tokenize };
    j->read++;
    return lt_sentence_split(&rules, d->text, add_sentence, j) || lt_spill_check(j->spill) ? -1 : 0;
}

/* ---- a partition in memory, in order ---- */
static int by_key(const void *a, const void *b, void *ctx)
{
    const struct item *x = a, *y = b;
    const char *text = ((const struct job *)ctx)->partition.p;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return lt_str_cmp((struct lt_str){ text + x->at, x->n }, (struct lt_str){ text + y->at, y->n });
}

static int load(struct job *j, size_t which)
{
    struct lt_spool_reader r;
    lt_buf_clear(&j->partition);
    j->items = 0;
    lt_spool_read(&r, &j->spool[which]);
    while (r.p != r.end || lt_spool_more(&r)) {
        size_t n = lt_spool_get_count(&r);
        if (lt_spill_check(j->spill)) break;
        if (j->items == j->cap) {
            j->cap = j->cap ? 2 * j->cap : 1024;
            j->item = lt_realloc(j->item, j->cap * sizeof *j->item);
        }
        struct item *it = &j->item[j->items++];
        *it = (struct item){ .at = j->partition.n, .n = n };
        char *to = lt_buf_room(&j->partition, n);
        for (size_t i = 0; i < n; i++) to[i] = (char)lt_spool_get_byte(&r);
        j->partition.n += n;
        it->key = key_of(j, (struct lt_str){ to, n });
    }
    lt_spool_read_end(&r);
    lt_spool_free(&j->spool[which]);
    if (lt_spill_check(j->spill)) return -1;
    lt_sort(j->item, j->items, sizeof *j->item, by_key, j);
    return 0;
}

/* ---- writing ---- */
/* Training words are counted; in the other texts those that will not be in the vocabulary are. */
static void count_words(struct job *j, enum split to, struct lt_str s)
{
    struct lt_str word;
    while (s.n && lt_str_split(&s, ' ', &word)) {
        j->total[to].words++;
        if (to == TRAIN) {
            ++*lt_map_put(&j->vocabulary, word, NULL);
            continue;
        }
        const uint64_t *seen = lt_map_get(&j->vocabulary, word);
        j->total[to].unknown += !seen || *seen < (uint64_t)j->o->min_count;
    }
}

static void put_document(struct job *j, enum split to, struct lt_str s)
{
    lt_buf_clear(&j->marked);
    lt_buf_clear(&j->line);
    lt_buf_put(&j->marked, s.p, s.n);
    if (to != TRAIN && j->o->end_mark) lt_buf_fmt(&j->marked, " %s", j->o->end_mark);
    lt_buf_str(&j->line, "{\"text\":");
    lt_json_put_text(&j->line, lt_buf_view(&j->marked));
    lt_buf_str(&j->line, "}\n");
    lt_writer_put(&j->documents[to], j->line.p, j->line.n);
}

static void put_sentence(struct job *j, enum split to, struct lt_str s)
{
    lt_writer_put(&j->text[to], s.p, s.n);
    lt_writer_put(&j->text[to], "\n", 1);
    if (j->o->documents) put_document(j, to, s);
    j->total[to].sentences++;
    j->total[to].bytes += s.n + 1;
    count_words(j, to, s);
}

static int write_partition(struct job *j, size_t which)
{
    if (load(j, which)) return -1;
    for (size_t i = 0; i < j->items; i++) {
        const struct item *it = &j->item[i];
        double place;
        partition_of(j, it->key, &place);
        if (j->o->dedup && i && !by_key(it - 1, it, j)) {
            j->duplicates++;
            continue;
        }
        enum split to = which >= (size_t)j->o->held_out ? TRAIN : place < j->o->test ? TEST : DEV;
        put_sentence(j, to, (struct lt_str){ j->partition.p + it->at, it->n });
    }
    return lt_ctx_interrupted(j->c) ? lt_fail("interrupted; nothing was written") : 0;
}

/* The most frequent first, then in byte order. */
static int by_count(const void *a, const void *b, void *ctx)
{
    const struct lt_map_entry *x = a, *y = b;
    (void)ctx;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return lt_str_cmp(x->key, y->key);
}

static const char *inside(struct job *j, const char *name, const char *ending)
{
    lt_buf_clear(&j->line);
    lt_buf_fmt(&j->line, "%s/%s%s", j->folder.temp, name, ending);
    return j->line.p;
}

static int write_vocabulary(struct job *j)
{
    size_t n = 0;
    struct lt_map_entry *word = lt_alloc((j->vocabulary.count + 1) * sizeof *word);
    for (uint32_t i = 0; i < j->vocabulary.count; i++) {
        const struct lt_map_entry *e = &j->vocabulary.entry[i];
        if (e->value < (uint64_t)j->o->min_count) continue;
        j->kept++;
        word[n++] = *e;
    }
    for (uint32_t i = 0; i < j->vocabulary.count; i++)
        if (j->vocabulary.entry[i].value < (uint64_t)j->o->min_count)
            j->total[TRAIN].unknown += j->vocabulary.entry[i].value;
    lt_sort(word, n, sizeof *word, by_count, NULL);
    struct lt_writer w;
    int rc = lt_writer_open(&w, inside(j, "vocab", ".txt"));
    for (size_t i = 0; i < n && !rc; i++) {
        lt_writer_put(&w, word[i].key.p, word[i].key.n);
        lt_writer_put(&w, "\n", 1);
    }
    free(word);
    return rc ? -1 : lt_writer_commit(&w);
}

static int open_texts(struct job *j)
{
    for (int s = 0; s < SPLITS; s++) {
        if (lt_writer_open(&j->text[s], inside(j, split_name[s], ".txt"))) return -1;
        if (j->o->documents && lt_writer_open(&j->documents[s], inside(j, split_name[s], ".jsonl"))) return -1;
    }
    return 0;
}

static int close_texts(struct job *j, bool good)
{
    int rc = 0;
    for (int s = 0; s < 2 * SPLITS; s++) {
        struct lt_writer *w = s < SPLITS ? &j->text[s] : &j->documents[s - SPLITS];
        if (!w->f) continue;
        if (good && !rc) rc = lt_writer_commit(w);
        else lt_writer_abort(w);
    }
    return rc;
}

/* ---- figures ---- */
static json_t *figures(const struct job *j)
{
    json_t *root = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "documents", (json_int_t)j->read, "sentences",
                             (json_int_t)j->sentences, "too_short", (json_int_t)j->too_short, "too_long",
                             (json_int_t)j->too_long, "duplicates", (json_int_t)j->duplicates, "vocabulary",
                             (json_int_t)j->kept);
    for (int s = 0; s < SPLITS; s++) {
        const struct totals *t = &j->total[s];
        json_object_set_new(root, split_name[s],
                            json_pack("{s:I, s:I, s:I, s:I}", "sentences", (json_int_t)t->sentences, "words",
                                      (json_int_t)t->words, "bytes", (json_int_t)t->bytes, "unknown_words",
                                      (json_int_t)t->unknown));
    }
    return root;
}

static int report(const struct job *j)
{
    struct lt_buf b = { 0 };
    if (j->o->json) {
        json_t *root = figures(j);
        lt_json_put(&b, root);
        lt_buf_char(&b, '\n');
        json_decref(root);
    } else {
        lt_buf_str(&b, "split\tsentences\twords\tbytes\tunknown_words\n");
        for (int s = 0; s < SPLITS; s++)
            lt_buf_fmt(&b, "%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", split_name[s],
                       j->total[s].sentences, j->total[s].words, j->total[s].bytes, j->total[s].unknown);
    }
    int rc = lt_file_save("-", b.p, b.n);
    lt_buf_free(&b);
    lt_note(j->c, "%" PRIu64 " sentences of %" PRIu64 " documents; left out: %" PRIu64 " too short, %" PRIu64
            " too long, %" PRIu64 " seen before; %" PRIu64 " words in the vocabulary", j->sentences, j->read,
            j->too_short, j->too_long, j->duplicates, j->kept);
    return rc;
}

static int save_figures(struct job *j)
{
    struct lt_buf b = { 0 };
    json_t *root = figures(j);
    lt_json_put(&b, root);
    lt_buf_char(&b, '\n');
    json_decref(root);
    int rc = lt_file_save(inside(j, "sentences", ".json"), b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

/* ---- all of it ---- */
/* Abbreviations between white space; a full stop behind one is no part of it here. */
static int read_abbreviations(struct job *j)
{
    struct lt_buf text = { 0 };
    struct lt_str rest, word;
    lt_sentence_abbreviations(&j->abbreviations);
    if (!j->o->abbreviations) return 0;
    int rc = lt_file_read(j->o->abbreviations, &text);
    size_t bad = rc || !text.n ? text.n : lt_text_check(text.p, text.n);
    if (!rc && bad < text.n)
        rc = lt_fail("%s: expected abbreviations as text in UTF-8; byte %zu is none", j->o->abbreviations, bad);
    for (size_t i = 0; i < text.n && !rc; i++)
        if (strchr("\t\r\n", text.p[i])) text.p[i] = ' ';
    rest = lt_buf_view(&text);
    while (!rc && rest.n && lt_str_split(&rest, ' ', &word)) {
        if (word.n && word.p[word.n - 1] == '.') word.n--;
        if (word.n) lt_map_put(&j->abbreviations, word, NULL);
    }
    lt_buf_free(&text);
    return rc;
}

static int check(const struct lt_sentence_corpus_options *o)
{
    if (o->held_out >= o->partitions)
        return lt_misuse("--held_out %" PRId64 " of %" PRId64 " --partitions leaves nothing to train on", o->held_out,
                         o->partitions);
    if (o->max_words && o->max_words < o->min_words)
        return lt_misuse("--max_words %" PRId64 " is less than --min_words %" PRId64, o->max_words, o->min_words);
    if (o->end_mark && !o->documents)
        return lt_misuse("--end_mark is written behind the sentences of dev.jsonl and test.jsonl, which --documents "
                         "asks for");
    if (o->end_mark && (!*o->end_mark || strpbrk(o->end_mark, " \t\r\n")))
        return lt_misuse("--end_mark \"%s\": expected one word", o->end_mark);
    if (!strcmp(o->output, "-"))
        return lt_misuse("--output -: the output is a folder; name one");
    return lt_folder_guard(o->output, "sentences.json");
}

static int write_all(struct job *j)
{
    const size_t count = (size_t)j->o->partitions, held = (size_t)j->o->held_out;
    struct lt_progress p;
    int rc = open_texts(j);
    lt_progress_begin(j->c, &p, "shuffling", "partitions", (double)count);
    for (size_t i = 0; i < count && !rc; i++) {             /* training first: its words are the vocabulary */
        rc = write_partition(j, (i + held) % count);
        lt_progress_at(&p, (double)(i + 1), NULL);
    }
    lt_progress_end(&p);
    for (int s = 0; s < SPLITS && !rc; s++) {
        if (j->total[s].sentences || (s == DEV && j->o->test >= 1) || (s == TEST && j->o->test <= 0)) continue;
        rc = lt_fail("none of %" PRIu64 " sentences (%" PRIu64 " too short, %" PRIu64 " too long, %" PRIu64
                     " seen before) is left for %s; give more text, or change --held_out and --partitions",
                     j->sentences, j->too_short, j->too_long, j->duplicates, split_name[s]);
    }
    if (!rc) rc = write_vocabulary(j);
    return close_texts(j, !rc) || rc ? -1 : save_figures(j);
}

int lt_sentence_corpus_run(const struct lt_sentence_corpus_options *o, struct lt_ctx *c)
{
    struct job j = { .o = o, .c = c };
    const char *folder = o->temp_dir ? o->temp_dir : getenv("TMPDIR");
    if (check(o)) return -1;
    j.spill = lt_spill_new(folder && *folder ? folder : "/tmp", (size_t)o->memory << 20);
    j.spool = lt_alloc((size_t)o->partitions * sizeof *j.spool);
    for (int64_t i = 0; i < o->partitions; i++) lt_spool_init(&j.spool[i], j.spill);
    int rc = read_abbreviations(&j) || lt_docs_each(&o->input, &o->docs, c, "cutting into sentences", add_document, &j);
    if (!rc) rc = lt_folder_open(&j.folder, o->output);
    if (!rc) {
        rc = write_all(&j);
        if (rc) lt_folder_abort(&j.folder);
        else rc = lt_folder_commit(&j.folder) || report(&j);
    }
    for (int64_t i = 0; i < o->partitions; i++) lt_spool_free(&j.spool[i]);
    free(j.spool);
    free(j.item);
    lt_spill_free(j.spill);
    lt_map_free(&j.abbreviations);
    lt_map_free(&j.vocabulary);
    lt_buf_free(&j.partition);
    lt_buf_free(&j.line);
    lt_buf_free(&j.marked);
    return rc ? -1 : 0;
}
