/* Documents from files, folders and standard input.
 *
 *   .txt .text .md   one document a file, or one a paragraph (blank lines between)
 *   .jsonl .ndjson   one JSON object a line; the text is in one field
 *   .html .htm .xhtml the visible text, paragraphs separated by a blank line
 *
 * Any of them may be compressed (.gz, .zst; known by their first bytes).  "-" is standard input.  A folder is
 * walked in sorted order and gives the files with a name above; hidden ones are passed over.  What is not text
 * (invalid UTF-8, NUL bytes, an endless line) is refused with the file and the line. */
#ifndef LT_DOCUMENT_H
#define LT_DOCUMENT_H

#include "base/utf8.h"

#define LT_DOC_LINE_MAX ((size_t)64 << 20)      /* bytes in one line */
#define LT_DOC_TEXT_MAX ((size_t)1 << 30)       /* bytes in one document */
#define LT_DOC_HTML_MAX ((size_t)64 << 20)      /* bytes in one HTML page */

struct lt_docs_how {
    const char *format;     /* "auto" (or NULL: by the name, text when that says nothing), "txt", "jsonl", "html" */
    const char *field;      /* of a JSON line; NULL: "text" */
    bool paragraphs;        /* txt: a blank line ends a document */
    bool rows;              /* jsonl: the whole object is the text, as it is written, whatever its fields */
};
/* Rows of a verb whose options hold a struct lt_docs_how at `at`; format: the name of the first. */
#define LT_DOCS_ROWS(format_, at_) \
    { .key = format_, .help = "of the texts; auto goes by the name", .type = LT_STR, \
      .at = (at_) + offsetof(struct lt_docs_how, format), .text = "auto|txt|jsonl|html", .flags = LT_ENUM }, \
    { .key = "field", .help = "of a JSON line that holds the text", .type = LT_STR, \
      .at = (at_) + offsetof(struct lt_docs_how, field), .text = "text", \
      .alias = "dataset_text_field,text_field" }, \
    { .key = "paragraphs", .help = "a blank line ends a document of a text file", .type = LT_BOOL, \
      .at = (at_) + offsetof(struct lt_docs_how, paragraphs) }

struct lt_docs;
/* Lists the files at once, so that a missing one is reported before work begins.  Borrows nothing. */
int lt_docs_open(const struct lt_list *paths, const struct lt_docs_how *how, struct lt_docs **out);
/* The next document with text in it: 1, 0 at the end, -1: lt_error.  d->text, id, source and row (of a JSON line) are
 * valid until the next call.  d->number counts from 0 over the whole reading.  No document at all is an error. */
int lt_docs_next(struct lt_docs *r, struct lt_doc *d);
/* Number of the line that the last document ended on, in its file, from 1. */
uint64_t lt_docs_line(const struct lt_docs *r);
/* How many JSON lines and files of folders were passed over so far because there was no text in them. */
uint64_t lt_docs_empty(const struct lt_docs *r);
/* Bytes read and to be read, compressed, for progress; total is 0 when unknown (standard input). */
void lt_docs_progress(const struct lt_docs *r, double *done, double *total);
void lt_docs_close(struct lt_docs *r);

/* Gives every document to fn, showing as `doing` how far it is, until fn gives -1, whose sentence then names the
 * document.  0 or -1; also when interrupted. */
typedef int lt_doc_fn(void *self, const struct lt_doc *d);
int lt_docs_each(const struct lt_list *paths, const struct lt_docs_how *how, struct lt_ctx *c, const char *doing,
                 lt_doc_fn *fn, void *self);

/* Appends the visible text of an HTML page, which must be valid UTF-8: white space as a browser would show it,
 * paragraphs separated by a blank line; without scripts, styles, forms and navigation. */
int lt_html_text(struct lt_str page, struct lt_buf *out);

#endif
