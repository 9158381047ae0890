/* lathe version */
#include "base/base.h"
#include <stdio.h>

static int run(const void *o, struct lt_ctx *c)
{
    (void)o;
    (void)c;
    printf("lathe %s, build %s\n", LATHE_VERSION, lt_build_id());
    return 0;
}

const struct lt_verb lt_verb_version = {
    .m = { .name = "version", .brief = "prints the version and the build id", .doc = "    lathe version" },
    .run = run,
};
