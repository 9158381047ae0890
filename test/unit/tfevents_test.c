/* TensorBoard event files, read back by a second reader: framing, checksums, protobuf fields. */
#include "test.h"
#include "train/tfevents.h"

/* CRC-32C by table, checked against the value published for "123456789". */
static uint32_t crc32c(const uint8_t *p, size_t n)
{
    uint32_t table[256], c = 0xffffffffu;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++) table[i] = table[i] & 1 ? table[i] >> 1 ^ 0x82f63b78u : table[i] >> 1;
    }
    for (size_t i = 0; i < n; i++) c = c >> 8 ^ table[(c ^ p[i]) & 255];
    return ~c;
}

static uint32_t masked(const uint8_t *p, size_t n)
{
    uint32_t c = crc32c(p, n);
    return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

struct event { double when; uint64_t step; char version[32], tag[64]; float value; };

static uint64_t varint(const uint8_t **p)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) return v;
    }
}

/* One message: fields of Event, Summary and Value alike, since their numbers and wire types do not clash. */
static void message(const uint8_t *p, const uint8_t *end, int depth, struct event *e)
{
    while (p < end) {
        uint64_t key = varint(&p), size;
        char *text = depth ? e->tag : e->version;
        switch (key & 7) {
        case 0: e->step = varint(&p); break;
        case 1: memcpy(&e->when, p, 8); p += 8; break;
        case 5: memcpy(&e->value, p, 4); p += 4; break;
        case 2:
            size = varint(&p);
            assert_true(size <= (uint64_t)(end - p) && size < 64);
            if ((depth == 0 && key >> 3 == 5) || depth == 1) message(p, p + size, depth + 1, e);
            else {
                memcpy(text, p, size);
                text[size] = 0;
            }
            p += size;
            break;
        default: fail_msg("wire type %d", (int)(key & 7));
        }
    }
    assert_ptr_equal(p, end);
}

static int read_events(const char *folder, struct event *out, int most)
{
    char **names;
    int count, n = 0;
    struct lt_buf b = { 0 };
    assert_ok(lt_list_dir(folder, &names, &count));
    assert_int_equal(count, 1);
    assert_true(lt_glob("events.out.tfevents.*", names[0]));
    assert_ok(lt_file_read(lt_test_path(folder, names[0]), &b));
    for (size_t at = 0; at < b.n; n++) {
        const uint8_t *p = (const uint8_t *)b.p + at;
        uint64_t size;
        uint32_t sum;
        memcpy(&size, p, 8);
        memcpy(&sum, p + 8, 4);
        assert_int_equal(sum, masked(p, 8));
        assert_true(at + 16 + size <= b.n && n < most);
        memcpy(&sum, p + 12 + size, 4);
        assert_int_equal(sum, masked(p + 12, size));
        message(p + 12, p + 12 + size, 0, &out[n]);
        at += 16 + size;
    }
    free(names[0]);
    free(names);
    lt_buf_free(&b);
    return n;
}

static void test_tfevents__read_back(void **state)
{
    (void)state;
    assert_int_equal(crc32c((const uint8_t *)"123456789", 9), 0xe3069283u);
    char *dir = lt_test_temp();
    struct lt_tfevents t;
    struct event e[8] = { 0 };
    assert_ok(lt_tfevents_open(&t, dir));
    lt_tfevents_scalar(&t, 1234.5, 1, "train/loss", 2.25);
    lt_tfevents_scalar(&t, 1235.5, 300000, "eval/bits_per_byte", -1e-3);
    lt_tfevents_close(&t);
    assert_int_equal(read_events(dir, e, 8), 3);
    assert_string_equal(e[0].version, "brain.Event:2");
    assert_true(e[1].when == 1234.5 && e[1].step == 1 && e[1].value == 2.25f);
    assert_string_equal(e[1].tag, "train/loss");
    assert_true(e[2].when == 1235.5 && e[2].step == 300000 && e[2].value == -1e-3f);
    assert_string_equal(e[2].tag, "eval/bits_per_byte");
    /* a run that goes on has one file still */
    assert_ok(lt_tfevents_open(&t, dir));
    lt_tfevents_close(&t);
    assert_int_equal(read_events(dir, e, 8), 1);
    lt_test_temp_end(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tfevents__read_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
