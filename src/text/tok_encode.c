/* Encoding: the way of a text through the stages, and the cache that makes most words cost one look.
 *
 * Byte-level tokenizers take any bytes: stretches that are not UTF-8 are words of their own, so every other stage
 * sees well-formed text only. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

enum {
    CACHED = 64,                                /* longest word kept, in bytes */
    SLOTS_MIN = 1 << 8, SLOTS_MAX = 1 << 17,
    POOL_MAX = 24 << 20,                        /* bytes of words and tokens; then the cache starts afresh */
    WORD_MAX = 32 << 20,                        /* longest word a model is given */
};

/* A word's entry: its bytes lie at pool + at, its tokens after them, aligned. */
struct slot { uint64_t hash; uint32_t at; uint16_t size, count; };
struct cache { struct slot *slot; uint32_t mask, used; char *pool; size_t pool_n, pool_cap; };

struct lt_encoder {
    const struct lt_tokenizer *t;
    struct lt_tok_scratch norm;
    struct lt_tok_work work;
    struct lt_tok_model_scratch model;
    struct lt_tok_out word;                     /* tokens of one word */
    const size_t *plain; size_t plain_count;    /* bytes of the text that no added token may touch, ascending */
    struct lt_buf raw;                          /* a word out of ByteLevel's alphabet */
    uint32_t *place;                            /* [raw.n + 1]: where its bytes are spelt */
    size_t place_cap;
    struct cache cache;
};

/* Where words go: to the model and its tokens to out, or to fn. */
struct sink {
    struct lt_encoder *e;
    unsigned flags;
    struct lt_rng *rng;
    struct lt_token *out;
    size_t n, cap;
    lt_word_fn *fn;
    void *to;
};

struct lt_encoder *lt_encoder_new(const struct lt_tokenizer *t)
{
    struct lt_encoder *e = lt_calloc(1, sizeof *e);
    e->t = t;
    e->norm.matcher = lt_tok_matcher_new();
    return e;
}

void lt_encoder_free(struct lt_encoder *e)
{
    if (!e)
        return;
    for (int i = 0; i < 2; i++) {
        lt_tok_text_free(&e->norm.text[i]);
        lt_tok_text_free(&e->work.text[i]);
    }
    lt_tok_matcher_free(e->norm.matcher);
    lt_buf_free(&e->work.tmp);
    free(e->work.spans.at);
    free(e->work.next.at);
    for (int i = 0; i < LT_COUNT(e->model.p); i++)
        free(e->model.p[i]);
    free(e->word.at);
    lt_buf_free(&e->raw);
    free(e->place);
    free(e->cache.slot);
    free(e->cache.pool);
    free(e);
}

/* ---- the word cache ---- */
static inline uint64_t load(const char *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Short words are hashed from a few overlapping loads; only speed depends on the quality. */
static inline uint64_t hash_word(const char *p, size_t n)
{
    const uint64_t k0 = UINT64_C(0x9E3779B97F4A7C15), k1 = UINT64_C(0xD6E8FEB86659FD93);
    if (n >= 8) {
        uint64_t h = n * k1;
        for (size_t i = 8; i < n; i += 8)
            h = mix(h ^ load(p + i - 8, 8), k0);
        return mix(h ^ load(p + n - 8, 8), k1);
    }
    if (n >= 4)
        return mix((load(p, 4) << 32 | load(p + n - 4, 4)) ^ k0, k1 + n);
    uint64_t v = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1];
    return mix(v ^ k0, k1 + n);
}

static inline size_t tokens_at(const struct slot *s)
{
    return ((size_t)s->at + s->size + 3) & ~(size_t)3;
}

static inline bool same_bytes(const char *a, const char *b, size_t n)
{
    if (n >= 8) {
        for (size_t i = 8; i < n; i += 8)
            if (load(a + i - 8, 8) != load(b + i - 8, 8))
                return false;
        return load(a + n - 8, 8) == load(b + n - 8, 8);
    }
    if (n >= 4)
        return load(a, 4) == load(b, 4) && load(a + n - 4, 4) == load(b + n - 4, 4);
    return a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1];
}

static inline const struct slot *cache_find(const struct cache *c, struct lt_str w, uint64_t hash)
{
    if (!c->slot)
        return NULL;
    for (uint32_t i = (uint32_t)hash & c->mask;; i = (i + 1) & c->mask) {
        const struct slot *s = &c->slot[i];
        if (s->hash == hash && s->size == w.n && same_bytes(c->pool + s->at, w.p, w.n))
            return s;
        if (!s->size)
            return NULL;
    }
}

