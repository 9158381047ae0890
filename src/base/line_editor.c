/* What is typed goes through libedit with signals of the keyboard switched off, so that Ctrl-C is a key like any other:
 * no handler, and no signal that another thread waits for.  The size of the window is looked at while waiting. */
#include "base/line_editor.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

enum { KEPT = 1000, HISTORY_MAX = 16 << 20, WAIT = 200 /* ms */ };

struct lt_line_editor {
    struct lt_line_how how;
    EditLine *el;
    History *history;
    locale_t utf8;                  /* of the thread that reads, while it reads */
    const char *prompt;
    struct winsize window;
    mbstate_t half;
    bool stopped;
    char *file;
};

/* ---- history: one entry a line, with \n and \\ spelt out ---- */

static void put_entry(struct lt_buf *b, struct lt_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') lt_buf_str(b, "\\n");
        else if (s.p[i] == '\\') lt_buf_str(b, "\\\\");
        else if (s.p[i]) lt_buf_char(b, s.p[i]);
    }
    lt_buf_char(b, '\n');
}

static void get_entry(struct lt_buf *b, struct lt_str s)
{
    lt_buf_clear(b);
    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '\\' && i + 1 < s.n;
        if (escape) i++;
        lt_buf_char(b, escape && s.p[i] == 'n' ? '\n' : s.p[i]);
    }
}

/* Where the last KEPT lines begin; *count: how many there are in all. */
static size_t kept_from(struct lt_str all, int *count)
{
    size_t at = 0;
    *count = 0;
    for (size_t i = 0; i < all.n; i++) *count += all.p[i] == '\n';
    int skip = LT_MAX(*count - KEPT, 0);
    for (size_t i = 0; i < all.n && skip; i++)
        if (all.p[i] == '\n' && !--skip) at = i + 1;
    return at;
}

static int load_history(struct lt_line_editor *e)
{
    struct lt_buf all = { 0 }, entry = { 0 };
    struct lt_str rest, line;
    HistEvent event;
    int count, rc = 0;
    if (!lt_path_exists(e->file)) return 0;
    if (lt_file_read(e->file, &all)) return -1;
    if (all.n > HISTORY_MAX) rc = lt_fail("%s: expected a history of at most %d bytes, found %zu", e->file, HISTORY_MAX,
                                          all.n);
    rest = lt_buf_view(&all);
    size_t from = rc ? 0 : kept_from(rest, &count);
    rest = (struct lt_str){ rest.p + from, rest.n - from };
    if (!rc && count > 2 * KEPT) rc = lt_file_save(e->file, rest.p, rest.n) || chmod(e->file, 0600) ? -1 : 0;
    while (!rc && lt_str_split(&rest, '\n', &line)) {
        get_entry(&entry, line);
        if (entry.n) history(e->history, &event, H_ENTER, entry.p);
    }
    lt_buf_free(&all);
    lt_buf_free(&entry);
    return rc;
}

int lt_line_editor_remember(struct lt_line_editor *e, struct lt_str text)
{
    struct lt_buf b = { 0 };
    HistEvent event;
    int rc = 0;
    if (!e->el || !text.n) return 0;
    lt_buf_put(&b, text.p, text.n);
    history(e->history, &event, H_ENTER, b.p);
    lt_buf_clear(&b);
    put_entry(&b, text);
    int fd = e->file ? open(e->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (e->file && (fd < 0 || write(fd, b.p, b.n) != (ssize_t)b.n))
        rc = lt_fail("%s: what was typed cannot be kept: %s", e->file, strerror(errno));
    if (fd >= 0) close(fd);
    lt_buf_free(&b);
    return rc;
}

char *lt_state_path(const char *name)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    struct lt_buf b = { 0 };
    if (state && *state == '/') lt_buf_fmt(&b, "%s/lathe", state);
    else if (home && *home) lt_buf_fmt(&b, "%s/.local/state/lathe", home);
    else return NULL;
    lt_buf_fmt(&b, "/%s", name);
    return b.p;
}

static int make_folder(const char *file)
{
    char *folder = lt_strdup(file), *slash = strrchr(folder, '/');
    int rc = 0;
    if (slash && slash != folder) {
        *slash = 0;
        rc = lt_mkdirs(folder);
    }
    free(folder);
    return rc;
}

/* ---- keys ---- */

static struct lt_line_editor *owner(EditLine *el)
{
    void *self = NULL;
    el_get(el, EL_CLIENTDATA, &self);
    return self;
}

static const char *prompt_of(EditLine *el) { return owner(el)->prompt; }

static void follow_window(struct lt_line_editor *e)
{
    struct winsize now;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &now) || !memcmp(&now, &e->window, sizeof now)) return;
    e->window = now;
    el_resize(e->el);
}

