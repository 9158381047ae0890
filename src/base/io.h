/* Files: mapped for reading; written beside their final name, flushed, then renamed. */
#ifndef LT_IO_H
#define LT_IO_H

#include "base/base.h"
#include <stdio.h>

/* A mapped file, or memory when mapping is impossible (pipes, empty files). */
struct lt_file { const uint8_t *p; size_t n; bool mapped; };
int lt_file_open(const char *path, struct lt_file *out);            /* read-only; a folder is refused by name */
void lt_file_close(struct lt_file *f);
int lt_file_read(const char *path, struct lt_buf *out);             /* appends the whole file */
int lt_file_save(const char *path, const void *p, size_t n);        /* atomic: temporary name, fsync, rename */
/* False only when there is no such thing: of what cannot be looked at (EACCES, EIO) the next call will tell. */
bool lt_path_exists(const char *path);
bool lt_path_is_dir(const char *path);
/* NAME=PATH, unless there is a path that is all of it: true, and both parts, which may be empty; else all is the path
 * and the name is empty.  What comes out lies in item. */
bool lt_path_named(const char *item, struct lt_str *name, const char **path);
int lt_mkdirs(const char *path);                                    /* like mkdir -p */
int lt_remove_tree(const char *path);
int lt_file_remove(const char *path);                               /* one file; none there is none to remove */
/* Gives a file that is complete and flushed its final name, in the same file system; replaces what had it. */
int lt_file_move(const char *from, const char *to);
/* Names in a folder, sorted bytewise, without "." and ".."; free each and the array. */
int lt_list_dir(const char *path, char ***names, int *count);

/* Is a file or folder of this name no part of what the folder around it is?  Its content changes from run to run
 * (times, caches, the run record itself), or it may be thrown away (checkpoints).  Left out of hashes. */
bool lt_path_is_volatile(const char *name);

/* Streaming writer with sticky errors: write freely, check once at commit.
 * Nothing appears under the final name before a successful commit; abort removes the temporary file.
 * "-" is standard output; it, a device or a pipe is written directly: temp is NULL.  failed: 0, or the first errno. */
struct lt_writer { FILE *f; char *path, *temp, *room; uint64_t written; int failed; };
int lt_writer_open(struct lt_writer *w, const char *path);
void lt_writer_put(struct lt_writer *w, const void *p, size_t n);
void lt_writer_fmt(struct lt_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int lt_writer_flush(struct lt_writer *w);                           /* what was put is in the file; not on the disk */
int lt_writer_commit(struct lt_writer *w);                          /* flush, fsync, rename; on failure aborts */
void lt_writer_abort(struct lt_writer *w);

/* A folder built under a temporary name beside `path` and renamed into place by commit (an existing one is replaced,
 * in one step where the system can); folders above it are made.  The current folder and those above it are refused. */
struct lt_folder { char *path, *temp; };
int lt_folder_open(struct lt_folder *d, const char *path);          /* write into d->temp */
int lt_folder_commit(struct lt_folder *d);
/* Whether a folder may be replaced: -1 when something is there that is neither an empty folder nor one that holds a
 * file called `marker`, which only folders of that sort have. */
int lt_folder_guard(const char *path, const char *marker);
void lt_folder_abort(struct lt_folder *d);

/* Byte stream for reading: plain, .gz, .zst, .xz (by magic bytes, not by name); "-" is stdin. */
struct lt_stream;
struct lt_stream *lt_stream_open(const char *path);                 /* NULL: lt_error */
/* bytes, 0 at the end, -1: lt_error (damaged, cut short) */
int64_t lt_stream_read(struct lt_stream *s, void *p, size_t n);
uint64_t lt_stream_position(const struct lt_stream *s);             /* compressed bytes taken, for progress */
uint64_t lt_stream_size(const struct lt_stream *s);                 /* compressed size, 0 when unknown */
void lt_stream_close(struct lt_stream *s);
/* One line without its '\n' (and without '\r' before it when strip_cr); 1, 0 at the end, -1.
 * A line longer than limit is refused with its number and position. */
int lt_stream_line(struct lt_stream *s, struct lt_buf *line, size_t limit, bool strip_cr);

/* xxh3-128 of a file, or of every file below a folder (names and contents, sorted; volatile files left out), as 32
 * hex digits.  bytes may be NULL: the sum of the sizes hashed. */
int lt_hash_path(const char *path, char hex[33], uint64_t *bytes);

#endif
