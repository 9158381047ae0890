/* The registry: one list a kind, one line a method, sorted.  This file alone sees every folder.
 * tools/tidy fails when a method file is missing from its list. */
#include "base/base.h"
#include "formula/term.h"
#include "mixture/mixture.h"
#include "ngram/smoothing/smoothing.h"
#include "surgery/quant/quantizer.h"
#include <string.h>

/* The lists: X(symbol).  A verb of two words is spelt with '_' here and '-' in its name. */
#define VERBS(X) \
    X(chat) \
    X(completion) \
    X(convert) \
    X(ensemble) \
    X(explain) \
    X(filter) \
    X(generate) \
    X(help) \
    X(inspect) \
    X(lab) \
    X(measure) \
    X(ngram_build) \
    X(ngram_classes) \
    X(ngram_compare) \
    X(ngram_compile) \
    X(ngram_convert) \
    X(ngram_filter) \
    X(ngram_glm) \
    X(ngram_interpolate) \
    X(ngram_prune) \
    X(ngram_query) \
    X(pack) \
    X(pairs) \
    X(perplexity) \
    X(quantize) \
    X(reproduce) \
    X(run) \
    X(score) \
    X(sentences) \
    X(serve) \
    X(show_mask) \
    X(show_template) \
    X(tokenizer_decode) \
    X(tokenizer_encode) \
    X(tokenizer_inspect) \
    X(tokenizer_train) \
    X(train) \
    X(version)
#define ARCHS(X) \
    X(gpt2) \
    X(gpt_neox) \
    X(llama) \
    X(mistral) \
    X(ngram_transformer) \
    X(olmo) \
    X(olmo2) \
    X(phi) \
    X(qwen2) \
    X(stablelm)
#define ADAPTERS(X) \
    X(lora)
#define OBJECTIVES(X) \
    X(arm) \
    X(clm) \
    X(simpo)
#define OPTIMS(X) \
    X(adafactor) \
    X(adamw) \
    X(lion) \
    X(muon) \
    X(sgd)
#define SCHEDULES(X) \
    X(constant) \
    X(cosine) \
    X(inverse_sqrt) \
    X(linear) \
    X(warmup_stable_decay)
#define CONTROLS(X) \
    X(banned_strings) \
    X(filter) \
    X(frequency_penalty) \
    X(grammar) \
    X(json_schema) \
    X(length) \
    X(logit_bias) \
    X(min_p) \
    X(presence_penalty) \
    X(regex) \
    X(repetition_penalty) \
    X(temperature) \
    X(top_k) \
    X(top_p) \
    X(typical_p)
#define DATAOPS(X) \
    X(exact_dedup) \
    X(length) \
    X(perplexity)
#define SEARCHS(X) \
    X(beam) \
    X(best_of_n) \
    X(deal) \
    X(nearest_length) \
    X(sample)
#define TOKENIZERS(X) \
    X(bpe) \
    X(unigram) \
    X(wordlevel) \
    X(wordpiece)
#define LMS(X) \
    X(cache) \
    X(class) \
    X(fake) \
    X(formula) \
    X(glm) \
    X(mix) \
    X(ngram) \
    X(transformer)
#define MIXTURES(X) \
    X(bayes) \
    X(constant_scalar) \
    X(constant_vector) \
    X(entropy_scalar) \
    X(entropy_vector) \
    X(full_scalar) \
    X(full_vector) \
    X(linear) \
    X(log_linear) \
    X(mean)
#define TERMS(X) \
    X(classifier) \
    X(debias) \
    X(intersection) \
    X(plausible) \
    X(reward) \
    X(uniform) \
    X(union)
#define SMOOTHINGS(X) \
    X(absolute_discounting) \
    X(add_k) \
    X(katz) \
    X(modified_kneser_ney) \
    X(stupid_backoff) \
    X(witten_bell)
#define QUANTIZERS(X) \
    X(gptq) \
    X(importance) \
    X(round_to_nearest)

#define DECLARE_VERB(n) extern const struct lt_verb lt_verb_##n;
#define DECLARE_ARCH(n) extern const struct lt_arch lt_arch_##n;
#define DECLARE_ADAPTER(n) extern const struct lt_adapter_type lt_adapter_##n;
#define DECLARE_OBJECTIVE(n) extern const struct lt_objective lt_objective_##n;
#define DECLARE_OPTIM(n) extern const struct lt_optim lt_optim_##n;
#define DECLARE_SCHEDULE(n) extern const struct lt_schedule lt_schedule_##n;
#define DECLARE_CONTROL(n) extern const struct lt_control lt_control_##n;
#define DECLARE_SEARCH(n) extern const struct lt_search lt_search_##n;
#define DECLARE_DATAOP(n) extern const struct lt_dataop lt_dataop_##n;
#define DECLARE_TOKENIZER(n) extern const struct lt_tokenizer_trainer lt_tokenizer_##n;
#define DECLARE_LM(n) extern const struct lt_lm_type lt_lm_##n;
#define DECLARE_MIXTURE(n) extern const struct lt_mixture lt_mixture_##n;
#define DECLARE_TERM(n) extern const struct lt_term lt_term_##n;
#define DECLARE_SMOOTHING(n) extern const struct lt_smoothing lt_smoothing_##n;
#define DECLARE_QUANTIZER(n) extern const struct lt_quantizer lt_quantizer_##n;
VERBS(DECLARE_VERB)
ARCHS(DECLARE_ARCH)
ADAPTERS(DECLARE_ADAPTER)
OBJECTIVES(DECLARE_OBJECTIVE)
OPTIMS(DECLARE_OPTIM)
SCHEDULES(DECLARE_SCHEDULE)
CONTROLS(DECLARE_CONTROL)
SEARCHS(DECLARE_SEARCH)
DATAOPS(DECLARE_DATAOP)
TOKENIZERS(DECLARE_TOKENIZER)
LMS(DECLARE_LM)
MIXTURES(DECLARE_MIXTURE)
TERMS(DECLARE_TERM)
SMOOTHINGS(DECLARE_SMOOTHING)
QUANTIZERS(DECLARE_QUANTIZER)

