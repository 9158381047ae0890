#include "data/loader.h"

#include "base/ctx.h"
#include "data/row_plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES = 1024 };
enum { TURNS = 1 << 16 };           /* a mixture repeats after so many rows, with exact shares */

/* Rows of several sources in turn: row `at` of the cycle is number `rank` of those of `source`. */
struct turn { uint32_t source, rank; };

struct lt_loader {
    int64_t length, rows;
    bool sequential;
    struct lt_corpus *corpus;       /* one a source; one for all when no source has a weight */
    struct lt_rows *source;
    int count;
    struct turn *turn;              /* [TURNS], NULL for one source */
    uint64_t *share;                /* [count]: rows of each source in a cycle */
    struct cursor { int source; uint64_t document, piece; } *start;    /* sequential: where each batch begins */
    uint64_t starts;
    struct lt_loader_info info;
    char hash[33];
    int32_t *token, *target, *pos, *scratch;
    float *weight;
    int64_t *seq_row;
    int64_t filled, seqs;
};

/* ---- opening ---- */
static int check_spec(const struct lt_loader_spec *s)
{
    if (s->source_count < 1)
        return lt_misuse("no data: name a folder of token shards (`lathe pack` makes them)");
    if (s->source_count > SOURCES)
        return lt_misuse("%d sources; at most %d can be mixed", s->source_count, SOURCES);
    if (s->length < 1 || s->length > 1 << 24)
        return lt_misuse("length %" PRId64 ": 1 to %d tokens of a row were expected", s->length, 1 << 24);
    if (s->rows < 1 || s->rows > (1 << 28) / s->length)
        return lt_misuse("%" PRId64 " rows of %" PRId64 " tokens: a batch has 1 to %d tokens", s->rows, s->length,
                         1 << 28);
    int weighted = 0;
    for (int i = 0; i < s->source_count; i++) {
        double w = s->source[i].weight;
        if (!(w >= 0) || isinf(w))
            return lt_misuse("%s: weight %g; a number from 0 up was expected", s->source[i].path, w);
        weighted += w > 0;
    }
    if (weighted && weighted < s->source_count)
        return lt_misuse("%d of %d sources have a weight; give one to all of them or to none", weighted,
                         s->source_count);
    return 0;
}

static bool weighted(const struct lt_loader_spec *s)
{
    return s->source_count > 1 && s->source[0].weight > 0 && !s->sequential;
}

static int open_corpora(struct lt_loader *l, const struct lt_loader_spec *s)
{
    l->corpus = lt_calloc((size_t)s->source_count, sizeof *l->corpus);
    l->count = weighted(s) ? s->source_count : 1;
    for (int i = 0; i < s->source_count; i++)
        if (lt_corpus_add(&l->corpus[weighted(s) ? i : 0], s->source[i].path, s->split))
            return -1;
    const struct lt_shard *first = &l->corpus[0].shard[0];
    for (int i = 0; i < l->count; i++) {
        const struct lt_corpus *c = &l->corpus[i];
        if (strcmp(first->tokenizer_hash, c->shard[0].tokenizer_hash) || first->vocab != c->vocab)
            return lt_fail("%s was made with another tokenizer (%s) than %s (%s)", c->shard[0].path,
                           c->shard[0].tokenizer_hash, first->path, first->tokenizer_hash);
        l->info.tokens += (int64_t)c->tokens;
        l->info.documents += (int64_t)c->documents;
        l->info.bytes += (int64_t)c->bytes;
    }
    l->info.vocab = (int64_t)first->vocab;
    l->info.tokenizer_hash = first->tokenizer_hash;
    l->info.pairs = l->corpus[0].pairs;
    return 0;
}

static int check_kinds(const struct lt_loader *l, const struct lt_loader_spec *s)
{
    const struct lt_shard *first = &l->corpus[0].shard[0];
    for (int i = 0; i < l->count; i++) {
        const struct lt_corpus *c = &l->corpus[i];
        if (c->pairs != l->corpus[0].pairs)
            return lt_fail("%s holds pairs and %s does not; they cannot be trained on together",
                           (c->pairs ? c->shard : first)->path, (c->pairs ? first : c->shard)->path);
        if (c->masked && s->packing == LT_PACK_CONCAT && !s->sequential)
            return lt_misuse("%s holds rows of prompts and completions or of pairs, which stay whole, and packing by "
                             "concat cuts anywhere; best_fit keeps them", c->shard[0].path);
    }
    return 0;
}

