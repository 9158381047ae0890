/* Notes and progress on standard error: a bar that redraws itself on a terminal, otherwise a line every few seconds. */
#include "cli/cli.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double lines_apart = 5, worth_a_line = 1;      /* seconds */

static bool is_screen(FILE *f)
{
    const char *term = getenv("TERM");
    return isatty(fileno(f)) && (!term || strcmp(term, "dumb"));
}

void lt_cli_talk_init(struct lt_cli_talk *t, FILE *to, bool quiet, const char *progress)
{
    memset(t, 0, sizeof(*t));
    pthread_mutex_init(&t->mutex, NULL);
    t->to = to;
    t->quiet = quiet;
    t->show = quiet || (progress && !strcmp(progress, "never")) ? LT_CLI_NOTHING
            : (progress && !strcmp(progress, "always")) || is_screen(to) ? LT_CLI_BAR : LT_CLI_LINES;
}

static int width_of(const struct lt_cli_talk *t)
{
    struct winsize size;
    if (t->width) return t->width;
    return ioctl(fileno(t->to), TIOCGWINSZ, &size) || size.ws_col < 20 ? 80 : size.ws_col;
}

/* ---- numbers as people read them ---- */
static void put_amount(struct lt_buf *b, double v)
{
    if (v < 10000) lt_buf_fmt(b, v == floor(v) ? "%.0f" : "%.1f", v);
    else if (v < 999.5e3) lt_buf_fmt(b, "%.0fk", v / 1e3);
    else if (v < 999.5e6) lt_buf_fmt(b, "%.*fM", v < 99.5e6 ? 1 : 0, v / 1e6);
    else lt_buf_fmt(b, "%.*fG", v < 99.5e9 ? 1 : 0, v / 1e9);
}

static void put_time(struct lt_buf *b, double seconds)
{
    int64_t s = (int64_t)llround(LT_MIN(seconds, 1e9));
    if (seconds < 9.95) lt_buf_fmt(b, "%.1f s", seconds);
    else if (s < 60) lt_buf_fmt(b, "%d s", (int)s);
    else if (s < 3600) lt_buf_fmt(b, "%d:%02d", (int)(s / 60), (int)(s % 60));
    else lt_buf_fmt(b, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
}

/* ---- one report as text ---- */
struct report { const char *what, *unit, *extra; double done, total, seconds; bool finished; };

/* Units a second since the stage's first report; 0 while that is unknown. */
static double rate_of(const struct lt_cli_talk *t, const struct report *r)
{
    double seconds = r->seconds - t->first_seconds;
    if (seconds > 0.05) return (r->done - t->first_done) / seconds;
    return r->finished && r->seconds > 0 ? r->done / r->seconds : 0;
}

static void put_bar(struct lt_buf *b, double share)
{
    enum { CELLS = 20 };
    int full = (int)(share * CELLS);
    lt_buf_str(b, " [");
    for (int i = 0; i < CELLS; i++) lt_buf_char(b, i < full ? '#' : '-');
    lt_buf_char(b, ']');
}

static void put_report(struct lt_buf *b, const struct lt_cli_talk *t, const struct report *r, bool bar)
{
    double rate = rate_of(t, r), share = r->total > 0 ? LT_MAX(0, LT_MIN(1, r->done / r->total)) : 0;
    lt_buf_str(b, r->what);
    if (!r->finished && r->total > 0) {
        if (bar) put_bar(b, share);
        lt_buf_fmt(b, " %3.0f %%", floor(share * 100));
    }
    lt_buf_str(b, "  ");
    put_amount(b, r->done);
    if (!r->finished && r->total > 0) {
        lt_buf_char(b, '/');
        put_amount(b, r->total);
    }
    lt_buf_fmt(b, " %s", r->unit);
    if (r->finished) {
        lt_buf_str(b, " in ");
        put_time(b, r->seconds);
    }
    if (rate > 0) {
        lt_buf_str(b, "  ");
        put_amount(b, rate >= 100 ? round(rate) : round(rate * 10) / 10);
        lt_buf_fmt(b, " %s/s", r->unit);
    }
    if (!r->finished && rate > 0 && r->total > r->done) {
        lt_buf_str(b, "  ETA ");
        put_time(b, (r->total - r->done) / rate);
    }
    if (r->extra && *r->extra) lt_buf_fmt(b, "  %s", r->extra);
}

/* Keeps the first `width` characters of the text from `from` on (a character: a UTF-8 sequence). */
static void cut(struct lt_buf *b, size_t from, int width)
{
    size_t i = from;
    for (; i < b->n; i++)
        if (((unsigned char)b->p[i] & 0xC0) != 0x80 && width-- == 0) break;
    b->n = i;
}

/* ---- showing it ---- */
static void erase(struct lt_cli_talk *t)
{
    if (t->drawn) fputs("\r\033[K", t->to);
    t->drawn = false;
}

static void show_bar(struct lt_cli_talk *t, const struct report *r)
{
    struct lt_buf b = { 0 };
    put_report(&b, t, r, true);
    cut(&b, 0, width_of(t) - 1);
    erase(t);
    if (!r->finished || r->seconds >= worth_a_line) {
        fwrite(b.p, 1, b.n, t->to);
        if (r->finished) fputc('\n', t->to);
        else t->drawn = true;
    }
    fflush(t->to);
    lt_buf_free(&b);
}

static void show_line(struct lt_cli_talk *t, const struct report *r)
{
    bool due = r->finished ? r->seconds >= worth_a_line : r->seconds - t->said >= lines_apart;
    if (!due) return;
    struct lt_buf b = { 0 };
    t->said = r->seconds;
    put_report(&b, t, r, false);
    lt_buf_char(&b, '\n');
    fwrite(b.p, 1, b.n, t->to);
    fflush(t->to);
    lt_buf_free(&b);
}

static void progress(void *self, const char *what, const char *unit, double done, double total, double seconds,
                     const char *extra, bool finished)
{
    struct lt_cli_talk *t = self;
    struct report r = { what, unit, extra, done, total, seconds, finished };
    if (t->show == LT_CLI_NOTHING) return;
    pthread_mutex_lock(&t->mutex);
    if (strncmp(t->stage, what, sizeof(t->stage) - 1) || !t->stage[0]) {
        snprintf(t->stage, sizeof(t->stage), "%s", what);
        t->first_done = finished ? 0 : done;
        t->first_seconds = finished ? 0 : seconds;
        t->said = 0;
    }
    if (t->show == LT_CLI_BAR) show_bar(t, &r);
    else show_line(t, &r);
    if (finished) t->stage[0] = 0;
    pthread_mutex_unlock(&t->mutex);
}

static void note(void *self, const char *line)
{
    struct lt_cli_talk *t = self;
    if (t->quiet) return;
    pthread_mutex_lock(&t->mutex);
    erase(t);
    fprintf(t->to, "%s\n", line);
    fflush(t->to);
    pthread_mutex_unlock(&t->mutex);
}

void lt_cli_talk_release(struct lt_cli_talk *t)
{
    if (t->drawn) fputc('\n', t->to);
    fflush(t->to);
    pthread_mutex_destroy(&t->mutex);
}

const struct lt_talk lt_cli_talk_to = { .note = note, .progress = progress };
