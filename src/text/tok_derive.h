/* What the readers of vocabularies without merges share. */
#ifndef LT_TOK_DERIVE_H
#define LT_TOK_DERIVE_H

#include "text/tok.h"

enum { LT_TOK_DERIVE_MAX = 1024 };              /* longer pieces get no merges: no such piece is ever reached */

bool lt_tok_base64(struct lt_str s, struct lt_buf *out);    /* appends; false: not base64 */

void lt_tok_put_base64(struct lt_buf *b, struct lt_str s);
/* What sentencepiece does to a text as a normaliser's JSON, appended: its compiled map (n 0: none), spaces that are too
 * many, a space before the text; and the decoder to it. */
void lt_tok_spm_normalizer(struct lt_str charsmap, bool extra_spaces, bool prefix, struct lt_buf *b);
const char *lt_tok_spm_decoder(bool prefix);

struct lt_tok_merges { struct lt_tok_merge *merge; size_t count; };
/* All ways to cut a piece in two pieces, at characters; rank UINT32_MAX: the piece takes no part.  free(out->merge). */
void lt_tok_derive_merges(const struct lt_str *piece, int32_t count, const uint32_t *rank, struct lt_tok_merges *out);
/* Ranks by descending score, equal scores equal ranks; a rank that is UINT32_MAX stays.  No score may be NaN. */
void lt_tok_rank_scores(double *score, int32_t count, uint32_t *rank);

#endif
