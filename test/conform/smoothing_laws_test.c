/* Laws of every smoothing, because it is in the list: the model that is built equals one computed from the definitions
 * the long way; what is a distribution sums to 1 after every context; neither memory nor threads change a byte. */
#include "test.h"
#include "ngram/build.h"
#include <math.h>

enum { WORDS = 9, ORDER = 4, CELLS = 9 * 9 * 9 * 9, UNK = 0, BOS = 1, EOS = 2 };    /* three marks and six words */

/* ---- texts ---- */
/* Sentences of six words, the first likelier than the last, each likelier after itself. */
static void small_text(struct lt_buf *b, int sentences, uint64_t seed)
{
    struct lt_rng r = lt_rng_make(seed, "text");
    lt_buf_str(b, "w0 w1 w2 w3 w4 w5\n");
    for (int i = 0; i < sentences; i++) {
        int words = (int)lt_rng_below(&r, 9), last = 0;
        for (int k = 0; k < words; k++) {
            double u = lt_rng_unit(&r);
            last = lt_rng_below(&r, 3) ? (int)(6 * u * u * u) : last;
            lt_buf_fmt(b, "%sw%d", k ? " " : "", last);
        }
        lt_buf_char(b, '\n');
    }
}

static void large_text(struct lt_buf *b, int words)
{
    struct lt_rng r = lt_rng_make(3, "large text");
    for (int i = 1; i <= words; i++) {
        double u = lt_rng_unit(&r);
        lt_buf_fmt(b, "v%d%c", (int)(300 * u * u * u), i % 17 && i < words ? ' ' : '\n');
    }
}

/* ---- the verb ---- */
struct ask { const char *folder, *smoothing, *order, *prune, *limit, *memory, *temp; int threads; };

static int build(const struct ask *a, const char *output)
{
    const struct lt_verb *v = (const struct lt_verb *)lt_method_find("verb", "ngram-build");
    struct lt_options *s = lt_options_new(&v->m);
    const char *given[][2] = {
        { "input", lt_test_path(a->folder, "text.txt") }, { "output", output }, { "smoothing", a->smoothing },
        { "order", a->order }, { "prune", a->prune }, { "limit_vocab", a->limit },
        { "memory", a->memory }, { "temp_dir", a->temp ? a->temp : a->folder },
    };
    for (int i = 0; i < LT_COUNT(given); i++)
        if (given[i][1] && lt_options_set(s, given[i][0], given[i][1])) fail_msg("%s", lt_error());
    const void *o = lt_options_done(s);
    if (!o) fail_msg("%s", lt_error());
    struct lt_ctx *c = lt_ctx_new(a->threads, NULL, NULL);
    int rc = v->run(o, c);
    lt_ctx_free(c);
    lt_options_free(s);
    return rc;
}

static void save_text(const char *folder, const char *name, const struct lt_buf *text)
{
    assert_ok(lt_file_save(lt_test_path(folder, name), text->p, text->n));
}

/* ---- the long way ---- */
struct long_way {
    const char *method;
    int order;
    uint64_t above[ORDER + 1];
    bool out[WORDS];
    double raw[ORDER + 1][CELLS], count[ORDER + 1][CELLS], prob[ORDER + 1][CELLS];
    double off[ORDER + 1][CELLS];       /* what is taken from the count */
    bool fallback[ORDER + 1];
};

static bool is(const struct long_way *l, const char *method) { return !strcmp(l->method, method); }

static int power(int n)
{
    int p = 1;
    while (n-- > 0) p *= WORDS;
    return p;
}

static void count_sentence(struct long_way *l, struct lt_str line)
{
    int token[64] = { BOS }, n = 1;
    struct lt_str word;
    while (lt_str_split(&line, ' ', &word))
        if (word.n) token[n++] = EOS + 1 + word.p[1] - '0';
    token[n++] = EOS;
    for (int i = 0; i < n; i++)
        for (int k = 1, cell = 0; k <= l->order && i + k <= n; k++) {
            cell = cell * WORDS + token[i + k - 1];
            l->raw[k][cell]++;
        }
}

static void count_text(struct long_way *l, struct lt_str text)
{
    struct lt_str line;
    while (lt_str_split(&text, '\n', &line) && (line.n || text.p)) count_sentence(l, line);
    memcpy(l->count, l->raw, sizeof l->count);
    for (int n = 1; n < l->order && is(l, "modified_kneser_ney"); n++)
        for (int cell = 0; cell < power(n); cell++) {
            if (cell / power(n - 1) == BOS) continue;
            l->count[n][cell] = 0;
            for (int v = 0; v < WORDS; v++) l->count[n][cell] += l->raw[n + 1][v * power(n) + cell] > 0;
        }
    l->count[1][BOS] = 0;
}

static bool kept(const struct long_way *l, int n, int cell)
{
    for (int k = 0, rest = cell; k < n; k++, rest /= WORDS)
        if (l->out[rest % WORDS]) return false;
    return (n == 1 && cell <= EOS) || (l->raw[n][cell] > 0 && l->raw[n][cell] > (double)l->above[n]);
}

