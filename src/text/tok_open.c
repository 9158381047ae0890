/* Opens a tokenizer from a path, by what the file holds. */
#include "text/tokenizer.h"
#include "base/io.h"
#include "text/tok_gguf.h"
#include <ctype.h>
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

/* ---- what the bytes are ---- */
static bool is_json(struct lt_str b)
{
    size_t i = 0;
    while (i < b.n && (b.p[i] == ' ' || b.p[i] == '\t' || b.p[i] == '\r' || b.p[i] == '\n'))
        i++;
    return i < b.n && b.p[i] == '{';
}

/* A first line "BASE64 RANK". */
static bool is_tiktoken(struct lt_str b)
{
    size_t i = 0, digits = 0;
    while (i < b.n && (isalnum((unsigned char)b.p[i]) || b.p[i] == '+' || b.p[i] == '/' || b.p[i] == '='))
        i++;
    if (!i || i % 4 || i == b.n || b.p[i] != ' ')
        return false;
    while (++i < b.n && b.p[i] >= '0' && b.p[i] <= '9')
        digits++;
    return digits && (i == b.n || b.p[i] == '\n' || b.p[i] == '\r');
}

/* The first field of a ModelProto is a piece: key 1 of wire type 2. */
static bool is_spm(struct lt_str b)
{
    return b.n > 3 && b.p[0] == 0x0A && b.p[2] == 0x0A;
}

/* A small number (the longest piece), then the score and the length of "<unk>". */
static bool is_llama2c(struct lt_str b)
{
    return b.n > 17 && !b.p[2] && !b.p[3] && b.p[8] == 5 && !b.p[9] && memcmp(b.p + 12, "<unk>", 5) == 0;
}

static bool is_gguf(struct lt_str b)
{
    return lt_gguf_is(b.p, b.n);
}

static const struct {
    bool (*is)(struct lt_str bytes);
    int (*read)(const char *name, struct lt_str bytes, struct lt_tokenizer **out);
} readers[] = {
    { is_json, lt_tok_read_json }, { is_spm, lt_tok_read_spm }, { is_llama2c, lt_tok_read_llama2c },
    { is_tiktoken, lt_tok_read_tiktoken }, { is_gguf, lt_tok_read_gguf },
};

static int read_bytes(const char *path, struct lt_str bytes, struct lt_tokenizer **out)
{
    if (!bytes.n)
        return lt_fail("%s: the file is empty", path);
    for (int i = 0; i < LT_COUNT(readers); i++)
        if (readers[i].is(bytes))
            return readers[i].read(path, bytes, out);
    return lt_fail("%s: not a tokenizer: tokenizer.json, a sentencepiece model, a .tiktoken file, llama2.c's "
                   "tokenizer.bin or a GGUF file was expected", path);
}

static int open_file(const char *path, struct lt_tokenizer **out)
{
    struct lt_buf b = { 0 };
    int rc = read_stream(path, &b);
    if (rc == 0)
        rc = read_bytes(path, lt_buf_view(&b), out);
    lt_buf_free(&b);
    return rc;
}

/* A model of any size, of which only the pages of the tokenizer are read. */
static int open_gguf(const char *path, struct lt_tokenizer **out)
{
    struct lt_gguf *g;
    if (lt_gguf_open(path, &g))
        return -1;
    int rc = lt_tok_of_gguf(g, out);
    lt_gguf_free(g);
    return rc;
}

int lt_tokenizer_open(const char *path, struct lt_tokenizer **out)
{
    if (lt_gguf_is_file(path))
        return open_gguf(path, out);
    if (!lt_path_is_dir(path))
        return open_file(path, out);
    static const char *const names[] = { "tokenizer.json", "tokenizer.json.zst", "tokenizer.model" };
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
