/* The machine of a text: bytes to characters, characters to words, words to lines.
 *
 * Where every word must be one of a set (a list, the dictionary), all its words are tried at the start and those that
 * satisfy the rule become a trie, which then stands for the whole expression.  Places are interned and steps kept, as
 * in grammar/grammar_run.c.
 *
 * A mask is a walk over the tokens that leaves out what may not come, and keeps nothing of the places it comes by.
 * Most tokens are spelt with letters, and walked over as a trie of these (token_letters.h); the others as one of bytes.
 * Inside a word only tokens that do not end it at once are walked over: the rest are those that may come outside of
 * words, where the word may end.  Of a palindrome or an isogram alone it is known which letters may come.
 *
 * What letters could still make right is of no use where the vocabulary has no such letters: unless every byte is a
 * token, a token that ends inside an unfinished word is let through only when tokens are found that finish it. */
#include "base/io.h"
#include "base/number_map.h"
#include "decode/filter/word_filter.h"
#include "decode/filter/filter_lines.h"
#include "text/letters.h"
#include "text/tok_char.h"
#include "text/token_letters.h"
#include <assert.h>

#define CMU_DEBIAN "/usr/share/festival/dicts/cmu/cmudict-0.4.out"
/* Past KNOWN_BYTES of what is remembered a filter forgets it all.  It is asked before a mask, which may add as much
 * again: a filter stays below 64 MB, besides its dictionary and what it knows of the vocabulary. */
enum { MASKS = 64, KNOWN_BYTES = 24 << 20, FINISH_MAX = 200 };

struct place {                                  /* compared as bytes: no holes */
    int32_t context, word;                      /* word -1: outside of words */
    uint8_t byte[3], bytes;                     /* of an unfinished character */
    int32_t apostrophe;                         /* 1: one has come that is the word's if a letter follows */
};
struct lt_filter {
    struct lt_filter_rule rule, words_rule;     /* words_rule: the whole as one set of words */
    struct lt_lexicon *sounds, *list[LT_FILTER_TERMS_MAX];
    struct lt_word_machine *words;
    struct lt_word_trie *set;                   /* of the machine; NULL: words need not be of a set */
    struct lt_filter_lines *lines;
    bool marks, whole;                          /* whole: lines or alliteration are asked for */
    const struct lt_token_trie *trie;
    struct lt_line_place *context; int32_t contexts, context_cap;
    struct place *place; int32_t places, place_cap;
    struct lt_number_map context_of, place_of, step_of;
    uint64_t *mask[MASKS + 1]; int32_t mask_of[MASKS + 1];      /* the last is of the start */
    uint64_t *made;                             /* a mask in the making */
    const struct lt_token_letters *letters;     /* of the tokens */
    struct place *walk;                         /* [depth]: places of a walk */
    int32_t *look;                              /* [depth]: of one that looks ahead */
    struct lt_word_run *runs;                   /* [depth]: words of a walk; NULL: words are states there too */
    int run;                                    /* in a walk with runs: where the next step goes; else -1 */
    bool every_byte;                            /* is a token by itself */
    struct lt_number_map finish_of;             /* 1: tokens finish the word of a place; 0: none do; 2: asked now */
    uint32_t age;
};

/* ---- opening ---- */
static int read_file(const char *path, bool marks, bool sounds, struct lt_lexicon **out)
{
    struct lt_file file;
    if (lt_file_open(path, &file)) return -1;
    struct lt_str text = { (const char *)file.p, file.n };
    int rc = sounds ? lt_lexicon_read_sounds(path, text, marks, out) : lt_lexicon_read_list(path, text, marks, out);
    lt_file_close(&file);
    return rc;
}

static int read_sounds(struct lt_filter *f, const struct lt_filter_how *how)
{
    const char *path = how->dictionary ? how->dictionary : how->installed ? how->installed : CMU_DEBIAN;
    if (f->sounds) return 0;
    if (!how->dictionary && !lt_path_exists(path))
        return lt_misuse("filter: rhymes and syllables need a pronouncing dictionary: install the Debian package "
                         "festlex-cmu, or name a file in the CMU's format with filter.dictionary");
    return read_file(path, f->marks, true, &f->sounds);
}

