#include "decode/chat/chat_state.h"
#include "text/tok_char.h"
#include <stdarg.h>
#include <stdlib.h>

int lt_chat_screen_open(struct lt_chat_screen *s, struct lt_ctx *c, bool terminal)
{
    const char *plain = getenv("NO_COLOR");
    *s = (struct lt_chat_screen){ .c = c, .terminal = terminal, .colour = terminal && !(plain && *plain) };
    return lt_writer_open(&s->out, "-");
}

int lt_chat_screen_close(struct lt_chat_screen *s) { return s->out.f ? lt_writer_commit(&s->out) : 0; }

/* Bytes at p that a terminal must not see: C0 but line feed and tab, DEL, C1 (C2 80 .. C2 9F), what is no UTF-8. */
static size_t control(const char *p, size_t n)
{
    unsigned char c = (unsigned char)*p;
    if (c < 0x80) return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
    if (!lt_utf8_bad(p, LT_MIN(n, 4))) return 1;
    return c == 0xC2 && (unsigned char)p[1] < 0xA0 ? 2 : 0;
}

void lt_chat_screen_text(struct lt_chat_screen *s, struct lt_str text)
{
    size_t done = 0, n;
    for (size_t i = 0; i < text.n && s->terminal; i++) {
        if (!(n = control(text.p + i, text.n - i))) continue;
        lt_writer_put(&s->out, text.p + done, i - done);
        lt_writer_fmt(&s->out, "\\x%02x", (unsigned char)text.p[i + n - 1]);
        i += n - 1;
        done = i + 1;
    }
    lt_writer_put(&s->out, text.p + done, text.n - done);
    lt_writer_flush(&s->out);
}

/* vsnprintf into a buffer. */
static void put_list(struct lt_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n > 0) {
        vsnprintf(lt_buf_room(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void lt_chat_screen_data(struct lt_chat_screen *s, const char *fmt, ...)
{
    struct lt_buf b = { 0 };
    va_list ap;
    va_start(ap, fmt);
    put_list(&b, fmt, ap);
    va_end(ap);
    if (b.n) lt_chat_screen_text(s, lt_buf_view(&b));
    lt_buf_free(&b);
}

void lt_chat_screen_say(struct lt_chat_screen *s, const char *fmt, ...)
{
    struct lt_buf b = { 0 };
    va_list ap;
    va_start(ap, fmt);
    put_list(&b, fmt, ap);
    va_end(ap);
    if (!s->terminal) lt_note(s->c, "%s", b.n ? b.p : "");
    else {
        if (s->colour) lt_writer_fmt(&s->out, "\033[2m");
        lt_chat_screen_text(s, b.n ? lt_buf_view(&b) : lt_str(""));
        lt_writer_fmt(&s->out, s->colour ? "\033[0m\n" : "\n");
        lt_writer_flush(&s->out);
    }
    lt_buf_free(&b);
}
