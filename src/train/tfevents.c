#include "train/tfevents.h"

#include "base/io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* CRC-32C (Castagnoli), bit by bit: an event is some forty bytes. */
static uint32_t crc32c(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c ^= b[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
    }
    return ~c;
}

static uint32_t masked_crc(const void *p, size_t n)
{
    uint32_t c = crc32c(p, n);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

static void little(struct lt_buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) lt_buf_char(b, (char)(v >> 8 * i));
}

static void varint(struct lt_buf *b, uint64_t v)
{
    for (; v > 127; v >>= 7) lt_buf_char(b, (char)(v | 128));
    lt_buf_char(b, (char)v);
}

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };       /* protobuf wire types */
static void field(struct lt_buf *b, int number, int wire) { varint(b, (uint64_t)(number << 3 | wire)); }

static void bytes(struct lt_buf *b, int number, struct lt_str s)
{
    field(b, number, BYTES);
    varint(b, s.n);
    lt_buf_put(b, s.p, s.n);
}

static void wall_time(struct lt_buf *b, double seconds)
{
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    field(b, 1, FIXED64);
    little(b, bits, 8);
}

static void record(struct lt_tfevents *t, const struct lt_buf *event)
{
    struct lt_buf b = { 0 };
    little(&b, event->n, 8);
    little(&b, masked_crc(b.p, 8), 4);
    lt_buf_put(&b, event->p, event->n);
    little(&b, masked_crc(event->p, event->n), 4);
    fwrite(b.p, 1, b.n, t->f);
    lt_buf_free(&b);
}

static int remove_old(const char *folder)
{
    char **names;
    int count, rc = lt_list_dir(folder, &names, &count);
    for (int i = 0; rc == 0 && i < count; i++) {
        struct lt_buf path = { 0 };
        lt_buf_fmt(&path, "%s/%s", folder, names[i]);
        if (lt_glob("events.out.tfevents.*", names[i])) unlink(path.p);
        lt_buf_free(&path);
        free(names[i]);
    }
    free(names);
    return rc;
}

int lt_tfevents_open(struct lt_tfevents *t, const char *folder)
{
    char host[128] = "localhost";
    struct lt_buf path = { 0 }, event = { 0 };
    double now = (double)time(NULL);
    *t = (struct lt_tfevents){ 0 };
    if (remove_old(folder)) return -1;
    gethostname(host, sizeof host - 1);
    lt_buf_fmt(&path, "%s/events.out.tfevents.%.0f.%s.%ld", folder, now, host, (long)getpid());
    t->f = fopen(path.p, "wbe");
    int rc = t->f ? 0 : lt_fail("%s: cannot write: %s", path.p, strerror(errno));
    if (t->f) {
        wall_time(&event, now);
        bytes(&event, 3, lt_str("brain.Event:2"));
        record(t, &event);
    }
    lt_buf_free(&event);
    lt_buf_free(&path);
    return rc;
}

void lt_tfevents_scalar(struct lt_tfevents *t, double seconds, int64_t step, const char *tag, double v)
{
    if (!t->f) return;
    struct lt_buf value = { 0 }, summary = { 0 }, event = { 0 };
    float single = (float)v;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    bytes(&value, 1, lt_str(tag));
    field(&value, 2, FIXED32);
    little(&value, bits, 4);
    bytes(&summary, 1, lt_buf_view(&value));
    wall_time(&event, seconds);
    field(&event, 2, VARINT);
    varint(&event, (uint64_t)step);
    bytes(&event, 5, lt_buf_view(&summary));
    record(t, &event);
    lt_buf_free(&value);
    lt_buf_free(&summary);
    lt_buf_free(&event);
}

void lt_tfevents_flush(struct lt_tfevents *t)
{
    if (t->f) fflush(t->f);
}

void lt_tfevents_close(struct lt_tfevents *t)
{
    if (t->f) fclose(t->f);
    t->f = NULL;
}