static int chosen_words(const struct lt_filter *f, const struct lt_filter_term *t, bool *chosen)
{
    const struct lt_lexicon *l = f->sounds;
    int target = t->kind == LT_FILTER_RHYMES ? lt_lexicon_find(l, t->letter, t->letters) : -1;
    if (t->kind == LT_FILTER_RHYMES && target < 0)
        return lt_misuse("filter: rhymes(%.*s): the dictionary does not have the word", (int)t->text.n, t->text.p);
    for (int i = 0; i < l->words; i++) {
        if (t->kind == LT_FILTER_RHYMES) chosen[i] = lt_lexicon_rhymes(l, target, i);
        for (int k = 0; t->kind == LT_FILTER_SYLLABLES && k <= LT_SYLLABLES_MAX; k++)
            chosen[i] |= k >= t->low && k <= t->high && (l->word[i].syllables >> k & 1);
    }
    return 0;
}

/* The trie of a term that is about a set of words. */
static int term_set(struct lt_filter *f, const struct lt_filter_how *how, int i, struct lt_word_trie **out)
{
    const struct lt_filter_term *t = &f->rule.term[i];
    if (t->kind == LT_FILTER_IN) {
        char path[4096];
        if (t->text.n >= sizeof path) return lt_misuse("filter: in(...): the path is too long");
        memcpy(path, t->text.p, t->text.n);
        path[t->text.n] = 0;
        if (read_file(path, f->marks, false, &f->list[i])) return -1;
        *out = lt_word_trie_new(f->list[i], NULL);
    } else if (t->kind == LT_FILTER_RHYMES || t->kind == LT_FILTER_SYLLABLES) {
        if (read_sounds(f, how)) return -1;
        bool *chosen = lt_calloc((size_t)f->sounds->words, sizeof *chosen);
        int rc = chosen_words(f, t, chosen);
        if (!rc) *out = lt_word_trie_new(f->sounds, chosen);
        free(chosen);
        return rc;
    }
    return 0;
}

/* The lexicon that every word must be of; NULL: none. */
static const struct lt_lexicon *needed(const struct lt_filter *f, struct lt_word_trie *const *set)
{
    const struct lt_lexicon *stack[LT_FILTER_CODE_MAX];
    int n = 0;
    for (int i = 0; i < f->rule.codes; i++) {
        int c = f->rule.code[i];
        if (c >= 0 || c == LT_FILTER_TRUE) stack[n++] = c >= 0 && set[c] ? set[c]->of : NULL;
        else if (c == LT_FILTER_NOT) stack[n - 1] = NULL;
        else {
            const struct lt_lexicon *b = stack[--n], *a = stack[n - 1];
            stack[n - 1] = c == LT_FILTER_AND ? (a ? a : b) : a == b ? a : NULL;
        }
    }
    return f->rule.lines ? f->sounds : stack[0];
}

/* The machine of the rule becomes that of the words of `of` that satisfy it. */
static int narrow(struct lt_filter *f, const struct lt_lexicon *of)
{
    bool *chosen = lt_calloc((size_t)of->words, sizeof *chosen), any = false;
    for (int i = 0; i < of->words; i++)
        any |= chosen[i] = lt_word_machine_holds(f->words, of->word[i].letter, of->word[i].letters);
    lt_word_machine_free(f->words);
    f->words = NULL;
    if (any) {
        f->set = lt_word_trie_new(of, chosen);
        f->words_rule = (struct lt_filter_rule){ .term = { { .kind = LT_FILTER_IN } }, .terms = 1, .codes = 1 };
        f->words = lt_word_machine_new(&f->words_rule, &f->set);
        f->lines = lt_filter_lines_new(&f->rule, f->set);
    }
    free(chosen);
    return any ? 0 : lt_misuse("filter: no word of the %d that it may be satisfies it", of->words);
}

