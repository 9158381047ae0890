/* Indexes made from the method heads, as Markdown: papers, and verbs. */
#include "cli/cli.h"
#include <string.h>

void lt_cli_put_papers(struct lt_buf *b)
{
    lt_buf_str(b, "# Papers\n\nMade by `tools/generate-docs` from the heads of the methods.\n\n"
                  "| method | kind | what it is | paper |\n|---|---|---|---|\n");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        for (const struct lt_method *const *m = k->member; *m; m++) {
            if (!(*m)->paper) continue;
            struct lt_buf url = { 0 };
            lt_cli_put_url(&url, (*m)->paper);
            lt_buf_fmt(b, "| `%s` | %s | %s | ", (*m)->name, k->name, (*m)->brief);
            if (url.n) lt_buf_fmt(b, "[%s](%s) |\n", (*m)->paper, url.p);
            else lt_buf_fmt(b, "%s |\n", (*m)->paper);
            lt_buf_free(&url);
        }
    }
}

void lt_cli_put_verbs(struct lt_buf *b)
{
    lt_buf_str(b, "| verb | what it does |\n|---|---|\n");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        for (const struct lt_method *const *m = k->member; *m && !strcmp(k->name, "verb"); m++) {
            lt_buf_str(b, "| `lathe ");
            lt_cli_spelling(b, (const struct lt_verb *)*m);
            lt_buf_fmt(b, "` | %s |\n", (*m)->brief);
        }
    }
}
