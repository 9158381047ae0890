/* Laws of the registry: whatever is listed has a head from which flags, help and records can be made. */
#include "test.h"
#include "base/option.h"
#include "cli/cli.h"
#include <ctype.h>

typedef void law_fn(const struct lt_kind *k, const struct lt_method *m);

static void each_method(law_fn *law)
{
    for (const struct lt_kind *k = lt_kinds(); k->name; k++)
        for (const struct lt_method *const *m = k->member; *m; m++) law(k, *m);
}

static void each_row(const struct lt_kind *k, const struct lt_method *m,
                     void (*law)(const struct lt_kind *k, const struct lt_method *m, const struct lt_opt *r))
{
    for (const struct lt_opt *r = m->opts; r && r->key; r++) law(k, m, r);
}

static bool is_verb(const struct lt_kind *k) { return !strcmp(k->name, "verb"); }

static bool is_key(const char *key, const char *also)
{
    if (!islower((unsigned char)*key)) return false;
    for (; *key; key++)
        if (!islower((unsigned char)*key) && !isdigit((unsigned char)*key) && !strchr(also, *key)) return false;
    return true;
}

/* ---- heads ---- */
static void law_head(const struct lt_kind *k, const struct lt_method *m)
{
    if (!m->name || !is_key(m->name, "_-.")) fail_msg("%s: a name of small letters, digits, '_', '-'", m->name);
    if (!m->brief || !*m->brief) fail_msg("%s %s: no line that says what it is", k->name, m->name);
    if (strchr(m->brief, '\n') || strlen(m->brief) > 100)
        fail_msg("%s %s: the brief is one short line", k->name, m->name);
    if (m->brief[strlen(m->brief) - 1] == '.') fail_msg("%s %s: the brief ends without a full stop", k->name, m->name);
    if (m->opts && m->opts->key && !m->size) fail_msg("%s %s: rows without a struct size", k->name, m->name);
    if (is_verb(k) && !((const struct lt_verb *)m)->run) fail_msg("verb %s cannot run", m->name);
}

static void test_registry__heads(void **state)
{
    (void)state;
    each_method(law_head);
}

static void test_registry__sorted_and_found(void **state)
{
    (void)state;
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        for (const struct lt_method *const *m = k->member; *m; m++) {
            if (m > k->member && strcmp(m[-1]->name, (*m)->name) >= 0)
                fail_msg("%s: %s stands before %s", k->name, m[-1]->name, (*m)->name);
            assert_ptr_equal(lt_method_find(k->name, (*m)->name), *m);
        }
    }
    assert_null(lt_method_find("verb", "no-such-verb-at-all"));
}

/* A paper is where anybody finds it: arXiv, DOI, ACL anthology, or an address. */
static void law_paper(const struct lt_kind *k, const struct lt_method *m)
{
    struct lt_buf url = { 0 };
    if (!m->paper) return;
    lt_cli_put_url(&url, m->paper);
    if (!url.n) fail_msg("%s %s: paper \"%s\" is neither arXiv:, doi:, ACL: nor https://", k->name, m->name, m->paper);
    if (!strncmp(m->paper, "arXiv:", 6)) {
        int year, number, used = 0;
        bool new_form = sscanf(m->paper, "arXiv:%4d.%5d%n", &year, &number, &used) == 2 && !m->paper[used]
            && used >= 15;
        if (!new_form && !strchr(m->paper, '/'))
            fail_msg("%s %s: \"%s\" is no arXiv number", k->name, m->name, m->paper);
    }
    lt_buf_free(&url);
}

static void test_registry__papers(void **state)
{
    (void)state;
    each_method(law_paper);
}

/* ---- rows ---- */
static bool in_common(const char *key)
{
    for (const struct lt_opt *r = lt_cli_common_rows; r->key; r++)
        if (!strcmp(r->key, key)) return true;
    return false;
}

static const struct lt_kind *kind_of_row(const struct lt_opt *r)
{
    size_t n = strcspn(r->text, ":");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++)
        if (strlen(k->name) == n && !strncmp(k->name, r->text, n)) return k;
    return NULL;
}

