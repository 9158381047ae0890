/* The readers of pronouncing dictionaries and word lists over arbitrary bytes: words are sorted and found again. */
#include "decode/filter/lexicon.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(struct lt_lexicon *l)
{
    struct lt_word_trie *t = lt_word_trie_new(l, NULL);
    for (int i = 0; i < l->words && i < 100; i++) {
        const struct lt_lexicon_word *w = &l->word[i];
        int32_t node = 0;
        assert(lt_lexicon_find(l, w->letter, w->letters) == i);
        for (int k = 0; k < w->letters; k++) node = lt_word_trie_step(t, node, w->letter[k]);
        assert(t->node[node].word == i);
        if (i) lt_lexicon_rhymes(l, i, i - 1);
    }
    lt_word_trie_free(t);
    lt_lexicon_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_str text = { (const char *)p, n };
    struct lt_lexicon *l;
    if (!lt_lexicon_read_sounds("input", text, false, &l)) check(l);
    if (!lt_lexicon_read_list("input", text, true, &l)) check(l);
    return 0;
}
