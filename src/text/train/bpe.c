/* Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), over bytes (Radford et al. 2019) or characters.
 *
 *     lathe tokenizer train --input corpus/ --output tokenizer/ --vocab_size 16384
 *
 * Pairs are taken by falling frequency as in Hugging Face's trainer, whose merges it reproduces where that is
 * deterministic.  It differs where a merge makes a spelling that is already there: here the pair is then merged
 * everywhere and is done with.  Characters that did not come into the alphabet break a word in two instead of
 * making strangers neighbours. */
#include "text/train/learn.h"

#include <stdlib.h>
#include <string.h>

struct bpe {
    struct lt_trainer_options common;
    const char *level, *pre_tokenizer, *normalizer, *ties;
    int64_t min_frequency, limit_alphabet, max_token_length;
    double dropout;
    bool byte_fallback;
};

struct job {
    const struct bpe *o;
    bool bytes;                             /* level */
    struct lt_pieces pieces;
    struct lt_tok_added *added;
    int specials;
    struct lt_words words;
    struct lt_symbols symbols;
};

static const char byte_level_stage[] =
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}";

/* Everything of the spec that does not depend on what is learnt. */
static int base_spec(const struct job *j, struct lt_tok_spec *s)
{
    const struct bpe *o = j->o;
    *s = (struct lt_tok_spec){
        .kind = LT_TOK_BPE, .count = j->specials, .piece = j->pieces.piece, .added = j->added,
        .added_count = j->specials, .unk_id = -1, .dropout = o->dropout,
        .bos = lt_trainer_special(&j->pieces, j->specials, o->common.bos_token),
        .eos = lt_trainer_special(&j->pieces, j->specials, o->common.eos_token),
    };
    if (strcmp(o->normalizer, "none"))
        s->normalizer = !strcmp(o->normalizer, "nfc") ? "{\"type\":\"NFC\"}" : "{\"type\":\"NFKC\"}";
    if (o->common.unk_token && *o->common.unk_token)
        s->unk = o->common.unk_token;
    if (j->bytes) {
        s->pre_tokenizer = lt_tok_preset(o->pre_tokenizer);
        s->post_processor = s->decoder = byte_level_stage;
        s->ignore_merges = lt_tok_preset_whole(o->pre_tokenizer);
        return s->pre_tokenizer ? 0 : -1;
    }
    s->pre_tokenizer = lt_trainer_space_mark;
    s->decoder = lt_trainer_space_mark_decoder;
    s->byte_fallback = o->byte_fallback;
    s->fuse_unk = true;
    return 0;
}

static int by_spelling(const void *a, const void *b, void *ctx)
{
    struct lt_buf x = { 0 }, y = { 0 };
    (void)ctx;
    lt_tok_spell(&x, (struct lt_str){ a, 1 });
    lt_tok_spell(&y, (struct lt_str){ b, 1 });
    int c = lt_str_cmp(lt_buf_view(&x), lt_buf_view(&y));
    lt_buf_free(&x);
    lt_buf_free(&y);
    return c;
}

/* Ids of the first symbols of words: of bytes, in the order of their spellings; or of characters. */
static void byte_alphabet(struct job *j, int32_t id[256])
{
    char byte[256];
    for (int i = 0; i < 256; i++)
        byte[i] = (char)i;
    lt_sort(byte, 256, 1, by_spelling, NULL);
    for (int i = 0; i < 256; i++)
        id[(unsigned char)byte[i]] = lt_pieces_add(&j->pieces, (struct lt_str){ &byte[i], 1 }, 1);
}

static void char_alphabet(struct job *j, struct lt_map *id)
{
    if (j->o->byte_fallback) {
        for (int i = 0; i < 256; i++) {
            char name[8];
            snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
            lt_pieces_add(&j->pieces, lt_str(name), 1);
        }
    }
    struct lt_alphabet a;
    lt_alphabet_of(&j->words, j->o->limit_alphabet, 1, &a);
    for (int32_t i = 0; i < a.count; i++) {
        int32_t known = lt_trainer_special(&j->pieces, j->specials, a.letter[i].p);
        *lt_map_put(id, a.letter[i], NULL) = (uint64_t)(known < 0 ? lt_pieces_add(&j->pieces, a.letter[i], 1) : known);
    }
    lt_alphabet_release(&a);
}

static void make_symbols(struct job *j)
{
    int32_t byte_id[256];
    struct lt_map char_id = { 0 };
    if (j->bytes)
        byte_alphabet(j, byte_id);
    else
        char_alphabet(j, &char_id);
    lt_trainer_symbols(&j->words, j->bytes ? byte_id : NULL, &char_id, &char_id, &j->symbols);
    lt_map_free(&char_id);
}

