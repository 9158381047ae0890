/* The commands of a conversation, one function each; the table is at the end. */
#include "decode/chat/chat_state.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int command_fn(struct lt_chat_talk *h, struct lt_str rest);
struct command { const char *name, *takes, *help; command_fn *run; };
static const struct command commands[];

static char *copy(struct lt_str s)
{
    struct lt_buf b = { 0 };
    lt_buf_put(&b, s.p, s.n);
    return b.p;
}

static int takes_nothing(struct lt_str rest, const char *name)
{
    return rest.n ? lt_misuse("%s takes nothing; found \"%.*s\"", name, (int)LT_MIN(rest.n, 80), rest.p) : 0;
}

/* ---- the conversation ---- */

static int system_text(struct lt_chat_talk *h, struct lt_str rest)
{
    const char *now = lt_conversation_system(&h->talk);
    if (lt_str_is(rest, "-")) return lt_conversation_set_system(&h->talk, (struct lt_str){ 0 });
    if (rest.n) return lt_conversation_set_system(&h->talk, rest);
    if (now) lt_chat_screen_data(&h->screen, "%s\n", now);
    else lt_chat_screen_say(&h->screen, "there is no system text");
    return 0;
}

/* Takes back the last message of the user and what follows it; free() the text.  NULL: there is none. */
static char *take_back(struct lt_chat_talk *h)
{
    const char *text;
    if (!lt_conversation_turns(&h->talk)) {
        lt_misuse("nothing has been said yet");
        return NULL;
    }
    while (!(text = lt_conversation_last(&h->talk, "user"))) lt_conversation_pop(&h->talk);
    char *out = lt_strdup(text);
    lt_conversation_pop(&h->talk);
    return out;
}

static int undo(struct lt_chat_talk *h, struct lt_str rest)
{
    if (takes_nothing(rest, "/undo")) return -1;
    char *text = take_back(h);
    if (!text) return -1;
    lt_chat_screen_say(&h->screen, "taken back: %.60s%s", text, strlen(text) > 60 ? " ..." : "");
    free(text);
    return 0;
}

/* Says again what was taken back; when there is no answer the conversation is as it was. */
static int say_instead(struct lt_chat_talk *h, struct lt_str text)
{
    json_t *before = json_deep_copy(h->talk.messages);
    char *old = take_back(h);
    int rc = old ? lt_chat_say(h, text.p ? text : lt_str(old)) : -1;
    if (rc) {
        json_decref(h->talk.messages);
        h->talk.messages = before;
    } else json_decref(before);
    free(old);
    return rc;
}

static int regenerate(struct lt_chat_talk *h, struct lt_str rest)
{
    if (takes_nothing(rest, "/regenerate")) return -1;
    if (h->set.now->greedy && lt_conversation_turns(&h->talk))
        lt_chat_screen_say(&h->screen, "greedy writes the same answer every time; /unset greedy");
    return say_instead(h, (struct lt_str){ 0 });
}

static int edit(struct lt_chat_talk *h, struct lt_str rest)
{
    if (rest.n) return say_instead(h, rest);
    if (!h->screen.terminal) return lt_misuse("/edit TEXT says this in place of the last message; expected a text");
    char *text = take_back(h);
    if (!text) return -1;
    free(h->begin);
    h->begin = text;
    return 0;
}

static int forget(struct lt_chat_talk *h, struct lt_str rest)
{
    int64_t n;
    if (lt_str_int(rest, &n) || n < 1 || n > INT32_MAX)
        return lt_misuse("/forget N leaves out the N oldest turns; expected a number from 1, found \"%.*s\"",
                         (int)LT_MIN(rest.n, 80), rest.p);
    int turns = lt_conversation_turns(&h->talk);
    if (n > turns) return lt_misuse("/forget: the conversation has %d turns, found %lld", turns, (long long)n);
    int done = lt_conversation_forget(&h->talk, (int)n);
    lt_chat_screen_say(&h->screen, "%d turns left out, %d remain", done, lt_conversation_turns(&h->talk));
    return 0;
}

