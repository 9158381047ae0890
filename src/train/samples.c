/* Texts written during training: at every validation the model continues each prompt, or begins a document. */
#include "base/ctx.h"
#include "decode/sample.h"
#include "model/session.h"
#include "train/trainer.h"

#include <string.h>

/* The model in training, seen as a language model. */
static int session(void *self, struct lt_session *out)
{
    struct lt_trainer *t = self;
    struct lt_session_spec spec = { .compute = lt_graph_compute(t->graph), .cache = LT_F32,
                                    .adapters = t->adapter ? &t->sampled : NULL };
    return lt_model_session(t->model, t->ctx, spec, out);
}

static const struct lt_tokenizer *tokenizer(void *self) { return ((struct lt_trainer *)self)->tokenizer; }

static const struct lt_lm_type in_training = {
    .m = { .name = "the model in training" }, .session = session, .tokenizer = tokenizer,
};

/* A little cooler than the model itself: what it is surest of is what one wants to see. */
static const struct lt_method *cooler(struct lt_options **set, const void **o)
{
    const struct lt_method *m = lt_method_find("control", "temperature");
    *set = lt_options_new(m);
    *o = lt_options_set(*set, m->opts->key, "0.8") ? NULL : lt_options_done(*set);
    return m;
}

static int write_one(struct lt_trainer *t, const struct lt_choices *controls, int number, const char *prompt,
                     int32_t first)
{
    struct lt_lm lm = { .type = &in_training, .self = t };
    struct lt_reply reply;
    struct lt_ask ask = { .prompt = lt_str(prompt), .controls = controls, .max_tokens = (int)t->o->sample_tokens,
                          .seed = (uint64_t)t->o->seed, .number = (uint64_t)number, .end = t->model->generation.eos,
                          .end_count = t->model->generation.eos_count };
    if (!*prompt) {
        ask.prompt_ids = &first;
        ask.prompt_count = 1;
    }
    if (lt_generate(&lm, t->ctx, &ask, 1, &reply)) return -1;
    if (!lt_ctx_interrupted(t->ctx))
        lt_metrics_sample(&t->metrics, t->step, lt_str(prompt), (struct lt_str){ reply.text, reply.text_size });
    lt_reply_release(&reply);
    return 0;
}

int lt_train_samples(struct lt_trainer *t)
{
    if (!t->tokenizer) return 0;
    int32_t first = lt_tokenizer_bos(t->tokenizer);
    if (first < 0) first = lt_tokenizer_eos(t->tokenizer);
    if (first < 0 && !t->o->prompts.count) return 0;
    struct lt_options *set;
    const void *o;
    struct lt_choice choice = { .method = cooler(&set, &o) };
    choice.o = (void *)o;
    struct lt_choices controls = { .item = &choice, .count = 1 };
    int rc = o ? 0 : -1;
    if (!rc && !t->o->prompts.count) rc = write_one(t, &controls, 0, "", first);
    for (int i = 0; i < t->o->prompts.count && !rc; i++) {
        const char *prompt = t->o->prompts.item[i];
        if (!*prompt && first < 0) rc = lt_misuse("prompts: the tokenizer has no token that begins a text");
        else rc = write_one(t, &controls, i, prompt, first);
    }
    lt_options_free(set);
    return rc;
}