static int64_t predicted(const struct lt_corpus *c, uint64_t begin, uint64_t end)
{
    float weight[256];
    int64_t count = 0;
    for (uint64_t at = begin; at < end; at += LT_COUNT(weight)) {
        size_t n = (size_t)LT_MIN((uint64_t)LT_COUNT(weight), end - at);
        lt_corpus_weights(c, at, n, weight);
        for (size_t k = 0; k < n; k++) count += weight[k] != 0;
    }
    return count;
}

/* What an epoch predicts, and what does not fit into a row. */
static void survey(struct lt_loader *l, const struct lt_corpus *c)
{
    for (uint64_t i = 0; i < c->documents; i++) {
        uint64_t begin, end;
        lt_corpus_document(c, i, &begin, &end);
        if (!lt_corpus_masked(c, i)) {
            l->info.targets += (int64_t)(end - begin - 1);
        } else if (lt_row_fits(c, i, (uint32_t)l->length)) {
            l->info.targets += predicted(c, begin, end);
        } else {
            l->info.left_out += !c->pairs || i % 2 == 0;
            l->info.longest = LT_MAX(l->info.longest, (int64_t)(end - begin - 1));
            continue;
        }
        l->info.target_bytes += lt_corpus_bytes(c, i);
    }
}

static int survey_all(struct lt_loader *l)
{
    for (int i = 0; i < l->count; i++) {
        const struct lt_corpus *c = &l->corpus[i];
        if (c->masked) survey(l, c);
        l->info.targets += c->masked ? 0 : (int64_t)(c->tokens - c->documents);
        l->info.target_bytes += c->masked ? 0 : (int64_t)c->bytes;
    }
    if (l->info.targets || !l->info.left_out) return 0;
    const char *what = l->info.pairs ? "pairs" : "rows";
    return lt_fail("%s: none of %" PRId64 " %s fits into %" PRId64 " tokens (the longest has %" PRId64 "); ask for a "
                   "larger --max_length", l->corpus[0].shard[0].path, l->info.left_out, what, l->length,
                   l->info.longest);
}

/* The sources' contents in order, and where one source ends and the next begins. */
static void hash_data(struct lt_loader *l)
{
    uint64_t sum[2] = { 1, 2 };
    for (int i = 0; i < l->count; i++) {
        for (int k = 0; k < l->corpus[i].count; k++) {
            const struct lt_shard *s = &l->corpus[i].shard[k];
            uint64_t identity[] = { s->checksum, s->tokens, s->documents, s->vocab, (uint64_t)i };
            for (int j = 0; j < 2; j++) {
                sum[j] = lt_hash(identity, sizeof identity, sum[j]);
                if (s->mask) sum[j] = lt_hash(&s->pairs, sizeof s->pairs, sum[j]);
            }
        }
    }
    for (int j = 0; j < 2; j++)
        sum[j] = lt_hash(l->info.tokenizer_hash, strlen(l->info.tokenizer_hash), sum[j]);
    snprintf(l->hash, sizeof l->hash, "%016" PRIx64 "%016" PRIx64, sum[0], sum[1]);
}

/* Each turn goes to the source that is furthest behind its share, so shares hold over any stretch to within a row
 * or two and over a whole cycle exactly (up to the rounding of the weights to 1/65,536). */
static void plan_turns(struct lt_loader *l, const struct lt_loader_spec *s)
{
    double sum = 0;
    for (int i = 0; i < l->count; i++)
        sum += s->source[i].weight;
    l->share = lt_calloc((size_t)l->count, sizeof *l->share);
    int64_t *credit = lt_calloc((size_t)l->count, sizeof *credit), *quota = lt_calloc((size_t)l->count, sizeof *quota);
    int64_t total = 0;
    for (int i = 0; i < l->count; i++) {
        quota[i] = LT_MAX((int64_t)llround(s->source[i].weight / sum * TURNS), 1);
        total += quota[i];
    }
    int largest = 0;
    for (int i = 1; i < l->count; i++)
        if (quota[i] > quota[largest])
            largest = i;
    quota[largest] += TURNS - total;            /* what rounding left over */
    l->turn = lt_alloc(TURNS * sizeof *l->turn);
    for (int at = 0; at < TURNS; at++) {
        int best = 0;
        for (int i = 0; i < l->count; i++) {
            credit[i] += quota[i];
            if (credit[i] > credit[best])
                best = i;
        }
        credit[best] -= TURNS;
        l->turn[at] = (struct turn){ .source = (uint32_t)best, .rank = (uint32_t)l->share[best]++ };
    }
    free(credit);
    free(quota);
}

