/* Added tokens, found in the text before anything else happens to it: at each place the longest one. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

/* The character that ends at p + n. */
static uint32_t last_char(const char *p, size_t n)
{
    size_t i = n - 1;
    while (i && ((uint8_t)p[i] & 0xC0) == 0x80)
        i--;
    uint32_t c;
    lt_utf8_get(p + i, &c);
    return c;
}

static bool touches_word(struct lt_str text, size_t begin, size_t end)
{
    uint32_t after = 0;
    if (end < text.n)
        lt_utf8_get(text.p + end, &after);
    return (begin && lt_char_is_word(last_char(text.p, begin))) || (end < text.n && lt_char_is_word(after));
}

static bool found_at(const struct lt_tokenizer *t, const struct lt_tok_added_set *set, bool no_special,
                     struct lt_str text, size_t low, size_t at, struct lt_tok_found *out)
{
    uint32_t node = 0;
    int best = -1;
    size_t end = at;
    for (size_t i = at; i < text.n && lt_tok_trie_step(&set->trie, &node, (uint8_t)text.p[i]); i++) {
        if (set->trie.value[node] >= 0) {
            best = set->which[set->trie.value[node]];
            end = i + 1;
        }
    }
    if (best < 0)
        return false;
    const struct lt_tok_added *a = &t->s.added[best];
    if ((no_special && a->special) || (a->single_word && touches_word(text, at, end)))
        return false;
    *out = (struct lt_tok_found){ at, end, best };
    uint32_t c;
    while (a->lstrip && out->begin > low && lt_char_is_space(last_char(text.p, out->begin)))
        do out->begin--; while (((uint8_t)text.p[out->begin] & 0xC0) == 0x80);
    while (a->rstrip && out->end < text.n && (lt_utf8_get(text.p + out->end, &c), lt_char_is_space(c)))
        out->end += (size_t)lt_utf8_size(text.p[out->end]);
    return true;
}

bool lt_tok_added_next(const struct lt_tokenizer *t, const struct lt_tok_added_set *set, bool no_special,
                       struct lt_str text, size_t at, struct lt_tok_found *out)
{
    if (!set->count)
        return false;
    for (size_t i = at; i < text.n; i++) {
        while (i < text.n && !set->first[(uint8_t)text.p[i]])
            i++;
        if (i < text.n && found_at(t, set, no_special, text, at, i, out))
            return true;
    }
    return false;
}
