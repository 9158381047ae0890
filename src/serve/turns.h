/* Who works next, in the order of asking: engines share the cores, and the pool of threads serves one at a time.  A
 * mutex would not do: whoever lets go of it and wants it again gets it before those who sleep for it. */
#ifndef LT_TURNS_H
#define LT_TURNS_H

#include <pthread.h>
#include <stdint.h>

struct lt_turns { pthread_mutex_t mutex; pthread_cond_t changed; uint64_t asked, served; };
void lt_turns_init(struct lt_turns *t);
void lt_turns_release(struct lt_turns *t);
void lt_turn_take(struct lt_turns *t);          /* waits for it; NULL is fine: there are no others */
void lt_turn_end(struct lt_turns *t);

#endif
