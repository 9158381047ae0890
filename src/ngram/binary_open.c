/* Opening a binary n-gram file: the header and all sizes are checked, the vocabulary is used where it lies. */
#include "ngram/binary.h"
#include "base/ctx.h"
#include "ngram/arpa.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- where everything is ---- */
unsigned lt_ngram_prob_width(const struct lt_ngram_header *h)
{
    return h->layout == LT_NGRAM_HASH ? 0 : h->prob_bits ? h->prob_bits : 31;       /* the sign is always that of -0 */
}

unsigned lt_ngram_backoff_width(const struct lt_ngram_header *h, int level)
{
    return h->layout == LT_NGRAM_HASH || level == (int)h->order - 1 ? 0 : h->backoff_bits ? h->backoff_bits : 32;
}

static uint64_t after(uint64_t *at, uint64_t bytes)
{
    uint64_t here = *at;
    *at += (bytes + LT_NGRAM_LINE - 1) / LT_NGRAM_LINE * LT_NGRAM_LINE;
    return here;
}

static void place_level(const struct lt_ngram_header *h, int k, uint64_t *at, struct lt_ngram_places *p)
{
    unsigned width = h->word_bits + lt_ngram_prob_width(h) + lt_ngram_backoff_width(h, k);
    p->entry[k] = after(at, (h->count[k] * width + 7) / 8 + sizeof(uint64_t));      /* a whole word may be read */
    if (k < (int)h->order - 1) {
        p->fan[k] = after(at, lt_ngram_fan_lines(h->count[k], h->count[k + 1]) * LT_NGRAM_LINE);
        p->hint[k] = after(at, lt_ngram_hints(h->count[k]) * sizeof(uint32_t));
    }
    if (h->layout == LT_NGRAM_HASH) p->table[k] = after(at, h->buckets[k] * LT_NGRAM_LINE);
    else if (h->prob_bits) p->prob[k] = after(at, sizeof(float) << h->prob_bits);
    if (h->layout == LT_NGRAM_TRIE && h->backoff_bits && k < (int)h->order - 1)
        p->backoff[k] = after(at, sizeof(float) << h->backoff_bits);
}

static bool is_power_of_two(uint64_t n)
{
    return n && !(n & (n - 1));
}

static bool sizes_possible(const struct lt_ngram_header *h)
{
    const uint64_t limit = UINT64_C(1) << 40;           /* no sum below comes near 2^64 */
    if (h->order < 1 || h->order > LT_NGRAM_ORDER_MAX || !h->count[0]) return false;
    for (unsigned k = 0; k < LT_NGRAM_ORDER_MAX; k++) {
        bool used = k < h->order, table = used && k && h->layout == LT_NGRAM_HASH;
        if (h->count[k] >= LT_NGRAM_NONE || (!used && h->count[k])) return false;
        if (h->buckets[k] > limit || table != (h->buckets[k] != 0)) return false;
    }
    if (h->count[0] > UINT64_C(1) << h->word_bits || h->word_bits < 1) return false;
    if (!is_power_of_two(h->word_slots) || h->word_slots <= h->count[0] || h->word_slots > limit) return false;
    if (h->blank_slots && (!is_power_of_two(h->blank_slots) || h->blank_slots > limit)) return false;
    return h->spelling < UINT32_MAX;
}

bool lt_ngram_places(const struct lt_ngram_header *h, struct lt_ngram_places *p)
{
    uint64_t at = sizeof *h;
    *p = (struct lt_ngram_places){ 0 };
    if (!sizes_possible(h)) return false;
    p->spelling_at = after(&at, (h->count[0] + 1) * sizeof(uint32_t));
    p->spelling = after(&at, h->spelling);
    p->word_slot = after(&at, h->word_slots * sizeof(uint64_t));
    p->unigram = after(&at, h->count[0] * sizeof(struct lt_ngram_pair));
    if (h->order > 1) p->unigram_child = after(&at, (h->count[0] + 1) * sizeof(uint32_t));
    for (int k = 1; k < (int)h->order; k++) place_level(h, k, &at, p);
    p->blank = after(&at, h->blank_slots * sizeof(uint64_t));
    p->size = at;
    return true;
}

