/* lathe completion: scripts that complete verbs, flags and their values, from the option rows.
 *     lathe completion bash >/etc/bash_completion.d/lathe */
#include "cli/cli.h"
#include <stdio.h>
#include <string.h>

struct completion { const char *shell; };

/* A flag as a shell sees it: "--optim.beta1", its row, and the words that may follow ("" when anything may). */
struct flag { struct lt_buf name, values; const struct lt_opt *row; };
typedef void flag_fn(struct lt_buf *b, const struct lt_verb *v, const struct flag *f);

static const struct lt_kind *kind_named(struct lt_str name)
{
    for (const struct lt_kind *k = lt_kinds(); k->name; k++)
        if (lt_str_is(name, k->name)) return k;
    return NULL;
}

static const struct lt_kind *chosen_kind(const struct lt_opt *r)
{
    struct lt_str rest = lt_str(r->text), kind;
    lt_str_split(&rest, ':', &kind);
    return kind_named(kind);
}

/* ---- walking over the flags of a verb ---- */
static void put_values(struct lt_buf *b, const struct lt_opt *r)
{
    bool chooses = r->type == LT_METHOD || r->type == LT_METHODS;
    if (r->flags & LT_ENUM) lt_cli_put_value(b, r);
    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] == '|') b->p[i] = ' ';
    for (const struct lt_method *const *m = chooses ? chosen_kind(r)->member : NULL; m && *m; m++)
        lt_buf_fmt(b, "%s%s", b->n ? " " : "", (*m)->name);
}

static void emit(struct lt_buf *b, const struct lt_verb *v, const char *prefix, const struct lt_opt *r, flag_fn *fn)
{
    struct flag f = { .row = r };
    lt_buf_fmt(&f.name, "--%s%s", prefix, r->key);
    lt_buf_str(&f.values, "");
    put_values(&f.values, r);
    fn(b, v, &f);
    lt_buf_free(&f.name);
    lt_buf_free(&f.values);
}

/* Members of a kind may share a key; then the first speaks for all. */
static bool said_before(const struct lt_kind *k, const struct lt_method *const *upto, const char *key)
{
    for (const struct lt_method *const *m = k->member; m < upto; m++)
        for (const struct lt_opt *r = (*m)->opts; r && r->key; r++)
            if (!strcmp(r->key, key)) return true;
    return false;
}

static void each_member_flag(struct lt_buf *b, const struct lt_verb *v, const struct lt_opt *via, flag_fn *fn)
{
    const struct lt_kind *k = chosen_kind(via);
    char prefix[96];
    for (const struct lt_method *const *m = k->member; *m; m++) {
        bool chain = via->type == LT_METHODS;
        struct lt_opt head = { .key = (*m)->name, .help = (*m)->brief, .type = LT_REAL };
        if (chain) emit(b, v, "", &head, fn);
        snprintf(prefix, sizeof(prefix), "%s.", chain ? (*m)->name : via->key);
        for (const struct lt_opt *r = (*m)->opts; r && r->key; r++)
            if (chain || !said_before(k, m, r->key)) emit(b, v, prefix, r, fn);
    }
}

static void each_flag(struct lt_buf *b, const struct lt_verb *v, flag_fn *fn)
{
    for (const struct lt_opt *r = v->m.opts; r && r->key; r++) {
        emit(b, v, "", r, fn);
        if (r->type == LT_METHOD || r->type == LT_METHODS) each_member_flag(b, v, r, fn);
    }
    for (const struct lt_opt *r = lt_cli_common_rows; r->key; r++) emit(b, v, "", r, fn);
}

/* ---- words ---- */
static const char *second_word(const char *name)
{
    const char *dash = strchr(name, '-');
    return dash ? dash + 1 : NULL;
}

/* Is m the first verb in the list that begins with its first word? */
static bool leads(const struct lt_method *const *list, const struct lt_method *const *m)
{
    size_t n = strcspn((*m)->name, "-");
    return m == list || strncmp((*m)->name, m[-1]->name, n) || strcspn(m[-1]->name, "-") != n;
}

/* A text inside single quotes; marks lists characters that the shell's own notation wants escaped. */
static void put_quoted(struct lt_buf *b, const char *text, const char *marks)
{
    for (; *text; text++) {
        if (*text == '\'') lt_buf_str(b, "'\\''");
        else if (strchr(marks, *text)) lt_buf_fmt(b, "\\%c", *text);
        else lt_buf_char(b, *text);
    }
}

