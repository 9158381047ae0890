/* Reading documents: formats, folders, what is refused and how the sentence names the place. */
#include "test.h"
#include "text/document.h"

static const char *put(const char *dir, const char *name, const void *p, size_t n)
{
    const char *path = lt_test_path(dir, name);
    assert_ok(lt_file_save(path, p, n));
    return path;
}

/* All documents of a path, each followed by '|'; or '!' and the sentence. */
static void read_all(const char *path, struct lt_docs_how how, struct lt_buf *out)
{
    const char *item[] = { path };
    struct lt_docs *r;
    struct lt_doc d;
    int rc = 0;
    lt_buf_clear(out);
    lt_buf_str(out, "");
    if (lt_docs_open(&(struct lt_list){ item, 1 }, &how, &r)) {
        lt_buf_fmt(out, "!%s", lt_error());
        return;
    }
    while ((rc = lt_docs_next(r, &d)) > 0) {
        lt_buf_put(out, d.text.p, d.text.n);
        lt_buf_char(out, '|');
    }
    if (rc < 0) lt_buf_fmt(out, "!%s", lt_error());
    lt_docs_close(r);
}

static void expect(const char *name, const char *bytes, size_t n, struct lt_docs_how how, const char *wanted)
{
    char *dir = lt_test_temp();
    struct lt_buf got = { 0 };
    read_all(put(dir, name, bytes, n), how, &got);
    if (wanted[0] == '!') {
        assert_non_null(strchr(got.p, '!'));
        assert_non_null(strstr(strchr(got.p, '!'), wanted + 1));
        assert_non_null(strstr(got.p, name));
    } else {
        assert_string_equal(got.p, wanted);
    }
    lt_buf_free(&got);
    lt_test_temp_end(dir);
}
#define EXPECT(name, text, how, wanted) expect(name, text, sizeof(text) - 1, how, wanted)
static const struct lt_docs_how plain, paragraphs = { .paragraphs = true };

static void test_document__text_whole_and_paragraphs(void **state)
{
    (void)state;
    EXPECT("a.txt", "one\n\ntwo\n", plain, "one\n\ntwo\n|");
    EXPECT("a.txt", "one\nmore\n\n \n\ntwo", paragraphs, "one\nmore|two|");
    EXPECT("a.txt", "\xEF\xBB\xBFone\r\ntwo\rx\r\n", plain, "one\ntwo\rx\n|");
    EXPECT("a.txt", "\xEF\xBB\xBFone\r\n\r\ntwo\r\n", paragraphs, "one|two|");
}

static void test_document__json_lines(void **state)
{
    (void)state;
    EXPECT("a.jsonl", "{\"text\":\"x\\ny\",\"id\":\"q\"}\n\n{\"text\":\"\"}\n{\"text\":\"z\"}\n", plain, "x\ny|z|");
    struct lt_docs_how body = { .field = "body" };
    EXPECT("a.jsonl", "{\"text\":\"x\",\"body\":\"b\"}", body, "b|");
    EXPECT("a.jsonl", "{\"text\":\"x\"}\n{\"body\":1}\n", plain, "!line 2: no field \"text\"");
    EXPECT("a.jsonl", "{\"text\":1}\n", plain, "!line 1: no string in field");
    EXPECT("a.jsonl", "{\"text\":\"x\"}\n{\"text\":\n", plain, "!line 2 is not JSON");
    EXPECT("a.jsonl", "[1]\n", plain, "!line 1: expected a JSON object");
    EXPECT("a.jsonl", "{\"text\":\"\\u0000\"}\n", plain, "!line 1 holds \\u0000, a NUL byte");
}

static void test_document__html_visible_text(void **state)
{
    (void)state;
    EXPECT("a.html", "<html><head><title>t</title><style>p{}</style></head><body><nav>menu</nav><h1>Head</h1>"
           "<p>One  <b>two</b>\n three&amp;</p><ul class=\"x docnav\"><li>next</ul><script>x()</script>"
           "<ul><li>a<li>b</ul><pre>x\n  y\n</pre>end<br>line", plain,
           "Head\n\nOne two three&\n\na\n\nb\n\nx\n  y\n\nend\nline\n|");
    EXPECT("a.htm", "<table><tr><td>a<td>b<tr><td>c</table>", plain, "a\tb\nc\n|");
    EXPECT("a.html", "<script>only()</script>", plain, "!there is no text");
}

static void test_document__html_nests_deep(void **state)
{
    (void)state;
    struct lt_buf page = { 0 }, text = { 0 };
    for (int i = 0; i < 20000; i++) lt_buf_str(&page, "<i>");
    lt_buf_str(&page, "deep");
    assert_ok(lt_html_text(lt_buf_view(&page), &text));
    assert_string_equal(text.p, "deep\n");
    lt_buf_free(&page);
    lt_buf_free(&text);
}

