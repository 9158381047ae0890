/* Verbs by the words they are typed with, and the options that all of them take. */
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct lt_cli_common, field)
const struct lt_opt lt_cli_common_rows[] = {
    { .key = "threads", .help = "threads to work with; 0: one for each core", .type = LT_INT, .at = AT(threads),
      .min = 0, .max = 1024, .flags = LT_FREE },
    { .key = "progress",
      .help = "progress on standard error: a bar on a terminal and lines elsewhere, always a bar, or none",
      .type = LT_STR, .at = AT(progress), .text = "auto|always|never", .flags = LT_ENUM | LT_FREE },
    { .key = "quiet", .help = "neither progress nor notes", .type = LT_BOOL, .at = AT(quiet), .flags = LT_FREE },
    { 0 },
};

static int row_count(const struct lt_opt *rows)
{
    int n = 0;
    while (rows && rows[n].key) n++;
    return n;
}

struct lt_method lt_cli_widen(const struct lt_method *m, size_t *at)
{
    struct lt_method wide = *m;
    int own = row_count(m->opts), count = own;
    struct lt_opt *rows = lt_calloc((size_t)(own + row_count(lt_cli_common_rows) + 1), sizeof(*rows));
    if (own) memcpy(rows, m->opts, (size_t)own * sizeof(*rows));
    *at = (m->size + 15) / 16 * 16;
    for (const struct lt_opt *r = lt_cli_common_rows; r->key; r++) {
        rows[count] = *r;
        rows[count++].at += *at;
    }
    wide.size = *at + sizeof(struct lt_cli_common);
    wide.opts = rows;
    return wide;
}

static const struct lt_method *const *verbs(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "verb")) k++;
    return k->member;
}

static const struct lt_verb *exactly(const char *name)
{
    for (const struct lt_method *const *m = verbs(); *m; m++)
        if (!strcmp((*m)->name, name)) return (const struct lt_verb *)*m;
    return NULL;
}

/* The second words of verbs that begin with "first-", as "train, encode"; an empty buffer when there are none. */
static void second_words(const char *first, struct lt_buf *b)
{
    size_t n = strlen(first);
    for (const struct lt_method *const *m = verbs(); *m; m++)
        if (!strncmp((*m)->name, first, n) && (*m)->name[n] == '-')
            lt_buf_fmt(b, "%s%s", b->n ? ", " : "", (*m)->name + n + 1);
}

/* The nearest verb, or first word of one; NULL when none is near. */
static const char *nearest(const char *name, char text[64])
{
    int best = (int)strlen(name) / 3 + 2;
    const char *near = NULL;
    for (const struct lt_method *const *m = verbs(); *m; m++) {
        char first[64];
        snprintf(first, sizeof(first), "%.*s", (int)strcspn((*m)->name, "-"), (*m)->name);
        int whole = lt_edit_distance(name, (*m)->name), part = lt_edit_distance(name, first);
        if (LT_MIN(whole, part) >= best) continue;
        best = LT_MIN(whole, part);
        snprintf(text, 64, "%s", part < whole ? first : (*m)->name);
        near = text;
    }
    return near;
}

static void unknown(const char *first, const char *second)
{
    struct lt_buf seconds = { 0 };
    second_words(first, &seconds);
    char text[64];
    const char *near = nearest(first, text);
    if (!seconds.n && near) lt_misuse("there is no verb \"%s\"; did you mean \"%s\"?", first, near);
    else if (!seconds.n) lt_misuse("there is no verb \"%s\"; `lathe help` lists them", first);
    else if (!second) lt_misuse("\"%s\" needs a second word: %s", first, seconds.p);
    else lt_misuse("there is no verb \"%s %s\"; after \"%s\" comes one of: %s", first, second, first, seconds.p);
    lt_buf_free(&seconds);
}

const struct lt_verb *lt_cli_verb(int argc, char **argv, int *taken)
{
    struct lt_buf name = { 0 };
    const char *second = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    lt_buf_str(&name, argv[0]);
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '_') name.p[i] = '-';
    size_t first = name.n;
    if (second) lt_buf_fmt(&name, "-%s", second);
    const struct lt_verb *v = exactly(name.p);
    *taken = second ? 2 : 1;
    name.p[first] = 0;
    if (!v && second) {
        v = exactly(name.p);
        *taken = 1;
    }
    if (!v) unknown(name.p, second);
    lt_buf_free(&name);
    return v;
}

void lt_cli_spelling(struct lt_buf *b, const struct lt_verb *v)
{
    size_t from = b->n;
    lt_buf_str(b, v->m.name);
    for (size_t i = from; i < b->n; i++)
        if (b->p[i] == '-') b->p[i] = ' ';
}