static void put_every_name(struct lt_buf *b)
{
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        lt_buf_fmt(b, "%s%s", k == lt_kinds() ? "" : " ", k->name);
        for (const struct lt_method *const *m = k->member; *m; m++) lt_buf_fmt(b, " %s", (*m)->name);
    }
}

/* ---- bash ---- */
static void bash_flag(struct lt_buf *b, const struct lt_verb *v, const struct flag *f)
{
    (void)v;
    lt_buf_fmt(b, " %s", f->name.p);
}

static void bash_values(struct lt_buf *b, const struct lt_verb *v, const struct flag *f)
{
    if (f->values.n) lt_buf_fmt(b, "    '%s %s') words='%s' ;;\n", v->m.name, f->name.p, f->values.p);
}

static void bash(struct lt_buf *b, const struct lt_method *const *verbs)
{
    lt_buf_str(b, "# bash completion of lathe; made by `lathe completion bash`\n_lathe()\n{\n"
                  "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local verb=${COMP_WORDS[1]} words=\n"
                  "    COMPREPLY=()\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='");
    for (const struct lt_method *const *m = verbs; *m; m++)
        if (leads(verbs, m)) lt_buf_fmt(b, "%.*s ", (int)strcspn((*m)->name, "-"), (*m)->name);
    lt_buf_str(b, "'\n        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n        return\n    fi\n"
                  "    case \"$COMP_CWORD $verb\" in\n");
    for (const struct lt_method *const *m = verbs; *m; m++) {
        size_t n = strcspn((*m)->name, "-");
        if (!second_word((*m)->name) || !leads(verbs, m)) continue;
        lt_buf_fmt(b, "    '2 %.*s') words='", (int)n, (*m)->name);
        for (const struct lt_method *const *s = m; *s && strcspn((*s)->name, "-") == n; s++)
            if (!strncmp((*s)->name, (*m)->name, n)) lt_buf_fmt(b, "%s ", (*s)->name + n + 1);
        lt_buf_fmt(b, "' ;;\n    *' %.*s') verb=$verb-${COMP_WORDS[2]} ;;\n", (int)n, (*m)->name);
    }
    lt_buf_str(b, "    *' help') words='");
    put_every_name(b);
    lt_buf_str(b, "' ;;\n    esac\n    case \"$verb $before\" in\n");
    for (const struct lt_method *const *m = verbs; *m; m++) each_flag(b, (const struct lt_verb *)*m, bash_values);
    lt_buf_str(b, "    esac\n    case \"$word $verb\" in\n");
    for (const struct lt_method *const *m = verbs; *m; m++) {
        lt_buf_fmt(b, "    -*' %s') words='--help", (*m)->name);
        each_flag(b, (const struct lt_verb *)*m, bash_flag);
        lt_buf_str(b, "' ;;\n");
    }
    lt_buf_str(b, "    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
                  "complete -o default -F _lathe lathe\n");
}

/* ---- zsh ---- */
static void zsh_flag(struct lt_buf *b, const struct lt_verb *v, const struct flag *f)
{
    (void)v;
    lt_buf_fmt(b, " \\\n        '%s[", f->name.p);
    put_quoted(b, f->row->help, "[]:\\");
    lt_buf_char(b, ']');
    if (f->values.n) lt_buf_fmt(b, ":value:(%s)", f->values.p);
    else if (f->row->flags & (LT_IN | LT_OUT)) lt_buf_str(b, ":path:_files");
    else if (f->row->type != LT_BOOL) lt_buf_str(b, ":value:");
    lt_buf_char(b, '\'');
}

