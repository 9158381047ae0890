/* Verbs small enough to see through, for tests of what is built from verbs: records, recipes, fault runs. */
#ifndef LT_TOY_VERBS_H
#define LT_TOY_VERBS_H

#include "base/io.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* weigh: writes scale * (sum of all bytes read) to a file.  The file named by `fuse` (not watched) holds how often
 * the verb may still run: at 0 it kills the process, with a temporary file half written. */
struct toy_weigh { struct lt_list files; const char *out, *fuse, *mode; int64_t scale, seed; bool loud; };
#define AT(field) offsetof(struct toy_weigh, field)
static const struct lt_opt toy_weigh_rows[] = {
    { .key = "files", .help = "files to weigh", .type = LT_LIST, .at = AT(files), .flags = LT_ARG | LT_IN | LT_NEED },
    { .key = "out", .help = "file to write", .type = LT_STR, .at = AT(out), .alias = "output",
      .flags = LT_OUT | LT_NEED },
    { .key = "scale", .help = "factor", .type = LT_INT, .at = AT(scale), .dflt = 1, .min = 1, .max = 1000,
      .alias = "factor" },
    { .key = "seed", .help = "seed", .type = LT_INT, .at = AT(seed), .dflt = 7 },
    { .key = "mode", .help = "how", .type = LT_STR, .at = AT(mode), .text = "sum|twice", .flags = LT_ENUM },
    { .key = "fuse", .help = "runs left", .type = LT_STR, .at = AT(fuse), .flags = LT_FREE },
    { .key = "loud", .help = "talk", .type = LT_BOOL, .at = AT(loud), .flags = LT_FREE },
    { 0 },
};
#undef AT

static inline int toy_burn(const char *fuse)
{
    struct lt_buf b = { 0 };
    if (!fuse || lt_file_read(fuse, &b)) return 0;
    int left = atoi(b.p);
    lt_buf_clear(&b);
    lt_buf_fmt(&b, "%d", left - 1);
    int rc = lt_file_save(fuse, b.p, b.n);
    lt_buf_free(&b);
    return left <= 0 ? 1 : rc;
}

static inline int toy_weigh_run(const void *o, struct lt_ctx *c)
{
    const struct toy_weigh *t = o;
    uint64_t sum = 0;
    (void)c;
    for (int i = 0; i < t->files.count; i++) {
        struct lt_stream *s = lt_stream_open(t->files.item[i]);
        if (!s) return -1;
        uint8_t block[512];
        int64_t n;
        while ((n = lt_stream_read(s, block, sizeof(block))) > 0)
            for (int64_t k = 0; k < n; k++) sum += block[k];
        lt_stream_close(s);
        if (n < 0) return -1;
    }
    struct lt_writer w;
    if (lt_writer_open(&w, t->out)) return -1;
    lt_writer_fmt(&w, "%llu\n", (unsigned long long)(sum * (uint64_t)t->scale * (strcmp(t->mode, "sum") ? 2 : 1)));
    if (toy_burn(t->fuse)) kill(getpid(), SIGKILL);
    return lt_writer_commit(&w);
}
static const struct lt_verb toy_weigh = {
    .m = { .name = "weigh", .brief = "weigh files", .size = sizeof(struct toy_weigh), .opts = toy_weigh_rows },
    .run = toy_weigh_run,
};

/* bundle: a folder with a copy of every input, numbered.  `suffix` is what METHOD rows of real verbs are for. */
struct toy_bundle { struct lt_list in; const char *out; struct lt_choice optim; struct lt_choices controls; };
#define AT(field) offsetof(struct toy_bundle, field)
static const struct lt_opt toy_bundle_rows[] = {
    { .key = "in", .help = "files to copy", .type = LT_LIST, .at = AT(in), .flags = LT_IN | LT_NEED },
    { .key = "out", .help = "folder to write", .type = LT_STR, .at = AT(out), .flags = LT_OUT | LT_NEED },
    { .key = "optim", .help = "one of a kind", .type = LT_METHOD, .at = AT(optim), .text = "optim:adamw" },
    { .key = "controls", .help = "a chain", .type = LT_METHODS, .at = AT(controls), .text = "control" },
    { 0 },
};
#undef AT

static inline int toy_bundle_run(const void *o, struct lt_ctx *c)
{
    const struct toy_bundle *t = o;
    struct lt_folder d;
    (void)c;
    if (lt_folder_open(&d, t->out)) return -1;
    int rc = 0;
    for (int i = 0; i < t->in.count && rc == 0; i++) {
        struct lt_buf text = { 0 }, name = { 0 };
        lt_buf_fmt(&name, "%s/%d.txt", d.temp, i);
        rc = lt_file_read(t->in.item[i], &text);
        if (rc == 0) rc = lt_file_save(name.p, text.p, text.n);
        lt_buf_free(&text);
        lt_buf_free(&name);
    }
    if (rc == 0) return lt_folder_commit(&d);
    lt_folder_abort(&d);
    return rc;
}
static const struct lt_verb toy_bundle = {
    .m = { .name = "bundle", .brief = "copy files to a folder", .size = sizeof(struct toy_bundle),
           .opts = toy_bundle_rows },
    .run = toy_bundle_run,
};

/* tick: writes a line more each time, so it is not reusable; and says nothing about it. */
struct toy_tick { const char *out; };
static const struct lt_opt toy_tick_rows[] = {
    { .key = "out", .help = "file that grows", .type = LT_STR, .at = 0, .flags = LT_OUT | LT_NEED },
    { 0 },
};

static inline int toy_tick_run(const void *o, struct lt_ctx *c)
{
    const struct toy_tick *t = o;
    struct lt_buf b = { 0 };
    (void)c;
    if (lt_path_exists(t->out) && lt_file_read(t->out, &b)) return -1;
    lt_buf_str(&b, "tick\n");
    int rc = lt_file_save(t->out, b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

static inline bool toy_never(const void *o)
{
    (void)o;
    return false;
}
static const struct lt_verb toy_tick = {
    .m = { .name = "tick-tock", .brief = "append a line", .size = sizeof(struct toy_tick), .opts = toy_tick_rows },
    .run = toy_tick_run,
    .reusable = toy_never,
};

static inline const struct lt_verb *toy_find(void *self, const char *name)
{
    static const struct lt_verb *const all[] = { &toy_weigh, &toy_bundle, &toy_tick };
    (void)self;
    for (int i = 0; i < LT_COUNT(all); i++)
        if (!strcmp(all[i]->m.name, name)) return all[i];
    lt_misuse("there is no verb \"%s\"; did you mean \"weigh\"?", name);
    return NULL;
}

#endif