static int get_key(EditLine *el, wchar_t *out)
{
    struct lt_line_editor *e = owner(el);
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    for (;;) {
        char c;
        int ready = poll(&in, 1, WAIT);
        follow_window(e);
        if (e->how.over && e->how.over(e->how.self)) return 0;
        if (ready <= 0) {
            if (ready < 0 && errno != EINTR) return -1;
            continue;
        }
        ssize_t n = read(STDIN_FILENO, &c, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return 0;
        size_t got = mbrtowc(out, &c, 1, &e->half);
        if (got <= 1) return 1;
        if (got == (size_t)-1) memset(&e->half, 0, sizeof e->half);         /* no UTF-8: passed over */
    }
}

/* The line is ended by its own newline, which leaves the cursor below it. */
static unsigned char key_stop(EditLine *el, int key)
{
    (void)key;
    owner(el)->stopped = true;
    el_push(el, "\n");
    return CC_NORM;
}

static unsigned char key_break(EditLine *el, int key)
{
    (void)key;
    return el_insertstr(el, "\n") ? CC_ERROR : CC_REFRESH;
}

static unsigned char key_suspend(EditLine *el, int key)
{
    (void)key;
    el_set(el, EL_PREP_TERM, 0);
    raise(SIGTSTP);
    el_set(el, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
}

/* Bracketed paste: everything up to ESC [ 201 ~ is text, also its line breaks. */
static unsigned char key_paste(EditLine *el, int key)
{
    static const wchar_t end[] = L"\033[201~";
    size_t n = 0, cap = 256, tail = wcslen(end);
    wchar_t *text = lt_alloc(cap * sizeof *text);
    (void)key;
    while (el_wgetc(el, &text[n]) == 1) {
        if (text[n] == L'\r') text[n] = L'\n';
        if (text[n] == 0) continue;
        if (++n + 1 >= cap) text = lt_realloc(text, (cap *= 2) * sizeof *text);
        if (n >= tail && !wmemcmp(text + n - tail, end, tail)) {
            n -= tail;
            break;
        }
    }
    text[n] = 0;
    int rc = n ? el_winsertstr(el, text) : 0;
    free(text);
    return rc ? CC_ERROR : CC_REFRESH;
}

static size_t common(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] && a[i] == b[i]) i++;
    return i;
}

static unsigned char key_complete(EditLine *el, int key)
{
    struct lt_line_editor *e = owner(el);
    const LineInfo *info = el_line(el);
    struct lt_str line = { info->buffer, (size_t)(info->cursor - info->buffer) };
    struct lt_buf same = { 0 };
    const char *one;
    int found = 0;
    (void)key;
    for (int i = 0; e->how.complete && (one = e->how.complete(e->how.self, line, i)); i++) {
        if (strlen(one) < line.n || memcmp(one, line.p, line.n)) continue;
        if (!found++) lt_buf_str(&same, one);
        else same.n = common(same.p, one, same.n);
    }
    bool more = found && same.n > line.n;
    if (more) {
        same.p[same.n] = 0;
        el_insertstr(el, same.p + line.n);
        if (found == 1) el_insertstr(el, " ");
    }
    lt_buf_free(&same);
    return more ? CC_REFRESH : CC_REFRESH_BEEP;
}

static void bind_keys(EditLine *el)
{
    static const struct { const char *key, *function; } keys[] = {
        { "^C", "lathe-stop" }, { "^Z", "lathe-suspend" }, { "^I", "lathe-complete" },
        { "\\e\\r", "lathe-break" }, { "\\e\\n", "lathe-break" }, { "\\e[200~", "lathe-paste" },
        { "^R", "em-inc-search-prev" }, { "\\e[3~", "ed-delete-next-char" },
        { "\\e[H", "ed-move-to-beg" }, { "\\e[F", "ed-move-to-end" }, { "\\e[1~", "ed-move-to-beg" },
        { "\\e[4~", "ed-move-to-end" }, { "\\e[1;5D", "ed-prev-word" }, { "\\e[1;5C", "em-next-word" },
    };
    el_set(el, EL_ADDFN, "lathe-stop", "Gives the line up", key_stop);
    el_set(el, EL_ADDFN, "lathe-suspend", "Suspends the program", key_suspend);
    el_set(el, EL_ADDFN, "lathe-complete", "Completes a command", key_complete);
    el_set(el, EL_ADDFN, "lathe-break", "Breaks the line", key_break);
    el_set(el, EL_ADDFN, "lathe-paste", "Takes what is pasted", key_paste);
    for (int i = 0; i < LT_COUNT(keys); i++) el_set(el, EL_BIND, keys[i].key, keys[i].function, NULL);
}

/* ---- life ---- */

