/* What may be changed while a conversation goes on: options of generation, by the rows and names that verbs have. */
#ifndef LT_CHAT_SETTINGS_H
#define LT_CHAT_SETTINGS_H

#include "base/json.h"

struct lt_chat_settings {
    struct lt_list stop;
    struct lt_choices controls;
    int64_t max_tokens, seed, logprobs;
    bool greedy;
};
/* Rows of a verb whose options hold a struct lt_chat_settings at `at`. */
#define LT_CHAT_SETTING_ROWS(at_) \
    { .key = "max_tokens", .help = "tokens of an answer at most", .type = LT_INT, \
      .at = (at_) + offsetof(struct lt_chat_settings, max_tokens), .dflt = 1024, .min = 1, .max = 1e8, \
      .alias = "max_new_tokens,n_predict" }, \
    { .key = "seed", .help = "names the random choices", .type = LT_INT, \
      .at = (at_) + offsetof(struct lt_chat_settings, seed), .min = 0, .max = 9e15 }, \
    { .key = "greedy", .help = "always the most likely token", .type = LT_BOOL, \
      .at = (at_) + offsetof(struct lt_chat_settings, greedy) }, \
    { .key = "stop", .help = "text that ends the answer and is not part of it", .type = LT_LIST, \
      .at = (at_) + offsetof(struct lt_chat_settings, stop), .alias = "stop_strings,until", .flags = LT_TEXTS }, \
    { .key = "logprobs", .help = "most likely tokens that /tokens shows at each place", .type = LT_INT, \
      .at = (at_) + offsetof(struct lt_chat_settings, logprobs), .dflt = 3, .min = 0, .max = 100, \
      .alias = "top_logprobs" }, \
    { .key = "controls", .help = "changes to the logits before a token is chosen", .type = LT_METHODS, \
      .at = (at_) + offsetof(struct lt_chat_settings, controls), .text = "control" }

/* A state of them.  given: an object of canonical keys, of those that are not as they stand by default. */
struct lt_chat_set { json_t *given; struct lt_options *held; const struct lt_chat_settings *now; };
/* As a verb was given them. */
int lt_chat_set_from(const struct lt_chat_settings *o, struct lt_chat_set *out);
/* As *s with one key changed; value NULL: back to its default.  A key that there is not suggests the near one. */
int lt_chat_set_changed(const struct lt_chat_set *s, const char *key, const char *value, struct lt_chat_set *out);
/* By an object of keys, nested or dotted. */
int lt_chat_set_read(const json_t *options, struct lt_chat_set *out);
void lt_chat_set_release(struct lt_chat_set *s);

bool lt_chat_set_has(const struct lt_chat_set *s, const char *key);         /* is this control, or key, given? */
/* The keys as they are typed, with numbers as such: json_decref it. */
json_t *lt_chat_set_options(const struct lt_chat_set *s);
/* The value of a key that is in force, appended; false where none is.  -1 in *rc: there is no such key. */
bool lt_chat_set_value(const struct lt_chat_set *s, const char *key, struct lt_buf *out, int *rc);
/* The i-th key there is; NULL past the last. */
const char *lt_chat_set_key(int i);

#endif
