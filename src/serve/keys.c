#include "serve/keys.h"
#include "base/io.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int add(struct lt_keys *k, struct lt_str key, const char *where)
{
    for (size_t i = 0; i < key.n; i++)
        if ((unsigned char)key.p[i] <= 0x20 || (unsigned char)key.p[i] >= 0x7f)
            return lt_misuse("%s: a key has printable characters of ASCII only, and no spaces", where);
    if (!key.n) return lt_misuse("%s: a key is empty", where);
    struct lt_buf copy = { 0 };
    lt_buf_put(&copy, key.p, key.n);
    k->key = lt_realloc(k->key, ((size_t)k->count + 1) * sizeof *k->key);
    k->key[k->count++] = lt_strdup(copy.p);
    lt_buf_free(&copy);
    return 0;
}

static int add_file(struct lt_keys *k, const char *path)
{
    struct lt_buf text = { 0 };
    int rc = lt_file_read(path, &text), before = k->count;
    struct lt_str rest = lt_buf_view(&text), line;
    while (!rc && rest.n && lt_str_split(&rest, '\n', &line)) {
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (line.n && line.p[0] != '#') rc = add(k, line, path);
    }
    lt_buf_free(&text);
    return rc || k->count > before ? rc : lt_fail("%s: expected keys, a line each, found none", path);
}

int lt_keys_open(struct lt_keys *k, const struct lt_list *given, const char *file)
{
    *k = (struct lt_keys){ 0 };
    for (int i = 0; i < given->count; i++)
        if (add(k, lt_str(given->item[i]), "api_key")) return -1;
    return file ? add_file(k, file) : 0;
}

void lt_keys_release(struct lt_keys *k)
{
    for (int i = 0; i < k->count; i++) free(k->key[i]);
    free(k->key);
    *k = (struct lt_keys){ 0 };
}

static bool same(const char *said, const char *key)
{
    size_t n = strlen(said), m = strlen(key);
    unsigned differ = n != m;
    for (size_t i = 0; i < n; i++) differ |= (unsigned char)said[i] ^ (unsigned char)key[i % m];
    return !differ;
}

bool lt_keys_fit(const struct lt_keys *k, const char *authorization)
{
    bool fits = !k->count;
    if (!authorization || strncasecmp(authorization, "Bearer ", 7)) return fits;
    for (int i = 0; i < k->count; i++) fits |= same(authorization + 7, k->key[i]);
    return fits;
}