#define HEAD_VERB(n) &lt_verb_##n.m,
#define HEAD_ARCH(n) &lt_arch_##n.m,
#define HEAD_ADAPTER(n) &lt_adapter_##n.m,
#define HEAD_OBJECTIVE(n) &lt_objective_##n.m,
#define HEAD_OPTIM(n) &lt_optim_##n.m,
#define HEAD_SCHEDULE(n) &lt_schedule_##n.m,
#define HEAD_CONTROL(n) &lt_control_##n.m,
#define HEAD_SEARCH(n) &lt_search_##n.m,
#define HEAD_DATAOP(n) &lt_dataop_##n.m,
#define HEAD_TOKENIZER(n) &lt_tokenizer_##n.m,
#define HEAD_LM(n) &lt_lm_##n.m,
#define HEAD_MIXTURE(n) &lt_mixture_##n.m,
#define HEAD_TERM(n) &lt_term_##n.m,
#define HEAD_SMOOTHING(n) &lt_smoothing_##n.m,
#define HEAD_QUANTIZER(n) &lt_quantizer_##n.m,
static const struct lt_method *const verbs[] = { VERBS(HEAD_VERB) NULL };
static const struct lt_method *const archs[] = { ARCHS(HEAD_ARCH) NULL };
static const struct lt_method *const adapters[] = { ADAPTERS(HEAD_ADAPTER) NULL };
static const struct lt_method *const objectives[] = { OBJECTIVES(HEAD_OBJECTIVE) NULL };
static const struct lt_method *const optims[] = { OPTIMS(HEAD_OPTIM) NULL };
static const struct lt_method *const schedules[] = { SCHEDULES(HEAD_SCHEDULE) NULL };
static const struct lt_method *const controls[] = { CONTROLS(HEAD_CONTROL) NULL };
static const struct lt_method *const searches[] = { SEARCHS(HEAD_SEARCH) NULL };
static const struct lt_method *const dataops[] = { DATAOPS(HEAD_DATAOP) NULL };
static const struct lt_method *const tokenizers[] = { TOKENIZERS(HEAD_TOKENIZER) NULL };
static const struct lt_method *const lms[] = { LMS(HEAD_LM) NULL };
static const struct lt_method *const mixtures[] = { MIXTURES(HEAD_MIXTURE) NULL };
static const struct lt_method *const terms[] = { TERMS(HEAD_TERM) NULL };
static const struct lt_method *const smoothings[] = { SMOOTHINGS(HEAD_SMOOTHING) NULL };
static const struct lt_method *const quantizers[] = { QUANTIZERS(HEAD_QUANTIZER) NULL };

static const struct lt_kind kinds[] = {
    { .name = "verb", .brief = "what the program does: lathe VERB ...", .member = verbs },
    { .name = "arch", .brief = "architectures of models, by their Hugging Face model_type", .member = archs },
    { .name = "adapter", .brief = "changes to weights kept beside them: lathe generate --adapter FOLDER",
      .member = adapters },
    { .name = "objective", .brief = "what training minimises", .member = objectives },
    { .name = "optim", .brief = "optimisers", .member = optims },
    { .name = "schedule", .brief = "learning-rate schedules", .member = schedules },
    { .name = "control", .brief = "changes to the logits before a token is chosen", .member = controls },
    { .name = "search", .brief = "ways to find a reply: lathe generate --search NAME", .member = searches },
    { .name = "dataop", .brief = "operators on streams of documents", .member = dataops },
    { .name = "tokenizer", .brief = "ways to train a tokenizer", .member = tokenizers },
    { .name = "lm", .brief = "back ends of language models", .member = lms },
    { .name = "mixture", .brief = "how several models' distributions become one", .member = mixtures },
    { .name = "term", .brief = "functions of models in a formula (`lathe help formula`)", .member = terms },
    { .name = "smoothing", .brief = "how n-gram counts become probabilities", .member = smoothings },
    { .name = "quantizer", .brief = "how matrices of floats become blocks of few bits", .member = quantizers },
    { .name = NULL },
};

const struct lt_kind *lt_kinds(void) { return kinds; }

const struct lt_method *lt_method_find(const char *kind, const char *name)
{
    const struct lt_kind *k = kinds;
    while (k->name && strcmp(k->name, kind)) k++;
    if (!k->name) {
        lt_misuse("there is no kind \"%s\"; `lathe help` lists the kinds", kind);
        return NULL;
    }
    const char *near = NULL;
    int best = (int)strlen(name) / 3 + 2;
    for (const struct lt_method *const *m = k->member; *m; m++) {
        int d = lt_edit_distance(name, (*m)->name);
        if (!d) return *m;
        if (d < best) {
            best = d;
            near = (*m)->name;
        }
    }
    if (near) lt_misuse("there is no %s \"%s\"; did you mean \"%s\"?", kind, name, near);
    else lt_misuse("there is no %s \"%s\"; `lathe help %s` lists them", kind, name, kind);
    return NULL;
}
