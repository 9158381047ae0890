/* The page at / and the endpoints it asks (doc/formats/http-page.md). */
#ifndef LT_WEB_PAGE_H
#define LT_WEB_PAGE_H

#include "serve/server.h"

lt_endpoint_fn lt_answer_page;              /* GET / */
lt_endpoint_fn lt_answer_controls;          /* GET /controls: the sampling settings that requests may carry */
lt_endpoint_fn lt_answer_model_card;        /* GET /model-card?model=NAME */
lt_endpoint_fn lt_answer_vocabulary;        /* GET /vocabulary?model=NAME: the spelling of every token */
lt_endpoint_fn lt_answer_grammar_next;      /* POST /grammar/next */

#endif
