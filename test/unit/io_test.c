/* Files, writers, folders, streams, hashes; context and progress. */
#include "test.h"
#include <fcntl.h>
#include "base/ctx.h"
#include <errno.h>
#include <sys/stat.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

static int set_up(void **state)
{
    *state = lt_test_temp();
    return 0;
}

static int tear_down(void **state)
{
    lt_test_temp_end(*state);
    return 0;
}

static void assert_holds(const char *path, const char *want)
{
    struct lt_buf b = { 0 };
    assert_ok(lt_file_read(path, &b));
    assert_int_equal(b.n, strlen(want));
    assert_string_equal(b.p, want);
    lt_buf_free(&b);
}

static int count_names(const char *folder)
{
    char **names;
    int count;
    assert_ok(lt_list_dir(folder, &names, &count));
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return count;
}

static void test_file__opens_and_refuses(void **state)
{
    const char *path = lt_test_path(*state, "a"), *empty = lt_test_path(*state, "empty");
    struct lt_file f;
    assert_ok(lt_file_save(path, "hello", 5));
    assert_ok(lt_file_open(path, &f));
    assert_true(f.mapped && f.n == 5 && memcmp(f.p, "hello", 5) == 0);
    lt_file_close(&f);
    assert_ok(lt_file_save(empty, "", 0));
    assert_ok(lt_file_open(empty, &f));
    assert_true(!f.mapped && f.n == 0);
    lt_file_close(&f);
    assert_fails(lt_file_open(*state, &f), "is a folder");
    assert_fails(lt_file_open(lt_test_path(*state, "none"), &f), "No such file");
    assert_fails(lt_file_open("/proc/self/mem", &f), "cannot read");
}

static int64_t written_so_far(const struct lt_writer *w)
{
    struct stat st;
    assert_int_equal(fstat(fileno(w->f), &st), 0);
    return st.st_size;
}

/* So that a file that was just written can be mapped by huge pages. */
static void test_writer__hands_over_whole_huge_pages(void **state)
{
    char *much = lt_calloc(1, 2 * LT_HUGE_PAGE);
    struct lt_writer w;
    assert_ok(lt_writer_open(&w, lt_test_path(*state, "large")));
    lt_writer_put(&w, much, LT_HUGE_PAGE - 1);
    assert_int_equal(written_so_far(&w), 0);
    lt_writer_put(&w, much, 2 * LT_HUGE_PAGE);
    assert_int_equal(written_so_far(&w), 2 * LT_HUGE_PAGE);
    lt_writer_abort(&w);
    free(much);
}

static void test_writer__nothing_before_commit(void **state)
{
    const char *path = lt_test_path(*state, "out");
    struct lt_writer w, other;
    assert_ok(lt_writer_open(&w, path));
    lt_writer_put(&w, "one ", 4);
    lt_writer_fmt(&w, "%d", 2);
    assert_false(lt_path_exists(path));
    assert_ok(lt_writer_open(&other, path));            /* two at once do not meet */
    lt_writer_put(&other, "x", 1);
    lt_writer_abort(&other);
    assert_int_equal(w.written, 5);
    assert_ok(lt_writer_commit(&w));
    assert_holds(path, "one 2");
    assert_int_equal(count_names(*state), 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_nlink, 1);
}

static void test_writer__reports_a_full_disk_once(void **state)
{
    (void)state;
    struct lt_writer w;
    assert_ok(lt_writer_open(&w, "/dev/full"));
    for (int i = 0; i < 10000; i++)
        lt_writer_put(&w, "0123456789", 10);
    assert_int_equal(w.failed, ENOSPC);
    assert_fails(lt_writer_commit(&w), "/dev/full: cannot write: No space left");
    assert_ok(lt_writer_open(&w, "/dev/full"));
    lt_writer_put(&w, "0", 1);
    assert_fails(lt_writer_flush(&w), "/dev/full: cannot write: No space left");
    assert_fails(lt_writer_commit(&w), "/dev/full: cannot write: No space left");
    assert_true(lt_path_exists("/dev/full"));
}

static void test_writer__refuses_folders(void **state)
{
    struct lt_writer w;
    assert_fails(lt_writer_open(&w, *state), "Is a directory");
    assert_fails(lt_file_save(lt_test_path(*state, "no/such"), "x", 1), "No such file");
    assert_int_equal(count_names(*state), 0);
}