static int open_words(struct lt_filter *f, const struct lt_filter_how *how)
{
    struct lt_word_trie *set[LT_FILTER_TERMS_MAX + 1] = { 0 };
    int rc = f->rule.lines ? read_sounds(f, how) : 0;
    for (int i = 0; i < f->rule.terms && !rc; i++) rc = term_set(f, how, i, &set[i]);
    if (rc) {
        for (int i = 0; i < f->rule.terms; i++) lt_word_trie_free(set[i]);
        return -1;
    }
    const struct lt_lexicon *of = needed(f, set);
    f->words = lt_word_machine_new(&f->rule, set);
    if (of && narrow(f, of)) return -1;
    if (lt_word_machine_start(f->words) < 0) return lt_misuse("filter: no word can satisfy it");
    int line = f->lines ? lt_filter_lines_impossible(f->lines) : 0;
    return line ? lt_misuse("filter: no words that satisfy it make up line %d", line) : 0;
}

static size_t mask_words(const struct lt_filter *f) { return ((size_t)f->trie->vocab + 63) / 64; }

static bool has_every_byte(const struct lt_token_trie *t)
{
    int n = 0;
    for (uint32_t i = 0; i < t->nodes; i = t->node[i].end) n += t->node[i].count > 0;
    return n == 256;
}

static void open_walks(struct lt_filter *f)
{
    f->letters = lt_token_trie_letters(f->trie, f->marks);
    int deep = LT_MAX(f->trie->depth_max, f->letters->depth_max) + 2;
    f->walk = lt_calloc((size_t)deep, sizeof *f->walk);
    f->look = lt_alloc((size_t)deep * sizeof *f->look);
    f->made = lt_calloc(mask_words(f), sizeof *f->made);
    f->runs = lt_word_machine_runs(f->words) ? lt_word_runs_new(deep) : NULL;
    f->every_byte = has_every_byte(f->trie);
}

int lt_filter_open(struct lt_str text, const struct lt_filter_how *how, struct lt_filter **out)
{
    struct lt_filter *f = lt_calloc(1, sizeof *f);
    f->marks = how->marks;
    f->trie = how->trie;
    f->run = -1;
    for (int i = 0; i <= MASKS; i++) f->mask_of[i] = -1;
    if (lt_filter_parse(text, f->marks, &f->rule) || open_words(f, how)) {
        lt_filter_close(f);
        return -1;
    }
    if (f->trie) open_walks(f);
    f->whole = f->lines || f->rule.alliteration;
    lt_filter_start(f);
    *out = f;
    return 0;
}

void lt_filter_close(struct lt_filter *f)
{
    if (!f) return;
    lt_filter_lines_free(f->lines);
    lt_word_machine_free(f->words);
    lt_lexicon_free(f->sounds);
    for (int i = 0; i < LT_FILTER_TERMS_MAX; i++) lt_lexicon_free(f->list[i]);
    for (int i = 0; i <= MASKS; i++) free(f->mask[i]);
    free(f->made);
    free(f->runs);
    free(f->context);
    free(f->place);
    free(f->walk);
    free(f->look);
    lt_number_map_free(&f->finish_of);
    lt_number_map_free(&f->context_of);
    lt_number_map_free(&f->place_of);
    lt_number_map_free(&f->step_of);
    free(f);
}

bool lt_filter_has_lines(const struct lt_filter *f) { return f->whole; }

/* ---- places ---- */
/* The number of a record among those kept, or `count` where it is new. */
static int32_t number_of(struct lt_number_map *map, const void *all, const void *one, size_t size, int32_t count)
{
    for (uint64_t key = lt_hash(one, size, 0) | 1;; key += 2) {
        int32_t *at = lt_number_map_at(map, key ? key : 1);
        if (*at >= 0 && memcmp((const char *)all + (size_t)*at * size, one, size)) continue;
        if (*at < 0) *at = count;
        return *at;
    }
}

static int32_t intern_context(struct lt_filter *f, const struct lt_line_place *c)
{
    int32_t at = number_of(&f->context_of, f->context, c, sizeof *c, f->contexts);
    if (at < f->contexts) return at;
    if (f->contexts == f->context_cap) {
        f->context_cap = f->context_cap ? 2 * f->context_cap : 16;
        f->context = lt_realloc(f->context, (size_t)f->context_cap * sizeof *f->context);
    }
    f->context[f->contexts++] = *c;
    return at;
}

static int32_t intern(struct lt_filter *f, const struct place *p)
{
    int32_t at = number_of(&f->place_of, f->place, p, sizeof *p, f->places);
    if (at < f->places) return at;
    if (f->places == f->place_cap) {
        f->place_cap = f->place_cap ? 2 * f->place_cap : 64;
        f->place = lt_realloc(f->place, (size_t)f->place_cap * sizeof *f->place);
    }
    f->place[f->places++] = *p;
    return at;
}

