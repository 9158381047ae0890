/* The keys that clients must send. */
#ifndef LT_KEYS_H
#define LT_KEYS_H

#include "base/base.h"

struct lt_keys { char **key; int count; };
/* Those of the list, and every line of the file (NULL: none) that is not empty and does not begin with #. */
int lt_keys_open(struct lt_keys *k, const struct lt_list *given, const char *file);
void lt_keys_release(struct lt_keys *k);
/* The value of an Authorization header, or NULL.  Takes a time that tells nothing of the keys.  No keys: always. */
bool lt_keys_fit(const struct lt_keys *k, const char *authorization);

#endif