static void test_folder__replaces_in_one_step(void **state)
{
    const char *path = lt_test_path(*state, "model/");
    struct lt_folder d;
    for (int round = 0; round < 2; round++) {
        assert_ok(lt_folder_open(&d, path));
        char text[2] = { (char)('0' + round) };
        assert_ok(lt_mkdirs(lt_test_path(d.temp, "deep/er")));
        assert_ok(lt_file_save(lt_test_path(d.temp, round ? "deep/er/b" : "a"), text, 1));
        assert_int_equal(count_names(*state), 1 + round);
        assert_ok(lt_folder_commit(&d));
        assert_int_equal(count_names(*state), 1);
    }
    assert_false(lt_path_exists(lt_test_path(*state, "model/a")));
    assert_holds(lt_test_path(*state, "model/deep/er/b"), "1");
    assert_ok(lt_folder_open(&d, path));
    lt_folder_abort(&d);
    assert_int_equal(count_names(*state), 1);
    assert_fails(lt_folder_open(&d, "."), "current folder");
    assert_fails(lt_folder_open(&d, "/"), "current folder");
    assert_fails(lt_folder_open(&d, lt_test_path(*state, "model/deep/er/b")), "is a file");
}

/* `text` in pieces of its own member or frame each. */
static void squeeze(struct lt_buf *out, const char *form, const char *text, size_t n)
{
    if (strcmp(form, "plain") == 0) {
        lt_buf_put(out, text, n);
    } else if (strcmp(form, "zst") == 0) {
        char *to = lt_buf_room(out, ZSTD_compressBound(n));
        ZSTD_CCtx *c = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
        out->n += ZSTD_compress2(c, to, ZSTD_compressBound(n), text, n);
        ZSTD_freeCCtx(c);
    } else if (strcmp(form, "xz") == 0) {
        size_t bound = lzma_stream_buffer_bound(n);
        uint8_t *to = (uint8_t *)lt_buf_room(out, bound);
        size_t made = 0;
        assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text, n, to, &made, bound),
                         LZMA_OK);
        out->n += made;
    } else {
        z_stream z = { 0 };
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        size_t bound = deflateBound(&z, n);
        z.next_in = (uint8_t *)(uintptr_t)text;
        z.avail_in = (unsigned)n;
        z.next_out = (uint8_t *)lt_buf_room(out, bound);
        z.avail_out = (unsigned)bound;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        out->n += z.total_out;
        deflateEnd(&z);
    }
}

/* Two members of compressible text with numbers; checks lines, then every truncation at some places. */
static void try_form(const char *folder, const char *form)
{
    struct lt_buf text = { 0 }, packed = { 0 }, line = { 0 };
    for (int i = 0; i < 60000; i++)
        lt_buf_fmt(&text, "%d %d%s\n", i, i * 17 % 977, i % 3 ? "" : "\r");
    squeeze(&packed, form, text.p, text.n / 2);
    squeeze(&packed, form, text.p + text.n / 2, text.n - text.n / 2);
    const char *path = lt_test_path(folder, form);
    assert_ok(lt_file_save(path, packed.p, packed.n));
    struct lt_stream *s = lt_stream_open(path);
    assert_non_null(s);
    assert_int_equal(lt_stream_size(s), packed.n);
    for (int i = 0; i < 60000; i++) {
        char want[64];
        snprintf(want, sizeof want, "%d %d", i, i * 17 % 977);
        assert_int_equal(lt_stream_line(s, &line, 100, true), 1);
        assert_string_equal(line.p, want);
    }
    assert_int_equal(lt_stream_line(s, &line, 100, true), 0);
    assert_int_equal(lt_stream_position(s), packed.n);
    lt_stream_close(s);
    bool plain = strcmp(form, "plain") == 0;
    for (size_t cut = 5; cut < packed.n && !plain; cut += packed.n / 7) {
        assert_ok(lt_file_save(path, packed.p, cut));
        s = lt_stream_open(path);
        assert_non_null(s);
        int64_t n;
        while ((n = lt_stream_read(s, text.p, 1000)) > 0)
            ;
        assert_int_equal(n, -1);
        assert_non_null(strstr(lt_error(), "ends early"));
        lt_stream_close(s);
    }
    lt_buf_free(&text);
    lt_buf_free(&packed);
    lt_buf_free(&line);
}

static void test_stream__plain(void **state) { try_form(*state, "plain"); }
static void test_stream__gzip(void **state) { try_form(*state, "gz"); }
static void test_stream__zstandard(void **state) { try_form(*state, "zst"); }
static void test_stream__xz(void **state) { try_form(*state, "xz"); }

