/* Who may ask from inside a browser.  A page of another origin can make a browser post to a loopback port, and a name
 * that is made to point at it (DNS rebinding) makes such a page one of the same origin. */
#ifndef LT_ORIGIN_H
#define LT_ORIGIN_H

#include "serve/fault.h"

struct lt_door {
    const struct lt_list *allowed;              /* origins, "*" for all */
    const char *name;                           /* the server's own address or name */
    bool loopback;                              /* it listens there alone */
};
/* Are they origins, "http://HOST" or "https://HOST:PORT"?  -1: which is not. */
int lt_origins_check(const struct lt_list *allowed);
/* host, origin: of a request; NULL: it has none.  *foreign: the origin is another's, and allowed. */
int lt_door_pass(const struct lt_door *d, const char *host, const char *origin, bool *foreign, struct lt_fault *f);

#endif