static uint32_t piece_rows(const struct lt_corpus *c, const struct cursor *at, int64_t length, uint64_t *first)
{
    uint64_t begin, end;
    if (lt_corpus_masked(c, at->document) && !lt_pieces_of(c, at->document, (uint32_t)length)) return 0;
    lt_corpus_document(c, at->document, &begin, &end);
    *first = begin + at->piece * (uint64_t)length;
    return *first + 1 < end ? (uint32_t)LT_MIN((uint64_t)length, end - 1 - *first) : 0;
}

/* What a piece takes of a batch, and what a batch has. */
static int64_t cost(const struct lt_loader *l, uint32_t rows) { return l->info.pairs ? 1 : rows; }
static int64_t room_of(const struct lt_loader *l) { return l->info.pairs ? l->rows : l->rows * l->length; }

/* The next piece in the order of the files, of pairs the chosen one's; false at the end. */
static bool step(const struct lt_loader *l, struct cursor *at, uint64_t *first, uint32_t *rows)
{
    for (; at->source < l->count; at->source++, at->document = 0) {
        const struct lt_corpus *c = &l->corpus[at->source];
        for (; at->document < c->documents; at->document++, at->piece = 0) {
            *rows = piece_rows(c, at, l->length, first);
            if (*rows)
                return true;
        }
    }
    return false;
}

static void plan_sequence(struct lt_loader *l)
{
    struct cursor at = { 0 };
    uint64_t first, cap = 0;
    uint32_t rows;
    int64_t room = 0;
    while (step(l, &at, &first, &rows)) {
        if (cost(l, rows) > room) {
            if (l->starts == cap) {
                cap = cap ? 2 * cap : 64;
                l->start = lt_realloc(l->start, cap * sizeof *l->start);
            }
            l->start[l->starts++] = at;
            room = room_of(l);
        }
        room -= cost(l, rows);
        at.piece++;
    }
    l->info.batches = (int64_t)l->starts;
}

static int plan_rows(struct lt_loader *l, const struct lt_loader_spec *s, struct lt_ctx *c)
{
    l->source = lt_calloc((size_t)l->count, sizeof *l->source);
    uint64_t rows = 0;
    for (int i = 0; i < l->count; i++) {
        uint64_t seed = lt_rng_at(s->seed, lt_hash("source", 6, 0), (uint64_t)i);
        if (lt_rows_open(&l->source[i], &l->corpus[i], (uint32_t)s->length, s->packing, seed, c))
            return -1;
        rows += l->source[i].count;
    }
    if (l->count > 1)
        plan_turns(l, s);
    l->info.batches = (int64_t)((rows + (uint64_t)s->rows - 1) / (uint64_t)s->rows);
    return 0;
}

int lt_loader_open(const struct lt_loader_spec *s, struct lt_ctx *c, struct lt_loader **out)
{
    if (check_spec(s))
        return -1;
    struct lt_loader *l = lt_calloc(1, sizeof *l);
    l->length = s->length;
    l->rows = s->rows;
    l->sequential = s->sequential;
    if (open_corpora(l, s) || check_kinds(l, s) || survey_all(l) || (!s->sequential && plan_rows(l, s, c))) {
        lt_loader_free(l);
        return -1;
    }
    if (s->sequential)
        plan_sequence(l);
    hash_data(l);
    size_t n = (size_t)(s->rows * s->length * (l->info.pairs ? 2 : 1));
    l->token = lt_alloc(n * sizeof *l->token);
    l->target = lt_alloc(n * sizeof *l->target);
    l->pos = lt_alloc(n * sizeof *l->pos);
    l->weight = lt_alloc(n * sizeof *l->weight);
    l->seq_row = lt_alloc((n + 1) * sizeof *l->seq_row);
    l->scratch = lt_alloc(((size_t)s->length + 1) * sizeof *l->scratch);
    *out = l;
    return 0;
}