static void test_stream__damage_is_named(void **state)
{
    const char *path = lt_test_path(*state, "x");
    struct lt_buf packed = { 0 };
    static const char *const forms[] = { "zst", "gz", "xz" };
    for (int form = 0; form < LT_COUNT(forms); form++) {
        lt_buf_clear(&packed);
        squeeze(&packed, forms[form], "The quick brown fox jumps over the lazy dog, twice and again", 60);
        memset(packed.p + packed.n / 2, 0x5a, 8);
        assert_ok(lt_file_save(path, packed.p, packed.n));
        struct lt_stream *s = lt_stream_open(path);
        char out[100];
        int64_t n;
        while ((n = lt_stream_read(s, out, sizeof out)) > 0)
            ;
        assert_int_equal(n, -1);
        assert_non_null(strstr(lt_error(), "/x: "));
        lt_stream_close(s);
    }
    lt_buf_free(&packed);
    assert_null(lt_stream_open(*state));
    assert_null(lt_stream_open(lt_test_path(*state, "none")));
}

static void test_stream__lines_at_the_edges(void **state)
{
    const char *path = lt_test_path(*state, "lines");
    assert_ok(lt_file_save(path, "\n\nab\ncdefgh\nlast", 16));
    struct lt_buf line = { 0 };
    struct lt_stream *s = lt_stream_open(path);
    const char *want[] = { "", "", "ab" };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lt_stream_line(s, &line, 5, false), 1);
        assert_string_equal(line.p, want[i]);
    }
    assert_int_equal(lt_stream_line(s, &line, 5, false), -1);
    assert_non_null(strstr(lt_error(), "line 4, which begins at byte 5, is longer than 5 bytes"));
    lt_stream_close(s);
    s = lt_stream_open(path);
    for (int i = 0; i < 5; i++)
        assert_int_equal(lt_stream_line(s, &line, 6, false), 1);
    assert_string_equal(line.p, "last");
    assert_int_equal(lt_stream_line(s, &line, 6, false), 0);
    lt_stream_close(s);
    lt_buf_free(&line);
}

static void test_hash__names_contents_and_no_times(void **state)
{
    char a[33], b[33];
    uint64_t bytes;
    const char *folder = lt_test_path(*state, "d");
    assert_ok(lt_mkdirs(lt_test_path(*state, "d/sub")));
    assert_ok(lt_file_save(lt_test_path(*state, "d/x"), "1", 1));
    assert_ok(lt_file_save(lt_test_path(*state, "d/sub/y"), "22", 2));
    assert_ok(lt_hash_path(folder, a, &bytes));
    assert_int_equal(bytes, 3);
    assert_ok(lt_file_save(lt_test_path(*state, "d/lathe-run.json"), "{}", 2));
    assert_ok(lt_file_save(lt_test_path(*state, "d/events.out.tfevents.1.host"), "t", 1));
    assert_ok(lt_hash_path(folder, b, NULL));
    assert_string_equal(a, b);
    assert_int_equal(rename(lt_test_path(*state, "d/x"), lt_test_path(*state, "d/z")), 0);
    assert_ok(lt_hash_path(folder, b, NULL));
    assert_string_not_equal(a, b);
    assert_ok(lt_hash_path(lt_test_path(*state, "d/z"), a, NULL));
    assert_ok(lt_file_save(lt_test_path(*state, "d/z"), "2", 1));
    assert_ok(lt_hash_path(lt_test_path(*state, "d/z"), b, NULL));
    assert_string_not_equal(a, b);
    assert_int_equal(symlink(".", lt_test_path(*state, "d/loop")), 0);
    assert_fails(lt_hash_path(folder, a, NULL), "nested more than");
}

struct heard { int reports, ends; double done; char line[64]; };

static void hear_note(void *self, const char *line)
{
    snprintf(((struct heard *)self)->line, 64, "%s", line);
}

static void hear_progress(void *self, const char *what, const char *unit, double done, double total, double seconds,
                          const char *extra, bool finished)
{
    struct heard *h = self;
    (void)extra;
    assert_string_equal(what, "packing");
    assert_string_equal(unit, "tokens");
    assert_true(total == 1e6 && seconds >= 0);
    h->reports++;
    h->ends += finished;
    h->done = done;
}