static void law_row(const struct lt_kind *k, const struct lt_method *m, const struct lt_opt *r)
{
    if (!is_key(r->key, "_")) fail_msg("%s %s: key \"%s\"", k->name, m->name, r->key);
    if (!r->help || !*r->help) fail_msg("%s %s: %s has no help", k->name, m->name, r->key);
    if (r->help[strlen(r->help) - 1] == '.')
        fail_msg("%s %s: the help of %s ends without a full stop", k->name, m->name, r->key);
    if (r->at >= m->size) fail_msg("%s %s: %s lies outside the struct", k->name, m->name, r->key);
    if (is_verb(k) && in_common(r->key)) fail_msg("verb %s: every verb has --%s", m->name, r->key);
    bool number = r->type == LT_INT || r->type == LT_REAL, bounded = r->min != 0 || r->max != 0;
    if (r->min > r->max) fail_msg("%s %s: the range of %s is empty", k->name, m->name, r->key);
    if (number && bounded && !(r->flags & LT_NEED) && (r->dflt < r->min || r->dflt > r->max))
        fail_msg("%s %s: the default of %s, %g, is outside %g to %g", k->name, m->name, r->key, r->dflt, r->min,
                 r->max);
    if ((r->flags & LT_ENUM) && (r->type != LT_STR || !r->text || !strchr(r->text, '|')))
        fail_msg("%s %s: %s lists no values", k->name, m->name, r->key);
    if ((r->flags & (LT_IN | LT_OUT)) && r->type != LT_STR && r->type != LT_LIST)
        fail_msg("%s %s: %s names a file but is no text", k->name, m->name, r->key);
    if ((r->type == LT_METHOD || r->type == LT_METHODS) && (!r->text || !kind_of_row(r)))
        fail_msg("%s %s: %s chooses from no kind", k->name, m->name, r->key);
}

/* A key or alias means one thing in its method. */
static int meanings(const struct lt_method *m, struct lt_str name)
{
    int n = 0;
    for (const struct lt_opt *r = m->opts; r && r->key; r++) {
        struct lt_str part;
        for (int i = 0; lt_option_name(r, i, &part); i++) n += lt_str_eq(part, name);
    }
    return n;
}

static void law_row_is_alone(const struct lt_kind *k, const struct lt_method *m, const struct lt_opt *r)
{
    struct lt_str part;
    for (int i = 0; lt_option_name(r, i, &part); i++) {
        char key[96];
        snprintf(key, sizeof(key), "%.*s", (int)part.n, part.p);
        if (!is_key(key, "_")) fail_msg("%s %s: \"%s\" is no key", k->name, m->name, key);
        if (meanings(m, part) != 1) fail_msg("%s %s: \"%s\" means %d things", k->name, m->name, key, meanings(m, part));
    }
}

/* In a chain a flag is a member's name, or an alias of the member's first option. */
static bool is_link(const struct lt_method *m, struct lt_str flag)
{
    struct lt_str alias;
    if (lt_str_is(flag, m->name)) return true;
    for (int i = 1; m->opts && m->opts->key && lt_option_name(m->opts, i, &alias); i++)
        if (lt_str_eq(alias, flag)) return true;
    return false;
}

static void law_chain(const struct lt_kind *k, const struct lt_method *m, const struct lt_opt *r)
{
    const struct lt_kind *chain = r->type == LT_METHODS ? kind_of_row(r) : NULL;
    for (const struct lt_method *const *a = chain ? chain->member : NULL; a && *a; a++) {
        struct lt_str alias;
        for (int i = 1; (*a)->opts && (*a)->opts->key && lt_option_name((*a)->opts, i, &alias); i++) {
            int n = meanings(m, alias);
            for (const struct lt_method *const *b = chain->member; *b; b++) n += is_link(*b, alias);
            if (n != 1) fail_msg("%s %s: --%.*s means %d things", k->name, m->name, (int)alias.n, alias.p, n);
        }
    }
}

static void law_rows(const struct lt_kind *k, const struct lt_method *m)
{
    each_row(k, m, law_row);
    each_row(k, m, law_row_is_alone);
    each_row(k, m, law_chain);
}

static void test_registry__rows(void **state)
{
    (void)state;
    each_method(law_rows);
}

/* ---- option sets ---- */
static void set_needed(struct lt_options *s, const struct lt_method *m)
{
    char number[40];
    for (const struct lt_opt *r = m->opts; r && r->key; r++) {
        if (!(r->flags & LT_NEED)) continue;
        bool counts = r->type == LT_INT || r->type == LT_REAL, chooses = r->type == LT_METHOD || r->type == LT_METHODS;
        snprintf(number, sizeof(number), "%.0f", LT_MAX(r->min, LT_MIN(1, r->max)));
        const char *value = counts ? number : chooses ? kind_of_row(r)->member[0]->name
            : r->type == LT_BOOL ? "true" : "some";
        assert_ok(lt_options_set(s, r->key, value));
    }
}

