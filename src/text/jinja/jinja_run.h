/* A template while it runs, and the tables of what it may call. */
#ifndef LT_JINJA_RUN_H
#define LT_JINJA_RUN_H

#include "text/jinja/jinja.h"
#include "text/jinja/jinja_tree.h"

/* Names set in one scope; looked up outwards. */
struct lt_jinja_frame { struct lt_jv names; struct lt_jinja_frame *outer; };

struct lt_jinja_run {
    const struct lt_jinja *t;
    struct lt_arena arena;          /* every value */
    struct lt_buf *out;             /* what is being written: the output, or a block's text */
    struct lt_jinja_frame *frame;
    struct lt_jinja_spans *spans;   /* NULL: not asked, or inside a block whose place is not known yet */
    int64_t now, steps;
    int depth, loops;               /* nesting of calls and expressions; of loops */
    bool located;                   /* the error says its line */
};

/* What was given to a call: values in order, then named ones. */
struct lt_jinja_args {
    const struct lt_jv *at; int n;
    const struct lt_str *key; const struct lt_jv *named; int named_n;
};
/* Argument i or the one called `name`; NULL: not given. */
const struct lt_jv *lt_jinja_arg(const struct lt_jinja_args *a, int i, const char *name);
int lt_jinja_arg_int(const struct lt_jinja_args *a, int i, const char *name, int64_t *out);    /* 0, -1; *out default */
int lt_jinja_arg_bool(const struct lt_jinja_args *a, int i, const char *name, bool *out);
int lt_jinja_arg_str(const struct lt_jinja_args *a, int i, const char *name, struct lt_str *out);

/* v is the value before the bar, the object of a method, or undefined for a function. */
typedef int lt_jinja_fn(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, struct lt_jv *out);
typedef int lt_jinja_test_fn(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out);
/* names: those of the parameters, separated by spaces; more or others are refused.  "*": any. */
struct lt_jinja_filter { const char *name, *names; lt_jinja_fn *fn; };
struct lt_jinja_test { const char *name; int args; lt_jinja_test_fn *fn; };
struct lt_jinja_function { const char *name, *names; lt_jinja_fn *fn; };
/* Sorted by name. NULL: there is none. */
const struct lt_jinja_filter *lt_jinja_filter_find(struct lt_str name);
const struct lt_jinja_test *lt_jinja_test_find(struct lt_str name);
const struct lt_jinja_function *lt_jinja_function_find(struct lt_str name);
const struct lt_jinja_function *lt_jinja_method_find(enum lt_jv_type type, struct lt_str name);
int lt_jinja_check_args(const char *what, const char *names, const struct lt_jinja_args *a);

struct lt_jv lt_jinja_take(struct lt_jinja_run *r, struct lt_buf *b);   /* its bytes as a text; b is freed */
/* obj.name and obj[key] as templates have them: undefined when there is no such thing. */
int lt_jinja_attr(struct lt_jinja_run *r, struct lt_jv v, struct lt_str name, struct lt_jv *out);
int lt_jinja_item(struct lt_jinja_run *r, struct lt_jv v, struct lt_jv key, struct lt_jv *out);
/* The items a loop goes over, as a list: of texts characters, of mappings keys.  Undefined has none. */
int lt_jinja_iterate(struct lt_jinja_run *r, struct lt_jv v, struct lt_jv *out);
int lt_jinja_contains(struct lt_jv container, struct lt_jv v, bool *out);
struct lt_jv lt_jinja_string(struct lt_jinja_run *r, struct lt_jv v);     /* str(v) */
int lt_jinja_step(struct lt_jinja_run *r);      /* counts; -1 when the template has run too long */
/* White space as Python's strip() has it; `chars` (p NULL: white space) are the characters taken away. */
struct lt_str lt_jinja_strip(struct lt_str s, struct lt_str chars, bool left, bool right);
size_t lt_jinja_length(struct lt_str s);        /* characters */

#endif