/* ---- the header ---- */
static int check_header(const char *name, const struct lt_ngram_header *h, uint64_t size)
{
    if (memcmp(h->magic, LT_NGRAM_MAGIC, sizeof h->magic))
        return lt_fail("%s: no binary n-gram file: it does not begin with LTNGRAM", name);
    if (h->version != LT_NGRAM_VERSION)
        return lt_fail("%s: a binary n-gram file of version %lu; this program reads version %d: convert the ARPA file "
                       "again", name, (unsigned long)h->version, LT_NGRAM_VERSION);
    if (lt_hash(h, offsetof(struct lt_ngram_header, check), 0) != h->check)
        return lt_fail("%s: the header is damaged: its checksum does not match", name);
    if (h->size != size)
        return lt_fail("%s: the file has %llu bytes and its header says %llu: it was cut short or changed", name,
                       (unsigned long long)size, (unsigned long long)h->size);
    bool specials = h->unk < h->count[0] && (h->bos == LT_NGRAM_NONE || h->bos < h->count[0]) &&
                    (h->eos == LT_NGRAM_NONE || h->eos < h->count[0]);
    if ((h->layout != LT_NGRAM_HASH && h->layout != LT_NGRAM_TRIE) || !specials || h->word_bits > 32 ||
        h->prob_bits > LT_NGRAM_BITS_MAX || h->backoff_bits > LT_NGRAM_BITS_MAX)
        return lt_fail("%s: the header contradicts itself", name);
    return 0;
}

static void settle_level(struct lt_ngram_file *f, const struct lt_ngram_places *p, int k)
{
    const struct lt_ngram_header *h = &f->head;
    const uint8_t *base = f->file.p;
    struct lt_ngram_packed *l = &f->level[k];
    l->entry = base + p->entry[k];
    l->count = h->count[k];
    l->word_bits = h->word_bits;
    l->prob_bits = lt_ngram_prob_width(h);
    l->backoff_bits = lt_ngram_backoff_width(h, k);
    l->width = l->word_bits + l->prob_bits + l->backoff_bits;
    if (p->fan[k]) {
        l->fan = (const void *)(base + p->fan[k]);
        l->hint = (const void *)(base + p->hint[k]);
        l->next = h->count[k + 1];
        l->lines = lt_ngram_fan_lines(l->count, l->next);
        l->hints = lt_ngram_hints(l->count);
    }
    if (p->prob[k]) l->prob = (const void *)(base + p->prob[k]);
    if (p->backoff[k]) l->backoff = (const void *)(base + p->backoff[k]);
    if (p->table[k]) f->table[k] = base + p->table[k];
}

/* Takes the file, which is closed when it is refused. */
static int settle(const char *name, struct lt_file file, bool borrowed, struct lt_ngram **out)
{
    struct lt_ngram_file *f = lt_calloc(1, sizeof *f);
    struct lt_ngram_places p;
    int rc = 0;
    f->file = file;
    f->borrowed = borrowed;
    if (file.n < sizeof f->head) rc = lt_fail("%s: no binary n-gram file: it has %zu bytes", name, file.n);
    if (!rc) {
        memcpy(&f->head, file.p, sizeof f->head);
        rc = check_header(name, &f->head, file.n);
    }
    if (!rc && (!lt_ngram_places(&f->head, &p) || p.size != file.n))
        rc = lt_fail("%s: the sizes in the header are not those of a file of %zu bytes", name, file.n);
    if (rc) {
        lt_ngram_unmap(f);
        return rc;
    }
    f->spelling_at = (const void *)(file.p + p.spelling_at);
    f->spelling = (const void *)(file.p + p.spelling);
    f->word_slot = (const void *)(file.p + p.word_slot);
    f->unigram = (const void *)(file.p + p.unigram);
    if (p.unigram_child) f->unigram_child = (const void *)(file.p + p.unigram_child);
    if (f->head.blank_slots) f->blank = (const void *)(file.p + p.blank);
    struct lt_ngram *m = *out = lt_calloc(1, sizeof *m);
    m->file = f;
    m->order = (int)f->head.order;
    m->unk = f->head.unk;
    m->bos = f->head.bos;
    m->eos = f->head.eos;
    m->unk_given = f->head.flags & LT_NGRAM_UNK_GIVEN;
    m->level[0].count = (uint32_t)f->head.count[0];
    for (int k = 1; k < m->order; k++) {
        settle_level(f, &p, k);
        m->level[k].count = (uint32_t)f->head.count[k];
    }
    return 0;
}

