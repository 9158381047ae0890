/* lathe explain: how a file or folder came to be. */
#include <lathe.h>
#include "recipe/history.h"
#include <stdio.h>

struct explain { const char *artefact; bool json; };
static const struct lt_opt rows[] = {
    { .key = "artefact", .help = "file or folder that a verb made", .type = LT_STR, .at = offsetof(struct explain,
                                                                                                   artefact),
      .flags = LT_NEED | LT_ARG | LT_IN, .alias = "file" },
    { .key = "json", .help = "as JSON", .type = LT_BOOL, .at = offsetof(struct explain, json), .flags = LT_FREE },
    { 0 },
};

static int run(const void *options, struct lt_ctx *c)
{
    const struct explain *o = options;
    (void)c;
    json_t *history = lt_history(o->artefact, lt_verb_registered, NULL);
    if (!history) return -1;
    struct lt_buf text = { 0 };
    if (o->json) lt_json_put(&text, history);
    else lt_history_put(&text, history);
    if (o->json) lt_buf_char(&text, '\n');
    fwrite(text.p, 1, text.n, stdout);
    lt_buf_free(&text);
    json_decref(history);
    return 0;
}

const struct lt_verb lt_verb_explain = {
    .m = { .name = "explain", .brief = "tells how a file or folder came to be", .size = sizeof(struct explain),
           .opts = rows,
           .doc = "Reads the run record: the command that makes it again, the options that are not the default, the\n"
                  "build and instruction set, and whether inputs and outputs still have the content they had;\n"
                  "then the same for every input that a verb made.\n"
                  "    lathe explain work/model" },
    .run = run,
};