static int clear(struct lt_chat_talk *h, struct lt_str rest)
{
    const char *system = lt_conversation_system(&h->talk);
    struct lt_conversation fresh;
    if (takes_nothing(rest, "/clear")) return -1;
    lt_conversation_init(&fresh, (int64_t)time(NULL));
    if (system) lt_conversation_set_system(&fresh, lt_str(system));
    lt_conversation_release(&h->talk);
    h->talk = fresh;
    return 0;
}

/* ---- settings ---- */

static int show_settings(struct lt_chat_talk *h)
{
    json_t *all = lt_chat_set_options(&h->set), *v;
    const char *key;
    json_object_foreach(all, key, v) {
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        lt_chat_screen_data(&h->screen, "%s\t%s\n", key, text);
        free(text);
    }
    if (!json_object_size(all)) lt_chat_screen_say(&h->screen, "nothing is set; everything is as by default");
    json_decref(all);
    return 0;
}

static int show_setting(struct lt_chat_talk *h, const char *key)
{
    struct lt_buf b = { 0 };
    int rc;
    if (lt_chat_set_value(&h->set, key, &b, &rc)) lt_chat_screen_data(&h->screen, "%s\t%s\n", key, b.p);
    else if (!rc) lt_chat_screen_say(&h->screen, "%s is not set", key);
    lt_buf_free(&b);
    return rc;
}

static int change(struct lt_chat_talk *h, const char *key, const char *value)
{
    struct lt_chat_set set;
    return lt_chat_set_changed(&h->set, key, value, &set) ? -1 : lt_chat_settle(h, &set);
}

static int set(struct lt_chat_talk *h, struct lt_str rest)
{
    size_t n = 0;
    while (n < rest.n && !strchr(" \t\n=", rest.p[n])) n++;
    char *key = copy((struct lt_str){ rest.p, n });
    while (n < rest.n && strchr(" \t\n=", rest.p[n])) n++;
    char *value = n < rest.n ? copy((struct lt_str){ rest.p + n, rest.n - n }) : NULL;
    int rc = !*key ? show_settings(h) : value ? change(h, key, value) : show_setting(h, key);
    free(key);
    free(value);
    return rc;
}

static int unset(struct lt_chat_talk *h, struct lt_str rest)
{
    if (!rest.n) return lt_misuse("/unset KEY takes a setting back; `/set` shows those there are");
    char *key = copy(rest);
    int rc = change(h, key, NULL);
    free(key);
    return rc;
}

/* ---- looking ---- */

static void put_piece(struct lt_buf *b, const struct lt_tokenizer *t, int32_t id)
{
    struct lt_str piece = lt_tokenizer_piece(t, id);
    lt_json_put_text(b, piece.p ? piece : lt_str(""));
}

static int show(struct lt_chat_talk *h, struct lt_str rest)
{
    struct lt_spoken s;
    struct lt_buf b = { 0 };
    bool answer = lt_conversation_last(&h->talk, "user") != NULL;
    if (takes_nothing(rest, "/show")) return -1;
    if (!json_array_size(h->talk.messages)) return lt_misuse("nothing has been said yet");
    if (lt_conversation_tokens(&h->talk, h->model.chat, h->model.t, answer, &s)) return -1;
    lt_buf_put(&b, s.text.p, s.text.n);
    lt_buf_str(&b, s.text.n && s.text.p[s.text.n - 1] == '\n' ? "ids" : "\nids");
    for (int i = 0; i < s.count; i++) lt_buf_fmt(&b, " %d", s.id[i]);
    lt_buf_str(&b, "\npieces");
    for (int i = 0; i < s.count; i++) {
        lt_buf_char(&b, ' ');
        put_piece(&b, h->model.t, s.id[i]);
    }
    lt_buf_char(&b, '\n');
    lt_chat_screen_text(&h->screen, lt_buf_view(&b));
    lt_buf_free(&b);
    lt_spoken_release(&s);
    return 0;
}

