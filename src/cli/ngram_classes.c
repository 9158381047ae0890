/* lathe ngram classes */
#include <lathe.h>
#include "ngram/word_classes.h"

#define AT(f) offsetof(struct lt_classes_options, f)
static const struct lt_opt rows[] = {
    LT_SENTENCES_OPTS(lt_classes_options),
    { .key = "output", .help = "class definitions to write: CLASS PROBABILITY WORD a line, as SRILM has them",
      .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT, .alias = "o" },
    { .key = "mapped", .help = "text to write with the class in place of each word", .type = LT_STR, .at = AT(mapped),
      .flags = LT_OUT },
    { .key = "classes", .help = "classes of words", .type = LT_INT, .at = AT(classes), .dflt = 200, .min = 1,
      .max = LT_CLASSES_MAX, .alias = "numclasses" },
    { .key = "rounds", .help = "times that every word is tried in every class, at most", .type = LT_INT,
      .at = AT(rounds), .dflt = 10, .min = 0, .max = 1000 },
    { .key = "memory", .help = "MiB that it may take; a text that needs more is refused", .type = LT_INT,
      .at = AT(memory), .dflt = 4096, .min = 1, .max = 1 << 24, .flags = LT_FREE },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_classes_run(o, c);
}

const struct lt_verb lt_verb_ngram_classes = {
    .m = { .name = "ngram-classes",
           .brief = "sorts the words of a text into classes that stand beside the same classes",
           .paper = "ACL:J92-4003", .size = sizeof(struct lt_classes_options), .opts = rows,
           .doc = "Maximises sum N(g, h) log(N(g, h) / (N(g) N(h))) over pairs of neighbouring classes by moving one\n"
                  "word at a time (the exchange algorithm).  A model of classes is any model of the mapped text, and\n"
                  "p(w | h) = p(class of w | classes of h) p(w | class of w) is the back end `class`.\n"
                  "example: lathe ngram classes text.txt --classes 300 --output text.classes --mapped classes.txt\n"
                  "         lathe ngram build classes.txt --output classes.arpa\n"
                  "         lathe perplexity class:path=classes.arpa,classes=text.classes held-out.txt" },
    .run = run,
};
