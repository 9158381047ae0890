/* Unigram language model of pieces (Kudo 2018, arXiv:1804.10959), with the defaults of sentencepiece.
 *
 *     lathe tokenizer train corpus/ --output tokenizer/ --method unigram --vocab_size 8000
 *
 * Starting from many frequent substrings, pieces are fitted by expectation-maximisation and the least useful quarter
 * is dropped, again and again, until the vocabulary has the size that is asked for.  Differences to sentencepiece: a
 * substring counts as often as the words that hold it, not once a distinct word; a whole word may be a seed though
 * no longer word begins with it; characters of the alphabet are never dropped. */
#include "text/train/unigram_model.h"

#include "base/ctx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unigram {
    struct lt_trainer_options common;
    const char *normalizer;
    int64_t seed_size, sub_iterations, max_piece_length;
    double character_coverage, shrinking_factor;
    bool byte_fallback;
};

struct job {
    const struct unigram *o;
    struct lt_pieces special;
    struct lt_tok_added *added;
    int specials;
    struct lt_words words;
    struct lt_alphabet alphabet;
    struct lt_stretches stretches;
    struct lt_unigram model;
    struct lt_arena text;
};

static int base_spec(const struct job *j, struct lt_tok_spec *s)
{
    const struct lt_trainer_options *o = &j->o->common;
    *s = (struct lt_tok_spec){
        .kind = LT_TOK_UNIGRAM, .added = j->added, .added_count = j->specials, .byte_fallback = j->o->byte_fallback,
        .unk_id = lt_trainer_special(&j->special, j->specials, o->unk_token),
        .pre_tokenizer = lt_trainer_space_mark, .decoder = lt_trainer_space_mark_decoder,
        .bos = lt_trainer_special(&j->special, j->specials, o->bos_token),
        .eos = lt_trainer_special(&j->special, j->specials, o->eos_token),
    };
    if (strcmp(j->o->normalizer, "none"))
        s->normalizer = !strcmp(j->o->normalizer, "nfc") ? "{\"type\":\"NFC\"}" : "{\"type\":\"NFKC\"}";
    return s->unk_id >= 0 ? 0 : lt_misuse("Unigram needs an unk_token: unknown characters have no other");
}

/* ---- learning ---- */
static int fit(struct job *j, size_t pieces, struct lt_ctx *c)
{
    const struct unigram *o = j->o;
    size_t wanted = pieces + pieces / 10;
    double rounds = 1;
    for (double n = (double)j->model.count; n > (double)wanted; n *= o->shrinking_factor)
        rounds++;
    struct lt_progress progress;
    lt_progress_begin(c, &progress, "fitting pieces", "rounds", rounds);
    for (int round = 0;; round++) {
        double objective = 0;
        for (int i = 0; i < o->sub_iterations && !lt_ctx_interrupted(c); i++)
            objective = lt_unigram_fit(&j->model, &j->stretches, c);
        char extra[96];
        snprintf(extra, sizeof extra, "%zu pieces, %.3f nats a word", j->model.count, objective);
        lt_progress_at(&progress, LT_MIN(round + 1, rounds), extra);
        if (j->model.count <= wanted || lt_ctx_interrupted(c))
            break;
        size_t keep = (size_t)((double)j->model.count * o->shrinking_factor);
        lt_unigram_prune(&j->model, &j->stretches, LT_MAX(keep, wanted), c);
    }
    lt_progress_end(&progress);
    return lt_ctx_interrupted(c) ? lt_fail("interrupted while fitting pieces") : 0;
}

static int by_logp(const void *a, const void *b, void *ctx)
{
    const double *logp = ctx;
    double x = logp[*(const uint32_t *)a], y = logp[*(const uint32_t *)b];
    return x == y ? 0 : x > y ? -1 : 1;
}

/* The alphabet and the likeliest of the others, `pieces` in all, then by falling likelihood. */
static uint32_t *choose(const struct lt_unigram *u, size_t pieces, size_t *n)
{
    uint32_t *id = lt_alloc(u->count * sizeof *id);
    for (size_t i = 0; i < u->count; i++)
        id[i] = (uint32_t)i;
    lt_sort(id + u->required, u->count - u->required, sizeof *id, by_logp, u->logp);
    *n = LT_MIN(pieces, u->count);
    lt_sort(id, *n, sizeof *id, by_logp, u->logp);
    return id;
}

static int build(const struct job *j, size_t pieces, struct lt_ctx *c, struct lt_tokenizer **out)
{
    struct lt_tok_spec s;
    if (base_spec(j, &s))
        return -1;
    size_t n, bytes = j->o->byte_fallback ? 256 : 0, at = 0;
    uint32_t *chosen = choose(&j->model, pieces, &n);
    size_t count = (size_t)j->specials + bytes + n;
    struct lt_str *piece = lt_alloc(count * sizeof *piece);
    double *score = lt_alloc(count * sizeof *score), least = n ? j->model.logp[chosen[n - 1]] : 0;
    char name[256][8];
    for (; at < (size_t)j->specials; at++) {
        piece[at] = j->special.piece[at];
        score[at] = 0;
    }
    for (size_t i = 0; i < bytes; i++, at++) {
        snprintf(name[i], sizeof name[i], "<0x%02X>", (unsigned)i);
        piece[at] = lt_str(name[i]);
        score[at] = least;
    }
    for (size_t i = 0; i < n; i++, at++) {
        piece[at] = j->model.piece[chosen[i]];
        score[at] = j->model.logp[chosen[i]];
    }
    s.piece = piece;
    s.score = score;
    s.count = (int32_t)count;
    char *post = lt_trainer_template(&j->special, j->specials, j->o->common.bos_token, NULL);
    s.post_processor = post;
    if ((int64_t)count < j->o->common.vocab_size)
        lt_note(c, "the vocabulary has %zu tokens, not %d: the text has no more pieces", count,
                (int)j->o->common.vocab_size);
    int rc = lt_tokenizer_build(&s, out);
    free(post);
    free(piece);
    free(score);
    free(chosen);
    return rc;
}