static double kneser_ney(const double of[8], double c, bool *fallback)
{
    double y = of[1] / (of[1] + 2 * of[2]);
    double d[] = { 0, 1 - 2 * y * of[2] / of[1], 2 - 3 * y * of[3] / of[2], 3 - 4 * y * of[4] / of[3] };
    *fallback = !(d[1] >= 0 && d[2] >= 0 && d[3] >= 0) || of[1] * of[2] * of[3] == 0;
    return *fallback ? 0.5 * LT_MIN(c, 3) : d[(int)LT_MIN(c, 3)];
}

static double good_turing(const double of[8], double c, bool *fallback)
{
    double a = 6 * of[6] / of[1];
    *fallback = !(a < 1);
    for (int r = 1; r <= 5; r++) {
        double d = ((r + 1) * of[r + 1] / of[r] / r - a) / (1 - a);
        *fallback |= !(d > 0 && d <= 1);
    }
    if (c > 5) return 0;
    int r = (int)c;
    return *fallback ? 0.5 : r - r * ((r + 1) * of[r + 1] / of[r] / r - a) / (1 - a);
}

static void find_discounts(struct long_way *l, int n)
{
    double of[8] = { 0 };
    for (int cell = 0; cell < power(n); cell++)
        if (l->count[n][cell] < 8) of[(int)l->count[n][cell]]++;
    for (int cell = 0; cell < power(n); cell++) {
        double c = l->count[n][cell], *off = &l->off[n][cell];
        if (c == 0) continue;
        if (is(l, "modified_kneser_ney")) *off = kneser_ney(of, c, &l->fallback[n]);
        if (is(l, "absolute_discounting")) *off = of[1] > 0 ? of[1] / (of[1] + 2 * of[2]) : 0.5;
        if (is(l, "katz")) *off = good_turing(of, c, &l->fallback[n]);
    }
}

/* One context of n - 1 words. */
static void find_probabilities(struct long_way *l, int n, int context)
{
    double total = 0, given = 0, lower_kept = 0, extra = 0, v = 0, lower[WORDS], types = 0, kept_words = 0;
    for (int w = 0; w < WORDS; w++) v += w != BOS && kept(l, 1, w);
    for (int w = 0; w < WORDS; w++) {
        int cell = context * WORDS + w;
        lower[w] = n > 1 ? l->prob[n - 1][context % power(n > 1 ? n - 2 : 0) * WORDS + w] : 1 / v;
        total += l->count[n][cell];
        types += l->count[n][cell] > 0;
        if (l->count[n][cell] == 0 || !kept(l, n, cell)) continue;
        given += l->count[n][cell] - l->off[n][cell];
        lower_kept += lower[w];
        kept_words++;
    }
    if (is(l, "witten_bell")) extra = types;
    if (is(l, "add_k")) extra = 0.01 * v;
    if (is(l, "katz") && given == total && kept_words < v) extra = 1;
    double rest = 1 - given / (total + extra);
    bool interpolated = !is(l, "katz") && !is(l, "stupid_backoff");
    for (int w = 0; w < WORDS; w++) {
        int cell = context * WORDS + w;
        bool has = l->count[n][cell] > 0 && kept(l, n, cell);
        double share = has ? (l->count[n][cell] - l->off[n][cell]) / (total + extra) : 0;
        double *p = &l->prob[n][cell];
        if (total == 0) *p = lower[w];
        else if (interpolated) *p = share + rest * lower[w];
        else if (is(l, "stupid_backoff")) *p = has ? share : (n == 1 || kept(l, n - 1, context) ? 0.4 : 1) * lower[w];
        else if (kept_words == v) *p = share / (1 - rest);
        else *p = has ? share : rest / (1 - lower_kept) * lower[w];
    }
}

static void compute(struct long_way *l, struct lt_str text)
{
    count_text(l, text);
    for (int n = 1; n <= l->order; n++) {
        find_discounts(l, n);
        for (int context = 0; context < power(n - 1); context++) find_probabilities(l, n, context);
    }
}

/* A back-off divides by what its kept words leave of the shorter context's probabilities, which are floats: what is
 * small there is less exact. */
static void compare(const struct long_way *l, const struct lt_ngram *m, enum lt_smoothing_form form)
{
    double tolerance = form == LT_BACK_OFF ? 5e-5 : 1e-5;
    uint32_t id[WORDS] = { m->unk, m->bos, m->eos };
    for (int w = EOS + 1; w < WORDS; w++) {
        char name[] = { 'w', (char)('0' + w - EOS - 1) };
        id[w] = lt_ngram_word(m, (struct lt_str){ name, 2 });
    }
    for (int n = 1; n <= l->order; n++)
        for (int context = 0; context < power(n - 1); context++) {
            struct lt_ngram_state s = { 0 };
            float row[WORDS];
            double sum = 0;
            for (int k = n - 2; k >= 0; k--) lt_ngram_push(m, &s, id[context / power(k) % WORDS]);
            lt_ngram_row(m, &s, 1, row);
            for (int w = 0; w < WORDS; w++) {
                if (w == BOS || l->out[w]) continue;
                double p = l->prob[n][context * WORDS + w], is = (double)row[id[w]];
                sum += pow(10, is);
                if (fabs(is - log10(p)) > tolerance && !(p == 0 && is < -90))
                    fail_msg("%s, order %d, context %d of %d words, word %d: %.8g, by definition %.8g", l->method,
                             l->order, context, n - 1, w, is, log10(p));
            }
            if (form != LT_SCORES) assert_float_equal(sum, 1, 1e-5);
        }
}

