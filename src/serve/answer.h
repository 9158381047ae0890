/* Replies as clients expect them, whole or as they are written.  Each dialect writes its own; what a reply consists of,
 * its text and its calls of tools, is found here, once. */
#ifndef LT_ANSWER_H
#define LT_ANSWER_H

#include "serve/engine.h"

struct lt_dialect {
    const char *stream_type;                    /* Content-Type of a stream */
    /* The whole of a finished exchange without a fault. */
    void (*body)(const struct lt_exchange *x, struct lt_buf *out);
    /* What a stream gets: a part of a reply (never an empty TEXT), its end, and the end of all, or of a fault. */
    void (*part)(struct lt_slot *s, enum lt_tool_event what, struct lt_str text, struct lt_buf *out);
    void (*done)(struct lt_slot *s, struct lt_buf *out);
    void (*end)(const struct lt_exchange *x, struct lt_buf *out);
};
extern const struct lt_dialect lt_dialect_openai, lt_dialect_ollama_generate, lt_dialect_ollama_chat;

void lt_answer_body(const struct lt_exchange *x, struct lt_buf *out);
/* A piece of a reply, the bytes of its text cut anywhere; and what comes last. */
void lt_answer_piece(struct lt_slot *s, const struct lt_reply_part *piece, struct lt_buf *out);
void lt_answer_end(struct lt_exchange *x, struct lt_buf *out);

/* ---- for dialects ---- */
/* Text and calls of a finished reply; lt_heard_release. */
void lt_answer_hear(const struct lt_slot *s, struct lt_heard *out);
/* Tokens of the prompts, and those written. */
void lt_answer_counts(const struct lt_exchange *x, int64_t *prompt, int64_t *written);
/* "logprobs":... of a finished reply; of the tokens s->told to s->shown of a stream, which are told then (null: none),
 * or only those of the echoed prompt. */
void lt_answer_logprobs(struct lt_buf *b, const struct lt_slot *s);
void lt_answer_more_logprobs(struct lt_buf *b, struct lt_slot *s, bool prompt);

#endif
