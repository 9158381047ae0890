#include "decode/chat/chat_run.h"
#include "base/ctx.h"
#include "decode/chat/chat_state.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what is typed ---- */

static bool interrupted(void *self) { return lt_ctx_interrupted(((struct lt_chat_talk *)self)->c); }

/* Commands; after "/set " and "/unset " the keys. */
static const char *complete(void *self, struct lt_str line, int i)
{
    struct lt_chat_talk *h = self;
    const char *head = lt_str_starts(line, "/set ") ? "/set " : lt_str_starts(line, "/unset ") ? "/unset " : NULL;
    if (!lt_str_starts(line, "/")) return NULL;
    if (!head) return lt_chat_command_name(i);
    const char *key = lt_chat_set_key(i);
    if (!key) return NULL;
    snprintf(h->candidate, sizeof h->candidate, "%s%s", head, key);
    return h->candidate;
}

static bool ends_with(const struct lt_buf *b, const char *end) { return lt_str_ends(lt_buf_view(b), end); }

static enum lt_line read_line(struct lt_chat_talk *h, bool first, struct lt_buf *out)
{
    const char *prompt = !first ? "... " : h->screen.colour ? "\1\033[1m\1> \1\033[0m\1" : "> ";
    enum lt_line got = lt_line_editor_read(h->lines, prompt, first ? h->begin : NULL, out);
    if (first) {
        free(h->begin);
        h->begin = NULL;
    }
    h->line++;
    return got;
}

/* Between """ and """ everything counts. */
static enum lt_line read_block(struct lt_chat_talk *h, struct lt_buf *b)
{
    enum lt_line got = LT_LINE_READ;
    while (got == LT_LINE_READ && !(b->n >= 6 && ends_with(b, "\"\"\""))) {
        lt_buf_char(b, '\n');
        got = read_line(h, false, b);
    }
    if (got == LT_LINE_END) {
        lt_misuse("the text that \"\"\" begins has no \"\"\" at its end");
        return LT_LINE_FAILED;
    }
    if (got != LT_LINE_READ) return got;
    b->n -= 6;
    memmove(b->p, b->p + 3, b->n);
    if (b->n && b->p[0] == '\n') memmove(b->p, b->p + 1, --b->n);
    if (b->n && b->p[b->n - 1] == '\n') b->n--;
    return LT_LINE_READ;
}

/* One message or command. */
static enum lt_line read_text(struct lt_chat_talk *h, struct lt_buf *b)
{
    enum lt_line got = read_line(h, true, b);
    h->line_first = h->line;
    if (got == LT_LINE_READ && lt_str_starts(lt_buf_view(b), "\"\"\"")) return read_block(h, b);
    while (got == LT_LINE_READ && ends_with(b, "\\")) {
        b->p[b->n - 1] = '\n';
        got = read_line(h, false, b);
        if (got == LT_LINE_END) return LT_LINE_READ;
    }
    return got;
}

static bool is_blank(struct lt_str s)
{
    size_t i = 0;
    while (i < s.n && strchr(" \t\r\n", s.p[i])) i++;
    return i == s.n;
}

static int take(struct lt_chat_talk *h, struct lt_str text)
{
    if (is_blank(text)) return 0;
    if (lt_str_starts(text, "//")) return lt_chat_say(h, (struct lt_str){ text.p + 1, text.n - 1 });
    return *text.p == '/' ? lt_chat_command(h, text) : lt_chat_say(h, text);
}

static void complain(struct lt_chat_talk *h)
{
    h->faults++;
    if (h->screen.terminal) lt_chat_screen_say(&h->screen, "%s", lt_error());
    else lt_note(h->c, "line %lld: %s", (long long)h->line_first, lt_error());
}

static int talk(struct lt_chat_talk *h)
{
    struct lt_buf b = { 0 };
    enum lt_line got = LT_LINE_READ;
    while (!h->leave && !h->screen.out.failed && !interrupted(h)) {
        lt_buf_clear(&b);
        got = read_text(h, &b);
        if (got == LT_LINE_STOPPED) continue;
        if (got != LT_LINE_READ) break;
        if (h->screen.terminal && !is_blank(lt_buf_view(&b)) &&
            lt_line_editor_remember(h->lines, lt_buf_view(&b))) complain(h);
        lt_ctx_stopped(h->c);
        if (take(h, lt_buf_view(&b))) complain(h);
    }
    lt_buf_free(&b);
    if (h->screen.terminal && got == LT_LINE_END) lt_chat_screen_text(&h->screen, lt_str("\n"));
    if (got == LT_LINE_FAILED) return lt_fail("line %lld: %s", (long long)h->line_first, lt_error());
    if (h->screen.terminal || !h->faults) return 0;
    return lt_fail("%lld of the lines could not be done; the last: %s", (long long)h->faults, lt_error());
}

/* ---- life ---- */

static bool is_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb");
}

static int open_lines(struct lt_chat_talk *h)
{
    struct lt_line_how how = { .terminal = h->screen.terminal, .over = interrupted, .complete = complete, .self = h };
    char *standard = lt_state_path("chat_history");
    if (strcmp(h->o->history, "none")) how.history = *h->o->history ? h->o->history : standard;
    int rc = lt_line_editor_open(&how, &h->lines);
    free(standard);
    return rc;
}

static int begin(struct lt_chat_talk *h)
{
    const struct lt_chat_options *o = h->o;
    struct lt_chat_set set;
    if (lt_chat_set_from(&o->settings, &set) || lt_chat_settle(h, &set)) return -1;
    if (o->load ? lt_chat_load(h, o->load) : lt_chat_follow_model(h)) return -1;
    if (o->system && lt_conversation_set_system(&h->talk, lt_str(o->system))) return -1;
    if (!h->screen.terminal) return 0;
    if (h->model.limit) lt_chat_screen_say(&h->screen, "%s holds %d tokens.  /help lists commands; Ctrl-C stops an "
                                           "answer, Ctrl-D ends.", h->model.path, h->model.limit);
    else lt_chat_screen_say(&h->screen, "%s.  /help lists commands; Ctrl-C stops an answer, Ctrl-D ends.",
                            h->model.path);
    return 0;
}

int lt_chat_run(const struct lt_chat_options *o, struct lt_ctx *c)
{
    struct lt_chat_talk h = { .o = o, .c = c };
    if (o->raw && o->chat_template) return lt_misuse("--raw uses no template: give one of raw and chat_template");
    if (o->raw && o->system) return lt_misuse("--raw has no system text: give one of raw and system");
    if (lt_chat_model_open(o, o->model, c, &h.model)) return -1;
    lt_conversation_init(&h.talk, (int64_t)time(NULL));
    int rc = lt_chat_screen_open(&h.screen, c, is_terminal());
    if (!rc) rc = open_lines(&h);
    if (!rc) rc = begin(&h);
    lt_ctx_catch(c, h.screen.terminal);
    if (!rc) rc = talk(&h);
    lt_ctx_catch(c, false);
    lt_line_editor_close(h.lines);
    if (lt_chat_screen_close(&h.screen)) rc = -1;
    lt_reply_release(&h.last);
    lt_chat_set_release(&h.set);
    lt_conversation_release(&h.talk);
    lt_chat_model_close(&h.model);
    return rc;
}
