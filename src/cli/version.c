/* lathe version */
#include "base/base.h"
#include <stdio.h>

static int run(const void *o, struct lt_ctx *c)
{
    (void)o;
    (void)c;
    puts("lathe " LATHE_VERSION);
    return 0;
}

const struct lt_verb lt_verb_version = {
    .m = { .name = "version", .brief = "prints the version", .doc = "    lathe version" },
    .run = run,
};