static int learn(struct job *j, struct lt_ctx *c, struct lt_tokenizer **out)
{
    const struct unigram *o = j->o;
    lt_alphabet_of(&j->words, 0, o->character_coverage, &j->alphabet);
    int64_t around = j->specials + (o->byte_fallback ? 256 : 0), least = around + j->alphabet.count;
    if (o->common.vocab_size < least)
        return lt_misuse("vocab_size %d is too small: special tokens%s and the alphabet alone are %d; a smaller "
                         "character_coverage keeps fewer characters", (int)o->common.vocab_size,
                         o->byte_fallback ? ", bytes" : "", (int)least);
    lt_stretches_of(&j->words, &j->alphabet, &j->stretches);
    uint64_t words = j->words.count * 64;
    if (lt_trainer_fits(&o->common, &j->words, words + j->stretches.characters * 24))
        return -1;
    lt_unigram_seeds(&j->stretches, &j->alphabet, (size_t)o->seed_size, (int)o->max_piece_length, &j->text, &j->model);
    lt_note(c, "%zu seeds from %zu distinct words", j->model.count, j->words.count);
    if (lt_trainer_fits(&o->common, &j->words, words + j->model.count * 200))
        return -1;
    size_t pieces = (size_t)(o->common.vocab_size - around);
    return fit(j, pieces, c) ? -1 : build(j, pieces, c, out);
}

static int train(const void *options, struct lt_ctx *c, const struct lt_list *files, struct lt_tokenizer **out)
{
    struct job j = { .o = options };
    struct lt_tok_spec pipeline;
    int rc = lt_trainer_specials(&j.o->common, &j.special, &j.added, &j.specials);
    if (rc == 0)
        rc = base_spec(&j, &pipeline);
    if (rc == 0) {
        double none[64] = { 0 }, *score = j.specials <= 64 ? none : lt_calloc((size_t)j.specials, sizeof *score);
        pipeline.piece = j.special.piece;
        pipeline.count = j.specials;
        pipeline.score = score;
        rc = lt_trainer_words(&j.o->common, &pipeline, true, files, c, &j.words);
        if (score != none)
            free(score);
    }
    if (rc == 0)
        rc = learn(&j, c, out);
    lt_unigram_release(&j.model);
    lt_alphabet_release(&j.alphabet);
    lt_words_release(&j.words);
    lt_pieces_release(&j.special);
    lt_arena_free(&j.text);
    free(j.stretches.at);
    free(j.added);
    return rc;
}

#define AT(field) offsetof(struct unigram, field)
static const struct lt_opt rows[] = {
    LT_TRAINER_ROWS(struct unigram, "<s>", "</s>", "<unk>", NULL),
    { .key = "normalizer", .help = "Unicode normalisation of all text", .type = LT_STR, .at = AT(normalizer),
      .text = "nfkc|nfc|none", .flags = LT_ENUM },
    { .key = "character_coverage", .help = "share of all characters that the alphabet must cover", .type = LT_REAL,
      .at = AT(character_coverage), .dflt = 0.9995, .min = 0.01, .max = 1 },
    { .key = "byte_fallback", .help = "spell what is not in the alphabet in bytes", .type = LT_BOOL,
      .at = AT(byte_fallback), .dflt = 1 },
    { .key = "seed_size", .help = "pieces to begin with", .type = LT_INT, .at = AT(seed_size), .dflt = 1000000,
      .min = 1, .max = 1 << 24, .alias = "seed_sentencepiece_size" },
    { .key = "shrinking_factor", .help = "share of pieces that a round keeps", .type = LT_REAL,
      .at = AT(shrinking_factor), .dflt = 0.75, .min = 0.1, .max = 0.99 },
    { .key = "sub_iterations", .help = "steps of expectation-maximisation in a round", .type = LT_INT,
      .at = AT(sub_iterations), .dflt = 2, .min = 1, .max = 100, .alias = "n_sub_iterations,num_sub_iterations" },
    { .key = "max_piece_length", .help = "characters in one piece", .type = LT_INT, .at = AT(max_piece_length),
      .dflt = 16, .min = 1, .max = LT_STRETCH_MAX, .alias = "max_sentencepiece_length" },
    { 0 },
};

const struct lt_tokenizer_trainer lt_tokenizer_unigram = {
    .m = { .name = "unigram", .brief = "unigram language model of pieces, as sentencepiece has it",
           .paper = "arXiv:1804.10959", .size = sizeof(struct unigram), .opts = rows,
           .doc = "p(x) = product of p(piece); a word is cut where that is greatest.  Training maximises the\n"
                  "likelihood over all cuts by expectation-maximisation and drops the pieces whose loss it feels\n"
                  "least.\n\n"
                  "    lathe tokenizer train corpus/ --output tokenizer/ --method unigram --vocab_size 8000" },
    .train = train,
};
