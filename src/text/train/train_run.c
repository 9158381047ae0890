/* lathe tokenizer train: a trainer's result as files that transformers loads. */
#include "text/tools.h"

#include "base/io.h"
#include "base/json.h"
#include "text/train/learn.h"

#include <stdlib.h>
#include <string.h>

static void name(json_t *config, const char *key, const char *token)
{
    if (token && *token)
        json_object_set_new(config, key, json_string(token));
}

/* The names that tokenizer.json has no place for. */
static json_t *make_config(const struct lt_tokenizer *t, const struct lt_trainer_options *o)
{
    json_t *config = json_pack("{s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                               "clean_up_tokenization_spaces", 0);
    name(config, "bos_token", o->bos_token);
    name(config, "eos_token", o->eos_token);
    name(config, "unk_token", o->unk_token);
    name(config, "pad_token", o->pad_token && *o->pad_token ? o->pad_token : o->eos_token);
    static const struct { const char *key, *token; } usual[] = {
        { "cls_token", "[CLS]" }, { "sep_token", "[SEP]" }, { "mask_token", "[MASK]" },
    };
    for (int i = 0; i < LT_COUNT(usual); i++) {
        int32_t id = lt_tokenizer_id(t, usual[i].token);
        if (id >= 0 && lt_tokenizer_special(t, id))
            name(config, usual[i].key, usual[i].token);
    }
    return config;
}

static int save_in(const char *folder, const struct lt_tokenizer *t, const struct lt_trainer_options *o)
{
    struct lt_buf path = { 0 }, text = { 0 };
    lt_buf_fmt(&path, "%s/tokenizer.json", folder);
    int rc = lt_tokenizer_save(t, path.p);
    json_t *config = make_config(t, o);
    lt_json_put(&text, config);
    lt_buf_char(&text, '\n');
    json_decref(config);
    lt_buf_clear(&path);
    lt_buf_fmt(&path, "%s/tokenizer_config.json", folder);
    if (rc == 0)
        rc = lt_file_save(path.p, text.p, text.n);
    lt_buf_free(&path);
    lt_buf_free(&text);
    return rc;
}

static int save(const char *output, const struct lt_tokenizer *t, const struct lt_trainer_options *o)
{
    if (lt_str_ends(lt_str(output), ".json"))
        return lt_tokenizer_save(t, output);
    struct lt_folder folder;
    if (lt_folder_open(&folder, output))
        return -1;
    if (save_in(folder.temp, t, o)) {
        lt_folder_abort(&folder);
        return -1;
    }
    return lt_folder_commit(&folder);
}

int lt_tokenizer_train_run(const struct lt_tokenizer_train_options *o, struct lt_ctx *c)
{
    const struct lt_tokenizer_trainer *trainer = (const struct lt_tokenizer_trainer *)o->method.method;
    bool file = lt_str_ends(lt_str(o->output), ".json");
    if (!file && lt_folder_guard(o->output, "tokenizer.json"))
        return -1;
    struct lt_tokenizer *t;
    if (trainer->train(o->method.o, c, &o->input, &t))
        return -1;
    int rc = save(o->output, t, o->method.o);
    if (rc == 0)
        lt_note(c, "%s: %d tokens", o->output, lt_tokenizer_vocab(t));
    lt_tokenizer_free(t);
    return rc;
}