static void test_ctx__progress_is_rare_and_ends(void **state)
{
    (void)state;
    struct heard h = { 0 };
    struct lt_talk talk = { .note = hear_note, .progress = hear_progress };
    struct lt_ctx *c = lt_ctx_new(2, &talk, &h);
    struct lt_progress p;
    lt_progress_begin(c, &p, "packing", "tokens", 1e6);
    double until = lt_clock() + 0.25;
    while (lt_clock() < until)
        lt_progress_at(&p, ++p.done, NULL);
    double last = p.done;
    lt_progress_end(&p);
    assert_true(h.reports <= 3 && h.ends == 1 && h.done == last);
    lt_note(c, "%d files", 3);
    assert_string_equal(h.line, "3 files");
    assert_int_equal(lt_pool_threads(lt_ctx_pool(c)), 2);
    assert_false(lt_ctx_interrupted(c));
    lt_ctx_interrupt(c);
    assert_true(lt_ctx_interrupted(c));
    lt_ctx_free(c);
}

static void test_ctx__null_is_legal(void **state)
{
    (void)state;
    struct lt_progress p;
    lt_progress_begin(NULL, &p, "x", "y", 0);
    lt_progress_at(&p, 1, "z");
    lt_progress_end(&p);
    lt_note(NULL, "quiet");
    lt_ctx_interrupt(NULL);
    assert_false(lt_ctx_interrupted(NULL));
    assert_null(lt_ctx_pool(NULL));
    lt_ctx_free(NULL);
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* `lathe ... >> log`: what stood there stays, and nothing is renamed over it. */
static void test_write__standard_output_is_written_on(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "log"), *const name[] = { "-", "/dev/stdout" };
    int before = dup(1), fd = open(path, O_WRONLY | O_CREAT, 0666);
    assert_true(before >= 0 && fd >= 0);
    fflush(stdout);
    dup2(fd, 1);
    int rc = 0;
    for (int i = 0; i < 2; i++) {
        struct lt_writer w;
        rc |= lt_writer_open(&w, name[i]);
        lt_writer_fmt(&w, "line %d\n", i);
        rc |= lt_writer_commit(&w);
    }
    dup2(before, 1);
    close(before);
    close(fd);
    assert_int_equal(rc, 0);
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read(path, &text));
    assert_string_equal(text.p, "line 0\nline 1\n");
    lt_buf_free(&text);
    lt_test_temp_end(folder);
}

/* Links that lead nowhere and pipes belong to a folder by name; checkpoints and temporary files do not belong to it. */
static void test_io__hash_of_odd_folders(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), bare[33], with_link[33], with_more[33];
    assert_ok(lt_file_save(lt_test_path(dir, "a"), "a", 1));
    assert_ok(lt_hash_path(dir, bare, NULL));
    assert_ok(symlink("nowhere", lt_test_path(dir, "link")));
    assert_int_equal(mkfifo(lt_test_path(dir, "pipe"), 0600), 0);
    assert_ok(lt_hash_path(dir, with_link, NULL));
    assert_string_not_equal(bare, with_link);
    assert_ok(lt_mkdirs(lt_test_path(dir, "checkpoint-5")));
    assert_ok(lt_file_save(lt_test_path(dir, "checkpoint-5/x"), "x", 1));
    assert_ok(lt_file_save(lt_test_path(dir, ".x.12.0.tmp"), "x", 1));
    assert_ok(lt_hash_path(dir, with_more, NULL));
    assert_string_equal(with_link, with_more);
    lt_test_temp_end(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_file__opens_and_refuses),
        WITH_FOLDER(test_writer__hands_over_whole_huge_pages),
        WITH_FOLDER(test_writer__nothing_before_commit),
        cmocka_unit_test(test_writer__reports_a_full_disk_once),
        WITH_FOLDER(test_writer__refuses_folders),
        WITH_FOLDER(test_folder__replaces_in_one_step),
        WITH_FOLDER(test_stream__plain),
        WITH_FOLDER(test_stream__gzip),
        WITH_FOLDER(test_stream__zstandard),
        WITH_FOLDER(test_stream__xz),
        WITH_FOLDER(test_stream__damage_is_named),
        WITH_FOLDER(test_stream__lines_at_the_edges),
        WITH_FOLDER(test_hash__names_contents_and_no_times),
        cmocka_unit_test(test_ctx__progress_is_rare_and_ends),
        cmocka_unit_test(test_ctx__null_is_legal),
        cmocka_unit_test(test_write__standard_output_is_written_on),
        cmocka_unit_test(test_io__hash_of_odd_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