int lt_filter_start(struct lt_filter *f)
{
    struct lt_line_place c = lt_filter_lines_start();
    struct place p = { .context = intern_context(f, &c), .word = -1 };
    return intern(f, &p);
}

/* ---- words: states of the machine, or in a walk runs that leave none behind ---- */
static int32_t word_start(struct lt_filter *f)
{
    int32_t start = lt_word_machine_start(f->words);
    if (f->run < 0) return start;
    lt_word_run_at(f->words, f->runs, f->run, start);
    return f->run;
}

static int32_t word_step(struct lt_filter *f, int32_t word, uint32_t letter)
{
    if (f->run < 0) return lt_word_machine_step(f->words, word, letter);
    return lt_word_run_step(f->words, f->runs, word, f->run, letter) ? f->run : -1;
}

static bool word_accepts(struct lt_filter *f, int32_t word)
{
    return f->run < 0 ? lt_word_machine_accepts(f->words, word) : lt_word_run_accepts(f->words, f->runs, word);
}

/* ---- characters ---- */
/* Ends the word that is open; false: it may not end. */
static bool close_word(struct lt_filter *f, struct place *p)
{
    int32_t word = p->word;
    p->word = -1;
    p->apostrophe = 0;
    if (word < 0) return true;
    if (!word_accepts(f, word)) return false;
    if (!f->lines) return true;
    struct lt_line_place c = f->context[p->context];
    if (!lt_filter_lines_word(f->lines, &c, f->set->node[lt_word_machine_node(f->words, word)].word)) return false;
    p->context = intern_context(f, &c);
    return true;
}

/* A character outside of words. */
static bool other(struct lt_filter *f, struct place *p, uint32_t c)
{
    if (!close_word(f, p)) return false;
    if (c != '\n' || !f->whole) return true;
    struct lt_line_place line = f->context[p->context];
    if (f->lines && !lt_filter_lines_break(f->lines, &line)) return false;
    line.first = 0;
    p->context = intern_context(f, &line);
    return true;
}

static bool begin_word(struct lt_filter *f, struct place *p, uint32_t letter)
{
    p->word = word_start(f);
    if (!f->rule.alliteration) return true;
    struct lt_line_place c = f->context[p->context];
    if (c.first && c.first != letter) return false;
    c.first = letter;
    p->context = intern_context(f, &c);
    return true;
}

/* false: the letters that a character stands for, at least one, may not come. */
static bool letters(struct lt_filter *f, struct place *p, const uint32_t *letter, int n)
{
    if (p->word < 0 && !begin_word(f, p, letter[0])) return false;
    if (p->apostrophe) p->word = word_step(f, p->word, '\'');
    p->apostrophe = 0;
    for (int i = 0; i < n && p->word >= 0; i++) p->word = word_step(f, p->word, letter[i]);
    if (p->word < 0) return false;
    return !f->lines
        || lt_filter_lines_allow(f->lines, &f->context[p->context], lt_word_machine_node(f->words, p->word));
}

/* false: the character may not come. */
static bool character(struct lt_filter *f, struct place *p, uint32_t c)
{
    uint32_t letter[LT_LETTERS_MAX];
    if (lt_is_apostrophe(c) && p->word >= 0 && !p->apostrophe) {
        p->apostrophe = 1;
        return true;
    }
    int n = lt_letters(c, f->marks, letter);
    if (n < 0) return other(f, p, c);
    return n == 0 || letters(f, p, letter, n);
}

/* ---- bytes ---- */
static bool may_come(struct lt_filter *f, struct place p, uint32_t c)
{
    p.bytes = 0;
    memset(p.byte, 0, sizeof p.byte);
    return character(f, &p, c);
}

