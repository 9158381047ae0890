/* A conversation: its messages, and the tokens as which a model has seen them (doc/formats/conversation.md). */
#ifndef LT_CONVERSATION_H
#define LT_CONVERSATION_H

#include "text/chat.h"

/* Up to a mark the text and the tokens say the same. */
struct lt_seen_mark { size_t text; int id; };
struct lt_conversation {
    json_t *messages;           /* a list of {"role", "content"}; "partial": true in an answer that was stopped */
    int64_t began;              /* for templates that show the date: it must not change from turn to turn */
    struct lt_buf seen;
    int32_t *id; int count;
    struct lt_seen_mark *mark; int marks;
};
void lt_conversation_init(struct lt_conversation *c, int64_t now);
void lt_conversation_release(struct lt_conversation *c);

int lt_conversation_turns(const struct lt_conversation *c);                 /* messages of the user */
const char *lt_conversation_system(const struct lt_conversation *c);       /* NULL: none */
/* NULL takes it away.  -1: the text is none (UTF-8 without NUL), as below. */
int lt_conversation_set_system(struct lt_conversation *c, struct lt_str text);
int lt_conversation_add(struct lt_conversation *c, const char *role, struct lt_str text, bool partial);
/* The text of the last message if it has this role, else NULL. */
const char *lt_conversation_last(const struct lt_conversation *c, const char *role);
void lt_conversation_pop(struct lt_conversation *c);                        /* the last message, if there is one */
/* Leaves out the n oldest turns: a message of the user and what answers it.  The number of turns left out. */
int lt_conversation_forget(struct lt_conversation *c, int n);

/* What the model is given.  Of the tokens it has seen it gets the very same again where the text has not changed: what
 * it wrote itself need not be how its tokenizer would spell that text. */
struct lt_spoken { struct lt_buf text; int32_t *id; int count; };
/* chat NULL: the messages' texts, one after the other.  answer: with what begins the model's next turn. */
int lt_conversation_tokens(const struct lt_conversation *c, const struct lt_chat *chat, const struct lt_tokenizer *t,
                           bool answer, struct lt_spoken *out);
void lt_spoken_release(struct lt_spoken *s);
/* The model was given this and wrote the reply: adds its message.  Takes what *s holds. */
int lt_conversation_answer(struct lt_conversation *c, const struct lt_tokenizer *t, struct lt_spoken *s,
                           const struct lt_reply *reply);

/* options: an object.  The file is written whole or not at all. */
int lt_conversation_save(const struct lt_conversation *c, const char *path, const char *model, const json_t *options);
/* Fills in an empty conversation; json_decref(*options); free(*model), NULL where the file does not say. */
int lt_conversation_load(struct lt_conversation *c, const char *path, char **model, json_t **options);
/* The same over bytes. */
int lt_conversation_parse(struct lt_conversation *c, const char *label, struct lt_str text, char **model,
                          json_t **options);

#endif
