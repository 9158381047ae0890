/* lathe ngram glm */
#include <lathe.h>
#include "ngram/glm_model.h"

#define AT(f) offsetof(struct lt_glm_build_options, f)
static const struct lt_opt rows[] = {
    LT_SENTENCES_OPTS(lt_glm_build_options),
    { .key = "output", .help = "model file to write", .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT,
      .alias = "o" },
    { .key = "order", .help = "words in the longest n-grams", .type = LT_INT, .at = AT(order), .dflt = 5, .min = 2,
      .max = LT_GLM_ORDER_MAX },
    { .key = "skips", .help = "which word of a context may be left out; first: modified Kneser-Ney", .type = LT_STR,
      .at = AT(skips), .text = "all|first", .flags = LT_ENUM },
    { .key = "ratio", .help = "weight of leaving out a word against leaving out the one after it; 1: the paper's",
      .type = LT_REAL, .at = AT(ratio), .dflt = 3, .min = 1, .max = LT_GLM_RATIO_MAX },
    { .key = "memory", .help = "MiB that counting may take; a text that needs more is refused", .type = LT_INT,
      .at = AT(memory), .dflt = 4096, .min = 1, .max = 1 << 24, .flags = LT_FREE },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_glm_build_run(o, c);
}

const struct lt_verb lt_verb_ngram_glm = {
    .m = { .name = "ngram-glm", .brief = "estimates a Generalized Language Model: n-grams with words left out",
           .paper = "ACL:P14-1108", .size = sizeof(struct lt_glm_build_options), .opts = rows,
           .doc = "Where an n-gram model falls back on the context without its first word, this one falls back on the\n"
                  "mean over leaving out any of its words, again and again, with discounts for each pattern of words.\n"
                  "Every line with words in it is a sentence.  Order 5 has 16 patterns, and 5 MB of text make a file\n"
                  "of about 150 MB.  It opens at once and is measured and talked to like any model.\n"
                  "example: lathe ngram glm text/ --order 4 --min_count 2 --output text.glm\n"
                  "example: lathe ngram glm novel.txt --validation 0.1 --held_out held-out.jsonl --output novel.glm" },
    .run = run,
};
