#include "text/words_tokenizer.h"
#include "text/tokenizer.h"

static const char split_at_spaces[] =
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[ \\\\t\\\\n\\\\x0B\\\\f\\\\r]+\"},\"behavior\":\"Removed\","
    "\"invert\":false}";

bool lt_word_next(struct lt_str *rest, struct lt_str *word)
{
    size_t at = 0, end;
    while (at < rest->n && lt_word_space(rest->p[at])) at++;
    for (end = at; end < rest->n && !lt_word_space(rest->p[end]);) end++;
    *word = (struct lt_str){ rest->p + at, end - at };
    *rest = (struct lt_str){ rest->p + end, rest->n - end };
    return word->n > 0;
}

int lt_words_tokenizer(const struct lt_str *piece, uint32_t count, int32_t unk, int32_t bos, int32_t eos,
                       struct lt_tokenizer **out)
{
    if (count > LT_TOK_IDS_MAX)
        return lt_fail("%lu words: tokens are fewer than %d", (unsigned long)count, LT_TOK_IDS_MAX);
    struct lt_tok_added added[2];
    const int32_t mark[] = { bos, eos };
    int marks = 0;
    for (int i = 0; i < LT_COUNT(mark); i++)
        if (mark[i] >= 0)
            added[marks++] = (struct lt_tok_added){ .id = mark[i], .content = piece[mark[i]], .special = true,
                                                    .unseen = true };
    struct lt_buf name = { 0 };
    lt_buf_put(&name, piece[unk].p, piece[unk].n);
    struct lt_tok_spec spec = {
        .kind = LT_TOK_WORDLEVEL, .count = (int32_t)count, .piece = piece, .added = added, .added_count = marks,
        .pre_tokenizer = split_at_spaces, .unk = name.p, .unk_id = unk, .bos = bos, .eos = eos,
    };
    int rc = lt_tokenizer_build(&spec, out);
    lt_buf_free(&name);
    return rc;
}
