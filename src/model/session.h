/* Sessions over a model: a text so far, its keys and values, and what comes next. */
#ifndef LT_MODEL_SESSION_H
#define LT_MODEL_SESSION_H

#include "model/model.h"

struct lt_session_spec {
    enum lt_compute compute;        /* of matrix products */
    enum lt_dtype cache;            /* of keys and values: F32 or BF16 */
};
/* The model is borrowed.  How the tokens of a text are cut into calls of feed and score changes no bit of the logits
 * and log probabilities.  A session is for one thread at a time; several may share a model, each with a context of
 * its own. */
int lt_model_session(struct lt_model *m, struct lt_ctx *c, struct lt_session_spec spec, struct lt_session *out);

#endif
