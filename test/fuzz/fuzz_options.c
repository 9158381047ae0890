/* Option sets over arbitrary JSON: refuse or accept; what is accepted resolves to JSON that resolves to the same. */
#include "base/base.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct sample {
    int64_t steps;
    double rate;
    bool shuffle;
    const char *out, *mode;
    struct lt_list files;
    struct lt_choice optim;
    struct lt_choices controls;
};
static const struct lt_opt rows[] = {
    { .key = "out", .help = "a path", .type = LT_STR, .at = offsetof(struct sample, out), .flags = LT_OUT },
    { .key = "steps", .help = "a count", .type = LT_INT, .at = offsetof(struct sample, steps), .min = 1, .max = 1e9,
      .dflt = 1 },
    { .key = "rate", .help = "a number", .type = LT_REAL, .at = offsetof(struct sample, rate), .alias = "lr" },
    { .key = "shuffle", .help = "a truth", .type = LT_BOOL, .at = offsetof(struct sample, shuffle) },
    { .key = "mode", .help = "a word", .type = LT_STR, .at = offsetof(struct sample, mode), .text = "plain|fancy",
      .flags = LT_ENUM },
    { .key = "files", .help = "a list", .type = LT_LIST, .at = offsetof(struct sample, files) },
    { .key = "optim", .help = "one member", .type = LT_METHOD, .at = offsetof(struct sample, optim),
      .text = "optim:adamw" },
    { .key = "controls", .help = "a chain", .type = LT_METHODS, .at = offsetof(struct sample, controls),
      .text = "control" },
    { 0 },
};
static const struct lt_method method = { .name = "sample", .brief = "a sample", .size = sizeof(struct sample),
                                         .opts = rows };

static char *resolve(const char *json)
{
    struct lt_options *s = lt_options_new(&method);
    char *text = lt_options_json(s, json) == 0 && lt_options_done(s) ? lt_options_resolved(s, true) : NULL;
    lt_options_free(s);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char *text = lt_alloc(n + 1);
    memcpy(text, p, n);
    text[n] = 0;
    char *once = resolve(text), *twice = once ? resolve(once) : NULL;
    assert(!once || (twice && strcmp(once, twice) == 0));
    free(text);
    free(once);
    free(twice);
    return 0;
}
