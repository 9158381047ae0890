#include "decode/healing.h"
#include "text/tok_char.h"
#include <math.h>
#include <string.h>

static bool text_of(const struct lt_tokenizer *t, int32_t id, struct lt_str *out)
{
    return !lt_tokenizer_special(t, id) && lt_tokenizer_bytes(t, id, out) && out->n;
}

/* Is one of them the beginning of the other? */
static bool agree(struct lt_str a, struct lt_str b) { return !memcmp(a.p, b.p, LT_MIN(a.n, b.n)); }

static bool has_longer(const struct lt_tokenizer *t, struct lt_str bytes)
{
    struct lt_str s;
    for (int32_t i = 0; i < lt_tokenizer_vocab(t); i++)
        if (text_of(t, i, &s) && s.n > bytes.n && agree(s, bytes)) return true;
    return false;
}

/* Bytes of text of the last token, which another is written in place of. */
static int text_size(const struct lt_tokenizer *t, const int32_t *token, int count, size_t *out)
{
    struct lt_detok *d = lt_detok_new(t, false);
    struct lt_buf b = { 0 };
    int rc = lt_detok_behind(d, token, (size_t)count - 1) || lt_detok_push(d, token[count - 1], &b)
          || lt_detok_finish(d, &b) ? -1 : 0;
    *out = b.n;
    lt_buf_free(&b);
    lt_detok_free(d);
    return rc;
}

int lt_healing_begin(struct lt_healing *h, const struct lt_tokenizer *t, const int32_t *token, int *count)
{
    struct lt_str bytes;
    *h = (struct lt_healing){ .t = t };
    if (*count < 2 || token[*count - 1] >= lt_tokenizer_vocab(t) || !text_of(t, token[*count - 1], &bytes)) return 0;
    if (lt_utf8_bad(bytes.p, bytes.n) < bytes.n || !has_longer(t, bytes)) return 0;
    if (text_size(t, token, *count, &h->skip)) return -1;
    h->left = bytes;
    --*count;
    return 0;
}

void lt_healing_apply(const struct lt_healing *h, float *logits, int vocab)
{
    struct lt_str s;
    for (int32_t i = 0; i < vocab && h->left.n; i++)
        if (i >= lt_tokenizer_vocab(h->t) || !text_of(h->t, i, &s) || !agree(s, h->left)) logits[i] = -INFINITY;
}

void lt_healing_accept(struct lt_healing *h, int32_t token)
{
    struct lt_str s;
    if (!h->left.n || !text_of(h->t, token, &s)) return;
    size_t n = LT_MIN(s.n, h->left.n);
    h->left.p += n;
    h->left.n -= n;
}

void lt_healing_trim(struct lt_healing *h, struct lt_buf *text)
{
    size_t n = LT_MIN(h->skip, text->n);
    if (!n) return;
    text->n -= n;
    memmove(text->p, text->p + n, text->n);
    h->skip -= n;
}
