/* Lines that a person types: edited on a terminal, with a history, or as they come from a pipe.  Over libedit. */
#ifndef LT_LINE_EDITOR_H
#define LT_LINE_EDITOR_H

#include "base/base.h"

struct lt_line_how {
    bool terminal;                  /* edit; else lines are read as they stand, and nothing is remembered */
    const char *history;            /* file of what was typed before; NULL: none is kept */
    bool (*over)(void *self);       /* looked at a few times a second: true ends the input */
    /* The i-th whole line that one beginning so may become with the tabulator; NULL past the last. */
    const char *(*complete)(void *self, struct lt_str line, int i);
    void *self;
};
struct lt_line_editor;
/* A history that is damaged or cannot be read is a failure: it names the file. */
int lt_line_editor_open(const struct lt_line_how *how, struct lt_line_editor **out);
void lt_line_editor_close(struct lt_line_editor *e);        /* NULL is fine */

enum lt_line { LT_LINE_FAILED = -1, LT_LINE_END, LT_LINE_READ, LT_LINE_STOPPED };
/* Appends a line without its end; one from a terminal may hold line breaks of its own.  prompt: \1 stands before and
 * after what takes no room.  begin (may be NULL): what already stands in the line.  STOPPED: Ctrl-C, nothing read. */
enum lt_line lt_line_editor_read(struct lt_line_editor *e, const char *prompt, const char *begin, struct lt_buf *out);
int lt_line_editor_remember(struct lt_line_editor *e, struct lt_str text);

/* Whether Ctrl-C and its like are signals while nothing is read, or wait like other keys (as at first).  What is typed
 * then is not shown; it is the beginning of the next line. */
void lt_line_editor_signals(struct lt_line_editor *e, bool on);

/* The file of this name in the folder that keeps a user's state (XDG_STATE_HOME, else ~/.local/state); free() it.
 * NULL: there is no home. */
char *lt_state_path(const char *name);

#endif
