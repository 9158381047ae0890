/* The index of papers, from the method heads, as Markdown. */
#include "cli/cli.h"

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
