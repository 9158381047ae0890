/* What the readers of vocabularies without merges share. */
#ifndef LT_TOK_DERIVE_H
#define LT_TOK_DERIVE_H

#include "text/tok.h"

enum { LT_TOK_DERIVE_MAX = 1024 };              /* longer pieces get no merges: no such piece is ever reached */

bool lt_tok_base64(struct lt_str s, struct lt_buf *out);    /* appends; false: not base64 */

struct lt_tok_merges { struct lt_tok_merge *merge; size_t count; };
/* All ways to cut a piece in two pieces, at characters; rank UINT32_MAX: the piece takes no part.  free(out->merge). */
void lt_tok_derive_merges(const struct lt_str *piece, int32_t count, const uint32_t *rank, struct lt_tok_merges *out);
/* Ranks by descending score, equal scores equal ranks; a rank that is UINT32_MAX stays.  No score may be NaN. */
void lt_tok_rank_scores(double *score, int32_t count, uint32_t *rank);

#endif