static void cache_grow(struct cache *c)
{
    uint32_t slots = c->slot ? 2 * (c->mask + 1) : SLOTS_MIN;
    struct slot *to = lt_calloc(slots, sizeof *to);
    for (uint32_t i = 0; c->slot && i <= c->mask; i++) {
        if (!c->slot[i].size)
            continue;
        uint32_t k = (uint32_t)c->slot[i].hash & (slots - 1);
        while (to[k].size)
            k = (k + 1) & (slots - 1);
        to[k] = c->slot[i];
    }
    free(c->slot);
    c->slot = to;
    c->mask = slots - 1;
}

static void cache_put(struct cache *c, struct lt_str w, uint64_t hash, const struct lt_tok_out *tokens)
{
    size_t size = w.n + 3 + tokens->n * sizeof *tokens->at;
    if (c->pool_n + size > POOL_MAX || (c->used * 2 > c->mask && c->mask + 1 == SLOTS_MAX)) {
        memset(c->slot, 0, ((size_t)c->mask + 1) * sizeof *c->slot);
        c->used = 0;
        c->pool_n = 0;
    }
    if (!c->slot || c->used * 2 > c->mask)
        cache_grow(c);
    if (c->pool_n + size + 8 > c->pool_cap) {
        c->pool_cap = LT_MAX(2 * c->pool_cap, 1 << 12);
        c->pool = lt_realloc(c->pool, c->pool_cap);
    }
    struct slot s = { .hash = hash, .at = (uint32_t)c->pool_n, .size = (uint16_t)w.n, .count = (uint16_t)tokens->n };
    memcpy(c->pool + s.at, w.p, w.n);
    if (tokens->n)
        memcpy(c->pool + tokens_at(&s), tokens->at, tokens->n * sizeof *tokens->at);
    c->pool_n = tokens_at(&s) + tokens->n * sizeof *tokens->at;
    uint32_t i = (uint32_t)hash & c->mask;
    while (c->slot[i].size)
        i = (i + 1) & c->mask;
    c->slot[i] = s;
    c->used++;
}

/* ---- words to tokens ---- */
static inline struct lt_token *room(struct sink *k, size_t n)
{
    if (k->cap - k->n < n || !k->out) {
        k->cap = LT_MAX(k->n + n, k->cap + k->cap / 2 + 64);
        k->out = lt_realloc(k->out, k->cap * sizeof *k->out);
    }
    return k->out + k->n;
}

static void put_token(struct sink *k, int32_t id, size_t begin, size_t end)
{
    *room(k, 1) = (struct lt_token){ id, (uint32_t)begin, (uint32_t)end };
    k->n++;
}

static int check_size(size_t size, uint32_t at)
{
    if (size <= WORD_MAX)
        return 0;
    return lt_fail("the word at byte %u has %zu bytes, and %d is the most: break the text up", at, size, WORD_MAX);
}

/* The tokens of a word, from the cache or the model; valid until the next call. */
static inline int word_tokens(struct sink *k, struct lt_str w, const struct lt_token **tokens, size_t *n)
{
    struct lt_encoder *e = k->e;
    uint64_t hash = 0;
    bool cached = w.n <= CACHED && !k->rng;
    if (cached) {
        hash = hash_word(w.p, w.n);
        const struct slot *s = cache_find(&e->cache, w, hash);
        if (s) {
            *tokens = (const struct lt_token *)(e->cache.pool + tokens_at(s));
            *n = s->count;
            return 0;
        }
    }
    e->word.n = 0;
    if (e->t->model->word(e->t, &e->model, k->rng, w, &e->word))
        return -1;
    if (cached)
        cache_put(&e->cache, w, hash, &e->word);
    *tokens = e->word.at;
    *n = e->word.n;
    return 0;
}

/* A word at v->p + at whose bytes are the model's. */
static inline int plain_word(struct sink *k, const struct lt_tok_view *v, size_t at, size_t size)
{
    struct lt_str w = { v->p + at, size };
    if (k->fn)
        return k->fn(k->to, w);
    const struct lt_token *tok;
    size_t n;
    if (check_size(size, lt_tok_from(v, at)) || word_tokens(k, w, &tok, &n))
        return -1;
    struct lt_token *out = room(k, n);
    if (!v->from) {
        uint32_t base = v->base + (uint32_t)at;
        for (size_t i = 0; i < n; i++)
            out[i] = (struct lt_token){ tok[i].id, base + tok[i].begin, base + tok[i].end };
    } else {
        for (size_t i = 0; i < n; i++) {
            uint32_t to = tok[i].end > tok[i].begin ? v->to[at + tok[i].end - 1] : v->from[at + tok[i].begin];
            out[i] = (struct lt_token){ tok[i].id, v->from[at + tok[i].begin], to };
        }
    }
    k->n += n;
    return 0;
}

