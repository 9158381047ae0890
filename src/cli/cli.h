/* The command line: from words to a verb that has run, and what the option rows say as text. */
#ifndef LT_CLI_H
#define LT_CLI_H

#include "base/base.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* The whole program.  Exit status: 0 done, 1 failed, 2 misused, 130 interrupted. */
int lt_cli_main(int argc, char **argv);

/* ---- verbs (verbs.c) ---- */
/* The verb named by the first word or the first two ("tokenizer train" is "tokenizer-train"); *taken is how many words
 * that took.  NULL: lt_error names the nearest. */
const struct lt_verb *lt_cli_verb(int argc, char **argv, int *taken);
void lt_cli_spelling(struct lt_buf *b, const struct lt_verb *v);    /* appends it as it is typed: "tokenizer train" */

/* What every verb takes besides its own rows: threads, quiet, progress.  None of them changes a result. */
struct lt_cli_common { int64_t threads; bool quiet; const char *progress; };
extern const struct lt_opt lt_cli_common_rows[];                    /* ends with a row whose key is NULL */
/* The head of a verb with the common rows after its own; *at is where the struct lt_cli_common begins in the longer
 * option struct.  free() head.opts. */
struct lt_method lt_cli_widen(const struct lt_method *m, size_t *at);

/* ---- what rows say, as text (row_text.c) ---- */
enum { LT_CLI_WIDTH = 100 };                                        /* columns of help pages */
bool lt_cli_same_name(const char *a, const char *b);                /* '-' and '_' alike */
void lt_cli_put_value(struct lt_buf *b, const struct lt_opt *r);    /* after the flag: "N", "plain|fancy", nothing */
void lt_cli_put_default(struct lt_buf *b, const struct lt_opt *r);  /* "0.9"; nothing when there is none */
void lt_cli_put_facts(struct lt_buf *b, const struct lt_opt *r);    /* "default 0.9; from 0 to 1; also --lr" */
void lt_cli_put_usage(struct lt_buf *b, const struct lt_verb *v);   /* "lathe pack FILES... --out PATH [...]" */
void lt_cli_put_url(struct lt_buf *b, const char *paper);           /* where "arXiv:1711.05101" is read */
/* One line of the verbs that choose a method of this kind: "lathe train ... --optim lion --optim.beta1 0.9". */
void lt_cli_put_example(struct lt_buf *b, const struct lt_kind *k, const struct lt_method *m, const char *indent);
/* A left column and text beside it, wrapped at LT_CLI_WIDTH. */
void lt_cli_put_entry(struct lt_buf *b, const char *left, int column, const char *text);
void lt_cli_put_options(struct lt_buf *b, const struct lt_opt *rows, const char *prefix);

/* ---- the forms of `lathe help` ---- */
void lt_cli_put_page(struct lt_buf *b, const struct lt_kind *k, const struct lt_method *m);    /* page.c: one method */
void lt_cli_put_man(struct lt_buf *b);                              /* man.c: lathe(1) */
void lt_cli_put_papers(struct lt_buf *b);                           /* index.c: methods and their papers, Markdown */
void lt_cli_put_verbs(struct lt_buf *b);                            /* index.c: verbs, Markdown */
void lt_cli_put_json(struct lt_buf *b);                             /* describe.c: every kind, method and row as JSON */

/* ---- talk on standard error (talk.c) ---- */
enum lt_cli_show { LT_CLI_BAR, LT_CLI_LINES, LT_CLI_NOTHING };      /* how progress is shown */
struct lt_cli_talk {
    FILE *to;
    enum lt_cli_show show;
    bool quiet;                         /* no notes either */
    int width;                          /* columns of a bar; 0: ask the terminal */
    pthread_mutex_t mutex;
    char stage[64];                     /* what is being shown, "" between stages */
    double first_done, first_seconds;   /* of the stage: a resumed run does not start at 0 */
    double said;                        /* seconds of the stage's last line */
    bool drawn;                         /* a bar stands on the current line */
};
void lt_cli_talk_init(struct lt_cli_talk *t, FILE *to, bool quiet, const char *progress);
void lt_cli_talk_release(struct lt_cli_talk *t);                    /* ends a bar that still stands */
extern const struct lt_talk lt_cli_talk_to;                         /* its self is a struct lt_cli_talk */

/* ---- interruption (watch.c) ---- */
/* A thread that waits for SIGINT and SIGTERM: the first interrupts the context, the second ends the program. */
struct lt_cli_watch { sigset_t set, before; bool ignored_int; struct lt_ctx *ctx; pthread_t thread; };
void lt_cli_watch_prepare(struct lt_cli_watch *w);                  /* before the context has threads */
int lt_cli_watch_begin(struct lt_cli_watch *w, struct lt_ctx *c);
void lt_cli_watch_end(struct lt_cli_watch *w);

#endif