static const struct lt_method *const *members(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "smoothing")) k++;
    return k->member;
}

/* ---- tests ---- */
/* Fallbacks and proper discounts must both come up, or what is compared is not what it says. */
static void compare_all(const struct ask *ask, struct lt_str text, const uint64_t above[ORDER + 1], int out)
{
    bool fell = false, followed = false;
    for (const struct lt_method *const *method = members(); *method; method++)
        for (int order = 1; order <= ORDER; order++) {
            char number[2] = { (char)('0' + order), 0 };
            struct ask a = *ask;
            struct lt_ngram *m;
            struct long_way *l = lt_calloc(1, sizeof *l);
            a.smoothing = (*method)->name;
            a.order = number;
            a.prune = order < 3 ? NULL : ask->prune;
            const char *file = lt_test_path(a.folder, "x.arpa");
            if (build(&a, file)) fail_msg("%s: %s", a.smoothing, lt_error());
            assert_ok(lt_ngram_open(file, NULL, &m));
            l->method = a.smoothing;
            l->order = order;
            if (order >= 3 && above) memcpy(l->above, above, sizeof l->above);
            if (out) l->out[out] = true;
            compute(l, text);
            compare(l, m, ((const struct lt_smoothing *)*method)->form);
            fell |= l->fallback[order];
            followed |= l->off[order][0] == 0 && !l->fallback[order] && order > 2;
            lt_ngram_free(m);
            free(l);
        }
    assert_true(fell && followed);
}

static void test_smoothing_laws__by_definition(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    static const uint64_t above[] = { 0, 0, 0, 1, 1 };
    for (int i = 0; i < 3; i++) {
        struct lt_buf text = { 0 };
        small_text(&text, i ? 150 * i : 3, (uint64_t)i);
        save_text(folder, "text.txt", &text);
        compare_all(&(struct ask){ .folder = folder, .threads = 1 }, lt_buf_view(&text), NULL, 0);
        compare_all(&(struct ask){ .folder = folder, .threads = 1, .prune = i ? "0,0,1" : "0" }, lt_buf_view(&text),
                    i ? above : NULL, 0);
        struct lt_buf list = { 0 };
        lt_buf_str(&list, "w0 w1\nw2 w4 w5 never\n");
        save_text(folder, "list.txt", &list);
        char *limit = lt_strdup(lt_test_path(folder, "list.txt"));
        compare_all(&(struct ask){ .folder = folder, .threads = 1, .limit = limit }, lt_buf_view(&text), NULL,
                    EOS + 1 + 3);
        free(limit);
        lt_buf_free(&list);
        lt_buf_free(&text);
    }
    lt_test_temp_end(folder);
}

static void test_smoothing_laws__memory_and_threads(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_buf text = { 0 };
    large_text(&text, 48000);
    save_text(folder, "text.txt", &text);
    static const struct { const char *memory; int threads; } how[] = {
        { "1G", 1 }, { "1", 1 }, { "1G", 2 }, { "1", 4 },
    };
    for (const struct lt_method *const *method = members(); *method; method++) {
        struct lt_buf file[LT_COUNT(how)] = { 0 };
        for (int i = 0; i < LT_COUNT(how); i++) {
            struct ask a = { .folder = folder, .smoothing = (*method)->name, .order = "4", .memory = how[i].memory,
                             .threads = how[i].threads };
            assert_ok(build(&a, lt_test_path(folder, "x.arpa")));
            assert_ok(lt_file_read(lt_test_path(folder, "x.arpa"), &file[i]));
            assert_int_equal(file[i].n, file[0].n);
            assert_memory_equal(file[i].p, file[0].p, file[0].n);
        }
        for (int i = 0; i < LT_COUNT(how); i++) lt_buf_free(&file[i]);
    }
    /* The small memory does need its folder. */
    struct ask a = { .folder = folder, .smoothing = "witten_bell", .order = "4", .memory = "1",
                     .temp = "no/such/folder", .threads = 1 };
    assert_fails(build(&a, lt_test_path(folder, "y.arpa")), "no/such/folder: cannot make a temporary file");
    assert_false(lt_path_exists(lt_test_path(folder, "y.arpa")));
    lt_buf_free(&text);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smoothing_laws__by_definition),
        cmocka_unit_test(test_smoothing_laws__memory_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
