/* The man page lathe(1), from the rows. */
#include "cli/cli.h"
#include <string.h>

/* Text as roff takes it: backslashes and leading dots or quotes escaped, hyphens as they are typed. */
static void put_roff(struct lt_buf *b, const char *text)
{
    bool line_start = b->n && b->p[b->n - 1] == '\n';
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\'')) lt_buf_str(b, "\\&");
        if (*text == '\\') lt_buf_str(b, "\\e");
        else if (*text == '-') lt_buf_str(b, "\\-");
        else lt_buf_char(b, *text);
        line_start = *text == '\n';
    }
}

static void put_rows(struct lt_buf *b, const struct lt_opt *rows)
{
    struct lt_buf facts = { 0 };
    for (const struct lt_opt *r = rows; r && r->key; r++) {
        lt_buf_str(b, ".TP\n.B ");
        lt_buf_clear(&facts);
        lt_buf_fmt(&facts, "--%s ", r->key);
        lt_cli_put_value(&facts, r);
        put_roff(b, facts.p);
        lt_buf_char(b, '\n');
        put_roff(b, r->help);
        lt_buf_clear(&facts);
        lt_cli_put_facts(&facts, r);
        if (facts.n) {
            lt_buf_str(b, " (");
            put_roff(b, facts.p);
            lt_buf_char(b, ')');
        }
        lt_buf_char(b, '\n');
    }
    lt_buf_free(&facts);
}

static void put_doc(struct lt_buf *b, const char *doc)
{
    if (!doc) return;
    lt_buf_str(b, ".PP\n.nf\n");
    put_roff(b, doc);
    lt_buf_str(b, "\n.fi\n");
}

static void put_verb(struct lt_buf *b, const struct lt_verb *v)
{
    struct lt_buf usage = { 0 };
    lt_cli_put_usage(&usage, v);
    lt_buf_str(b, ".SS ");
    put_roff(b, usage.p);
    lt_buf_char(b, '\n');
    put_roff(b, v->m.brief);
    lt_buf_char(b, '\n');
    put_doc(b, v->m.doc);
    put_rows(b, v->m.opts);
    lt_buf_free(&usage);
}

static void put_kind(struct lt_buf *b, const struct lt_kind *k)
{
    lt_buf_fmt(b, ".SS %s\n", k->name);
    put_roff(b, k->brief);
    lt_buf_char(b, '\n');
    for (const struct lt_method *const *m = k->member; *m; m++) {
        lt_buf_str(b, ".TP\n.B ");
        put_roff(b, (*m)->name);
        lt_buf_char(b, '\n');
        put_roff(b, (*m)->brief);
        if ((*m)->paper) lt_buf_fmt(b, " (%s)", (*m)->paper);
        lt_buf_char(b, '\n');
    }
}

void lt_cli_put_man(struct lt_buf *b)
{
    lt_buf_str(b, ".TH LATHE 1 \"\" \"lathe " LATHE_VERSION "\" \"User Commands\"\n"
                  ".SH NAME\nlathe \\- a language\\-model workshop\n"
                  ".SH SYNOPSIS\n.B lathe\n.I verb\n[argument ...] [\\-\\-option value ...]\n"
                  ".SH DESCRIPTION\n"
                  "Standard output carries data, standard error carries talk. Options are written \\-\\-key value or "
                  "\\-\\-key=value; a switch is \\-\\-key or \\-\\-no\\-key; a key takes \\- and _ alike.\n"
                  ".SH VERBS\n");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++)
        for (const struct lt_method *const *m = k->member; *m && !strcmp(k->name, "verb"); m++)
            put_verb(b, (const struct lt_verb *)*m);
    lt_buf_str(b, ".SS as every verb\nNone of these changes a result.\n");
    put_rows(b, lt_cli_common_rows);
    lt_buf_str(b, ".SH METHODS\n.B lathe help NAME\nexplains each of them.\n");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++)
        if (strcmp(k->name, "verb") && k->member[0]) put_kind(b, k);
    lt_buf_str(b, ".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nfailed; standard error says why\n.TP\n.B 2\n"
                  "misused: an unknown verb or option, a value out of range\n.TP\n.B 130\ninterrupted\n");
}
