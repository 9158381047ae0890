#include "text/tokenizer.h"

#include "base/io.h"
#include <stdlib.h>

static char *path_in(const char *folder, const char *name)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/%s", folder, name);
    return b.p;
}

static int copy_file(const char *from, const char *folder, const char *name)
{
    struct lt_buf b = { 0 };
    char *to = path_in(folder, name);
    int rc = lt_file_read(from, &b);
    if (!rc) rc = lt_file_save(to, b.p, b.n);
    lt_buf_free(&b);
    free(to);
    return rc;
}

/* A tokenizer of another format becomes a tokenizer.json. */
static int convert(const char *path, const char *folder)
{
    struct lt_tokenizer *t;
    if (lt_tokenizer_open(path, &t)) return -1;
    char *to = path_in(folder, "tokenizer.json");
    int rc = lt_tokenizer_save(t, to);
    free(to);
    lt_tokenizer_free(t);
    return rc;
}

int lt_tokenizer_copy(const char *path, const char *folder)
{
    static const char *const names[] = {
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "tokenizer.model", "chat_template.jinja",
    };
    if (!lt_path_is_dir(path))
        return lt_str_ends(lt_str(path), ".json") ? copy_file(path, folder, "tokenizer.json") : convert(path, folder);
    int rc = 0;
    for (int i = 0; !rc && i < LT_COUNT(names); i++) {
        char *from = path_in(path, names[i]);
        if (lt_path_exists(from)) rc = copy_file(from, folder, names[i]);
        free(from);
    }
    return rc;
}
