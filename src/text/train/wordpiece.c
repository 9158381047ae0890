/* WordPiece (Schuster and Nakajima 2012; Devlin et al. 2019, arXiv:1810.04805), trained as Hugging Face's trainer does:
 * by byte-pair merging of characters, where those that do not begin a word are spelt with "##" in front.
 *
 *     lathe tokenizer train corpus/ --output tokenizer/ --method wordpiece --vocab_size 30000
 *
 * Merges go by frequency, not by the likelihood score that papers describe, since that is what the vocabularies in
 * use were made with.  Ids of "##" characters are in code point order, which makes ties deterministic. */
#include "text/train/learn.h"

#include "base/json.h"
#include "text/tok_char.h"

#include <stdlib.h>
#include <string.h>

struct wordpiece {
    struct lt_trainer_options common;
    const char *mask_token, *prefix;
    int64_t min_frequency, limit_alphabet, max_token_length;
    bool lowercase;
};

struct job {
    const struct wordpiece *o;
    struct lt_trainer_options common;       /* with the mask token among the special ones */
    struct lt_pieces pieces;
    struct lt_tok_added *added;
    int specials;
    char *post;
    struct lt_buf decoder;
    struct lt_words words;
    struct lt_symbols symbols;
};

static void base_spec(struct job *j, struct lt_tok_spec *s)
{
    const struct wordpiece *o = j->o;
    lt_buf_clear(&j->decoder);
    lt_buf_str(&j->decoder, "{\"type\":\"WordPiece\",\"prefix\":");
    lt_json_put_text(&j->decoder, lt_str(o->prefix));
    lt_buf_str(&j->decoder, ",\"cleanup\":true}");
    *s = (struct lt_tok_spec){
        .kind = LT_TOK_WORDPIECE, .count = j->pieces.count, .piece = j->pieces.piece, .added = j->added,
        .added_count = j->specials, .unk = j->common.unk_token, .unk_id = -1, .prefix = o->prefix, .max_word = 100,
        .normalizer = o->lowercase ? "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
                                     "\"strip_accents\":null,\"lowercase\":true}"
                                   : "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
                                     "\"strip_accents\":null,\"lowercase\":false}",
        .pre_tokenizer = "{\"type\":\"BertPreTokenizer\"}", .decoder = j->decoder.p, .post_processor = j->post,
        .bos = lt_trainer_special(&j->pieces, j->specials, j->common.bos_token),
        .eos = lt_trainer_special(&j->pieces, j->specials, j->common.eos_token),
    };
}

/* Which characters are seen after another one; only those get a piece with the prefix. */
static struct lt_map inner_characters(const struct lt_words *w)
{
    struct lt_map inner = { 0 };
    for (size_t i = 0; i < w->count; i++) {
        size_t n;
        for (size_t at = 0; at < w->word[i].n; at += n) {
            n = (size_t)lt_utf8_size(w->word[i].p[at]);
            if (at)
                lt_map_put(&inner, (struct lt_str){ w->word[i].p + at, n }, NULL);
        }
    }
    return inner;
}

static void add_alphabet(struct job *j, struct lt_map *first, struct lt_map *rest)
{
    struct lt_alphabet a;
    struct lt_map inner = inner_characters(&j->words);
    struct lt_buf text = { 0 };
    lt_alphabet_of(&j->words, j->o->limit_alphabet, 1, &a);
    for (int32_t i = 0; i < a.count; i++)
        *lt_map_put(first, a.letter[i], NULL) = (uint64_t)lt_pieces_add(&j->pieces, a.letter[i], 1);
    for (int32_t i = 0; i < a.count; i++) {
        if (!lt_map_get(&inner, a.letter[i]))
            continue;
        lt_buf_clear(&text);
        lt_buf_str(&text, j->o->prefix);
        lt_buf_put(&text, a.letter[i].p, a.letter[i].n);
        *lt_map_put(rest, a.letter[i], NULL) = (uint64_t)lt_pieces_add(&j->pieces, lt_buf_view(&text), 1);
    }
    lt_buf_free(&text);
    lt_map_free(&inner);
    lt_alphabet_release(&a);
}

