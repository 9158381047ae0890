/* What sessions over tokens share: the tokens they hold, and what is asked of a row of logits. */
#ifndef LT_HELD_H
#define LT_HELD_H

#include "base/base.h"

/* Tokens in the order they were fed; zeroed: none.  free(token). */
struct lt_held { int32_t *token; int count, cap; };
void lt_held_add(struct lt_held *h, const int32_t *token, int n);
/* Takes the last n away; -1 when there are not as many. */
int lt_held_drop(struct lt_held *h, int n);
/* Can n of so many tokens be taken back?  0 or -1. */
int lt_held_check_drop(int n, int count);
/* Of lt_session_type, for sessions whose struct begins with a struct lt_held, and for those without a limit. */
int lt_held_count(void *session);
int lt_held_limit(void *session);
/* The same for sessions over another, whose struct begins with that one as a struct lt_session. */
int lt_over_rewind(void *session, int n);
int lt_over_count(void *session);
int lt_over_limit(void *session);

/* Are n tokens words of a vocabulary?  0 or -1. */
int lt_held_check(const int32_t *token, int n, uint32_t words);
/* Is none likelier?  Of equal ones the first counts, as a search for the largest would find it. */
bool lt_row_is_best(const float *row, int vocab, int32_t token);
/* The same of the logits that a session gives now; -1: it gives none. */
int lt_logits_hit(const float *(*logits)(void *session, int *vocab), void *session, int32_t token, uint8_t *hit);

#endif