int lt_ngram_map(const char *path, struct lt_ngram **out)
{
    struct lt_file file;
    return lt_file_open(path, &file) ? -1 : settle(path, file, false, out);
}

int lt_ngram_map_bytes(const char *name, struct lt_str bytes, struct lt_ngram **out)
{
    return settle(name, (struct lt_file){ (const uint8_t *)bytes.p, bytes.n, false }, true, out);
}

void lt_ngram_unmap(struct lt_ngram_file *f)
{
    if (f && !f->borrowed) lt_file_close(&f->file);
    free(f);
}

/* Only a plain file is looked into: what a pipe has given is gone. */
bool lt_ngram_is_binary(const char *path)
{
    char magic[sizeof LT_NGRAM_MAGIC - 1];
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool found = read(fd, magic, sizeof magic) == sizeof magic && !memcmp(magic, LT_NGRAM_MAGIC, sizeof magic);
    close(fd);
    return found;
}

int lt_ngram_open(const char *path, struct lt_ctx *c, struct lt_ngram **out)
{
    return lt_ngram_is_binary(path) ? lt_ngram_map(path, out) : lt_ngram_read(path, c, out);
}

uint64_t lt_ngram_checksum(uint64_t sum, const void *p, size_t n)
{
    return lt_hash(p, n, sum);
}

int lt_ngram_file_verify(const struct lt_ngram_file *f, const char *name, struct lt_ctx *c)
{
    struct lt_progress progress;
    uint64_t sum = 0;
    lt_progress_begin(c, &progress, "checking", "bytes", (double)f->file.n);
    for (size_t at = sizeof f->head; at < f->file.n; at += LT_NGRAM_BLOCK) {
        sum = lt_ngram_checksum(sum, f->file.p + at, LT_MIN(f->file.n - at, (size_t)LT_NGRAM_BLOCK));
        lt_progress_at(&progress, (double)at, NULL);
    }
    lt_progress_end(&progress);
    if (sum == f->head.content) return 0;
    return lt_fail("%s: the content is damaged: its checksum does not match; convert the ARPA file again", name);
}

/* ---- the vocabulary ---- */
struct lt_str lt_ngram_file_spelling(const struct lt_ngram_file *f, uint32_t id)
{
    uint64_t end = LT_MIN(f->spelling_at[id + 1], f->head.spelling), from = LT_MIN(f->spelling_at[id], end);
    return (struct lt_str){ f->spelling + from, end - from };
}

static uint32_t look_up(const struct lt_ngram_file *f, uint64_t hash, struct lt_str word)
{
    uint64_t mask = f->head.word_slots - 1, at = hash & mask;
    for (uint64_t step = 0; step <= mask; step++, at = (at + 1) & mask) {
        uint64_t slot = f->word_slot[at];
        uint32_t id = (uint32_t)slot - 1;
        if (!slot) break;
        if (slot >> 32 != hash >> 32 || id >= f->head.count[0]) continue;
        struct lt_str spelling = lt_ngram_file_spelling(f, id);
        if (spelling.n == word.n && !memcmp(spelling.p, word.p, word.n)) return id;
    }
    return LT_NGRAM_NONE;
}

uint32_t lt_ngram_file_word(const struct lt_ngram_file *f, struct lt_str word)
{
    return look_up(f, lt_hash(word.p, word.n, 0), word);
}

/* All slots are asked for before the first is looked at. */
void lt_ngram_file_ids(const struct lt_ngram_file *f, const struct lt_str *word, int n, uint32_t *id)
{
    enum { TOGETHER = 32 };
    uint64_t hash[TOGETHER], mask = f->head.word_slots - 1;
    for (int from = 0; from < n; from += TOGETHER) {
        int count = LT_MIN(n - from, TOGETHER);
        for (int i = 0; i < count; i++) {
            hash[i] = lt_hash(word[from + i].p, word[from + i].n, 0);
            __builtin_prefetch(&f->word_slot[hash[i] & mask]);
        }
        for (int i = 0; i < count; i++) {
            uint32_t found = look_up(f, hash[i], word[from + i]);
            id[from + i] = found == LT_NGRAM_NONE ? f->head.unk : found;
        }
    }
}

