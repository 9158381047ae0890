#include "text/document.h"

#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum format { FORMAT_NONE, FORMAT_TXT, FORMAT_JSONL, FORMAT_HTML };

struct source { char *path; uint64_t size; bool named; };      /* named: given by the user, not found in a folder */

struct lt_docs {
    struct source *file;
    int count, cap, at;
    enum format forced, format;         /* by option; of the open file */
    char *field;
    bool paragraphs, rows;
    bool size_known;
    uint64_t size_total, size_done;
    struct lt_stream *stream;           /* NULL between files */
    uint64_t line;                      /* lines read of the open file */
    uint64_t in_file, number;           /* documents given: of the open file, of all */
    uint64_t empty;
    bool ended;                         /* a whole-file document was given */
    struct lt_buf text, raw;
    json_t *row;
};

/* ---- which files ---- */
static enum format format_of(const char *path)
{
    static const struct { const char *ending; enum format format; } known[] = {
        { ".txt", FORMAT_TXT }, { ".text", FORMAT_TXT }, { ".md", FORMAT_TXT }, { ".jsonl", FORMAT_JSONL },
        { ".ndjson", FORMAT_JSONL }, { ".html", FORMAT_HTML }, { ".htm", FORMAT_HTML }, { ".xhtml", FORMAT_HTML },
    };
    struct lt_str name = lt_str(path);
    if (lt_str_ends(name, ".gz")) name.n -= 3;
    else if (lt_str_ends(name, ".zst")) name.n -= 4;
    for (int i = 0; i < LT_COUNT(known); i++)
        if (lt_str_ends(name, known[i].ending)) return known[i].format;
    return FORMAT_NONE;
}

static int add_file(struct lt_docs *r, const char *path, bool named)
{
    struct lt_stream *s = NULL;
    uint64_t size = 0;
    if (strcmp(path, "-")) {
        s = lt_stream_open(path);
        if (!s) return -1;
        size = lt_stream_size(s);
        lt_stream_close(s);
    } else r->size_known = false;
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->file = lt_realloc(r->file, (size_t)r->cap * sizeof *r->file);
    }
    r->file[r->count++] = (struct source){ .path = lt_strdup(path), .size = size, .named = named };
    r->size_total += size;
    return 0;
}

static int add_folder(struct lt_docs *r, const char *path, int depth)
{
    char **name;
    int count, rc = 0;
    if (depth > 64) return lt_fail("%s: folders more than 64 deep; is there a link to a folder above it?", path);
    if (lt_list_dir(path, &name, &count)) return -1;
    for (int i = 0; i < count; i++) {
        struct lt_buf full = { 0 };
        lt_buf_fmt(&full, "%s/%s", path, name[i]);
        if (!rc && name[i][0] != '.') {
            if (lt_path_is_dir(full.p)) rc = add_folder(r, full.p, depth + 1);
            else if (format_of(name[i]) != FORMAT_NONE) rc = add_file(r, full.p, false);
        }
        lt_buf_free(&full);
        free(name[i]);
    }
    free(name);
    return rc;
}

static int add_paths(struct lt_docs *r, const struct lt_list *paths)
{
    for (int i = 0; i < paths->count; i++) {
        const char *path = paths->item[i];
        int before = r->count;
        if (!strcmp(path, "-") || !lt_path_is_dir(path)) {
            if (add_file(r, path, true)) return -1;
            continue;
        }
        if (add_folder(r, path, 0)) return -1;
        if (r->count == before)
            return lt_fail("%s: no .txt, .md, .jsonl or .html files (also .gz, .zst) in this folder", path);
    }
    return r->count ? 0 : lt_fail("no files to read; name files, folders or - for standard input");
}

int lt_docs_open(const struct lt_list *paths, const struct lt_docs_how *how, struct lt_docs **out)
{
    static const struct { const char *name; enum format format; } names[] = {
        { "auto", FORMAT_NONE }, { "txt", FORMAT_TXT }, { "jsonl", FORMAT_JSONL }, { "html", FORMAT_HTML },
    };
    const char *wanted = how && how->format ? how->format : "auto";
    int i = 0;
    while (i < LT_COUNT(names) && strcmp(names[i].name, wanted)) i++;
    if (i == LT_COUNT(names)) return lt_fail("document format \"%s\": expected auto, txt, jsonl or html", wanted);
    struct lt_docs *r = lt_calloc(1, sizeof *r);
    r->forced = names[i].format;
    r->field = lt_strdup(how && how->field ? how->field : "text");
    r->paragraphs = how && how->paragraphs;
    r->rows = how && how->rows;
    r->size_known = true;
    if (add_paths(r, paths)) {
        lt_docs_close(r);
        return -1;
    }
    *out = r;
    return 0;
}

