/* lathe help: everything the option rows and heads know, as text, man page, paper index or JSON.
 *     lathe help train */
#include "cli/cli.h"

#include "base/option.h"
#include <stdlib.h>
#include <string.h>

struct help { struct lt_list name; const char *format; };

/* ---- overviews ---- */
static void put_members(struct lt_buf *b, const struct lt_kind *k, const char *starting_with)
{
    struct lt_buf left = { 0 };
    for (const struct lt_method *const *m = k->member; *m; m++) {
        if (starting_with && strncmp((*m)->name, starting_with, strlen(starting_with))) continue;
        lt_buf_clear(&left);
        lt_buf_str(&left, "  ");
        if (strcmp(k->name, "verb")) lt_buf_str(&left, (*m)->name);
        else lt_cli_spelling(&left, (const struct lt_verb *)*m);
        lt_cli_put_entry(b, left.p, 24, (*m)->brief);
    }
    lt_buf_free(&left);
}

static void put_index(struct lt_buf *b)
{
    struct lt_buf left = { 0 };
    lt_buf_str(b, "lathe " LATHE_VERSION ": a language-model workshop\n\n"
                  "  lathe VERB [argument ...] [--option value ...]\n");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        if (strcmp(k->name, "verb")) continue;
        lt_buf_str(b, "\nverbs\n");
        put_members(b, k, NULL);
    }
    lt_buf_str(b, "\nkinds of methods\n");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        int count = 0;
        while (k->member[count]) count++;
        if (!count || !strcmp(k->name, "verb")) continue;
        lt_buf_clear(&left);
        lt_buf_fmt(&left, "  %s (%d)", k->name, count);
        lt_cli_put_entry(b, left.p, 24, k->brief);
    }
    lt_buf_str(b, "\n`lathe help NAME` explains a verb, a kind, a method or an option; "
                  "`lathe VERB --help` does too.\n");
    lt_buf_free(&left);
}

static void put_kind(struct lt_buf *b, const struct lt_kind *k)
{
    lt_buf_fmt(b, "%s: %s\n\n", k->name, k->brief);
    put_members(b, k, NULL);
    if (!k->member[0]) lt_buf_str(b, "  (none yet)\n");
}

/* ---- finding what is meant ---- */
static void part(struct lt_buf *b)
{
    if (b->n) lt_buf_char(b, '\n');
}

static void put_methods_named(struct lt_buf *b, struct lt_str kind, const char *name)
{
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        if (kind.n && !lt_str_is(kind, k->name)) continue;
        for (const struct lt_method *const *m = k->member; *m; m++) {
            if (!lt_cli_same_name((*m)->name, name)) continue;
            part(b);
            lt_cli_put_page(b, k, *m);
        }
    }
}

/* Kinds of that name, and verbs whose first word it is. */
static void put_groups_named(struct lt_buf *b, const char *name)
{
    char first[64];
    snprintf(first, sizeof(first), "%s-", name);
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        if (!strcmp(k->name, name)) {
            part(b);
            put_kind(b, k);
        }
        struct lt_buf verbs = { 0 };
        if (!strcmp(k->name, "verb")) put_members(&verbs, k, first);
        if (verbs.n) {
            part(b);
            lt_buf_fmt(b, "verbs\n%s", verbs.p);
        }
        lt_buf_free(&verbs);
    }
}

static bool row_is_named(const struct lt_opt *r, const char *name)
{
    struct lt_str alias;
    if (lt_cli_same_name(r->key, name)) return true;
    for (int i = 1; lt_option_name(r, i, &alias); i++)
        if (lt_str_is(alias, name)) return true;
    return false;
}

static void put_options_named(struct lt_buf *b, const char *name)
{
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        for (const struct lt_method *const *m = k->member; *m; m++) {
            for (const struct lt_opt *r = (*m)->opts; r && r->key; r++) {
                if (!row_is_named(r, name)) continue;
                struct lt_opt one[2] = { *r, { 0 } };
                part(b);
                lt_buf_fmt(b, "an option of the %s %s\n", k->name, (*m)->name);
                lt_cli_put_options(b, one, "");
            }
        }
    }
}

static int unknown(const char *name)
{
    const char *near = NULL;
    int best = (int)strlen(name) / 3 + 2;
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        int d = lt_edit_distance(name, k->name);
        if (d < best) best = d, near = k->name;
        for (const struct lt_method *const *m = k->member; *m; m++) {
            d = lt_edit_distance(name, (*m)->name);
            if (d < best) best = d, near = (*m)->name;
        }
    }
    if (near) return lt_misuse("nothing is called \"%s\"; did you mean \"%s\"?", name, near);
    return lt_misuse("nothing is called \"%s\"; `lathe help` shows where to look", name);
}

/* "tokenizer train" names one verb; "optim adamw" and "optim:adamw" a member of a kind. */
static int put_named(struct lt_buf *b, const struct lt_list *words)
{
    struct lt_buf all = { 0 };
    for (int i = 0; i < words->count; i++) lt_buf_fmt(&all, "%s%s", i ? "-" : "", words->item[i]);
    put_methods_named(b, (struct lt_str){ 0 }, all.p);
    if (words->count == 1) put_groups_named(b, all.p);
    size_t cut = strcspn(words->item[0], ":");
    if (!b->n && words->count == 2) put_methods_named(b, lt_str(words->item[0]), words->item[1]);
    if (!b->n && words->count == 1 && all.p[cut]) put_methods_named(b, (struct lt_str){ all.p, cut }, all.p + cut + 1);
    if (!b->n && words->count == 1) put_options_named(b, all.p);
    int rc = b->n ? 0 : unknown(all.p);
    lt_buf_free(&all);
    return rc;
}

static int run(const void *v, struct lt_ctx *c)
{
    const struct help *o = v;
    struct lt_buf b = { 0 };
    int rc = 0;
    (void)c;
    if (strcmp(o->format, "text") && o->name.count)
        return lt_misuse("--format %s describes everything at once; leave out the name", o->format);
    if (!strcmp(o->format, "man")) lt_cli_put_man(&b);
    else if (!strcmp(o->format, "papers")) lt_cli_put_papers(&b);
    else if (!strcmp(o->format, "verbs")) lt_cli_put_verbs(&b);
    else if (!strcmp(o->format, "json")) lt_cli_put_json(&b);
    else if (o->name.count) rc = put_named(&b, &o->name);
    else put_index(&b);
    if (!rc) fwrite(b.p, 1, b.n, stdout);
    lt_buf_free(&b);
    return rc;
}

static const struct lt_opt rows[] = {
    { .key = "name", .help = "a verb, a kind, a method (also KIND:METHOD) or an option", .type = LT_LIST,
      .at = offsetof(struct help, name), .flags = LT_ARG },
    { .key = "format", .help = "text; or everything as JSON or a man page, or the index of papers or verbs in Markdown",
      .type = LT_STR, .at = offsetof(struct help, format), .text = "text|json|man|papers|verbs", .flags = LT_ENUM },
    { 0 },
};

const struct lt_verb lt_verb_help = {
    .m = { .name = "help", .brief = "explains verbs, kinds, methods and options", .size = sizeof(struct help),
           .opts = rows,
           .doc = "    lathe help\n"
                  "    lathe help optim\n"
                  "    lathe help top_p\n"
                  "    lathe help --format json" },
    .run = run,
};
