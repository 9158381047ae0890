/* The help page of one method: what it is, its paper, its text, its options, how it is used. */
#include "cli/cli.h"
#include <string.h>

static void put_lines(struct lt_buf *b, const char *text, const char *indent)
{
    struct lt_str rest = lt_str(text), line;
    while (lt_str_split(&rest, '\n', &line)) {
        if (line.n) lt_buf_str(b, indent);
        lt_buf_put(b, line.p, line.n);
        lt_buf_char(b, '\n');
    }
}

static void put_head(struct lt_buf *b, const struct lt_kind *k, const struct lt_method *m, bool verb)
{
    if (verb) {
        lt_cli_put_usage(b, (const struct lt_verb *)m);
        lt_buf_fmt(b, "\n\n%s\n", m->brief);
    } else {
        lt_buf_fmt(b, "%s (%s): %s\n", m->name, k->name, m->brief);
    }
    if (m->paper) {
        lt_buf_fmt(b, "\npaper: %s", m->paper);
        if (!strstr(m->paper, "://")) {
            lt_buf_str(b, "  ");
            lt_cli_put_url(b, m->paper);
        }
        lt_buf_char(b, '\n');
    }
    if (m->doc) {
        lt_buf_char(b, '\n');
        put_lines(b, m->doc, verb ? "" : "  ");
    }
}

void lt_cli_put_page(struct lt_buf *b, const struct lt_kind *k, const struct lt_method *m)
{
    bool verb = !strcmp(k->name, "verb");
    put_head(b, k, m, verb);
    if (m->opts && m->opts->key) {
        lt_buf_str(b, "\noptions\n");
        lt_cli_put_options(b, m->opts, "");
    }
    if (verb) {
        lt_buf_str(b, "\nas every verb\n");
        lt_cli_put_options(b, lt_cli_common_rows, "");
        return;
    }
    struct lt_buf example = { 0 };
    lt_cli_put_example(&example, k, m, "  ");
    if (example.n) lt_buf_fmt(b, "\nexample\n%s", example.p);
    lt_buf_free(&example);
}
