/* The inside of `lathe chat`: what its parts share. */
#ifndef LT_CHAT_STATE_H
#define LT_CHAT_STATE_H

#include "base/io.h"
#include "base/line_editor.h"
#include "decode/batcher.h"
#include "decode/chat/chat_run.h"
#include "decode/chat/conversation.h"
#include "lm/generation.h"

/* Where replies go.  On a terminal what is said about them goes there too, dim; else it is a note. */
struct lt_chat_screen { struct lt_writer out; bool terminal, colour; struct lt_ctx *c; };
int lt_chat_screen_open(struct lt_chat_screen *s, struct lt_ctx *c, bool terminal);
int lt_chat_screen_close(struct lt_chat_screen *s);
/* A model's text: on a terminal control characters are spelt out, so that none of them moves the cursor. */
void lt_chat_screen_text(struct lt_chat_screen *s, struct lt_str text);
void lt_chat_screen_data(struct lt_chat_screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lt_chat_screen_say(struct lt_chat_screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A model that is open. */
struct lt_chat_model {
    char *path;
    struct lt_lm lm;
    const struct lt_tokenizer *t;
    struct lt_chat *chat;           /* NULL: texts follow one another as they are */
    struct lt_generation says;
    struct lt_batcher *batcher;
    int limit;                      /* tokens that it holds; 0: any number */
};
int lt_chat_model_open(const struct lt_chat_options *o, const char *path, struct lt_ctx *c, struct lt_chat_model *out);
void lt_chat_model_close(struct lt_chat_model *m);

struct lt_chat_talk {
    const struct lt_chat_options *o;
    struct lt_ctx *c;
    struct lt_chat_model model;
    struct lt_chat_set set;
    struct lt_conversation talk;
    struct lt_chat_screen screen;
    struct lt_line_editor *lines;
    struct lt_reply last; int last_tops;    /* for /tokens; no text: none yet */
    uint64_t asked;                 /* answers so far: each has random choices of its own */
    char *begin;                    /* what stands in the next line when it is edited; NULL: nothing */
    char candidate[128];            /* for completion */
    bool leave;
    int64_t line, line_first, faults;       /* of the input; what could not be done */
};

/* The model's answer to what has been said.  -1: there is none, and the conversation is as it was. */
int lt_chat_answer(struct lt_chat_talk *h);
/* Something the user says, and the answer to it.  -1: it was not said. */
int lt_chat_say(struct lt_chat_talk *h, struct lt_str text);
/* Settings are taken when every control of them can be opened for the model. */
int lt_chat_settle(struct lt_chat_talk *h, struct lt_chat_set *set);
/* What the model's folder says of sampling, where nothing else was asked for. */
int lt_chat_follow_model(struct lt_chat_talk *h);
/* A conversation from a file in place of this one, or nothing changes. */
int lt_chat_load(struct lt_chat_talk *h, const char *path);

/* A line that begins with '/'. */
int lt_chat_command(struct lt_chat_talk *h, struct lt_str line);
const char *lt_chat_command_name(int i);    /* with its '/'; NULL past the last */

#endif
