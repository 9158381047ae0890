/* What searches share: texts that grow side by side, and what they are worth. */
#ifndef LT_BEAMS_H
#define LT_BEAMS_H

#include "decode/writing.h"

/* Rewards of a text that a program can compute; members of a search's options. */
struct lt_reward {
    struct lt_list keywords;        /* each should be in the text, in any case of its letters */
    int64_t length;                 /* words the text should have; 0: any number */
    double keyword_weight, length_weight;
};
#define LT_REWARD_ROWS(at_) \
    { .key = "keywords", .help = "texts a reply should hold, in any case of their letters", .type = LT_LIST, \
      .at = (at_) + offsetof(struct lt_reward, keywords), .flags = LT_TEXTS }, \
    { .key = "length", .help = "words a reply should have; 0: any number", .type = LT_INT, \
      .at = (at_) + offsetof(struct lt_reward, length), .min = 0, .max = 1e6 }, \
    { .key = "keyword_weight", .help = "of the share of keywords that are there", .type = LT_REAL, \
      .at = (at_) + offsetof(struct lt_reward, keyword_weight), .dflt = 1 }, \
    { .key = "length_weight", .help = "of the distance from the length, as a share of it", .type = LT_REAL, \
      .at = (at_) + offsetof(struct lt_reward, length_weight), .dflt = 1 }
/* keyword_weight * (share of keywords) - length_weight * |words - length| / length */
double lt_reward(const struct lt_reward *r, struct lt_str text);

struct lt_beams_how {
    int width, groups;              /* texts kept; in as many groups */
    double diversity;               /* taken off a token for each group before that chose it at this step */
    double length_penalty;          /* a finished text is worth logp / length^this */
    int top;                        /* tokens tried of each text; 0: as many as could be kept */
    const struct lt_reward *reward; /* not NULL: a text is worth logp + weight * reward(text and what lies ahead) */
    double weight;
    int lookahead;                  /* tokens greedily written ahead to judge by */
};
/* The best text found; log probabilities are those after the controls, the reply's the model's own. */
int lt_beams_run(const struct lt_beams_how *how, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask,
                 struct lt_reply *out);

#endif