/* Refuses what is not text; first_line is the number of the line that p begins. */
static int check(const struct lt_docs *r, const char *p, size_t n, uint64_t first_line)
{
    size_t bad = lt_text_check(p, n);
    if (bad == n) return 0;
    uint64_t line = first_line;
    for (const char *q = p; (q = memchr(q, '\n', bad - (size_t)(q - p))); q++) line++;
    const char *path = r->file[r->at].path;
    if (!p[bad])
        return lt_fail("%s: line %llu holds a NUL byte; this is not text", path, (unsigned long long)line);
    return lt_fail("%s: line %llu is not UTF-8 (byte 0x%02X); convert the file first, for example with iconv", path,
                   (unsigned long long)line, (unsigned char)p[bad]);
}

/* ---- the formats ---- */
/* One line into r->raw, counted and with the file's name in the message. */
static int next_line(struct lt_docs *r)
{
    lt_buf_clear(&r->raw);
    int rc = lt_stream_line(r->stream, &r->raw, LT_DOC_LINE_MAX, true);
    if (rc < 0) {
        char why[512];
        snprintf(why, sizeof why, "%s", lt_error());
        return lt_fail("%s: line %llu: %s", r->file[r->at].path, (unsigned long long)r->line + 1, why);
    }
    if (rc && r->line++ == 0 && r->raw.n >= 3 && !memcmp(r->raw.p, "\xEF\xBB\xBF", 3)) {
        memmove(r->raw.p, r->raw.p + 3, r->raw.n - 3);
        r->raw.n -= 3;
    }
    return rc;
}

static bool blank(const char *p, size_t n)
{
    while (n && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) p++, n--;
    return !n;
}

static int next_paragraph(struct lt_docs *r, struct lt_doc *d)
{
    lt_buf_clear(&r->text);
    int rc;
    while ((rc = next_line(r)) > 0) {
        if (blank(r->raw.p, r->raw.n)) {
            if (r->text.n) break;
            continue;
        }
        if (check(r, r->raw.p, r->raw.n, r->line)) return -1;
        if (r->text.n + r->raw.n >= LT_DOC_TEXT_MAX)
            return lt_fail("%s: line %llu: a document of more than %zu MiB without a blank line", r->file[r->at].path,
                           (unsigned long long)r->line, LT_DOC_TEXT_MAX >> 20);
        if (r->text.n) lt_buf_char(&r->text, '\n');
        lt_buf_put(&r->text, r->raw.p, r->raw.n);
    }
    if (rc < 0) return -1;
    d->text = lt_buf_view(&r->text);
    return r->text.n > 0;
}

static int slurp(struct lt_docs *r, struct lt_buf *out, size_t limit)
{
    lt_buf_clear(out);
    for (;;) {
        char *room = lt_buf_room(out, 1 << 18);
        int64_t got = lt_stream_read(r->stream, room, 1 << 18);
        if (got < 0) return -1;
        if (!got) return 0;
        out->n += (size_t)got;
        if (out->n > limit)
            return lt_fail("%s: more than %zu MiB in one document; split the file%s", r->file[r->at].path, limit >> 20,
                           r->format == FORMAT_TXT ? " or let blank lines separate documents" : "");
    }
}

/* A line beyond the limit is a sign of data that is not text, and would be one word to a tokenizer. */
static int check_lines(const struct lt_docs *r, const char *p, size_t n)
{
    uint64_t line = 1;
    for (const char *end = p + n; p < end; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        if ((size_t)(stop - p) > LT_DOC_LINE_MAX)
            return lt_fail("%s: line %llu is %zu bytes long; at most %zu are taken", r->file[r->at].path,
                           (unsigned long long)line, (size_t)(stop - p), LT_DOC_LINE_MAX);
        p = stop + 1;
    }
    return 0;
}

/* Line ends of other systems become '\n'; a byte order mark goes. */
static struct lt_str tidy(struct lt_buf *b)
{
    size_t from = b->n >= 3 && !memcmp(b->p, "\xEF\xBB\xBF", 3) ? 3 : 0, to = from;
    const char *cr = b->n ? memchr(b->p, '\r', b->n) : NULL;
    if (!cr) return (struct lt_str){ b->p + from, b->n - from };
    for (size_t i = from; i < b->n; i++)
        if (b->p[i] != '\r' || i + 1 == b->n || b->p[i + 1] != '\n') b->p[to++] = b->p[i];
    return (struct lt_str){ b->p + from, to - from };
}

static int next_whole(struct lt_docs *r, struct lt_doc *d)
{
    if (r->ended) return 0;
    r->ended = true;
    bool html = r->format == FORMAT_HTML;
    if (slurp(r, &r->raw, html ? LT_DOC_HTML_MAX : LT_DOC_TEXT_MAX)) return -1;
    if (check(r, r->raw.p, r->raw.n, 1)) return -1;
    if (html) {
        lt_buf_clear(&r->text);
        if (lt_html_text(tidy(&r->raw), &r->text)) return lt_fail("%s: %s", r->file[r->at].path, lt_error());
        d->text = lt_buf_view(&r->text);
    } else {
        if (check_lines(r, r->raw.p, r->raw.n)) return -1;
        d->text = tidy(&r->raw);
    }
    return !blank(d->text.p, d->text.n);
}

