/* The description of the server's interface. */
#ifndef LT_OPENAPI_H
#define LT_OPENAPI_H

#include "serve/server.h"

void lt_openapi_put(struct lt_buf *b);          /* appends the JSON text */
lt_endpoint_fn lt_answer_openapi;               /* GET /openapi.json */

#endif