/* ---- training ---- */
static int learn(struct job *j, struct lt_ctx *c)
{
    const struct bpe *o = j->o;
    if (lt_trainer_fits(&o->common, &j->words, lt_symbols_bytes(&j->words, j->bytes)))
        return -1;
    make_symbols(j);
    lt_words_release(&j->words);
    if (j->pieces.count > o->common.vocab_size)
        return lt_misuse("vocab_size %d is too small: special tokens and the alphabet alone are %d",
                         (int)o->common.vocab_size, (int)j->pieces.count);
    struct lt_merging how = {
        .pieces_max = (int32_t)o->common.vocab_size, .least = (uint64_t)o->min_frequency,
        .length_max = (uint32_t)o->max_token_length, .ties = strcmp(o->ties, "ids") ? LT_TIES_BYTES : LT_TIES_IDS,
    };
    if (lt_merge_pairs(&how, &j->symbols, &j->pieces, c))
        return -1;
    if (j->pieces.count < o->common.vocab_size)
        lt_note(c, "the vocabulary has %d tokens, not %d: no other pair was seen %d times", (int)j->pieces.count,
                (int)o->common.vocab_size, (int)o->min_frequency);
    return 0;
}

static int build(const struct job *j, struct lt_tokenizer **out)
{
    struct lt_tok_spec s;
    if (base_spec(j, &s))
        return -1;
    struct lt_arena text = { 0 };
    struct lt_str *piece = lt_trainer_spellings(&j->pieces, j->specials, j->bytes, &text);
    char *post = j->bytes ? NULL : lt_trainer_template(&j->pieces, j->specials, j->o->common.bos_token, NULL);
    s.count = j->pieces.count;
    s.piece = piece;
    s.merge = j->pieces.merge;
    s.merge_count = j->pieces.merges;
    if (post)
        s.post_processor = post;
    int rc = lt_tokenizer_build(&s, out);
    free(post);
    free(piece);
    lt_arena_free(&text);
    return rc;
}

static int train(const void *options, struct lt_ctx *c, const struct lt_list *files, struct lt_tokenizer **out)
{
    struct job j = { .o = options };
    j.bytes = !strcmp(j.o->level, "byte");
    struct lt_tok_spec pipeline;
    int rc = lt_trainer_specials(&j.o->common, &j.pieces, &j.added, &j.specials);
    if (rc == 0)
        rc = base_spec(&j, &pipeline);
    if (rc == 0)
        rc = lt_trainer_words(&j.o->common, &pipeline, !j.bytes, files, c, &j.words);
    if (rc == 0)
        rc = learn(&j, c);
    if (rc == 0)
        rc = build(&j, out);
    lt_words_release(&j.words);
    lt_symbols_release(&j.symbols);
    lt_pieces_release(&j.pieces);
    free(j.added);
    return rc;
}

#define AT(field) offsetof(struct bpe, field)
static const struct lt_opt rows[] = {
    LT_TRAINER_ROWS(struct bpe, "<|endoftext|>", "<|endoftext|>", NULL, NULL),
    { .key = "level", .help = "what words are made of at first: bytes, or characters with spaces spelt as U+2581",
      .type = LT_STR, .at = AT(level), .text = "byte|char", .flags = LT_ENUM },
    { .key = "pre_tokenizer", .help = "byte level: how text falls into words, by the name llama.cpp has for it: gpt-2, "
      "llama-bpe, qwen2 and others", .type = LT_STR, .at = AT(pre_tokenizer), .text = "gpt-2" },
    { .key = "normalizer", .help = "Unicode normalisation of all text", .type = LT_STR, .at = AT(normalizer),
      .text = "none|nfc|nfkc", .flags = LT_ENUM },
    { .key = "min_frequency", .help = "merge no pair seen less often", .type = LT_INT, .at = AT(min_frequency),
      .dflt = 2, .min = 1, .max = 1e15 },
    { .key = "limit_alphabet", .help = "character level: keep so many characters, the most frequent; 0: all",
      .type = LT_INT, .at = AT(limit_alphabet), .min = 0, .max = 1114112 },
    { .key = "max_token_length", .help = "bytes (characters) in one token; 0: no limit", .type = LT_INT,
      .at = AT(max_token_length), .min = 0, .max = 4096 },
    { .key = "ties", .help = "of equally frequent pairs the one with smaller ids goes first, as in Hugging Face's "
      "trainer, or the one with greater bytes", .type = LT_STR, .at = AT(ties), .text = "ids|bytes", .flags = LT_ENUM },
    { .key = "dropout", .help = "BPE-dropout (arXiv:1910.13267) for training on the texts: kept in the file",
      .type = LT_REAL, .at = AT(dropout), .min = 0, .max = 1 },
    { .key = "byte_fallback", .help = "character level: spell what is not in the alphabet in bytes", .type = LT_BOOL,
      .at = AT(byte_fallback), .dflt = 1 },
    { 0 },
};

const struct lt_tokenizer_trainer lt_tokenizer_bpe = {
    .m = { .name = "bpe", .brief = "byte-pair encoding over bytes or characters", .paper = "arXiv:1508.07909",
           .size = sizeof(struct bpe), .opts = rows,
           .doc = "Words are counted; then, again and again, the most frequent pair of neighbouring symbols becomes\n"
                  "one symbol, until the vocabulary is full.  Encoding repeats the merges in the same order.\n"
                  "Byte level: every text can be encoded and decodes to itself.\n\n"
                  "    lathe tokenizer train --input corpus/ --output tokenizer/ --vocab_size 16384" },
    .train = train,
};
