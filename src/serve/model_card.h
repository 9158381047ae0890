/* What is known of a model that is served: its shapes and tokenizer, how it came to be, what its files say of it. */
#ifndef LT_MODEL_CARD_H
#define LT_MODEL_CARD_H

#include "base/json.h"

enum { LT_MODEL_CARD_README = 1 << 16 };        /* bytes of README.md that are shown */

/* JSON: model, path, kind, context (null: any), vocabulary; what `lathe inspect --json` says of a model it knows;
 * licence and readme, or null; history as `lathe explain --json` has it, with contents not read, or null.  What cannot
 * be told is left out with a sentence in "missing".  path: as the model was opened; json_decref the result. */
json_t *lt_model_card(const char *name, const char *path, const struct lt_lm *lm, int context, int vocab);
/* Adds "adapter": what `lathe inspect --json` says of one. */
void lt_model_card_put_adapter(json_t *card, const char *path);

#endif
