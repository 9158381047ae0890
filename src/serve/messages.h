/* Conversations and tools as clients send them, checked and made into what chat templates expect. */
#ifndef LT_MESSAGES_H
#define LT_MESSAGES_H

#include "serve/field.h"

enum { LT_TOOLS_MOST = 1024 };

/* Contents that are lists of text parts become one text, a line end between two; the arguments of earlier calls, JSON
 * in a text, become objects, as templates want them.  json_decref(*out). */
int lt_messages_take(const json_t *messages, json_t **out, struct lt_fault *f);

/* A list of {"type":"function","function":{"name","description","parameters","strict"}}. */
int lt_tools_check(const json_t *tools, struct lt_fault *f);
/* The function of this name; NULL: none. */
const json_t *lt_tools_find(const json_t *tools, struct lt_str name);

#endif
