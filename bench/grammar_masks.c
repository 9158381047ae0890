/* The side of bench/grammar.py that is ours: masks of JSON Schemas along texts.
 *     build/bench/grammar_masks TOKENIZER CASES
 * CASES holds a JSON list of { "schema", "tokens": [[id, ...], ...] }.  Prints, in microseconds: making the trie of the
 * tokens; of each schema from its text to the first mask, the median and the largest; of every mask after that, the
 * median, the mean and the 99th of a hundred; then how many masks there were. */
#include "base/io.h"
#include "base/json.h"
#include "decode/grammar/grammar.h"
#include "text/tokenizer.h"
#include "bench.h"

struct times { double *at; size_t n, cap; };

static void add(struct times *t, double seconds)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 1024;
        t->at = lt_realloc(t->at, t->cap * sizeof *t->at);
    }
    t->at[t->n++] = seconds * 1e6;
}

static double quantile(struct times *t, double q)
{
    qsort(t->at, t->n, sizeof *t->at, bench_order);
    return t->n ? t->at[LT_MIN((size_t)(q * (double)t->n), t->n - 1)] : 0;
}

/* A new machine for each text, as each request of a server has its own. */
static int one_text(const struct lt_tokenizer *t, const char *schema, const json_t *tokens, struct times *first,
                    struct times *next)
{
    struct lt_grammar *g;
    json_t *id;
    size_t i;
    double start = lt_clock();
    if (lt_grammar_schema("schema", lt_str(schema), 20, &g)) return -1;
    struct lt_gmachine *m = lt_gmachine_new(g, lt_tokenizer_trie(t));
    int place = lt_gmachine_start(m);
    const uint64_t *mask = lt_gmachine_mask(m, place);
    add(first, lt_clock() - start);
    json_array_foreach((json_t *)tokens, i, id) {
        struct lt_str bytes;
        int32_t token = (int32_t)json_integer_value(id);
        if (!(mask[token / 64] >> token % 64 & 1)) return lt_fail("%s: token %d may not come", schema, token);
        lt_tokenizer_bytes(t, token, &bytes);
        start = lt_clock();
        place = lt_gmachine_steps(m, place, bytes);
        if (lt_gmachine_goes_on(m, place)) mask = lt_gmachine_mask(m, place);
        add(next, lt_clock() - start);
    }
    lt_gmachine_free(m);
    lt_grammar_free(g);
    return 0;
}

int main(int argc, char **argv)
{
    struct lt_tokenizer *t;
    struct times first = { 0 }, next = { 0 };
    json_t *cases, *one, *tokens;
    size_t i, k;
    double sum = 0;
    if (argc != 3) return fprintf(stderr, "grammar_masks TOKENIZER CASES\n"), 2;
    if (lt_tokenizer_open(argv[1], &t) || lt_json_read(argv[2], &cases)) return fprintf(stderr, "%s\n", lt_error()), 1;
    double start = lt_clock();
    lt_tokenizer_trie(t);
    double trie = (lt_clock() - start) * 1e6;
    json_array_foreach(cases, i, one) {
        char *schema = json_dumps(json_object_get(one, "schema"), JSON_COMPACT);
        json_array_foreach(json_object_get(one, "tokens"), k, tokens)
            if (one_text(t, schema, tokens, &first, &next)) return fprintf(stderr, "%s\n", lt_error()), 1;
        free(schema);
    }
    for (i = 0; i < next.n; i++) sum += next.at[i];
    printf("%.1f %.1f %.1f %.2f %.2f %.2f %zu\n", trie, quantile(&first, 0.5), quantile(&first, 1),
           quantile(&next, 0.5), sum / (double)LT_MAX(next.n, 1u), quantile(&next, 0.99), next.n);
    json_decref(cases);
    lt_tokenizer_free(t);
    free(first.at);
    free(next.at);
    return 0;
}
