/* Masks of word filters along random texts, on vocabularies of 32k and 50k: opening, the first mask after it, the
 * median and the 99th of a hundred of the masks that follow (each with the steps of its token), and how much the
 * process grew (each filter has one of its own).  Peer rows hold the limits that are kept, with the name "limit", so a
 * ratio below 1 is good; opening has none.
 *     build/bench/filter_masks [DICTIONARY]        (sounds of words; else Debian's festlex-cmu) */
#include "bench.h"

#include "base/io.h"
#include "decode/filter/word_filter.h"
#include "text/tokenizer.h"
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 800, TEXT_MAX = 40 };
#define CMU_DEBIAN "/usr/share/festival/dicts/cmu/cmudict-0.4.out"

static const struct { const char *name, *text; bool sounds; } filters[] = {
    { "without", "without(e)", false }, { "length", "length 3..7", false },
    { "part_of", "part_of(independently)", false },
    { "isogram", "isogram", false }, { "palindrome", "palindrome", false },
    { "isogram_length", "isogram and length >= 5", false },
    { "palindrome_length", "palindrome and length 3..7", false },
    { "syllables", "syllables 2", true }, { "haiku", "haiku", true }, { "lines", "lines(5 7) and scheme(AA)", true },
};
static const struct { const char *name, *path; } vocabularies[] = {
    { "llama-2", "../shared/data/tokenizers/hf/llama-2/tokenizer.json.zst" },
    { "gpt2", "../shared/data/tokenizers/hf/gpt2/tokenizer.json.zst" },
};

static double megabytes(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

/* A token that the mask lets through, at random; -1: none. */
static int32_t choose(const uint64_t *mask, int vocab, struct lt_rng *r)
{
    int n = 0;
    for (int i = 0; i < (vocab + 63) / 64; i++) n += __builtin_popcountll(mask[i]);
    if (!n) return -1;
    int64_t at = (int64_t)lt_rng_below(r, (uint64_t)n);
    for (int32_t id = 0; id < vocab; id++)
        if ((mask[id / 64] >> id % 64 & 1) && at-- == 0) return id;
    return -1;
}

/* Texts of up to TEXT_MAX tokens; a token that leads nowhere ends one. */
static void measure(const char *name, const struct lt_tokenizer *t, const char *text, const char *dictionary)
{
    static double took[ROUNDS];
    struct lt_rng r = lt_rng_make(1, "filter masks");
    const struct lt_token_trie *trie = lt_tokenizer_trie(t);
    struct lt_filter_how how = { .dictionary = dictionary, .trie = trie };
    struct lt_filter *f;
    double before = megabytes(), start = lt_clock();
    if (lt_filter_open(lt_str(text), &how, &f)) exit((fprintf(stderr, "%s: %s\n", text, lt_error()), 1));
    double opened = lt_clock(), opened_size = megabytes();
    int place = lt_filter_start(f), tokens = 0;
    const uint64_t *mask = lt_filter_mask(f, place);
    double first = lt_clock() - opened;
    uint32_t age = lt_filter_age(f);
    for (int i = 0; i < ROUNDS; i++) {
        int32_t id = tokens++ < TEXT_MAX ? choose(mask, trie->vocab, &r) : -1;
        struct lt_str bytes = { 0 };
        if (id < 0) place = tokens = 0;
        else lt_tokenizer_bytes(t, id, &bytes);
        double from = lt_clock();
        if (lt_filter_age(f) != age) place = tokens = 0;        /* begun anew: a text too */
        else if (id >= 0) place = lt_filter_steps(f, place, bytes);
        age = lt_filter_age(f);
        if (place < 0) exit((fprintf(stderr, "%s: token %d was let through and may not come\n", text, id), 1));
        mask = lt_filter_mask(f, place);
        took[i] = lt_clock() - from;
    }
    qsort(took, ROUNDS, sizeof *took, bench_order);
    static const char *const what[] = { "open", "first", "median", "p99", "size open", "size masks" };
    static const char *const unit[] = { "us", "us", "us", "us", "MB", "MB" };
    const double figure[] = { (opened - start) * 1e6, first * 1e6, took[ROUNDS / 2] * 1e6,
                              took[ROUNDS * 99 / 100] * 1e6, opened_size - before, megabytes() - opened_size };
    static const double limit[] = { 0, 5000, 50, 0, 0, 64 };
    for (int i = 0; i < LT_COUNT(figure); i++) {
        char row[192];
        snprintf(row, sizeof row, "filter/%s %s", name, what[i]);
        bench_row(row, unit[i], figure[i], limit[i], "limit", "-", 0);
    }
    lt_filter_close(f);
}

/* In a process of its own: sizes are those of the largest so far. */
static int in_child(int vocabulary, int filter, const char *dictionary)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) return perror("fork"), 1;
    if (pid > 0) return waitpid(pid, &status, 0) < 0 || status;
    struct lt_tokenizer *t;
    char name[128];
    if (lt_tokenizer_open(vocabularies[vocabulary].path, &t)) exit((fprintf(stderr, "%s\n", lt_error()), 1));
    snprintf(name, sizeof name, "%s %s", vocabularies[vocabulary].name, filters[filter].name);
    measure(name, t, filters[filter].text, dictionary);
    lt_tokenizer_free(t);
    exit(0);
}

int main(int argc, char **argv)
{
    const char *dictionary = argc > 1 ? argv[1] : CMU_DEBIAN;
    bool sounds = lt_path_exists(dictionary);
    int bad = 0;
    if (!sounds) fprintf(stderr, "filter_masks: no %s: syllables, haiku and lines are left out\n", dictionary);
    for (int v = 0; v < LT_COUNT(vocabularies); v++) {
        if (!lt_path_exists(vocabularies[v].path)) {
            fprintf(stderr, "filter_masks: no %s: left out\n", vocabularies[v].path);
            continue;
        }
        for (int i = 0; i < LT_COUNT(filters); i++)
            if (sounds || !filters[i].sounds) bad |= in_child(v, i, dictionary);
    }
    return bad;
}