static void test_document__refuses_what_is_not_text(void **state)
{
    (void)state;
    EXPECT("a.txt", "", plain, "!there is no text");
    EXPECT("a.txt", " \n\n", plain, "!there is no text");
    EXPECT("a.txt", "ok\nbad \xFF\n", plain, "!line 2 is not UTF-8 (byte 0xFF)");
    EXPECT("a.txt", "ok\nbad \xC3", paragraphs, "!line 2 is not UTF-8");
    EXPECT("a.txt", "ok\n\n\nnul \0 here\n", plain, "!line 4 holds a NUL byte");
    EXPECT("a.html", "<p>\xE9t\xE9", plain, "!line 1 is not UTF-8");
    struct lt_docs_how odd = { .format = "pdf" };
    struct lt_buf got = { 0 };
    read_all("/nonexistent/x.txt", odd, &got);
    assert_non_null(strstr(got.p, "expected auto, txt, jsonl or html"));
    read_all("/nonexistent/x.txt", plain, &got);
    assert_non_null(strstr(got.p, "/nonexistent/x.txt"));
    lt_buf_free(&got);
}

static void test_document__refuses_an_endless_line(void **state)
{
    (void)state;
    static const char *const names[] = { "a.txt", "b.jsonl" };
    size_t n = LT_DOC_LINE_MAX + 100;
    char *p = lt_alloc(n);
    memset(p, 'x', n);
    p[5] = '\n';
    for (int i = 0; i < LT_COUNT(names); i++) {
        if (i) memcpy(p, "{ }  ", 5);
        char *dir = lt_test_temp();
        struct lt_buf got = { 0 };
        read_all(put(dir, names[i], p, n), plain, &got);
        assert_int_equal(got.p[0], '!');
        assert_non_null(strstr(got.p, names[i]));
        assert_non_null(strstr(got.p, i ? "line 1" : "line 2"));
        assert_true(got.n < 400);
        lt_buf_free(&got);
        lt_test_temp_end(dir);
    }
    free(p);
}

static void test_document__folders_are_walked_in_order(void **state)
{
    (void)state;
    char *dir = lt_test_temp();
    struct lt_buf got = { 0 };
    assert_ok(lt_mkdirs(lt_test_path(dir, "b/c")));
    put(dir, "z.txt", "4", 1);
    put(dir, "b/c/x.md", "2", 1);
    put(dir, "b/d.jsonl", "{\"text\":\"3\"}", 12);
    put(dir, "a.txt", "1", 1);
    put(dir, "empty.txt", "", 0);
    put(dir, ".hidden.txt", "no", 2);
    put(dir, "picture.png", "\x89PNG", 4);
    read_all(dir, plain, &got);
    assert_string_equal(got.p, "1|2|3|4|");
    lt_buf_free(&got);
    lt_test_temp_end(dir);
}

/* The table of RFC 3629 by hand, against every two-byte and three-byte beginning. */
static void test_document__utf8_against_decoding(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x110000; c += c < 0x800 ? 1 : 37) {
        char p[12] = "abcdefghijk";
        size_t n = 0;
        if (c < 0x80) p[n++] = (char)c;
        else if (c < 0x800) p[n++] = (char)(0xC0 | c >> 6), p[n++] = (char)(0x80 | (c & 63));
        else if (c < 0x10000) {
            p[n++] = (char)(0xE0 | c >> 12), p[n++] = (char)(0x80 | (c >> 6 & 63)), p[n++] = (char)(0x80 | (c & 63));
        } else {
            p[n++] = (char)(0xF0 | c >> 18), p[n++] = (char)(0x80 | (c >> 12 & 63));
            p[n++] = (char)(0x80 | (c >> 6 & 63)), p[n++] = (char)(0x80 | (c & 63));
        }
        bool surrogate = c >= 0xD800 && c < 0xE000;
        assert_int_equal(lt_text_check(p, 11), surrogate ? 0 : 11);
        if (c >= 0x80) assert_int_equal(lt_text_check(p, n - 1), 0);
    }
    static const char *const bad[] = { "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80", "\x80", "\xFE" };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        char p[16] = "12345678";
        strcpy(p + 3, bad[i]);
        assert_int_equal(lt_text_check(p, 3 + strlen(bad[i])), 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document__text_whole_and_paragraphs),
        cmocka_unit_test(test_document__json_lines),
        cmocka_unit_test(test_document__html_visible_text),
        cmocka_unit_test(test_document__html_nests_deep),
        cmocka_unit_test(test_document__refuses_what_is_not_text),
        cmocka_unit_test(test_document__refuses_an_endless_line),
        cmocka_unit_test(test_document__folders_are_walked_in_order),
        cmocka_unit_test(test_document__utf8_against_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
