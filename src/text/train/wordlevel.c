/* A vocabulary of whole words, the most frequent first (WordLevel in Hugging Face's words): text is cut at white space,
 * and a word that is not listed is the unknown token.
 *
 *     lathe tokenizer train train.txt --output words/ --method wordlevel --word_min_count 3 --vocab_size 100000
 *
 * Equal counts go by the bytes of the words. */
#include "text/train/learn.h"

#include <stdlib.h>

struct wordlevel { struct lt_trainer_options common; };

static int by_count(const void *a, const void *b, void *ctx)
{
    const struct lt_word *x = a, *y = b;
    (void)ctx;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return lt_str_cmp((struct lt_str){ x->p, x->n }, (struct lt_str){ y->p, y->n });
}

static bool is_special(const struct lt_pieces *p, int specials, struct lt_str word)
{
    int i = 0;
    while (i < specials && !lt_str_eq(p->piece[i], word)) i++;
    return i < specials;
}

static struct lt_tok_spec spec_of(const struct lt_trainer_options *o, const struct lt_pieces *p, int specials,
                                  struct lt_tok_added *added)
{
    return (struct lt_tok_spec){
        .kind = LT_TOK_WORDLEVEL, .count = p->count, .piece = p->piece, .added = added, .added_count = specials,
        .unk = o->unk_token, .unk_id = -1, .pre_tokenizer = "{\"type\":\"WhitespaceSplit\"}",
        .bos = lt_trainer_special(p, specials, o->bos_token), .eos = lt_trainer_special(p, specials, o->eos_token),
    };
}

static int train(const void *options, struct lt_ctx *c, const struct lt_list *files, struct lt_tokenizer **out)
{
    const struct lt_trainer_options *o = &((const struct wordlevel *)options)->common;
    struct lt_pieces pieces = { 0 };
    struct lt_tok_added *added = NULL;
    struct lt_words words = { 0 };
    int specials = 0;
    if (!o->unk_token || !*o->unk_token)
        return lt_misuse("wordlevel needs an unk_token: words that are not listed have no other");
    int rc = lt_trainer_specials(o, &pieces, &added, &specials);
    if (!rc && specials >= o->vocab_size)
        rc = lt_misuse("vocab_size %lld leaves no room for words beside %d special tokens", (long long)o->vocab_size,
                       specials);
    if (!rc) {
        struct lt_tok_spec spec = spec_of(o, &pieces, specials, added);
        rc = lt_trainer_words(o, &spec, false, files, c, &words);
    }
    if (!rc) {
        lt_sort(words.word, words.count, sizeof *words.word, by_count, NULL);
        for (size_t i = 0; i < words.count && pieces.count < o->vocab_size; i++) {
            struct lt_str w = { words.word[i].p, words.word[i].n };
            if (w.n < LT_TOK_PIECE_MAX && !is_special(&pieces, specials, w)) lt_pieces_add(&pieces, w, 1);
        }
        struct lt_tok_spec spec = spec_of(o, &pieces, specials, added);
        rc = lt_tokenizer_build(&spec, out);
    }
    free(added);
    lt_words_release(&words);
    lt_pieces_release(&pieces);
    return rc;
}

static const struct lt_opt rows[] = {
    LT_TRAINER_ROWS(struct wordlevel, "<s>", "</s>", "<unk>", NULL),
    { 0 },
};

const struct lt_tokenizer_trainer lt_tokenizer_wordlevel = {
    .m = { .name = "wordlevel", .brief = "whole words between white space; all others are one unknown token",
           .size = sizeof(struct wordlevel), .opts = rows,
           .doc = "The vocabulary is the most frequent words, at most vocab_size with the special tokens, each seen\n"
                  "word_min_count times or more: as closed as that of a word n-gram model.\n\n"
                  "    lathe tokenizer train train.txt --output words/ --method wordlevel --word_min_count 3" },
    .train = train,
};
