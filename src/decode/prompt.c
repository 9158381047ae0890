#include "decode/prompt.h"
#include "text/tokenizer.h"
#include <limits.h>
#include <stdlib.h>

static bool added_by_rule(const struct lt_tokenizer *t, const struct lt_token *k)
{
    return k->begin == k->end && lt_tokenizer_special(t, k->id);
}

static int start_token(const struct lt_tokenizer *t, enum lt_start start, int32_t *id)
{
    int32_t bos = lt_tokenizer_bos(t), eos = lt_tokenizer_eos(t);
    *id = -1;
    if (start == LT_START_BOS && bos < 0)
        return lt_misuse("the tokenizer has no beginning-of-text token to start from");
    if (start == LT_START_EOS && eos < 0) return lt_misuse("the tokenizer has no end-of-text token to start from");
    if (start == LT_START_BOS) *id = bos;
    if (start == LT_START_EOS) *id = eos;
    if (start == LT_START_AUTO) *id = bos >= 0 ? bos : eos;
    return 0;
}

int lt_prompt_encode(const struct lt_tokenizer *t, struct lt_str text, enum lt_start start, int32_t **ids, int *count,
                     int *given, struct lt_token **offsets)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0, head = 0;
    int32_t first;
    if (start_token(t, start, &first) ||
        lt_tokenizer_encode(t, text, start == LT_START_NONE ? 0 : LT_SPECIAL, &token, &n, &cap)) {
        free(token);
        return -1;
    }
    if (n > INT_MAX / 2) {
        free(token);
        return lt_fail("the text has %zu tokens; expected fewer than %d", n, INT_MAX / 2);
    }
    while (n && added_by_rule(t, &token[n - 1])) n--;
    while (head < n && added_by_rule(t, &token[head])) head++;
    if (!n) {                           /* nothing but rules: keep what they put first */
        size_t all = 0;
        free(token);
        token = NULL;
        cap = 0;
        if (lt_tokenizer_encode(t, (struct lt_str){ "", 0 }, LT_SPECIAL, &token, &all, &cap)) return -1;
        head = n = start != LT_START_NONE && all && token[0].id == lt_tokenizer_bos(t);
    }
    bool extra = first >= 0 && !head;
    *ids = lt_realloc(*ids, ((size_t)*count + n + 1) * sizeof **ids);
    if (extra) (*ids)[(*count)++] = first;
    for (size_t i = 0; i < n; i++) (*ids)[(*count)++] = token[i].id;
    *given = (int)head + extra;
    if (offsets) {
        *offsets = lt_alloc((n - head + 1) * sizeof **offsets);
        for (size_t i = head; i < n; i++) (*offsets)[i - head] = token[i];
    }
    free(token);
    return 0;
}
