#include "serve/guests.h"
#include "base/ctx.h"
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

void lt_guests_init(struct lt_guests *g)
{
    *g = (struct lt_guests){ 0 };
    pthread_mutex_init(&g->mutex, NULL);
}

void lt_guests_release(struct lt_guests *g)
{
    pthread_mutex_destroy(&g->mutex);
}

struct lt_guest *lt_guest_come(struct lt_guests *g, int fd)
{
    struct lt_guest *one = lt_calloc(1, sizeof *one);
    pthread_mutex_lock(&g->mutex);
    *one = (struct lt_guest){ .fd = fd, .its_turn = true, .since = lt_clock(), .next = g->first, .at = &g->first };
    if (g->first) g->first->at = &one->next;
    g->first = one;
    pthread_mutex_unlock(&g->mutex);
    return one;
}

void lt_guest_leave(struct lt_guests *g, struct lt_guest *one)
{
    pthread_mutex_lock(&g->mutex);
    *one->at = one->next;
    if (one->next) one->next->at = one->at;
    pthread_mutex_unlock(&g->mutex);
    free(one);
}

void lt_guest_turn(struct lt_guests *g, struct lt_guest *one, bool its_turn)
{
    pthread_mutex_lock(&g->mutex);
    one->its_turn = its_turn;
    one->since = lt_clock();
    pthread_mutex_unlock(&g->mutex);
}

void lt_guests_hurry(struct lt_guests *g, double seconds)
{
    double now = lt_clock();
    pthread_mutex_lock(&g->mutex);
    for (struct lt_guest *one = g->first; one; one = one->next)
        if (one->its_turn && now - one->since > seconds) shutdown(one->fd, SHUT_RDWR);
    pthread_mutex_unlock(&g->mutex);
}

bool lt_guest_gone(const struct lt_guest *one)
{
    struct pollfd p = { .fd = one->fd, .events = POLLRDHUP };
    return poll(&p, 1, 0) == 1;
}