/* A word spelt in ByteLevel's alphabet. */
static int spelt_word(struct sink *k, const struct lt_tok_view *v, struct lt_tok_span span)
{
    struct lt_encoder *e = k->e;
    lt_buf_clear(&e->raw);
    if (!lt_tok_unspell(&e->raw, (struct lt_str){ v->p + span.begin, span.end - span.begin }))
        return lt_fail("pre_tokenizer: a stage after ByteLevel leaves its alphabet");
    if (k->fn)
        return k->fn(k->to, lt_buf_view(&e->raw));
    if (e->place_cap <= e->raw.n) {
        e->place_cap = 2 * e->raw.n + 64;
        free(e->place);
        e->place = lt_alloc(e->place_cap * sizeof *e->place);
    }
    size_t at = span.begin;
    for (size_t i = 0; i <= e->raw.n; i++) {
        e->place[i] = (uint32_t)at;
        at += at < span.end ? (size_t)lt_utf8_size(v->p[at]) : 0;
    }
    const struct lt_token *tok;
    size_t n;
    if (check_size(e->raw.n, lt_tok_from(v, span.begin)) || word_tokens(k, lt_buf_view(&e->raw), &tok, &n))
        return -1;
    for (size_t i = 0; i < n; i++)
        put_token(k, tok[i].id, lt_tok_from(v, e->place[tok[i].begin]), lt_tok_to(v, e->place[tok[i].end] - 1u));
    return 0;
}

/* A word of a tokenizer whose pieces hold the mark only in front: cut where a mark follows something else. */
static int cut_word(struct sink *k, const struct lt_tok_view *v, struct lt_tok_span span)
{
    struct lt_str mark = k->e->t->cut;
    size_t begin = span.begin, i = span.begin;
    bool inside = false;                        /* something else than marks has come since `begin` */
    while (i < span.end) {
        bool is_mark = v->p[i] == mark.p[0] && span.end - i >= mark.n && memcmp(v->p + i, mark.p, mark.n) == 0;
        if (is_mark && inside) {
            if (plain_word(k, v, begin, i - begin))
                return -1;
            begin = i;
            inside = false;
        }
        inside |= !is_mark;
        i += is_mark ? mark.n : (size_t)lt_utf8_size(v->p[i]);
    }
    return plain_word(k, v, begin, span.end - begin);
}

/* ---- texts to words ---- */
static int split(struct sink *k, struct lt_tok_view v)
{
    const struct lt_tokenizer *t = k->e->t;
    if (!v.n)
        return 0;
    if (t->pre.scan) {
        for (size_t i = 0, end; i < v.n; i = end) {
            end = t->pre.scan(v.p, v.n, i);
            int rc = plain_word(k, &v, i, end - i);
            if (rc)
                return rc;
        }
        return 0;
    }
    struct lt_tok_work *w = &k->e->work;
    if (lt_tok_pre_apply(&t->pre, w, k->e->norm.matcher, &v))
        return -1;
    for (size_t i = 0; i < w->spans.n; i++) {
        struct lt_tok_span s = w->spans.at[i];
        int rc = t->pre.spelt ? spelt_word(k, &v, s)
               : t->cut.n && !k->fn ? cut_word(k, &v, s) : plain_word(k, &v, s.begin, s.end - s.begin);
        if (rc)
            return rc;
    }
    return 0;
}

static struct lt_tok_view part(const struct lt_tok_view *v, size_t begin, size_t end)
{
    return (struct lt_tok_view){ v->p + begin, end - begin, v->from ? v->from + begin : NULL,
                                 v->from ? v->to + begin : NULL,
                                 v->from ? v->base : v->base + (uint32_t)begin };
}

/* Does one of the encoder's plain bytes lie in begin .. end-1 of the text? */
static bool touches_plain(const struct lt_encoder *e, size_t begin, size_t end)
{
    size_t low = 0, high = e->plain_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (e->plain[middle] < begin) low = middle + 1;
        else high = middle;
    }
    return low < e->plain_count && e->plain[low] < end;
}

