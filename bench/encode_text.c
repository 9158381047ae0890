/* The side of bench/tokenizer_encoding.py that is ours: encodes a text by paragraphs with one encoder, on one thread.
 *     build/bench/encode_text TOKENIZER TEXT      seconds of processor time, and tokens */
#include "base/io.h"
#include "text/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Paragraphs end at "\n\n", which belongs to none. */
static int encode(struct lt_encoder *e, struct lt_str text, size_t *tokens)
{
    struct lt_token *tok = NULL;
    size_t cap = 0, n = 0;
    int rc = 0;
    while (text.n && rc == 0) {
        const char *end = memmem(text.p, text.n, "\n\n", 2);
        size_t size = end ? (size_t)(end - text.p) : text.n, skip = end ? 2 : 0;
        n = 0;
        rc = lt_encoder_encode(e, (struct lt_str){ text.p, size }, 0, NULL, &tok, &n, &cap);
        *tokens += n;
        text = (struct lt_str){ text.p + size + skip, text.n - size - skip };
    }
    free(tok);
    return rc;
}

int main(int argc, char **argv)
{
    struct lt_tokenizer *t;
    struct lt_buf text = { 0 };
    size_t tokens = 0;
    if (argc != 3)
        return fprintf(stderr, "encode_text TOKENIZER TEXT\n"), 2;
    if (lt_tokenizer_open(argv[1], &t) || lt_file_read(argv[2], &text))
        return fprintf(stderr, "%s\n", lt_error()), 1;
    struct lt_encoder *e = lt_encoder_new(t);
    double start = processor_seconds();
    if (encode(e, lt_buf_view(&text), &tokens))
        return fprintf(stderr, "%s\n", lt_error()), 1;
    printf("%.6f %zu\n", processor_seconds() - start, tokens);
    lt_encoder_free(e);
    lt_buf_free(&text);
    lt_tokenizer_free(t);
    return 0;
}
