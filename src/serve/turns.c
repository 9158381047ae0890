#include "serve/turns.h"

void lt_turns_init(struct lt_turns *t)
{
    *t = (struct lt_turns){ 0 };
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->changed, NULL);
}

void lt_turns_release(struct lt_turns *t)
{
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
}

void lt_turn_take(struct lt_turns *t)
{
    if (!t) return;
    pthread_mutex_lock(&t->mutex);
    uint64_t mine = t->asked++;
    while (t->served != mine) pthread_cond_wait(&t->changed, &t->mutex);
    pthread_mutex_unlock(&t->mutex);
}

void lt_turn_end(struct lt_turns *t)
{
    if (!t) return;
    pthread_mutex_lock(&t->mutex);
    t->served++;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}
