#include "lm/held.h"
#include <string.h>

void lt_held_add(struct lt_held *h, const int32_t *token, int n)
{
    if (h->count + n > h->cap) {
        h->cap = 2 * (h->count + n);
        h->token = lt_realloc(h->token, (size_t)h->cap * sizeof *h->token);
    }
    if (n) memcpy(h->token + h->count, token, (size_t)n * sizeof *token);
    h->count += n;
}

int lt_held_check_drop(int n, int count)
{
    return n < 0 || n > count ? lt_fail("cannot take back %d of %d tokens", n, count) : 0;
}

int lt_held_drop(struct lt_held *h, int n)
{
    if (lt_held_check_drop(n, h->count)) return -1;
    h->count -= n;
    return 0;
}

int lt_held_count(void *session) { return ((struct lt_held *)session)->count; }

int lt_held_limit(void *session)
{
    (void)session;
    return 0;
}

int lt_over_rewind(void *session, int n)
{
    struct lt_session *base = session;
    return base->type->rewind(base->self, n);
}

int lt_over_count(void *session)
{
    struct lt_session *base = session;
    return base->type->count(base->self);
}

int lt_over_limit(void *session)
{
    struct lt_session *base = session;
    return base->type->limit(base->self);
}

int lt_held_check(const int32_t *token, int n, uint32_t words)
{
    for (int i = 0; i < n; i++)
        if (token[i] < 0 || (uint32_t)token[i] >= words)
            return lt_fail("token %d is not below the vocabulary of %lu words", token[i], (unsigned long)words);
    return 0;
}

bool lt_row_is_best(const float *row, int vocab, int32_t token)
{
    if (token < 0 || token >= vocab) return false;
    for (int32_t i = 0; i < vocab; i++)
        if (row[i] > row[token] || (row[i] == row[token] && i < token)) return false;
    return true;
}

int lt_logits_hit(const float *(*logits)(void *session, int *vocab), void *session, int32_t token, uint8_t *hit)
{
    int vocab;
    const float *row = logits(session, &vocab);
    if (row) *hit = lt_row_is_best(row, vocab, token);
    return row ? 0 : -1;
}
