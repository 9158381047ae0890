/* Operators on documents, one after the other. */
#ifndef LT_OP_CHAIN_H
#define LT_OP_CHAIN_H

#include "base/base.h"

struct lt_op_chain;
/* In the order of ops (NULL or empty: every document goes through).  What comes out goes to emit, in the order the
 * documents went in.  ops is borrowed until _close. */
int lt_op_chain_open(const struct lt_choices *ops, struct lt_ctx *c, lt_emit_fn *emit, void *to,
                     struct lt_op_chain **out);
int lt_op_chain_push(struct lt_op_chain *c, const struct lt_doc *d);
int lt_op_chain_finish(struct lt_op_chain *c);          /* once, after the last document: what was held comes out */
void lt_op_chain_close(struct lt_op_chain *c);          /* NULL is fine */

/* Documents that operator i was given and dropped, and the j-th reason for which it dropped some (in the order of their
 * first use); false past the last operator or reason. */
bool lt_op_chain_count(const struct lt_op_chain *c, int i, const char **name, uint64_t *given, uint64_t *dropped);
bool lt_op_chain_why(const struct lt_op_chain *c, int i, uint32_t j, const char **why, uint64_t *dropped);

#endif
