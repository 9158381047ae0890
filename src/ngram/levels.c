#include "ngram/levels.h"

enum { WINDOWS_AT_ONCE = 1 << 16 };

/* The n-grams that begin the window at hand, one a level; they are put down when the last window has gone. */
struct open { uint64_t raw, children; bool left_out; uint32_t word; };
struct building {
    struct lt_levels *l;
    const struct lt_keeping *keep;
    struct open open[LT_NGRAM_ORDER_MAX];
    int n;
};

static bool is_mark(int level, uint32_t word)
{
    return level == 0 && word <= LT_TEXT_EOS;
}

static void put(struct building *b, int k, const struct open *o)
{
    struct lt_level *l = &b->l->level[k];
    bool kept = is_mark(k, o->word) || (!o->left_out && o->raw > b->keep->above[k]);
    lt_spool_put_u32(&l->word, o->word | (kept ? 0 : LT_LEFT_OUT));
    lt_spool_put_count(&l->raw, o->raw);
    if (k + 1 < b->l->order) lt_spool_put_count(&l->children, o->children);
    l->n++;
    l->kept += kept;
}

static bool out(const struct building *b, uint32_t word)
{
    return b->keep->left_out && b->keep->left_out[word];
}

/* Words of the vocabulary that the text does not have, up to one that it has. */
static void put_unseen(struct building *b, uint32_t to)
{
    while (b->l->level[0].n < to) {
        uint32_t w = (uint32_t)b->l->level[0].n;
        struct lt_level *l = &b->l->level[0];
        bool kept = !out(b, w);
        lt_spool_put_u32(&l->word, w | (kept ? 0 : LT_LEFT_OUT));
        lt_spool_put_count(&l->raw, 0);
        if (b->l->order > 1) lt_spool_put_count(&l->children, 0);
        l->n++;
        l->kept += kept;
    }
}

static void close_one(struct building *b)
{
    int k = --b->n;
    struct open *o = &b->open[k];
    if (!k) {
        put_unseen(b, o->word);
        for (int i = 0; i < b->l->order && o->word == LT_TEXT_BOS; i++) b->l->level[i].bos_end = b->l->level[i].n;
        b->l->level[0].bos_end += o->word == LT_TEXT_BOS;
    } else {
        b->open[k - 1].raw += o->raw;
        b->open[k - 1].children++;
    }
    put(b, k, o);
}

static void add(struct building *b, const struct lt_window *w)
{
    while (b->n > w->shared) close_one(b);
    for (int k = w->shared; k < w->n; k++) {
        bool above = k && b->open[k - 1].left_out;
        b->open[k] = (struct open){ .word = w->word[k], .left_out = above || out(b, w->word[k]) };
        if (!k && w->word[0] == LT_TEXT_BOS) {
            put_unseen(b, LT_TEXT_BOS);
            for (int i = 0; i < b->l->order; i++) b->l->level[i].bos = b->l->level[i].n;
        }
    }
    b->n = w->n;
    b->open[w->n - 1].raw += w->count;
}

static int look_up(const struct building *b, struct lt_ctx *c)
{
    for (int k = 0; k < b->l->order; k++)
        if (b->l->level[k].n > LT_LEVEL_MAX)
            return lt_fail("there are more than %llu different %d-grams in the text",
                           (unsigned long long)LT_LEVEL_MAX, k + 1);
    return lt_ctx_interrupted(c) ? lt_fail("interrupted") : lt_spill_check(b->l->spill);
}

int lt_levels_build(struct lt_levels *l, struct lt_counter *t, uint32_t words, const struct lt_keeping *keep)
{
    struct building b = { .l = l, .keep = keep };
    struct lt_window w;
    struct lt_progress p;
    uint64_t done = 0;
    int rc = 0;
    *l = (struct lt_levels){ .order = t->order, .words = words, .spill = t->spill };
    for (int k = 0; k < t->order; k++) {
        lt_spool_init(&l->level[k].word, t->spill);
        lt_spool_init(&l->level[k].raw, t->spill);
        lt_spool_init(&l->level[k].children, t->spill);
    }
    lt_progress_begin(t->ctx, &p, "counting", "n-grams", 0);
    while (!rc && lt_counter_next(t, &w)) {
        add(&b, &w);
        if (++done % WINDOWS_AT_ONCE) continue;
        rc = look_up(&b, t->ctx);
        lt_progress_at(&p, (double)done, NULL);
    }
    while (b.n) close_one(&b);
    put_unseen(&b, words);
    lt_progress_end(&p);
    return rc ? rc : look_up(&b, t->ctx);
}

void lt_levels_release(struct lt_levels *l)
{
    for (int k = 0; k < l->order; k++) {
        lt_spool_free(&l->level[k].word);
        lt_spool_free(&l->level[k].raw);
        lt_spool_free(&l->level[k].children);
    }
    *l = (struct lt_levels){ 0 };
}

void lt_path_begin(struct lt_path *p, const struct lt_levels *l, int level)
{
    *p = (struct lt_path){ .level = level };
    for (int k = 0; k <= level; k++) lt_spool_read(&p->words[k], &l->level[k].word);
    for (int k = 0; k < level; k++) lt_spool_read(&p->children[k], &l->level[k].children);
}

void lt_path_next(struct lt_path *p)
{
    int k = p->level;
    while (k && !p->left[k - 1]) k--;           /* the lowest level that moves on */
    while (k || p->words[0].p != p->words[0].end || lt_spool_more(&p->words[0])) {
        uint32_t w = lt_spool_get_u32(&p->words[k]);
        p->word[k] = w & ~LT_LEFT_OUT;
        p->kept = !(w & LT_LEFT_OUT);
        if (k) p->left[k - 1]--;
        if (k == p->level) return;
        p->left[k] = lt_spool_get_count(&p->children[k]);
        k++;
        while (k && !p->left[k - 1]) k--;
    }
    p->kept = false;                            /* the store has failed: nothing more comes */
}

void lt_path_end(struct lt_path *p)
{
    for (int k = 0; k < LT_NGRAM_ORDER_MAX; k++) {
        lt_spool_read_end(&p->words[k]);
        lt_spool_read_end(&p->children[k]);
    }
}