/* ---- batches ---- */
/* One more sequence: tokens at .. at+count-1, each with the one after it as its target. */
static int put_piece(struct lt_loader *l, const struct lt_corpus *c, struct lt_piece p)
{
    if (lt_corpus_copy(c, p.at, (size_t)p.count + 1, l->scratch))
        return -1;
    size_t at = (size_t)l->filled, n = p.count;
    memcpy(l->token + at, l->scratch, n * sizeof *l->token);
    memcpy(l->target + at, l->scratch + 1, n * sizeof *l->target);
    for (size_t i = 0; i < n; i++)
        l->pos[at + i] = (int32_t)i;
    lt_corpus_weights(c, p.at + 1, n, l->weight + at);
    l->seq_row[l->seqs++] = l->filled;
    l->filled += p.count;
    return 0;
}

/* In a stream of documents the first token of one is not to be guessed from the end of another. */
static void skip_firsts(struct lt_loader *l, const struct lt_corpus *c, struct lt_piece p)
{
    float *weight = l->weight + l->filled - p.count;
    uint64_t last = p.at + p.count;                 /* the last target */
    for (uint64_t i = lt_corpus_find(c, p.at) + 1; i < c->documents; i++) {
        uint64_t begin, end;
        lt_corpus_document(c, i, &begin, &end);
        if (begin > last)
            return;
        weight[begin - 1 - p.at] = 0;
    }
}

static int put_row(struct lt_loader *l, uint64_t number)
{
    uint64_t source = 0, own = number;
    if (l->turn) {
        struct turn t = l->turn[number % TURNS];
        source = t.source;
        own = number / TURNS * l->share[source] + t.rank;
    }
    struct lt_rows *r = &l->source[source];
    const struct lt_piece *piece;
    uint32_t n = lt_rows_at(r, own / r->count, own % r->count, &piece);
    for (uint32_t i = 0; i < n; i++) {
        if (put_piece(l, r->corpus, piece[i]))
            return -1;
        if (r->packing == LT_PACK_CONCAT)
            skip_firsts(l, r->corpus, piece[i]);
    }
    return 0;
}

static int put_sequence(struct lt_loader *l, uint64_t index)
{
    if (index >= l->starts)
        return 0;
    struct cursor at = l->start[index];
    struct lt_piece p;
    int64_t room = room_of(l);
    while (step(l, &at, &p.at, &p.count) && (room -= cost(l, p.count)) >= 0) {
        const struct lt_corpus *c = &l->corpus[at.source];
        if (put_piece(l, c, p) || (c->pairs && put_piece(l, c, lt_document_piece(c, at.document + 1))))
            return -1;
        at.piece++;
    }
    return 0;
}

int lt_loader_at(struct lt_loader *l, uint64_t index, struct lt_batch *b)
{
    l->filled = l->seqs = 0;
    if (index >= (UINT64_C(1) << 62) / (uint64_t)l->rows)
        return lt_fail("batch %" PRIu64 " lies beyond what can be counted", index);
    if (l->sequential && put_sequence(l, index))
        return -1;
    for (int64_t i = 0; !l->sequential && i < l->rows; i++)
        if (put_row(l, index * (uint64_t)l->rows + (uint64_t)i))
            return -1;
    l->seq_row[l->seqs] = l->filled;
    *b = (struct lt_batch){
        .rows = l->filled, .token = l->token, .pos = l->pos, .target = l->target, .weight = l->weight,
        .seq_count = l->seqs, .seq_row = l->seq_row, .pair_count = l->info.pairs ? l->seqs / 2 : 0,
    };
    return 0;
}

void lt_loader_describe(const struct lt_loader *l, struct lt_loader_info *out)
{
    *out = l->info;
}

const char *lt_loader_hash(const struct lt_loader *l)
{
    return l->hash;
}

void lt_loader_free(struct lt_loader *l)
{
    if (!l)
        return;
    for (int i = 0; i < l->count; i++) {
        if (l->source)
            lt_rows_release(&l->source[i]);
        lt_corpus_release(&l->corpus[i]);
    }
    free(l->corpus);
    free(l->source);
    free(l->turn);
    free(l->share);
    free(l->start);
    free(l->token);
    free(l->target);
    free(l->pos);
    free(l->weight);
    free(l->seq_row);
    free(l->scratch);
    free(l);
}