static int learn(struct job *j, struct lt_ctx *c)
{
    const struct wordpiece *o = j->o;
    if (lt_trainer_fits(&j->common, &j->words, lt_symbols_bytes(&j->words, false)))
        return -1;
    struct lt_map first = { 0 }, rest = { 0 };
    add_alphabet(j, &first, &rest);
    lt_trainer_symbols(&j->words, NULL, &first, &rest, &j->symbols);
    lt_map_free(&first);
    lt_map_free(&rest);
    lt_words_release(&j->words);
    if (j->pieces.count > j->common.vocab_size)
        return lt_misuse("vocab_size %d is too small: special tokens and the alphabet alone are %d; limit_alphabet "
                         "keeps fewer characters", (int)j->common.vocab_size, (int)j->pieces.count);
    struct lt_merging how = {
        .pieces_max = (int32_t)j->common.vocab_size, .least = (uint64_t)o->min_frequency, .prefix = strlen(o->prefix),
        .length_max = (uint32_t)o->max_token_length, .ties = LT_TIES_IDS,
    };
    if (lt_merge_pairs(&how, &j->symbols, &j->pieces, c))
        return -1;
    if (j->pieces.count < j->common.vocab_size)
        lt_note(c, "the vocabulary has %d tokens, not %d: no other pair was seen %d times", (int)j->pieces.count,
                (int)j->common.vocab_size, (int)o->min_frequency);
    return 0;
}

static int check(const struct wordpiece *o)
{
    if (!o->common.unk_token || !*o->common.unk_token)
        return lt_misuse("WordPiece needs an unk_token: words with unknown characters have no other");
    size_t n = strlen(o->prefix);
    if (n == 0 || n > 64 || lt_text_check(o->prefix, n) != n)
        return lt_misuse("prefix \"%.70s\": 1 to 64 bytes of UTF-8 were expected", o->prefix);
    return 0;
}

static int train(const void *options, struct lt_ctx *c, const struct lt_list *files, struct lt_tokenizer **out)
{
    const struct wordpiece *o = options;
    struct job j = { .o = o, .common = o->common };
    if (check(o))
        return -1;
    struct lt_list *special = &j.common.special_tokens;
    special->item = lt_alloc((size_t)(special->count + 1) * sizeof *special->item);
    for (int i = 0; i < special->count; i++)
        special->item[i + 1] = o->common.special_tokens.item[i];
    special->item[0] = o->mask_token;
    special->count++;
    struct lt_list all = *special;
    if (!o->mask_token || !*o->mask_token)
        j.common.special_tokens = o->common.special_tokens;
    struct lt_tok_spec spec;
    int rc = lt_trainer_specials(&j.common, &j.pieces, &j.added, &j.specials);
    if (rc == 0) {
        j.post = lt_trainer_template(&j.pieces, j.specials, o->common.bos_token, o->common.eos_token);
        base_spec(&j, &spec);
        rc = lt_trainer_words(&j.common, &spec, true, files, c, &j.words);
    }
    if (rc == 0)
        rc = learn(&j, c);
    if (rc == 0) {
        base_spec(&j, &spec);
        rc = lt_tokenizer_build(&spec, out);
    }
    free(all.item);
    free(j.post);
    lt_buf_free(&j.decoder);
    lt_words_release(&j.words);
    lt_symbols_release(&j.symbols);
    lt_pieces_release(&j.pieces);
    free(j.added);
    return rc;
}

#define AT(field) offsetof(struct wordpiece, field)
static const struct lt_opt rows[] = {
    LT_TRAINER_ROWS(struct wordpiece, "[CLS]", "[SEP]", "[UNK]", "[PAD]"),
    { .key = "mask_token", .help = "token that hides another; \"\": none", .type = LT_STR, .at = AT(mask_token),
      .text = "[MASK]" },
    { .key = "prefix", .help = "in front of pieces that do not begin a word", .type = LT_STR, .at = AT(prefix),
      .text = "##", .alias = "continuing_subword_prefix,wordpieces_prefix" },
    { .key = "lowercase", .help = "fold case and strip accents", .type = LT_BOOL, .at = AT(lowercase), .dflt = 1 },
    { .key = "min_frequency", .help = "merge no pair seen less often", .type = LT_INT, .at = AT(min_frequency),
      .dflt = 2, .min = 1, .max = 1e15 },
    { .key = "limit_alphabet", .help = "keep so many characters, the most frequent; 0: all", .type = LT_INT,
      .at = AT(limit_alphabet), .dflt = 1000, .min = 0, .max = 1114112 },
    { .key = "max_token_length", .help = "characters in one token; 0: no limit", .type = LT_INT,
      .at = AT(max_token_length), .min = 0, .max = 4096 },
    { 0 },
};

const struct lt_tokenizer_trainer lt_tokenizer_wordpiece = {
    .m = { .name = "wordpiece", .brief = "WordPiece as BERT has it, with ## inside words", .paper = "arXiv:1810.04805",
           .size = sizeof(struct wordpiece), .opts = rows,
           .doc = "Encoding takes the longest piece that fits, again and again; a word that cannot be covered is one\n"
                  "unknown token.  Training merges pairs of characters by frequency, as for bpe.\n\n"
                  "    lathe tokenizer train corpus/ --output tokenizer/ --method wordpiece --vocab_size 30000" },
    .train = train,
};