/* The next added token at or after `at` that may be read as one. */
static bool next_added(const struct sink *k, const struct lt_tok_added_set *set, const struct lt_tok_view *v, size_t at,
                       struct lt_tok_found *f)
{
    struct lt_str text = { v->p, v->n };
    while (lt_tok_added_next(k->e->t, set, k->flags & LT_NO_ADDED, text, at, f)) {
        if (!touches_plain(k->e, lt_tok_from(v, f->begin), lt_tok_to(v, f->end - 1))) return true;
        at = f->begin + 1;
    }
    return false;
}

/* Looks for the added tokens of a set; what lies between goes to `next`. */
static int around_added(struct sink *k, const struct lt_tok_added_set *set, struct lt_tok_view v,
                        int (*next)(struct sink *, struct lt_tok_view))
{
    const struct lt_tokenizer *t = k->e->t;
    struct lt_tok_found f;
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && next_added(k, set, &v, at, &f)) {
        if (f.begin > at)
            rc = next(k, part(&v, at, f.begin));
        if (rc == 0 && !k->fn)
            put_token(k, t->s.added[f.added].id, lt_tok_from(&v, f.begin), lt_tok_to(&v, f.end - 1));
        at = f.end;
    }
    return rc || at == v.n ? rc : next(k, part(&v, at, v.n));
}

static int normalise(struct sink *k, struct lt_tok_view v)
{
    const struct lt_tokenizer *t = k->e->t;
    if (lt_tok_norm_apply(&t->norm, &k->e->norm, &v))
        return -1;
    return around_added(k, &t->added_normal, v, split);
}

static int all_stages(struct sink *k, struct lt_str text, size_t base)
{
    struct lt_tok_view v = { .p = text.p, .n = text.n, .base = (uint32_t)base };
    return text.n ? around_added(k, &k->e->t->added_raw, v, normalise) : 0;
}

static int whole_text(struct sink *k, struct lt_str text)
{
    if (text.n >= UINT32_MAX)
        return lt_fail("a text of %zu bytes is too long: offsets reach %u", text.n, UINT32_MAX - 1);
    for (size_t at = 0; at < text.n;) {
        size_t good = lt_utf8_bad(text.p + at, text.n - at);
        int rc = all_stages(k, (struct lt_str){ text.p + at, good }, at);
        if (rc)
            return rc;
        at += good;
        if (at == text.n)
            return 0;
        if (!k->e->t->byte_level)
            return lt_fail("byte %zu of the text is not UTF-8, and this tokenizer is not byte-level", at);
        struct lt_tok_view v = { .p = text.p + at, .n = lt_utf8_bad_run(text.p + at, text.n - at),
                                 .base = (uint32_t)at };
        rc = plain_word(k, &v, 0, v.n);
        if (rc)
            return rc;
        at += v.n;
    }
    return 0;
}

void lt_encoder_plain(struct lt_encoder *e, const size_t *at, size_t count)
{
    e->plain = at;
    e->plain_count = count;
}

int lt_encoder_encode(struct lt_encoder *e, struct lt_str text, unsigned flags, struct lt_rng *rng,
                      struct lt_token **out, size_t *n, size_t *cap)
{
    const struct lt_tok_post *post = &e->t->post;
    struct sink k = { .e = e, .flags = flags, .rng = rng, .out = *out, .n = *n, .cap = *cap };
    for (int i = 0; flags & LT_SPECIAL && i < post->before_count; i++)
        put_token(&k, post->before[i], 0, 0);
    int rc = whole_text(&k, text);
    for (int i = 0; flags & LT_SPECIAL && i < post->after_count; i++)
        put_token(&k, post->after[i], text.n, text.n);
    *out = k.out;
    *cap = k.cap;
    if (rc == 0)
        *n = k.n;
    return rc ? -1 : 0;
}

int lt_tokenizer_encode(const struct lt_tokenizer *t, struct lt_str text, unsigned flags, struct lt_token **out,
                        size_t *n, size_t *cap)
{
    struct lt_encoder *e = lt_encoder_new(t);
    int rc = lt_encoder_encode(e, text, flags, NULL, out, n, cap);
    lt_encoder_free(e);
    return rc;
}

int lt_tokenizer_words(const struct lt_tokenizer *t, struct lt_encoder *e, struct lt_str text, lt_word_fn *fn, void *to)
{
    (void)t;
    struct sink k = { .e = e, .fn = fn, .to = to };
    return whole_text(&k, text);
}