/* A tokenizer's pieces as JSON texts, probabilities of the model before the controls. */
static int tokens(struct lt_chat_talk *h, struct lt_str rest)
{
    const struct lt_reply *r = &h->last;
    int tops = r->count ? h->last_tops : 0;
    struct lt_buf b = { 0 };
    if (takes_nothing(rest, "/tokens")) return -1;
    if (!r->text) return lt_misuse("there is no answer yet");
    lt_buf_fmt(&b, "position\tid\tprobability\tpiece%s\n", tops ? "\tlikeliest" : "");
    for (int i = 0; i < r->count; i++) {
        lt_buf_fmt(&b, "%d\t%d\t%.4f\t", i, r->token[i], exp((double)r->logp[i]));
        put_piece(&b, h->model.t, r->token[i]);
        for (int j = 0; j < tops; j++) {
            lt_buf_char(&b, j ? ' ' : '\t');
            put_piece(&b, h->model.t, r->top_token[i * tops + j]);
            lt_buf_fmt(&b, "=%.4f", exp((double)r->top_logp[i * tops + j]));
        }
        lt_buf_char(&b, '\n');
    }
    lt_chat_screen_text(&h->screen, lt_buf_view(&b));
    lt_buf_free(&b);
    return 0;
}

static int switch_model(struct lt_chat_talk *h, const char *path)
{
    struct lt_chat_model old = h->model;
    if (lt_chat_model_open(h->o, path, h->c, &h->model)) {
        h->model = old;
        return -1;
    }
    struct lt_chat_set set;
    json_t *options = lt_chat_set_options(&h->set);
    int rc = lt_chat_set_read(options, &set) || lt_chat_settle(h, &set) ? -1 : 0;
    json_decref(options);
    lt_chat_model_close(rc ? &h->model : &old);
    if (rc) h->model = old;
    else {
        h->talk.marks = 0;
        lt_reply_release(&h->last);
    }
    return rc;
}

static int model(struct lt_chat_talk *h, struct lt_str rest)
{
    const struct lt_chat_model *m = &h->model;
    if (rest.n) {
        char *path = copy(rest);
        int rc = switch_model(h, path);
        free(path);
        return rc;
    }
    lt_chat_screen_data(&h->screen, "model\t%s\nkind\t%s\nvocabulary\t%d\n", m->path, m->lm.type->m.name,
                        lt_tokenizer_vocab(m->t));
    if (m->limit) lt_chat_screen_data(&h->screen, "context\t%d\n", m->limit);
    lt_chat_screen_data(&h->screen, "template\t%s\nturns\t%d\n", m->chat ? h->o->chat_template ? h->o->chat_template
                        : "its own" : "none", lt_conversation_turns(&h->talk));
    return 0;
}

/* ---- files ---- */

static int save(struct lt_chat_talk *h, struct lt_str rest)
{
    if (!rest.n) return lt_misuse("/save FILE writes the conversation; expected a file");
    char *path = copy(rest);
    json_t *options = lt_chat_set_options(&h->set);
    int rc = lt_conversation_save(&h->talk, path, h->model.path, options);
    if (!rc) lt_chat_screen_say(&h->screen, "%s: %d turns written", path, lt_conversation_turns(&h->talk));
    json_decref(options);
    free(path);
    return rc;
}

int lt_chat_load(struct lt_chat_talk *h, const char *path)
{
    struct lt_conversation fresh;
    struct lt_chat_set settings;
    char *model_path;
    json_t *options;
    lt_conversation_init(&fresh, (int64_t)time(NULL));
    int rc = lt_conversation_load(&fresh, path, &model_path, &options);
    if (!rc && (lt_chat_set_read(options, &settings) || lt_chat_settle(h, &settings)))
        rc = lt_fail("%s: %s", path, lt_error());
    if (!rc) {
        lt_conversation_release(&h->talk);
        h->talk = fresh;
        lt_chat_screen_say(&h->screen, "%s: %d turns read", path, lt_conversation_turns(&h->talk));
        if (model_path && strcmp(model_path, h->model.path))
            lt_chat_screen_say(&h->screen, "they were with %s; this is %s", model_path, h->model.path);
    } else lt_conversation_release(&fresh);
    json_decref(options);
    free(model_path);
    return rc;
}

