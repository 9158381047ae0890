/* The operation behind `lathe ngram build`. */
#include "ngram/build.h"
#include "ngram/words.h"
#include <stdlib.h>
#include <unistd.h>

/* ---- options that are more than a number ---- */
static uint64_t machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : (uint64_t)1 << 30;
}

/* "500" and "500M" are MiB, "4G", "80%" of the machine's. */
static int read_memory(const char *text, size_t *bytes)
{
    static const char unit[] = "KMGT";
    struct lt_str s = lt_str(text);
    char last = s.n ? s.p[s.n - 1] : 0;
    double n, factor = 1 << 20;
    const char *known = last >= 'a' ? strchr(unit, last - 'a' + 'A') : last ? strchr(unit, last) : NULL;
    if (last == '%') factor = (double)machine_memory() / 100;
    else if (known)
        for (factor = 1024; known > unit; known--) factor *= 1024;
    if (last == '%' || last >= 'A') s.n--;
    bool good = !lt_str_real(s, &n) && n > 0 && (last == '%' || last < 'A' || factor != 1 << 20 || strchr("mM", last));
    if (!good || n * factor < 1 << 20 || n * factor > 1e15)
        return lt_misuse("--memory %s: expected MiB, or a number with K, M, G, T or %% behind it; at least 1M", text);
    *bytes = (size_t)(n * factor);
    return 0;
}

static int read_prune(const struct lt_list *list, int order, uint64_t above[LT_NGRAM_ORDER_MAX])
{
    int64_t n = 0, before = 0;
    if (list->count > order)
        return lt_misuse("--prune has %d numbers, and the order is %d", list->count, order);
    for (int k = 0; k < order; k++, before = n) {
        if (k < list->count && (lt_str_int(lt_str(list->item[k]), &n) || n < 0))
            return lt_misuse("--prune %s: expected a count, 0 or more", list->item[k]);
        if (n < before)
            return lt_misuse("--prune: %lld after %lld: numbers must not fall, or n-grams would stay whose beginnings "
                             "do not", (long long)n, (long long)before);
        above[k] = (uint64_t)n;
    }
    return 0;
}

static int check(const struct lt_ngram_build_options *o)
{
    const struct lt_smoothing *how = (const struct lt_smoothing *)o->smoothing.method;
    if (o->tokenizer && (o->limit_vocab || o->min_count > 1 || o->vocab_size))
        return lt_misuse("with --tokenizer the vocabulary is the tokenizer's: --limit_vocab, --min_count and "
                         "--vocab_size are for words");
    if (o->tokenizer && o->skip_symbols)
        return lt_misuse("--skip_symbols is for words; a tokenizer takes the text as it is");
    if (!strcmp(o->outside, "unk") && (!o->limit_vocab || o->min_count > 1 || o->vocab_size))
        return lt_misuse("--outside unk: which words are <unk> must be known before the text is read: list the "
                         "vocabulary with --limit_vocab, without --min_count and --vocab_size");
    if (!o->interpolate_unigrams && how->form != LT_INTERPOLATED)
        return lt_misuse("--no-interpolate_unigrams is for interpolated smoothing, which %s is not", how->m.name);
    return 0;
}

/* ---- the work ---- */
struct build {
    const struct lt_ngram_build_options *o;
    struct lt_ctx *c;
    size_t memory;              /* what may be planned with; the rest is for small things */
    struct lt_keeping keep;
    struct lt_counter counter;
    struct lt_ngram_words words;
    struct lt_levels levels;
    struct lt_spill *spill;
};

static int take_line(void *to, struct lt_str line)
{
    struct build *b = to;
    b->counter.budget = b->memory - LT_MIN(lt_ngram_words_bytes(&b->words), b->memory / 2);
    return lt_ngram_words_line(&b->words, line);
}

static int read_text(struct build *b)
{
    static const char *standard_input[] = { "-" };
    const struct lt_ngram_build_options *o = b->o;
    struct lt_list input = o->input.count ? o->input : (struct lt_list){ standard_input, 1 };
    struct lt_ngram_words_how how = {
        .tokenizer = o->tokenizer, .limit_vocab = o->limit_vocab, .outside_is_unk = !strcmp(o->outside, "unk"),
        .skip_symbols = o->skip_symbols, .min_count = o->min_count, .vocab_size = o->vocab_size,
        .bytes = b->memory / 2,
    };
    if (lt_ngram_words_begin(&b->words, &how, &b->counter)) return -1;
    if (lt_ngram_words_read(&input, o->input_format, o->field, b->c, take_line, b)) return -1;
    if (!b->counter.tokens && b->counter.n == 0 && !b->counter.runs) return lt_fail("there is no text");
    return lt_counter_finish(&b->counter, b->words.vocabulary.count);
}

/* The text becomes levels.  Of the memory that the vocabulary leaves, half is for spools and a quarter for a table. */
static int count(struct build *b)
{
    if (read_text(b)) return -1;
    size_t rest = b->memory - LT_MIN(lt_ngram_words_bytes(&b->words), b->memory / 2), held = lt_counter_bytes(&b->counter);
    uint8_t *left_out = lt_ngram_words_left_out(&b->words);
    b->keep.left_out = left_out;
    lt_spill_limit(b->spill, rest - LT_MIN(held, rest));
    int rc = lt_levels_build(&b->levels, &b->counter, b->words.vocabulary.count, &b->keep);
    free(left_out);
    lt_counter_release(&b->counter);
    lt_spill_limit(b->spill, rest / 2);
    return rc;
}

static int build(struct build *b)
{
    struct lt_ngram_sink sink;
    if (count(b)) return -1;
    struct lt_estimating e = {
        .how = (const struct lt_smoothing *)b->o->smoothing.method, .o = b->o->smoothing.o,
        .interpolate_unigrams = b->o->interpolate_unigrams,
        .room = (b->memory - LT_MIN(lt_ngram_words_bytes(&b->words), b->memory / 2)) / 4,
    };
    if (lt_ngram_sink_open(b->o->output, b->o->format, b->c, &sink)) return -1;
    return lt_ngram_estimate(&b->levels, &e, &b->words.vocabulary, b->c, &sink);
}

int lt_ngram_build_run(const struct lt_ngram_build_options *o, struct lt_ctx *c)
{
    struct build b = { .o = o, .c = c };
    const char *folder = o->temp_dir ? o->temp_dir : getenv("TMPDIR");
    if (read_memory(o->memory, &b.memory) || read_prune(&o->prune, (int)o->order, b.keep.above) || check(o)) return -1;
    b.memory -= b.memory / 8;
    b.spill = lt_spill_new(folder && *folder ? folder : "/tmp", 0);
    lt_counter_init(&b.counter, (int)o->order, c, b.spill, b.memory);
    int rc = build(&b);
    lt_levels_release(&b.levels);
    lt_counter_release(&b.counter);
    lt_ngram_words_release(&b.words);
    lt_spill_free(b.spill);
    return rc;
}
