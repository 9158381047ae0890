/* The inside of Jinja: tokens and the tree a template is compiled to. */
#ifndef LT_JINJA_TREE_H
#define LT_JINJA_TREE_H

#include "text/jinja/jinja_value.h"

enum lt_jinja_token_kind {
    LT_TOKEN_DATA, LT_TOKEN_VAR_BEGIN, LT_TOKEN_VAR_END, LT_TOKEN_BLOCK_BEGIN, LT_TOKEN_BLOCK_END, LT_TOKEN_NAME,
    LT_TOKEN_INT, LT_TOKEN_REAL, LT_TOKEN_STR, LT_TOKEN_OP, LT_TOKEN_END
};
struct lt_jinja_token {
    enum lt_jinja_token_kind kind;
    int line;
    struct lt_str text;             /* data, name, operator, or the value of a string */
    int64_t i;
    double r;
};
/* All tokens of a template, in the arena; *count of them, the last one END.  NULL: lt_error. */
struct lt_jinja_token *lt_jinja_lex(const char *label, struct lt_str source, struct lt_arena *a, int *count);

enum lt_jinja_kind {
    /* statements */
    LT_NODE_BODY, LT_NODE_DATA, LT_NODE_PRINT, LT_NODE_IF, LT_NODE_FOR, LT_NODE_SET, LT_NODE_SET_BLOCK, LT_NODE_MACRO,
    LT_NODE_FILTER_BLOCK, LT_NODE_GENERATION, LT_NODE_BREAK, LT_NODE_CONTINUE, LT_NODE_WITH,
    /* expressions */
    LT_NODE_VALUE, LT_NODE_NAME, LT_NODE_LIST, LT_NODE_DICT, LT_NODE_ATTR, LT_NODE_ITEM, LT_NODE_SLICE, LT_NODE_CALL,
    LT_NODE_FILTER, LT_NODE_TEST, LT_NODE_NOT, LT_NODE_AND, LT_NODE_OR, LT_NODE_CONDITION, LT_NODE_NEGATE,
    LT_NODE_COMPARE, LT_NODE_BINARY,
};
enum lt_jinja_op {
    LT_OP_ADD, LT_OP_SUB, LT_OP_MUL, LT_OP_DIV, LT_OP_FLOOR, LT_OP_MOD, LT_OP_POW, LT_OP_CONCAT,
    LT_OP_EQ, LT_OP_NE, LT_OP_LT, LT_OP_LE, LT_OP_GT, LT_OP_GE, LT_OP_IN, LT_OP_NOT_IN
};

/* What the members mean, by kind:
 *   BODY item = statements.   DATA text.   PRINT a.   IF a = condition, b = then, c = else or NULL.
 *   FOR item = target names, a = sequence, d = condition or NULL, b = body, c = else or NULL.
 *   SET item = targets (NAME or ATTR of a namespace), a.   SET_BLOCK item[0] = target, b = body, c = filters over it or
 *   NULL.   MACRO text = name, item = parameters (NAME; a of it is the default or NULL), b.
 *   FILTER_BLOCK b = body, c = filters over it.   GENERATION b.   WITH item = names, a of each its value, b.
 *   VALUE value.   NAME text.   LIST item.   DICT item = key, value, key ...   ATTR a, text.   ITEM a, b.
 *   SLICE a, item = begin, end, step (each may be NULL).   CALL a, item, key.   FILTER a (NULL: the body's text), text,
 *   item, key, fn.   TEST a, text, item, fn.   COMPARE a, item = further operands, ops.   BINARY op, a, b. */
struct lt_jnode {
    enum lt_jinja_kind kind;
    enum lt_jinja_op op;
    int line;
    struct lt_str text;
    struct lt_jv value;
    struct lt_jnode *a, *b, *c, *d, **item;
    int count;                      /* of item */
    struct lt_str *key;             /* of the last key_count items: they were given by name */
    int key_count;
    enum lt_jinja_op *ops;
    const void *fn;                 /* struct lt_jinja_filter or struct lt_jinja_test */
};

struct lt_jinja {
    struct lt_arena arena;
    const char *label;
    struct lt_str source;
    struct lt_jnode *body;
    bool generation;
};
/* The tree of the tokens; NULL: lt_error. */
struct lt_jnode *lt_jinja_parse(struct lt_jinja *t, const struct lt_jinja_token *token, int count);

#endif