static int load(struct lt_chat_talk *h, struct lt_str rest)
{
    if (!rest.n) return lt_misuse("/load FILE reads a conversation; expected a file");
    char *path = copy(rest);
    int rc = lt_chat_load(h, path);
    free(path);
    return rc;
}

/* ---- the rest ---- */

static int quit(struct lt_chat_talk *h, struct lt_str rest)
{
    if (takes_nothing(rest, "/quit")) return -1;
    h->leave = true;
    return 0;
}

static int help(struct lt_chat_talk *h, struct lt_str rest);

static const struct command commands[] = {
    { "/help", "", "shows this", help },
    { "/system", "[TEXT]", "shows or sets what stands before the conversation; - takes it away", system_text },
    { "/set", "[KEY [VALUE]]", "shows or changes a setting: temperature, top_p, grammar, seed, max_tokens ...", set },
    { "/unset", "KEY", "takes a setting back", unset },
    { "/undo", "", "takes back the last message and its answer", undo },
    { "/regenerate", "", "another answer to the last message", regenerate },
    { "/edit", "[TEXT]", "says something else in place of the last message", edit },
    { "/forget", "N", "leaves out the N oldest turns", forget },
    { "/clear", "", "begins anew; the system text and the settings stay", clear },
    { "/show", "", "the text the model sees, its token ids and pieces", show },
    { "/tokens", "", "the last answer's tokens with their probabilities, before the controls", tokens },
    { "/save", "FILE", "writes the conversation and its settings, as JSON", save },
    { "/load", "FILE", "reads them again", load },
    { "/model", "[PATH]", "shows the model, or goes on with another", model },
    { "/quit", "", "ends; so does Ctrl-D", quit },
};

static int help(struct lt_chat_talk *h, struct lt_str rest)
{
    if (takes_nothing(rest, "/help")) return -1;
    for (int i = 0; i < LT_COUNT(commands); i++) {
        char left[40];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].takes);
        lt_chat_screen_data(&h->screen, "%-22s %s\n", left, commands[i].help);
    }
    lt_chat_screen_data(&h->screen, "%s", "A line that ends with \\ goes on in the next; so do all between \"\"\" and "
                        "\"\"\", and Alt-Enter breaks a line.\nA message that begins with / is typed with //.  Ctrl-C "
                        "stops an answer.\n");
    return 0;
}

const char *lt_chat_command_name(int i) { return i < LT_COUNT(commands) ? commands[i].name : NULL; }

static int unknown(struct lt_str name)
{
    char said[40];
    const char *near = NULL;
    snprintf(said, sizeof said, "%.*s", (int)LT_MIN(name.n, sizeof said - 1), name.p);
    int best = (int)strlen(said) / 3 + 2;
    for (int i = 0; i < LT_COUNT(commands); i++) {
        int d = lt_edit_distance(said, commands[i].name);
        if (d < best) near = commands[i].name;
        best = LT_MIN(best, d);
    }
    if (near) return lt_misuse("there is no command %s; did you mean %s?", said, near);
    return lt_misuse("there is no command %s; /help lists them, and // begins a message with /", said);
}

int lt_chat_command(struct lt_chat_talk *h, struct lt_str line)
{
    size_t n = 0;
    while (n < line.n && !strchr(" \t\n", line.p[n])) n++;
    struct lt_str name = { line.p, n }, rest = { line.p + n, line.n - n };
    while (rest.n && strchr(" \t\n", *rest.p)) rest.p++, rest.n--;
    while (rest.n && strchr(" \t\n", rest.p[rest.n - 1])) rest.n--;
    for (int i = 0; i < LT_COUNT(commands); i++)
        if (lt_str_is(name, commands[i].name)) return commands[i].run(h, rest);
    return unknown(name);
}
