/* A small byte-level tokenizer over given pieces, of which the first is the end token. */
#ifndef LT_TEST_PIECES_TOKENIZER_H
#define LT_TEST_PIECES_TOKENIZER_H

#include "test.h"
#include "text/tokenizer.h"

static inline struct lt_tokenizer *texts_tokenizer(const struct lt_str *piece, int count)
{
    struct lt_str *spelt = lt_calloc((size_t)count, sizeof *spelt);
    struct lt_buf *all = lt_calloc((size_t)count, sizeof *all);
    for (int i = 0; i < count; i++) {
        if (i) lt_tok_spell(&all[i], piece[i]);
        else lt_buf_put(&all[i], piece[i].p, piece[i].n);
        spelt[i] = lt_buf_view(&all[i]);
    }
    struct lt_tok_added end = { .id = 0, .content = spelt[0], .special = true };
    struct lt_tok_spec spec = { .kind = LT_TOK_BPE, .count = count, .piece = spelt, .added = &end, .added_count = 1,
                                .pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}",
                                .decoder = "{\"type\":\"ByteLevel\"}", .bos = -1, .eos = 0 };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&spec, &t));
    for (int i = 0; i < count; i++) lt_buf_free(&all[i]);
    free(all);
    free(spelt);
    return t;
}

static inline struct lt_tokenizer *pieces_tokenizer(const char *const *piece, int count)
{
    struct lt_str *text = lt_alloc((size_t)count * sizeof *text);
    for (int i = 0; i < count; i++) text[i] = lt_str(piece[i]);
    struct lt_tokenizer *t = texts_tokenizer(text, count);
    free(text);
    return t;
}

/* A model of which a control sees nothing but its tokenizer. */
static const struct lt_tokenizer *pieces_tokenizer_of(void *self) { return self; }
static const struct lt_lm_type pieces_tokenizer_lm = { .tokenizer = pieces_tokenizer_of };

/* One control with one option, in a chain; the options must be freed after the chain. */
static inline int one_control(const char *name, const char *key, const char *value,
                              struct lt_options **options, struct lt_choice *choice, struct lt_choices *controls)
{
    const struct lt_method *m = lt_method_find("control", name);
    assert_non_null(m);
    *options = lt_options_new(m);
    if (lt_options_set(*options, key, value)) return -1;
    *choice = (struct lt_choice){ m, (void *)lt_options_done(*options) };
    *controls = (struct lt_choices){ choice, 1, true };
    return choice->o ? 0 : -1;
}

#endif