/* Filled with defaults, written as JSON, read back and written again: the same text. */
static void law_round_trip(const struct lt_kind *k, const struct lt_method *m)
{
    struct lt_options *s = lt_options_new(m), *again = lt_options_new(m);
    set_needed(s, m);
    if (!lt_options_done(s)) fail_msg("%s %s: %s", k->name, m->name, lt_error());
    char *json = lt_options_resolved(s, true);
    if (lt_options_json(again, json)) fail_msg("%s %s: %s in %s", k->name, m->name, lt_error(), json);
    if (!lt_options_done(again)) fail_msg("%s %s: %s in %s", k->name, m->name, lt_error(), json);
    char *json_again = lt_options_resolved(again, true);
    assert_string_equal(json, json_again);
    free(json);
    free(json_again);
    lt_options_free(s);
    lt_options_free(again);
}

static void test_registry__defaults_round_trip(void **state)
{
    (void)state;
    each_method(law_round_trip);
}

/* ---- texts ---- */
/* The words of a line as a shell would split it, up to the first operator; returns how many. */
static int shell_words(char *line, char **word, int most)
{
    int n = 0;
    for (char *in = line; *in && n < most;) {
        while (*in == ' ') in++;
        if (!*in || strchr("|<>#&;\\", *in)) break;
        char *out = in, quote = 0;
        for (word[n++] = in; *in && (quote || *in != ' '); in++) {
            if (!quote && (*in == '"' || *in == '\'')) quote = *in;
            else if (*in == quote) quote = 0;
            else *out++ = *in;
        }
        if (*in) in++;
        *out = 0;
    }
    return n;
}

/* An example in a help text is accepted by the program's own parser. */
static void try_example(const struct lt_method *m, char *line)
{
    char *word[64], *said = lt_strdup(line);
    int n = shell_words(line, word, 64), taken;
    for (int i = 0; i < n; i++)
        if (!strcmp(word[i], "...") || strstr(word[i], "$(")) n = 0;
    if (n > 1) {
        const struct lt_verb *v = lt_cli_verb(n - 1, word + 1, &taken);
        if (!v) fail_msg("help of %s: \"%s\": %s", m->name, said, lt_error());
        size_t at;
        struct lt_method wide = lt_cli_widen(&v->m, &at);
        struct lt_options *s = lt_options_new(&wide);
        if (lt_options_args(s, n - 1 - taken, word + 1 + taken) || !lt_options_done(s))
            fail_msg("help of %s: \"%s\": %s", m->name, said, lt_error());
        lt_options_free(s);
        free((void *)wide.opts);
    }
    free(said);
}

static void law_doc(const struct lt_kind *k, const struct lt_method *m)
{
    int examples = 0;
    struct lt_buf text = { 0 };
    lt_buf_str(&text, m->doc ? m->doc : "");
    lt_cli_put_example(&text, k, m, "\n");
    struct lt_str rest = lt_buf_view(&text), line;
    while (lt_str_split(&rest, '\n', &line)) {
        while (line.n && line.p[0] == ' ') line.p++, line.n--;
        if (lt_str_starts(line, "example: ")) line.p += 9, line.n -= 9;
        if (!lt_str_starts(line, "lathe ")) continue;
        char copy[1024];
        snprintf(copy, sizeof(copy), "%.*s", (int)line.n, line.p);
        try_example(m, copy);
        examples++;
    }
    if (is_verb(k) && !examples) fail_msg("the help of the verb %s shows no example", m->name);
    lt_buf_free(&text);
}

static void test_registry__examples_are_accepted(void **state)
{
    (void)state;
    each_method(law_doc);
}

static void law_page(const struct lt_kind *k, const struct lt_method *m)
{
    struct lt_buf page = { 0 };
    lt_cli_put_page(&page, k, m);
    assert_non_null(strstr(page.p, m->brief));
    for (const struct lt_opt *r = m->opts; r && r->key; r++) {
        char flag[96];
        snprintf(flag, sizeof(flag), "  --%s", r->key);
        if (!strstr(page.p, flag)) fail_msg("the page of %s %s does not show --%s", k->name, m->name, r->key);
    }
    lt_buf_free(&page);
}

static void test_registry__pages_show_every_row(void **state)
{
    (void)state;
    each_method(law_page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry__heads),
        cmocka_unit_test(test_registry__sorted_and_found),
        cmocka_unit_test(test_registry__papers),
        cmocka_unit_test(test_registry__rows),
        cmocka_unit_test(test_registry__defaults_round_trip),
        cmocka_unit_test(test_registry__examples_are_accepted),
        cmocka_unit_test(test_registry__pages_show_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
