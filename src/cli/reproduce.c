/* lathe reproduce: makes a file or folder again and compares. */
#include <lathe.h>
#include "recipe/history.h"
#include <stdio.h>

struct reproduce { const char *artefact; bool keep; };
static const struct lt_opt rows[] = {
    { .key = "artefact", .help = "file or folder that a verb made", .type = LT_STR,
      .at = offsetof(struct reproduce, artefact), .flags = LT_NEED | LT_ARG | LT_IN, .alias = "file" },
    { .key = "keep", .help = "keep what was made, as PATH.again", .type = LT_BOOL,
      .at = offsetof(struct reproduce, keep) },
    { 0 },
};

static int run(const void *options, struct lt_ctx *c)
{
    const struct reproduce *o = options;
    struct lt_buf report = { 0 };
    bool same;
    int rc = lt_reproduce(o->artefact, o->keep, lt_verb_registered, NULL, c, &report, &same);
    if (report.n) fwrite(report.p, 1, report.n, stdout);
    lt_buf_free(&report);
    if (rc) return rc;
    if (same) lt_note(c, "%s: the same bits", o->artefact);
    return same ? 0 : lt_fail("%s: came out different; `lathe explain` shows which build made it", o->artefact);
}

const struct lt_verb lt_verb_reproduce = {
    .m = { .name = "reproduce", .brief = "makes a file or folder again and says whether the bits are the same",
           .size = sizeof(struct reproduce), .opts = rows,
           .doc = "Runs the verb of the run record with the same options into a new folder beside the artefact and\n"
                  "compares the content of every output.  The exit status is 0 when all bits are the same, 1 when any\n"
                  "differs.\n"
                  "    lathe reproduce work/model" },
    .run = run,
};
