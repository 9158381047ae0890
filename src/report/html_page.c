#include "report/chart.h"

static const char *const style =
    ":root{color-scheme:light dark;--ink:#1c2024;--dim:#697077;--line:#d9dde1;--back:#fff;--box:#f6f7f8;"
    "--s0:#1f6fd1;--s1:#d1491f;--s2:#2c8a4b;--s3:#8a4bc0;--s4:#a67c00;--s5:#00848a}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--dim:#9aa2a9;--line:#3a4046;--back:#16191c;--box:#1f2327;"
    "--s0:#6aa9f7;--s1:#f78a6a;--s2:#6ccf8e;--s3:#c39af0;--s4:#e0b94a;--s5:#5cc8ce}}\n"
    "body{margin:2rem auto;max-width:72rem;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);"
    "background:var(--back)}\n"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1rem}\n"
    "figure{margin:0;padding:.75rem;background:var(--box);border-radius:6px}svg{width:100%;height:auto;display:block}\n"
    "svg text{font:11px system-ui,sans-serif;fill:var(--dim)}"
    "svg .title{font-size:13px;font-weight:600;fill:var(--ink)}\n"
    "svg .grid{stroke:var(--line);stroke-width:1}svg .curve{fill:none;stroke-width:1.6;stroke-linejoin:round}\n"
    ".c0{stroke:var(--s0)}.c1{stroke:var(--s1)}.c2{stroke:var(--s2)}.c3{stroke:var(--s3)}.c4{stroke:var(--s4)}"
    ".c5{stroke:var(--s5)}\n"
    "circle.c0{fill:var(--s0)}circle.c1{fill:var(--s1)}circle.c2{fill:var(--s2)}circle.c3{fill:var(--s3)}"
    "circle.c4{fill:var(--s4)}circle.c5{fill:var(--s5)}\n"
    "table{border-collapse:collapse;font-size:.9rem}td{padding:.2rem 1rem .2rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:anywhere}td:first-child{color:var(--dim);white-space:nowrap}\n"
    "pre{white-space:pre-wrap;background:var(--box);padding:.75rem;border-radius:6px;font-size:.9rem}\n"
    "footer{margin-top:3rem;color:var(--dim);font-size:.85rem}\n";

void lt_page_text(struct lt_buf *out, struct lt_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '<') lt_buf_str(out, "&lt;");
        else if (c == '>') lt_buf_str(out, "&gt;");
        else if (c == '&') lt_buf_str(out, "&amp;");
        else if (c == '"') lt_buf_str(out, "&quot;");
        else if (c >= 0x20 || c == '\n' || c == '\t') lt_buf_char(out, (char)c);
        else lt_buf_str(out, "\xef\xbf\xbd");
    }
}

void lt_page_begin(struct lt_buf *out, const char *title)
{
    lt_buf_str(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    lt_page_text(out, lt_str(title));
    lt_buf_str(out, "</title>\n<style>\n");
    lt_buf_str(out, style);
    lt_buf_str(out, "</style>\n</head>\n<body>\n<h1>");
    lt_page_text(out, lt_str(title));
    lt_buf_str(out, "</h1>\n");
}

void lt_page_end(struct lt_buf *out)
{
    lt_buf_str(out, "<footer>lathe " LATHE_VERSION "</footer>\n</body>\n</html>\n");
}

void lt_page_row(struct lt_buf *out, const char *key, struct lt_str value)
{
    lt_buf_str(out, "<tr><td>");
    lt_page_text(out, lt_str(key));
    lt_buf_str(out, "</td><td>");
    lt_page_text(out, value);
    lt_buf_str(out, "</td></tr>\n");
}
