#include "lm/vocabulary.h"

const struct lt_tokenizer *lt_lm_tokenizer(const struct lt_lm *lm)
{
    return lm->type->tokenizer ? lm->type->tokenizer(lm->self) : NULL;
}

static void put_piece(struct lt_buf *b, const struct lt_tokenizer *t, int32_t id)
{
    struct lt_str s = lt_tokenizer_piece(t, id);
    if (s.p) lt_buf_fmt(b, "\"%.*s\"", (int)LT_MIN(s.n, 60), s.p);
    else lt_buf_str(b, "nothing");
}

int lt_lm_same_vocabulary(const struct lt_lm *x, const char *x_path, const struct lt_lm *y, const char *y_path)
{
    const struct lt_tokenizer *a = lt_lm_tokenizer(x), *b = lt_lm_tokenizer(y);
    if (!a && !b) return 0;
    if (!a || !b)
        return lt_fail("%s has a tokenizer and %s has none: their tokens cannot be compared", a ? x_path : y_path,
                       a ? y_path : x_path);
    int n = LT_MAX(lt_tokenizer_vocab(a), lt_tokenizer_vocab(b));
    for (int32_t id = 0; id < n; id++) {
        struct lt_str p = lt_tokenizer_piece(a, id), q = lt_tokenizer_piece(b, id);
        if (!p.p == !q.p && (!p.p || lt_str_eq(p, q))) continue;
        struct lt_buf said[2] = { 0 };
        put_piece(&said[0], a, id);
        put_piece(&said[1], b, id);
        lt_fail("the vocabularies differ: token %d is %s in %s and %s in %s", id, said[0].p, x_path, said[1].p, y_path);
        lt_buf_free(&said[0]);
        lt_buf_free(&said[1]);
        return -1;
    }
    return 0;
}
