/* Opens a tokenizer from a path, by what the file holds. */
#include "text/tokenizer.h"
#include "base/io.h"
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)512 << 20)

static int read_stream(const char *path, struct lt_buf *out)
{
    struct lt_stream *s = lt_stream_open(path);
    if (!s)
        return -1;
    int64_t n;
    while ((n = lt_stream_read(s, lt_buf_room(out, 1 << 20), 1 << 20)) > 0 && out->n <= FILE_MAX)
        out->n += (size_t)n;
    lt_stream_close(s);
    if (n > 0)
        return lt_fail("%s: more than %zu bytes are no tokenizer", path, FILE_MAX);
    return n < 0 ? -1 : 0;
}

static int open_file(const char *path, struct lt_tokenizer **out)
{
    struct lt_buf b = { 0 };
    int rc = read_stream(path, &b);
    struct lt_str text = lt_buf_view(&b);
    size_t i = 0;
    while (i < b.n && strchr(" \t\r\n", b.p[i]) && b.p[i])
        i++;
    if (rc == 0 && b.n == 0)
        rc = lt_fail("%s: the file is empty", path);
    else if (rc == 0 && i < b.n && b.p[i] == '{')
        rc = lt_tok_read_json(path, text, out);
    else if (rc == 0)
        rc = lt_fail("%s: not a tokenizer: tokenizer.json was expected", path);
    lt_buf_free(&b);
    return rc;
}

int lt_tokenizer_open(const char *path, struct lt_tokenizer **out)
{
    if (!lt_path_is_dir(path))
        return open_file(path, out);
    static const char *const names[] = { "tokenizer.json", "tokenizer.json.zst" };
    for (int i = 0; i < LT_COUNT(names); i++) {
        struct lt_buf file = { 0 };
        lt_buf_fmt(&file, "%s/%s", path, names[i]);
        bool there = lt_path_exists(file.p);
        int rc = there ? open_file(file.p, out) : 0;
        lt_buf_free(&file);
        if (there)
            return rc;
    }
    return lt_fail("%s: the folder holds no tokenizer.json", path);
}
