/* Several sessions at once, whether their back end can do it or not. */
#ifndef LT_FEED_H
#define LT_FEED_H

#include "base/base.h"

/* Feeds sessions of one type and model as lt_session_type.feed_many says, one after the other where the type cannot do
 * it together.  0, LT_FULL or -1. */
int lt_feed_many(const struct lt_session_type *type, const struct lt_feed *f, int count);
/* Logits in a row; -1: the session gives none. */
int lt_session_vocab(struct lt_session *s);
/* -1 where there is none. */
int lt_session_fork(struct lt_session *s, struct lt_session *out);
/* A session of the model with the adapter of this name, as lt_session_type.adapt takes it; NULL: the model's default.
 * *out is zeroed where it fails. */
int lt_lm_session(struct lt_lm *lm, const char *adapter, struct lt_session *out);
void lt_session_close(struct lt_session *s);            /* a zeroed one is none */

#endif
