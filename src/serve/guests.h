/* Connections, and whose turn it is on each.  A client whose turn it is, to send a whole request or to take the next
 * part of a reply, has some seconds for it in all: the HTTP library alone would wait on for ever for one that sends a
 * byte a minute. */
#ifndef LT_GUESTS_H
#define LT_GUESTS_H

#include <pthread.h>
#include <stdbool.h>

struct lt_guest { int fd; bool its_turn; double since; struct lt_guest *next, **at; };
struct lt_guests { pthread_mutex_t mutex; struct lt_guest *first; };
void lt_guests_init(struct lt_guests *g);
void lt_guests_release(struct lt_guests *g);
struct lt_guest *lt_guest_come(struct lt_guests *g, int fd);    /* its turn */
void lt_guest_leave(struct lt_guests *g, struct lt_guest *one);
void lt_guest_turn(struct lt_guests *g, struct lt_guest *one, bool its_turn);
/* Shuts the connections of those whose turn has lasted longer than that. */
void lt_guests_hurry(struct lt_guests *g, double seconds);
/* Has the client shut its side, or the connection broken?  What it sent before may still lie there. */
bool lt_guest_gone(const struct lt_guest *one);

#endif