/* ---- n-grams in the order of the trie ---- */
static int ones(uint64_t v)
{
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (int)(v * UINT64_C(0x0101010101010101) >> 56);
}

/* The place of one number r of a word that has more; by halves. */
static unsigned nth_one(uint64_t v, unsigned r)
{
    unsigned at = 0;
    for (unsigned half = 32; half; half /= 2) {
        unsigned low = (unsigned)ones(v & ((UINT64_C(1) << half) - 1));
        if (r >= low) {
            r -= low;
            v >>= half;
            at += half;
        }
    }
    return at;
}

struct spot { uint64_t line; unsigned bit; };

/* The one number i. */
static struct spot locate(const struct lt_ngram_packed *l, uint64_t i)
{
    uint64_t low = LT_MIN(l->hint[i / LT_NGRAM_FAN_HINT], l->lines - 1);
    uint64_t high = LT_MIN(l->hint[i / LT_NGRAM_FAN_HINT + 1], l->lines - 1);
    while (low < high) {                                /* the last line that has no more than i ones before it */
        uint64_t mid = (low + high + 1) / 2;
        if (l->fan[mid].before <= i) low = mid;
        else high = mid - 1;
    }
    const struct lt_ngram_fan_line *f = &l->fan[low];
    unsigned r = (unsigned)(i - f->before), w = 0, skipped = 0;
    for (unsigned pair = 0; pair < 3; pair++) {
        unsigned before = f->ahead >> 9 * pair & 511;
        if (before > r) break;
        skipped = before;
        w = 2 * pair + 2;
    }
    r -= skipped;
    unsigned here = (unsigned)ones(f->word[w]);
    if (r >= here && w < 6) {
        r -= here;
        w++;
    }
    return (struct spot){ low, w * 64 + nth_one(f->word[w], LT_MIN(r, 63)) };
}

/* The one after a place, if it is in the same line. */
static bool next_one(const struct lt_ngram_packed *l, struct spot *s)
{
    const uint64_t *word = l->fan[s->line].word;
    unsigned bit = s->bit + 1, w = bit / 64;
    if (w > 6) return false;
    uint64_t rest = word[w] >> bit % 64 << bit % 64;
    while (!rest && w < 6) rest = word[++w];
    if (!rest) return false;
    s->bit = w * 64 + (unsigned)__builtin_ctzll(rest);
    return true;
}

/* Zeros before a one are as many as its place less the ones before it. */
struct lt_ngram_range lt_ngram_fan(const struct lt_ngram_packed *l, uint64_t i)
{
    struct spot s = { 0, 0 };
    uint64_t from = 0;
    if (i) {
        s = locate(l, i - 1);
        from = s.line * LT_NGRAM_FAN_BITS + s.bit - (i - 1);
    }
    if (!i || !next_one(l, &s)) s = locate(l, i);
    uint64_t end = s.line * LT_NGRAM_FAN_BITS + s.bit - i;
    end = LT_MIN(end, l->next);
    return (struct lt_ngram_range){ LT_MIN(from, end), end };
}

/* Words differ, so one that is larger by d stands at most d places further on: most searches are short. */
uint32_t lt_ngram_find(const struct lt_ngram_packed *l, struct lt_ngram_range r, uint32_t word)
{
    if (r.from == r.end) return LT_NGRAM_NONE;
    uint64_t first = lt_ngram_bits(l->entry, r.from * l->width, l->word_bits);
    if (first >= word) return first == word ? (uint32_t)r.from : LT_NGRAM_NONE;
    uint64_t at = r.from, n = LT_MIN(r.end - r.from, word - first + 1);
    while (n > 1) {                                     /* n places from `at` on, the first no larger than the word */
        uint64_t half = n / 2, w = lt_ngram_bits(l->entry, (at + half) * l->width, l->word_bits);
        at += w <= word ? half : 0;
        n -= half;
    }
    return lt_ngram_bits(l->entry, at * l->width, l->word_bits) == word ? (uint32_t)at : LT_NGRAM_NONE;
}