static int open_terminal(struct lt_line_editor *e)
{
    HistEvent event;
    e->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!e->utf8) return lt_fail("the locale C.UTF-8 is missing, which editing needs");
    locale_t before = uselocale(e->utf8);
    e->el = el_init("lathe", stdin, stdout, stderr);
    e->history = history_init();
    int rc = e->el && e->history ? 0 : lt_fail("the terminal cannot be set up for editing: TERM is \"%s\"",
                                               getenv("TERM") ? getenv("TERM") : "");
    if (!rc) {
        history(e->history, &event, H_SETSIZE, KEPT);
        history(e->history, &event, H_SETUNIQUE, 1);
        el_set(e->el, EL_CLIENTDATA, e);
        el_set(e->el, EL_PROMPT_ESC, prompt_of, '\1');
        el_set(e->el, EL_EDITOR, "emacs");
        el_set(e->el, EL_HIST, history, e->history);
        el_set(e->el, EL_GETCFN, get_key);
        el_source(e->el, NULL);
        el_set(e->el, EL_SETTY, "-d", "-isig", NULL);
        el_set(e->el, EL_SETTY, "-x", "-isig", "-icanon", "-echo", NULL);   /* keys wait for the next line */
        bind_keys(e->el);
        if (e->file) rc = make_folder(e->file) || load_history(e) ? -1 : 0;
    }
    uselocale(before);
    return rc;
}

void lt_line_editor_close(struct lt_line_editor *e)
{
    if (!e) return;
    if (e->el) el_end(e->el);
    if (e->history) history_end(e->history);
    if (e->utf8) freelocale(e->utf8);
    free(e->file);
    free(e);
}

int lt_line_editor_open(const struct lt_line_how *how, struct lt_line_editor **out)
{
    struct lt_line_editor *e = lt_calloc(1, sizeof *e);
    e->how = *how;
    if (how->terminal && how->history) e->file = lt_strdup(how->history);
    if (how->terminal && open_terminal(e)) {
        lt_line_editor_close(e);
        return -1;
    }
    *out = e;
    return 0;
}

/* ---- reading ---- */

static enum lt_line read_plain(struct lt_buf *out)
{
    char *line = NULL;
    size_t cap = 0;
    errno = 0;
    ssize_t n = getline(&line, &cap, stdin);
    int why = errno;
    bool failed = n < 0 && ferror(stdin);
    if (n > 0 && line[n - 1] == '\n') n--;
    if (n > 0 && line[n - 1] == '\r') n--;
    if (n >= 0) lt_buf_put(out, line, (size_t)n);
    free(line);
    if (failed) lt_fail("standard input: %s", strerror(why));
    return failed ? LT_LINE_FAILED : n < 0 ? LT_LINE_END : LT_LINE_READ;
}

static void bracket_pastes(bool on)
{
    fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

/* Puts text into the line as if it were typed: line breaks with their key, other control characters quoted. */
static void push_text(EditLine *el, const char *text)
{
    struct lt_buf b = { 0 };
    for (; *text; text++) {
        bool control = (unsigned char)*text < 0x20 || *text == 0x7F;
        if (*text == '\n') lt_buf_str(&b, "\033\r");
        else lt_buf_fmt(&b, control ? "\026%c" : "%c", *text);
    }
    if (b.n) el_push(el, b.p);
    lt_buf_free(&b);
}

static enum lt_line read_edited(struct lt_line_editor *e, const char *prompt, const char *begin, struct lt_buf *out)
{
    locale_t before = uselocale(e->utf8);
    int n = 0;
    e->prompt = prompt;
    e->stopped = false;
    memset(&e->half, 0, sizeof e->half);
    ioctl(STDIN_FILENO, TIOCGWINSZ, &e->window);
    el_resize(e->el);
    if (begin) push_text(e->el, begin);
    bracket_pastes(true);
    const char *line = el_gets(e->el, &n);
    bracket_pastes(false);
    uselocale(before);
    if (e->stopped) return LT_LINE_STOPPED;
    if (!line || n <= 0) return LT_LINE_END;
    if (line[n - 1] == '\n') n--;
    lt_buf_put(out, line, (size_t)n);
    return LT_LINE_READ;
}

enum lt_line lt_line_editor_read(struct lt_line_editor *e, const char *prompt, const char *begin, struct lt_buf *out)
{
    lt_buf_put(out, "", 0);
    return e->el ? read_edited(e, prompt, begin, out) : read_plain(out);
}

void lt_line_editor_signals(struct lt_line_editor *e, bool on)
{
    struct termios t;
    if (!e->el || tcgetattr(STDIN_FILENO, &t)) return;
    t.c_lflag = on ? t.c_lflag | ISIG : t.c_lflag & ~(tcflag_t)ISIG;
    tcsetattr(STDIN_FILENO, TCSANOW, &t);
}
