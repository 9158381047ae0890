/* One encoder for each thread that works at a time; a chunk of work takes whichever is free. */
#ifndef LT_ENCODERS_H
#define LT_ENCODERS_H

#include "text/tokenizer.h"

struct lt_encoders { struct lt_encoder **encoder; struct lt_encoders_busy *busy; int count; };
/* As many as the pool has threads, so that one is always free. */
void lt_encoders_open(struct lt_encoders *e, const struct lt_tokenizer *t, const struct lt_pool *pool);
int lt_encoders_take(struct lt_encoders *e);        /* an index, the caller's alone until it gives it back */
void lt_encoders_give(struct lt_encoders *e, int i);
void lt_encoders_close(struct lt_encoders *e);

#endif