static void zsh(struct lt_buf *b, const struct lt_method *const *verbs)
{
    lt_buf_str(b, "#compdef lathe\n# made by `lathe completion zsh`\n_lathe() {\n    local -a verbs\n    verbs=(");
    for (const struct lt_method *const *m = verbs; *m; m++) {
        if (!leads(verbs, m)) continue;
        lt_buf_fmt(b, "\n        '%.*s:", (int)strcspn((*m)->name, "-"), (*m)->name);
        put_quoted(b, (*m)->brief, ":\\");
        lt_buf_char(b, '\'');
    }
    lt_buf_str(b, ")\n    if (( CURRENT == 2 )); then _describe verb verbs; return; fi\n"
                  "    case \"$CURRENT $words[2]\" in\n");
    for (const struct lt_method *const *m = verbs; *m; m++) {
        size_t n = strcspn((*m)->name, "-");
        if (!second_word((*m)->name)) continue;
        if (leads(verbs, m)) lt_buf_fmt(b, "    '3 %.*s') compadd", (int)n, (*m)->name);
        lt_buf_fmt(b, " %s", (*m)->name + n + 1);
        if (!m[1] || leads(verbs, m + 1)) lt_buf_str(b, "; return ;;\n");
    }
    lt_buf_str(b, "    *' help') compadd ");
    put_every_name(b);
    lt_buf_str(b, "; return ;;\n    esac\n    case \"$words[2] $words[3]\" in\n");
    for (const struct lt_method *const *m = verbs; *m; m++) {
        const char *second = second_word((*m)->name);
        lt_buf_fmt(b, "    '%.*s %s'%s) _arguments '--help[explain the verb]' '*:path:_files'",
                   (int)strcspn((*m)->name, "-"), (*m)->name, second ? second : "", second ? "" : "*");
        each_flag(b, (const struct lt_verb *)*m, zsh_flag);
        lt_buf_str(b, " ;;\n");
    }
    lt_buf_str(b, "    esac\n}\n_lathe \"$@\"\n");
}

/* ---- fish ---- */
static void fish_flag(struct lt_buf *b, const struct lt_verb *v, const struct flag *f)
{
    lt_buf_str(b, "complete -c lathe -n '__lathe_is ");
    lt_cli_spelling(b, v);
    lt_buf_fmt(b, "' -l '%s' -d '", f->name.p + 2);
    put_quoted(b, f->row->help, "\\");
    lt_buf_char(b, '\'');
    if (f->values.n) lt_buf_fmt(b, " -x -a '%s'", f->values.p);
    else if (f->row->type != LT_BOOL) lt_buf_str(b, " -r");
    lt_buf_char(b, '\n');
}

static void fish(struct lt_buf *b, const struct lt_method *const *verbs)
{
    lt_buf_str(b, "# fish completion of lathe; made by `lathe completion fish`\n"
                  "function __lathe_is\n    set -l words (commandline -opc)\n"
                  "    test \"$words[2]\" = \"$argv[1]\"; or return 1\n"
                  "    test (count $argv) -lt 2; or test \"$words[3]\" = \"$argv[2]\"\nend\n"
                  "function __lathe_at\n    test (count (commandline -opc)) -eq $argv[1]\nend\n");
    for (const struct lt_method *const *m = verbs; *m; m++) {
        int n = (int)strcspn((*m)->name, "-");
        if (leads(verbs, m)) {
            lt_buf_fmt(b, "complete -c lathe -n '__lathe_at 1' -f -a '%.*s' -d '", n, (*m)->name);
            put_quoted(b, (*m)->brief, "\\");
            lt_buf_str(b, "'\n");
        }
        if (second_word((*m)->name)) {
            lt_buf_fmt(b, "complete -c lathe -n '__lathe_at 2; and __lathe_is %.*s' -f -a '%s' -d '", n, (*m)->name,
                       second_word((*m)->name));
            put_quoted(b, (*m)->brief, "\\");
            lt_buf_str(b, "'\n");
        }
        each_flag(b, (const struct lt_verb *)*m, fish_flag);
    }
    lt_buf_str(b, "complete -c lathe -n '__lathe_is help' -f -a '");
    put_every_name(b);
    lt_buf_str(b, "'\n");
}

static int run(const void *v, struct lt_ctx *c)
{
    const struct completion *o = v;
    const struct lt_method *const *verbs = kind_named(lt_str("verb"))->member;
    struct lt_buf b = { 0 };
    (void)c;
    if (!strcmp(o->shell, "bash")) bash(&b, verbs);
    else if (!strcmp(o->shell, "zsh")) zsh(&b, verbs);
    else fish(&b, verbs);
    fwrite(b.p, 1, b.n, stdout);
    lt_buf_free(&b);
    return 0;
}

static const struct lt_opt rows[] = {
    { .key = "shell", .help = "the shell that reads the script", .type = LT_STR,
      .at = offsetof(struct completion, shell), .text = "bash|zsh|fish", .flags = LT_ARG | LT_ENUM },
    { 0 },
};

const struct lt_verb lt_verb_completion = {
    .m = { .name = "completion", .brief = "prints a script that completes verbs, flags and values", .opts = rows,
           .size = sizeof(struct completion),
           .doc = "    lathe completion bash >~/.local/share/bash-completion/completions/lathe\n"
                  "    lathe completion zsh >~/.zfunc/_lathe\n"
                  "    lathe completion fish >~/.config/fish/completions/lathe.fish" },
    .run = run,
};
