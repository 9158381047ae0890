/* Identity of files and folders: xxh3-128 of the content. */
#include "base/io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#define AT_ONCE ((size_t)16 << 20)          /* bytes of a file */
enum { DEEPEST = 32 };                      /* folders in folders; a link to a folder above would go on for ever */

bool lt_path_is_volatile(const char *name)
{
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    static const char *const patterns[] = {
        "events.out.tfevents*", "timings.jsonl", "report.html", "lathe-run.json", "*.run.json", "*.cache", ".*.tmp",
        "checkpoint-*",
    };
    for (int i = 0; i < LT_COUNT(patterns); i++)
        if (lt_glob(patterns[i], name))
            return true;
    return false;
}

static void put_hex(XXH128_hash_t h, char hex[33])
{
    XXH128_canonical_t c;
    XXH128_canonicalFromHash(&c, h);
    for (int i = 0; i < 16; i++) {
        hex[2 * i] = "0123456789abcdef"[c.digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[c.digest[i] & 15];
    }
    hex[32] = 0;
}

static int hash_file(const char *path, char hex[33], uint64_t *bytes)
{
    struct lt_file f;
    if (lt_file_open(path, &f))
        return -1;
    XXH3_state_t *h = XXH3_createState();
    XXH3_128bits_reset(h);
    for (size_t at = 0, n; at < f.n; at += n) {
        n = LT_MIN(f.n - at, AT_ONCE);
        XXH3_128bits_update(h, f.p + at, n);
        if (f.mapped)
            madvise((void *)(f.p + at), n, MADV_DONTNEED);  /* what was hashed need not stay in memory */
    }
    put_hex(XXH3_128bits_digest(h), hex);
    XXH3_freeState(h);
    *bytes += f.n;
    lt_file_close(&f);
    return 0;
}

/* Appends "NAME\0HASH\n" for every file below root/name, in byte order of the names within each folder.  Of links that
 * lead nowhere, pipes and devices there is no content; the hash is "-". */
static int list_tree(const char *root, const char *name, int depth, struct lt_buf *out, uint64_t *bytes)
{
    struct lt_buf path = { 0 };
    lt_buf_fmt(&path, *name ? "%s/%s" : "%s%s", root, name);
    int rc = 0;
    struct stat st = { 0 };
    if (stat(path.p, &st) && errno != ENOENT) {
        rc = lt_fail("%s: cannot look at it: %s", path.p, strerror(errno));
    } else if (!S_ISDIR(st.st_mode)) {
        char hex[33] = "-";
        if (S_ISREG(st.st_mode))
            rc = hash_file(path.p, hex, bytes);
        lt_buf_put(out, name, strlen(name) + 1);
        lt_buf_fmt(out, "%s\n", hex);
    } else if (depth > DEEPEST) {
        rc = lt_fail("%s: folders are nested more than %d deep", path.p, DEEPEST);
    } else {
        char **names = NULL;
        int count = 0;
        rc = lt_list_dir(path.p, &names, &count);
        for (int i = 0; i < count; i++) {
            struct lt_buf below = { 0 };
            lt_buf_fmt(&below, *name ? "%s/%s" : "%s%s", name, names[i]);
            if (rc == 0 && !lt_path_is_volatile(names[i]))
                rc = list_tree(root, below.p, depth + 1, out, bytes);
            lt_buf_free(&below);
            free(names[i]);
        }
        free(names);
    }
    lt_buf_free(&path);
    return rc;
}

int lt_hash_path(const char *path, char hex[33], uint64_t *bytes)
{
    uint64_t sum = 0;
    int rc;
    if (!lt_path_is_dir(path)) {
        rc = hash_file(path, hex, &sum);
    } else {
        struct lt_buf list = { 0 };
        rc = list_tree(path, "", 0, &list, &sum);
        put_hex(XXH3_128bits(list.p, list.n), hex);
        lt_buf_free(&list);
    }
    if (bytes)
        *bytes = sum;
    return rc;
}