static int next_json(struct lt_docs *r, struct lt_doc *d)
{
    int rc;
    while ((rc = next_line(r)) > 0) {
        if (blank(r->raw.p, r->raw.n)) continue;
        const char *path = r->file[r->at].path;
        unsigned long long line = r->line;
        json_error_t bad;
        if (r->row) json_decref(r->row);
        r->row = json_loadb(r->raw.p, r->raw.n, 0, &bad);
        if (!r->row && json_error_code(&bad) == json_error_null_character)
            return lt_fail("%s: line %llu holds \\u0000, a NUL byte; this is not text", path, line);
        if (!r->row) return lt_fail("%s: line %llu is not JSON: %s", path, line, bad.text);
        if (!json_is_object(r->row)) return lt_fail("%s: line %llu: expected a JSON object", path, line);
        d->row = lt_buf_view(&r->raw);
        if (r->rows) {
            d->text = d->row;
            return 1;
        }
        if (lt_json_field(r->row, r->field, &d->text))
            return lt_fail("%s: line %llu: %s; say which field holds the text", path, line, lt_error());
        if (blank(d->text.p, d->text.n)) {
            r->empty++;
            continue;
        }
        json_t *id = json_object_get(r->row, "id");
        if (json_is_string(id)) d->id = (struct lt_str){ json_string_value(id), json_string_length(id) };
        return 1;
    }
    return rc;
}

/* ---- the reader ---- */
static int open_file(struct lt_docs *r)
{
    const struct source *f = &r->file[r->at];
    r->stream = lt_stream_open(f->path);
    if (!r->stream) return -1;
    r->format = r->forced ? r->forced : format_of(f->path);
    if (!r->format) r->format = FORMAT_TXT;
    r->line = r->in_file = 0;
    r->ended = false;
    return 0;
}

static void close_file(struct lt_docs *r)
{
    if (!r->stream) return;
    lt_stream_close(r->stream);
    r->stream = NULL;
    r->size_done += r->file[r->at].size;
}

int lt_docs_next(struct lt_docs *r, struct lt_doc *d)
{
    while (r->at < r->count) {
        if (!r->stream && open_file(r)) return -1;
        const struct source *f = &r->file[r->at];
        *d = (struct lt_doc){ .source = f->path, .number = r->number };
        int rc = r->format == FORMAT_JSONL ? next_json(r, d)
               : r->format == FORMAT_TXT && r->paragraphs ? next_paragraph(r, d) : next_whole(r, d);
        if (rc < 0) return -1;
        if (rc > 0) {
            if (!d->id.p) d->id = lt_str(f->path);
            r->in_file++, r->number++;
            return 1;
        }
        if (!r->in_file && f->named) return lt_fail("%s: there is no text in this file", f->path);
        if (!r->line && !r->in_file) r->empty++;       /* a file of lines counts them one by one */
        close_file(r);
        r->at++;
    }
    return r->number ? 0 : lt_fail("no text in any of %d files", r->count);
}

uint64_t lt_docs_line(const struct lt_docs *r)
{
    return r->line;
}

uint64_t lt_docs_empty(const struct lt_docs *r)
{
    return r->empty;
}

void lt_docs_progress(const struct lt_docs *r, double *done, double *total)
{
    *done = (double)(r->size_done + (r->stream ? lt_stream_position(r->stream) : 0));
    *total = r->size_known ? (double)r->size_total : 0;
}

void lt_docs_close(struct lt_docs *r)
{
    if (!r) return;
    close_file(r);
    for (int i = 0; i < r->count; i++) free(r->file[i].path);
    free(r->file);
    free(r->field);
    lt_buf_free(&r->text);
    lt_buf_free(&r->raw);
    if (r->row) json_decref(r->row);
    free(r);
}

int lt_docs_each(const struct lt_list *paths, const struct lt_docs_how *how, struct lt_ctx *c, const char *doing,
                 lt_doc_fn *fn, void *self) {
    struct lt_docs *docs;
    struct lt_doc d;
    struct lt_progress p;
    double done, total;
    int rc;
    if (lt_docs_open(paths, how, &docs)) return -1;
    lt_docs_progress(docs, &done, &total);
    lt_progress_begin(c, &p, doing, "bytes", total);
    while ((rc = lt_docs_next(docs, &d)) > 0) {
        if ((rc = fn(self, &d))) rc = lt_fail("%s, document %" PRIu64 ": %s", d.source, d.number, lt_error());
        else if (lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
        if (rc) break;
        lt_docs_progress(docs, &done, &total);
        lt_progress_at(&p, done, NULL);
    }
    lt_progress_end(&p);
    lt_docs_close(docs);
    return rc;
}
