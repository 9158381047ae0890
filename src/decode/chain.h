/* A chain of logit controls with its state. */
#ifndef LT_CHAIN_H
#define LT_CHAIN_H

#include "base/base.h"

struct lt_chain;
/* In the given order when controls->ordered, else by lt_control.order.  controls (NULL: none) is borrowed until
 * _free. */
int lt_chain_open(const struct lt_choices *controls, struct lt_lm *lm, struct lt_chain **out);
int lt_chain_fork(const struct lt_chain *c, struct lt_chain **out);
/* Changes the logits of the next token; -1 when no token is left to choose. */
int lt_chain_apply(struct lt_chain *c, struct lt_seq seq, float *logits, int vocab);
void lt_chain_accept(struct lt_chain *c, int32_t token);
void lt_chain_rewind(struct lt_chain *c, int n);            /* undoes the last n accepts */
/* Appends the bytes with which the text goes on whatever is chosen, as far as some control knows them. */
void lt_chain_forced(struct lt_chain *c, size_t most, struct lt_buf *out);
void lt_chain_free(struct lt_chain *c);

#endif
