/* The operation behind `lathe ngram classes`. */
#include "base/io.h"
#include "ngram/word_classes.h"
#include <stdlib.h>

/* By class, then by how often the word occurs, then by id. */
static int by_class(const void *a, const void *b, void *ctx)
{
    const struct lt_classes *k = ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (k->of[x] != k->of[y]) return k->of[x] < k->of[y] ? -1 : 1;
    if (k->count[x] != k->count[y]) return k->count[x] > k->count[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* A class's name; marks stand for themselves, and a name that is a word of the text would be read as that word. */
static void put_name(struct lt_buf *b, const struct lt_sentences *s, uint32_t g, const char *prefix)
{
    if (g < LT_SENTENCES_MARKS) lt_buf_put(b, s->vocabulary.entry[g].key.p, s->vocabulary.entry[g].key.n);
    else lt_buf_fmt(b, "%s%u", prefix, (unsigned)(g - LT_SENTENCES_MARKS + 1));
}

static bool is_free(const struct lt_sentences *s, const char *prefix, uint32_t classes)
{
    struct lt_buf b = { 0 };
    bool is = true;
    for (uint32_t g = LT_SENTENCES_MARKS; g < classes && is; g++) {
        lt_buf_clear(&b);
        put_name(&b, s, g, prefix);
        is = !lt_map_get(&s->vocabulary, lt_buf_view(&b));
    }
    lt_buf_free(&b);
    return is;
}

static int write_map(const struct lt_sentences *s, const struct lt_classes *k, const char *prefix, const char *path)
{
    struct lt_writer w;
    uint32_t *order = lt_alloc(k->words * sizeof *order);
    uint64_t *total = lt_calloc(k->classes, sizeof *total);
    struct lt_buf b = { 0 };
    if (lt_writer_open(&w, path)) {
        free(order);
        free(total);
        return -1;
    }
    for (uint32_t i = 0; i < k->words; i++) {
        order[i] = i;
        total[k->of[i]] += k->count[i];
    }
    lt_sort(order, k->words, sizeof *order, by_class, (void *)k);
    for (uint32_t i = 0; i < k->words; i++) {
        uint32_t v = order[i], g = k->of[v];
        if (v < LT_SENTENCES_MARKS) continue;
        lt_buf_clear(&b);
        put_name(&b, s, g, prefix);
        lt_buf_fmt(&b, " %.9g ", (double)k->count[v] / (double)total[g]);
        lt_buf_put(&b, s->vocabulary.entry[v].key.p, s->vocabulary.entry[v].key.n);
        lt_buf_char(&b, '\n');
        lt_writer_put(&w, b.p, b.n);
    }
    lt_buf_free(&b);
    free(order);
    free(total);
    return lt_writer_commit(&w);
}

static int write_mapped(const struct lt_sentences *s, const struct lt_classes *k, const char *prefix, const char *path)
{
    struct lt_writer w;
    struct lt_buf b = { 0 };
    if (lt_writer_open(&w, path)) return -1;
    for (size_t i = 0; i < s->n; i++) {
        if (s->token[i] == LT_SENTENCES_BOS) continue;
        if (s->token[i] == LT_SENTENCES_EOS) {
            lt_buf_char(&b, '\n');
            lt_writer_put(&w, b.p, b.n);
            lt_buf_clear(&b);
            continue;
        }
        if (b.n) lt_buf_char(&b, ' ');
        put_name(&b, s, k->of[s->token[i]], prefix);
    }
    lt_buf_free(&b);
    return lt_writer_commit(&w);
}

static int learn(const struct lt_classes_options *o, const struct lt_sentences *s, struct lt_ctx *c)
{
    static const char *const prefix[] = { "C", "CLASS", "CLASS-", "<class-" };
    struct lt_classes k;
    size_t need = s->n * 32 + (size_t)(o->classes + 3) * (size_t)(o->classes + 3) * 8;
    if (need > (size_t)o->memory << 20)
        return lt_fail("classes of %zu words take %zu MiB, more than the %lld MiB they may (--memory)", s->n,
                       need >> 20, (long long)o->memory);
    int rc = lt_classes_learn(s, (uint32_t)o->classes, (int)o->rounds, c, &k), free_at = 0;
    while (free_at < LT_COUNT(prefix) && !is_free(s, prefix[free_at], k.classes)) free_at++;
    if (!rc && free_at == LT_COUNT(prefix))
        rc = lt_fail("the words of the text leave no name for classes: C1, CLASS1, CLASS-1 and <class-1 are words");
    if (!rc) rc = write_map(s, &k, prefix[free_at], o->output);
    if (!rc && o->mapped) rc = write_mapped(s, &k, prefix[free_at], o->mapped);
    if (!rc)
        lt_note(c, "%u words in %u classes, words moved in %d rounds; mutual information of neighbours %.4f nats",
                (unsigned)(k.words - LT_SENTENCES_MARKS), (unsigned)(k.classes - LT_SENTENCES_MARKS), k.rounds,
                k.information);
    lt_classes_release(&k);
    return rc;
}

int lt_classes_run(const struct lt_classes_options *o, struct lt_ctx *c)
{
    struct lt_sentences_how text = o->text;
    struct lt_sentences s;
    text.memory = (size_t)o->memory << 20;
    int rc = lt_sentences_read(&text, c, &s);
    if (!rc) rc = learn(o, &s, c);
    lt_sentences_release(&s);
    return rc;
}