/* Bytes of the character that begins so; 0: none does. */
static int character_size(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

/* One byte more; false: it may not come.  Of a character that is not whole yet, whether it may end is not asked. */
static bool take_byte(struct lt_filter *f, struct place *p, uint8_t byte)
{
    char text[4] = { 0 };
    uint32_t c;
    int size = character_size(p->bytes ? p->byte[0] : byte);
    if (!size) return false;
    memcpy(text, p->byte, p->bytes);
    text[p->bytes] = (char)byte;
    if (p->bytes + 1 == size) {
        if (lt_utf8_bad(text, (size_t)size) < (size_t)size) return false;
        lt_utf8_get(text, &c);
        p->bytes = 0;
        memset(p->byte, 0, sizeof p->byte);
        return character(f, p, c);
    }
    if (p->bytes && byte >> 6 != 2) return false;
    p->byte[p->bytes++] = byte;
    return true;
}

/* A letter that is mentioned, or of a word of a set, may come and is written with these first bytes. */
static bool mentioned_may_come(struct lt_filter *f, const struct place *p)
{
    uint32_t letter[512];
    int32_t word = p->word;
    if (word < 0) word = lt_word_machine_start(f->words);
    else if (f->run >= 0) word = lt_word_run_state(f->words, f->runs, word);
    int n = lt_word_machine_candidates(f->words, word, letter, LT_COUNT(letter));
    for (int i = 0; i < n; i++) {
        char text[4];
        if (letter[i] >= 0x80 && lt_utf8_put(text, letter[i]) > p->bytes && !memcmp(text, p->byte, p->bytes)
            && may_come(f, *p, letter[i]))
            return true;
    }
    return false;
}

/* May a character begin so that some end of it may come?  Exact for the last byte.  For more, it is enough that signs
 * may come here, or letters that nothing mentions (under some first bytes there are letters alone), or one that is
 * mentioned and begins so; a rare form of a mentioned letter, as e with two marks, is then not thought of. */
static bool may_continue(struct lt_filter *f, const struct place *p)
{
    int left = character_size(p->byte[0]) - p->bytes;
    if (left > 1) {
        bool signs = may_come(f, *p, '.'), letters = may_come(f, *p, 0x4E00);
        bool letters_only = (p->byte[0] >= 0xE4 && p->byte[0] <= 0xE9) || p->byte[0] == 0xEB || p->byte[0] == 0xEC;
        if (!letters && (!signs || letters_only) && !mentioned_may_come(f, p)) return false;
        if (left > 2) return true;
    }
    for (int c = 0x80; c < 0xC0; c++) {
        struct place next = *p;
        if (take_byte(f, &next, (uint8_t)c)) return true;
    }
    return false;
}

static int32_t make_step(struct lt_filter *f, int32_t at, uint8_t byte)
{
    struct place p = f->place[at];
    if (!take_byte(f, &p, byte) || (p.bytes && !may_continue(f, &p))) return -1;
    return intern(f, &p);
}

int lt_filter_step(struct lt_filter *f, int place, uint8_t byte)
{
    if (place < 0) return -1;
    uint64_t key = (uint64_t)(uint32_t)(place + 1) << 8 | byte;
    int32_t known = *lt_number_map_at(&f->step_of, key);
    if (known != LT_NUMBER_NEW) return known;
    int32_t to = make_step(f, place, byte);
    return *lt_number_map_at(&f->step_of, key) = to;
}

int lt_filter_steps(struct lt_filter *f, int place, struct lt_str bytes)
{
    for (size_t i = 0; i < bytes.n && place >= 0; i++) place = lt_filter_step(f, place, (uint8_t)bytes.p[i]);
    return place;
}

bool lt_filter_ends(struct lt_filter *f, int place)
{
    if (place < 0) return false;
    struct place p = f->place[place];
    if (p.bytes || !close_word(f, &p)) return false;
    return !f->lines || lt_filter_lines_end(f->lines, &f->context[p.context]);
}

/* ---- masks ---- */
/* Is nothing unfinished here: neither a character nor a word? */
static bool finished(struct lt_filter *f, int32_t place)
{
    struct place p = f->place[place];
    return !p.bytes && close_word(f, &p);
}

struct list { int32_t *place; int count, cap; };

/* Adds the places that tokens lead to from `place` and that were not seen; true: one of them is finished. */
static bool look_ahead(struct lt_filter *f, int32_t place, struct list *l)
{
    const struct lt_token_trie *t = f->trie;
    f->look[0] = place;
    for (uint32_t i = 0; i < t->nodes;) {
        const struct lt_token_node *n = &t->node[i];
        int32_t to = lt_filter_step(f, f->look[n->depth - 1], n->byte);
        f->look[n->depth] = to;
        i = to < 0 ? n->end : i + 1;
        if (to < 0 || !n->count) continue;
        int32_t *known = lt_number_map_at(&f->finish_of, (uint64_t)to + 1);
        if (*known == 1 || finished(f, to)) return true;
        if (*known != LT_NUMBER_NEW) continue;
        *known = 2;
        if (l->count == l->cap) {
            l->cap = l->cap ? 2 * l->cap : 64;
            l->place = lt_realloc(l->place, (size_t)l->cap * sizeof *l->place);
        }
        l->place[l->count++] = to;
    }
    return false;
}

static bool can_finish(struct lt_filter *f, int32_t place)
{
    struct list l = { 0 };
    bool found = false;
    if (f->every_byte || finished(f, place)) return true;
    int32_t known = *lt_number_map_at(&f->finish_of, (uint64_t)place + 1);
    if (known != LT_NUMBER_NEW) return known == 1;
    *lt_number_map_at(&f->finish_of, (uint64_t)place + 1) = 2;
    found = look_ahead(f, place, &l);
    for (int i = 0; i < l.count && !found; i++) found = l.count > FINISH_MAX || look_ahead(f, l.place[i], &l);
    for (int i = 0; i < l.count; i++)
        *lt_number_map_at(&f->finish_of, (uint64_t)l.place[i] + 1) = found ? LT_NUMBER_NEW : 0;
    free(l.place);
    *lt_number_map_at(&f->finish_of, (uint64_t)place + 1) = found;
    return found;
}

/* Asked of a place in a walk that has a number only for the asking. */
static bool can_finish_from(struct lt_filter *f, struct place p)
{
    int run = f->run;
    if (f->every_byte) return true;
    if (run >= 0 && p.word >= 0) p.word = lt_word_run_state(f->words, f->runs, p.word);
    f->run = -1;
    bool found = can_finish(f, intern(f, &p));
    f->run = run;
    return found;
}

static void begin_walk(struct lt_filter *f, struct place from)
{
    if (f->runs && from.word >= 0) lt_word_run_at(f->words, f->runs, 0, from.word);
    if (f->runs && from.word >= 0) from.word = 0;
    f->walk[0] = from;
}

/* Tokens that are letters alone, and outside of words those led by a sign: after it one is where one was. */
static void walk_letters(struct lt_filter *f, struct place from, uint64_t *mask)
{
    const struct lt_token_letters *t = f->letters;
    bool led = from.word < 0;
    begin_walk(f, from);
    for (uint32_t i = 0; i < t->nodes;) {
        const struct lt_letter_node *n = &t->node[i];
        struct place *p = &f->walk[n->depth];
        uint32_t count = n->alone + (led ? n->led : 0);
        *p = f->walk[n->depth - 1];
        f->run = f->runs ? n->depth : -1;
        if (!letters(f, p, &n->letter, 1)) {
            i = n->end;
            continue;
        }
        if (count && can_finish_from(f, *p))
            for (uint32_t k = n->first; k < n->first + count; k++) mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
        i++;
    }
    f->run = -1;
}

static void walk(struct lt_filter *f, const struct lt_token_trie *t, struct place from, uint64_t *mask)
{
    begin_walk(f, from);
    for (uint32_t i = 0; i < t->nodes;) {
        const struct lt_token_node *n = &t->node[i];
        struct place *p = &f->walk[n->depth];
        *p = f->walk[n->depth - 1];
        f->run = f->runs ? n->depth : -1;
        /* A character of two bytes is asked for only where a token ends in it: else its last byte tells. */
        bool ask = n->count || (p->bytes ? (uint8_t)p->byte[0] : n->byte) >= 0xE0;
        if (!take_byte(f, p, n->byte) || (p->bytes && ask && !may_continue(f, p))) {
            i = n->end;
            continue;
        }
        if (n->count && can_finish_from(f, *p))
            for (uint32_t k = n->first; k < n->first + n->count; k++)
                mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
        i++;
    }
    f->run = -1;
}

/* Outside of words: tokens that are letters, led by a sign or alone, where any of them begins a word; false: one must
 * look. */
static bool add_outside(struct lt_filter *f, uint64_t *mask)
{
    const struct lt_token_letters *s = f->letters;
    int64_t longest;
    int kind = f->every_byte && f->runs && !f->whole ? lt_word_machine_only(f->words, &longest) : -1;
    if (kind != LT_FILTER_PALINDROME || 2 * (int64_t)s->depth_max > longest) return false;
    for (size_t i = 0; i < mask_words(f); i++) mask[i] |= s->spelt[i];
    return true;
}

/* Tokens that are letters alone, of a rule whose words are known by their letters; false: it is none. */
static bool add_inside(struct lt_filter *f, const struct place *p, uint64_t *mask)
{
    const struct lt_token_letters *s = f->letters;
    uint32_t letter[LT_WORD_LETTERS_MAX];
    int64_t longest;
    int kind = f->every_byte && f->runs && !f->whole ? lt_word_machine_only(f->words, &longest) : -1;
    if (kind < 0) return false;
    int n = lt_word_machine_letters(f->words, p->word, letter);
    if (kind == LT_FILTER_ISOGRAM) {
        lt_token_letters_without(s, letter, n, (int)(longest - n), mask);
        return true;
    }
    /* Every beginning of a word that leaves room for its mirror image becomes a palindrome. */
    if (2 * ((int64_t)n + s->longest) > longest) return false;
    for (size_t i = 0; i < mask_words(f); i++) mask[i] |= s->inside[i];
    return true;
}

/* Tokens that do not end the word here, and where it may end those that do. */
static void inside_word(struct lt_filter *f, struct place p, uint64_t *mask)
{
    struct place closed = p;
    if (close_word(f, &closed)) {
        const uint64_t *outside = lt_filter_mask(f, intern(f, &closed));
        for (size_t i = 0; i < mask_words(f); i++) mask[i] = outside[i] & f->letters->outer[i];
    } else memset(mask, 0, mask_words(f) * sizeof *mask);
    bool added = add_inside(f, &p, mask);
    if (!added) walk_letters(f, p, mask);
    walk(f, added ? f->letters->rest : f->letters->others_inside, p, mask);
}

static size_t map_bytes(const struct lt_number_map *t) { return t->size * (sizeof *t->key + sizeof *t->value); }

uint32_t lt_filter_age(struct lt_filter *f)
{
    size_t known = lt_word_machine_bytes(f->words) + (size_t)f->place_cap * sizeof *f->place
                 + (size_t)f->context_cap * sizeof *f->context + map_bytes(&f->context_of) + map_bytes(&f->place_of)
                 + map_bytes(&f->step_of) + map_bytes(&f->finish_of);
    if (known <= KNOWN_BYTES) return f->age;
    lt_word_machine_forget(f->words);
    free(f->place);
    free(f->context);
    f->place = NULL;
    f->context = NULL;
    f->places = f->contexts = f->place_cap = f->context_cap = 0;
    lt_number_map_free(&f->context_of);
    lt_number_map_free(&f->place_of);
    lt_number_map_free(&f->step_of);
    lt_number_map_free(&f->finish_of);
    lt_filter_start(f);                         /* the same number as at first, and the same mask */
    for (int i = 0; i < MASKS; i++) f->mask_of[i] = -1;
    return ++f->age;
}

const uint64_t *lt_filter_mask(struct lt_filter *f, int place)
{
    assert(f->trie && place >= 0);
    size_t size = mask_words(f) * sizeof(uint64_t);
    int slot = place ? place % MASKS : MASKS;   /* the start is place 0 */
    if (f->mask_of[slot] == place) return f->mask[slot];
    struct place p = f->place[place];
    bool inside = p.word >= 0 && !p.bytes;
    if (inside) inside_word(f, p, f->made);
    if (!f->mask[slot]) f->mask[slot] = lt_alloc(size);
    memcpy(f->mask[slot], f->made, inside ? size : 0);
    if (!inside) {
        memset(f->mask[slot], 0, size);
        if (!p.bytes && !add_outside(f, f->mask[slot])) walk_letters(f, p, f->mask[slot]);
        walk(f, p.bytes ? f->trie : f->letters->others, p, f->mask[slot]);
    }
    f->mask_of[slot] = place;
    return f->mask[slot];
}
