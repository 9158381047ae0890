/* Replays a checked-in corpus through a fuzz entry, without a fuzzer.  Linked with test/fuzz/fuzz_NAME.c as
 * replay_NAME; run from the top of the tree, it takes every file of test/fuzz/corpus/NAME. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The input lies at the end of a block of its own, so that a sanitizer sees the first byte read past it. */
static void replay(const struct lt_buf *file)
{
    uint8_t *copy = lt_alloc(file->n ? file->n : 1);
    if (file->n) memcpy(copy, file->p, file->n);
    LLVMFuzzerTestOneInput(copy, file->n);
    free(copy);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *base = slash ? slash + 1 : argv[0], *name = strchr(base, '_');
    char folder[512], path[1024], **files;
    int count = 0;
    (void)argc;
    snprintf(folder, sizeof(folder), "test/fuzz/corpus/%s", name ? name + 1 : base);
    if (lt_list_dir(folder, &files, &count) || !count) {
        printf("[  FAILED  ] %s: no corpus to replay\n", folder);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        struct lt_buf file = { 0 };
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        if (lt_file_read(path, &file)) {
            printf("[  FAILED  ] %s: %s\n", path, lt_error());
            return 1;
        }
        fprintf(stderr, "replaying %s\n", path);
        replay(&file);
        printf("[       OK ] %s\n", files[i]);
        lt_buf_free(&file);
        free(files[i]);
    }
    free(files);
    return 0;
}
