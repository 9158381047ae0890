/* lathe.h: the public face of Lathe, a language-model workshop in C.
 *
 * One head (struct lt_method) describes every method of every kind; command-line flags, recipe keys,
 * help, completion and conformance tests are derived from its option rows.
 *
 * Conventions.  Fallible functions return 0 or -1, or a pointer or NULL; lt_error() then holds one
 * sentence for this thread.  A pointer argument is borrowed.  Handles come from _open or _new and go
 * with _close or _free.  The library never prints and never exits. */
#ifndef LATHE_H
#define LATHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LATHE_VERSION "0.1.0"

/* ---- slices and errors ---- */
struct lt_str { const char *p; size_t n; };
int lt_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));    /* sets the sentence; always -1 */
/* the same, and the caller's fault: exit 2 */
int lt_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *lt_error(void);                                                 /* never NULL */
bool lt_error_is_misuse(void);

/* ---- the head of every method ---- */
enum lt_type {
    LT_INT,         /* int64_t */
    LT_REAL,        /* double */
    LT_BOOL,        /* bool */
    LT_STR,         /* const char *; NULL when absent and no default */
    LT_LIST,        /* struct lt_list; repeatable flag, or comma-separated in one value, or a YAML list */
    LT_METHOD,      /* struct lt_choice: one member of the kind in .text ("optim:adamw" = kind:default); its
                     * own options are reached as key.option */
    LT_METHODS,     /* struct lt_choices: a chain of members of the kind in .text; each member's name is itself
                     * a key whose value is the member's first option (--top_k 40, --top_k.min_keep 2) */
};
enum {              /* lt_opt.flags */
    LT_NEED = 1,    /* must be given */
    LT_ARG = 2,     /* may be given without its key, in row order; a LIST takes all that remain */
    LT_IN = 4,      /* names a file or folder read: hashed into the run record, watched by recipes */
    LT_OUT = 8,     /* names a file or folder written: receives the run record */
    LT_ENUM = 16,   /* STR: .text is "default|other|another"; anything else is refused with the list */
    LT_FREE = 32,   /* does not change the result (progress, threads): left out of run records */
    LT_DOTTED = 64, /* LIST: also takes every flag with a dot that no row answers to, --a.b VALUE as "a.b=VALUE"; commas
                     * in its texts stand for themselves */
    LT_TEXTS = 128, /* LIST: of texts, whose commas stand for themselves.  STR of a back end: with LT_ARG, takes all
                     * that stands behind NAME: as it is */
};
struct lt_list { const char **item; int count; };
struct lt_choice { const struct lt_method *method; void *o; };              /* o: filled option struct, or NULL */
struct lt_choices { struct lt_choice *item; int count; bool ordered; };    /* ordered: the chain's order was given */

struct lt_opt {     /* command-line flag = recipe key = script keyword */
    const char *key, *help;
    enum lt_type type;
    size_t at;                  /* offsetof(struct options, field) */
    double dflt, min, max;      /* INT, REAL, BOOL; a range of 0, 0 means unbounded */
    const char *text;           /* STR default, ENUM values, METHOD kind */
    const char *alias;          /* other accepted spellings, comma-separated; the canonical key is printed */
    unsigned flags;
};
struct lt_method {              /* head of every method of every kind */
    const char *name, *brief, *paper;   /* "adamw", one line for help, "arXiv:1711.05101" or NULL */
    size_t size;                        /* sizeof the option struct */
    const struct lt_opt *opts;          /* ends with a row whose key is NULL; NULL: no options */
    const char *doc;                    /* equation and example, several lines, for `lathe help NAME`; may be NULL */
};

/* The registry: every kind, and the members of a kind sorted by name.  NULL-terminated arrays. */
struct lt_kind { const char *name, *brief; const struct lt_method *const *member; };
const struct lt_kind *lt_kinds(void);                                       /* ends with name == NULL */
const struct lt_method *lt_method_find(const char *kind, const char *name); /* NULL: lt_error suggests near names */

/* Option values.  A set belongs to one method and remembers which keys were given and under what spelling.
 * Keys take '-' or '_' alike; "a.b" reaches into a chosen method. */
struct lt_options;
struct lt_options *lt_options_new(const struct lt_method *m);
int lt_options_set(struct lt_options *s, const char *key, const char *value);  /* unknown key: suggests the near name */
/* --key value, --key=value, --flag, --no-flag, ARG */
int lt_options_args(struct lt_options *s, int argc, char **argv);
int lt_options_json(struct lt_options *s, const char *json);  /* an object of keys, nested or dotted */
/* Fills in defaults and checks ranges and required keys: the filled struct, valid until _free; NULL on error. */
const void *lt_options_done(struct lt_options *s);
/* JSON, canonical keys, stable order; free() it.  all = false leaves LT_FREE rows out. */
char *lt_options_resolved(const struct lt_options *s, bool all);
bool lt_options_given(const struct lt_options *s, const char *key);
/* The i-th key that was given under an alias: its spelling and canonical key; false past the last. */
bool lt_options_renamed(const struct lt_options *s, int i, const char **spelling, const char **canonical);
void lt_options_free(struct lt_options *s);

/* ---- context of a long operation: threads, talk, interruption ---- */
struct lt_ctx;
struct lt_talk {                /* where notes and progress go; every member may be NULL */
    void (*note)(void *self, const char *line);
    /* done of total (0: unknown) in unit ("tokens", "bytes"); extra is a short text or NULL.  Called at most ten
     * times a second and once at the end with finished = true. */
    void (*progress)(void *self, const char *what, const char *unit, double done, double total, double seconds,
                     const char *extra, bool finished);
};
struct lt_ctx *lt_ctx_new(int threads, const struct lt_talk *talk, void *talk_self);   /* threads 0: one per core */
void lt_ctx_interrupt(struct lt_ctx *c);                /* safe in a signal handler */
bool lt_ctx_interrupted(const struct lt_ctx *c);
void lt_ctx_free(struct lt_ctx *c);
void lt_note(struct lt_ctx *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- kinds whose members stand outside a model ---- */
struct lt_verb {                                        /* what the program can do; `lathe NAME ...` */
    struct lt_method m;
    int (*run)(const void *o, struct lt_ctx *c);        /* data to stdout, talk through c */
    bool (*reusable)(const void *o);                    /* NULL: a recipe may skip it when nothing changed */
};

/* Documents: a text with its source, for packing, tokenizer training and filters. */
struct lt_doc {
    struct lt_str text, id;
    const char *source; uint64_t number;
    struct lt_str row;              /* the JSON object it came from, as text; p NULL: it came from no such thing */
    struct lt_str added;            /* members that operators add to it: ,"key":value ... */
    const char *why;                /* one or two words for what an operator drops it for; NULL: it goes on */
};
typedef int lt_emit_fn(void *to, const struct lt_doc *d);
/* HOLD: the operator has copied it and gives it to emit later.  DROP must set d->why; STOP: lt_error. */
enum lt_verdict { LT_KEEP, LT_DROP, LT_HOLD, LT_STOP = -1 };
struct lt_dataop {
    struct lt_method m;
    size_t state;
    int (*open)(const void *o, void *st, struct lt_ctx *c);             /* may be NULL */
    /* May change *d; texts it puts there stay valid until the next call. */
    enum lt_verdict (*doc)(const void *o, void *st, struct lt_doc *d, lt_emit_fn *emit, void *to);
    /* Emits what was held, in the order it came; what has a `why` counts as dropped.  NULL: nothing is ever held. */
    int (*finish)(const void *o, void *st, lt_emit_fn *emit, void *to);
    void (*close)(void *st);                            /* may be NULL; also called after a failed open */
};

/* Tokenizers.  Ids are int32; offsets are byte positions in the given text. */
struct lt_tokenizer;
struct lt_token { int32_t id; uint32_t begin, end; };
/* path: tokenizer.json, a model folder holding one, a sentencepiece .model, a .tiktoken file,
 * llama2.c tokenizer.bin, or a GGUF file */
int lt_tokenizer_open(const char *path, struct lt_tokenizer **out);
void lt_tokenizer_free(struct lt_tokenizer *t);
int lt_tokenizer_vocab(const struct lt_tokenizer *t);                       /* ids are below this */
/* as spelt in the file; p NULL: no such id */
struct lt_str lt_tokenizer_piece(const struct lt_tokenizer *t, int32_t id);
int32_t lt_tokenizer_id(const struct lt_tokenizer *t, const char *piece);   /* -1: no such piece */
int32_t lt_tokenizer_bos(const struct lt_tokenizer *t);                     /* -1: none */
int32_t lt_tokenizer_eos(const struct lt_tokenizer *t);
const char *lt_tokenizer_hash(const struct lt_tokenizer *t);  /* 32 hex digits over model, vocabulary and rules */
enum { LT_SPECIAL = 1,      /* add what the file's post-processor adds (BOS, [CLS] ...) */
       LT_NO_ADDED = 2 };   /* read the spelling of special tokens in the text as plain text */
/* Appends to *out (grown with realloc; free() it); the count is in *n.  Text that is not UTF-8: byte-level models
 * take it as it is, others fail naming the byte position. */
int lt_tokenizer_encode(const struct lt_tokenizer *t, struct lt_str text, unsigned flags,
                        struct lt_token **out, size_t *n, size_t *cap);
/* Appends the text of ids; keep_special spells special tokens out.  free(*out). */
int lt_tokenizer_decode(const struct lt_tokenizer *t, const int32_t *ids, size_t n, bool keep_special,
                        char **out, size_t *out_n);
int lt_tokenizer_save(const struct lt_tokenizer *t, const char *path);      /* writes tokenizer.json */
struct lt_tokenizer_trainer {                           /* kind "tokenizer": bpe, wordpiece, unigram */
    struct lt_method m;
    int (*train)(const void *o, struct lt_ctx *c, const struct lt_list *files, struct lt_tokenizer **out);
};

/* ---- kinds inside a model; their structs are public, what they point to is not ---- */
struct lt_tensor; struct lt_graph; struct lt_model; struct lt_weight; struct lt_batch; struct lt_lm; struct lt_session;

struct lt_arch {
    struct lt_method m;                                 /* opts = hyper-parameters, in Hugging Face spelling */
    int (*params)(const void *o, struct lt_model *model);               /* declare weights by name */
    struct lt_tensor *(*forward)(const void *o, struct lt_model *model, /* hidden states after the last norm, */
                                 struct lt_graph *g, const struct lt_batch *b);    /* (tokens, width) */
};
struct lt_adapter_part;
/* A way to change a model's weights that is kept beside them.  m.name in capitals is PEFT's peft_type, m.opts are the
 * keys of adapter_config.json. */
struct lt_adapter_type {
    struct lt_method m;
    const char *const *tensor;                          /* names of a part's tensors in a file; ends with NULL */
    /* Marks the weights of the model that a new adapter changes; -1: what the options name is not there. */
    int (*choose)(const void *o, const struct lt_model *m, bool *wanted);
    /* Fills in the part's scale and the sizes of its tensors from the options, its module and the weight's sizes; -1
     * stands for sizes that are not known, and in a size that anything fits. */
    int (*attach)(const void *o, struct lt_adapter_part *p);
    /* What is added to y = W x: x (rows, in) -> (rows, out), of operations that have gradients.  y's values are written
     * over when it has returned.  A row's bits depend on that row alone. */
    struct lt_tensor *(*apply)(const struct lt_adapter_part *p, struct lt_graph *g, struct lt_tensor *x,
                               struct lt_tensor *y);
    /* Rows of what is added to W (out, in), dense; NULL: the adapter cannot be folded into weights. */
    void (*merge)(const struct lt_adapter_part *p, int64_t first, int64_t rows, float *delta);
    double (*norm)(const struct lt_adapter_part *p);    /* Frobenius norm of that */
};
enum { LT_NEEDS_PAIRS = 1 };                            /* batches of preference pairs (lathe pack --rows pairs) */
struct lt_preference {                                  /* two texts after one prompt */
    double chosen, rejected;                            /* log p (natural) of each given the prompt, all tokens */
    int64_t chosen_tokens, rejected_tokens;
};
struct lt_objective {
    struct lt_method m;
    unsigned needs;  /* what the loop prepares: LT_NEEDS_...; further roles are to come: reference, rollout ... */
    /* Sum over the batch of weight * loss, a scalar tensor; the loop divides by the number of counted tokens of the
     * whole optimiser step, so gradient accumulation does not change the result. */
    struct lt_tensor *(*loss)(const void *o, struct lt_graph *g, struct lt_model *model, const struct lt_batch *b);
    /* Objectives of pairs have these two in its place, and the loop divides by the number of pairs.  pair: the loss of
     * one pair, with its partial derivatives by x->chosen and x->rejected in d.  margin: by how much the objective
     * rewards the chosen text more than the rejected one, to be told; above 0 the pair counts as right. */
    double (*pair)(const void *o, const struct lt_preference *x, struct lt_preference *d);
    double (*margin)(const void *o, const struct lt_preference *x);
};
struct lt_update {                                      /* what an optimiser is given */
    float *w; const float *g; void *state;              /* rows x cols, row-major; state as lt_optim.state says */
    int64_t rows, cols;
    double scale;  /* the gradient is scale * g: clipping costs no pass of its own */
    double lr, decay;                                   /* already carry schedule and pattern */
    int64_t t;                                          /* counts from 1 */
};
struct lt_optim {
    struct lt_method m;
    /* Bytes of state for a weight of rows x cols (cols 1 for vectors); zeroed before the first step. */
    size_t (*state)(const void *o, int64_t rows, int64_t cols);
    /* One step of one weight.  Must be deterministic for any pool. */
    void (*step)(const void *o, struct lt_ctx *c, const struct lt_update *u);
    bool matrices_only;                                 /* vectors, embeddings and heads go to AdamW (Muon) */
};
struct lt_schedule {
    struct lt_method m;
    double (*factor)(const void *o, int64_t step, int64_t total);  /* of the peak rate, in [0, 1]; step counts from 0 */
};

/* A logit control.  State is a flat block that beams fork with memcpy unless fork says otherwise. */
struct lt_buf;                                                          /* a growing text, base/base.h */
struct lt_seq { const int32_t *token; int count, prompt; };             /* the first `prompt` tokens were given */
struct lt_control {
    struct lt_method m;
    int order;                                          /* place in the default chain, ascending */
    size_t state;
    int (*open)(const void *o, void *st, struct lt_lm *lm);             /* may be NULL */
    void (*apply)(const void *o, void *st, struct lt_seq seq, float *logits, int vocab);    /* -INFINITY bans */
    void (*accept)(const void *o, void *st, int32_t token);             /* may be NULL */
    void (*rewind)(const void *o, void *st, int n);     /* accept n, rewind n = nothing; NULL: stateless */
    int (*fork)(void *dst, const void *src);            /* NULL: memcpy is right */
    void (*close)(void *st);                            /* may be NULL */
    /* Appends the bytes, at most `most`, with which the text goes on whatever is chosen.  NULL: it cannot tell. */
    void (*forced)(const void *o, void *st, size_t most, struct lt_buf *out);
};

/* Backend and session.  A language model of any kind: neural, n-gram, remote, scripted, a mixture. */
struct lt_score { struct lt_str context, text; double logp; int64_t tokens; bool greedy; };  /* last three: results */
struct lt_reply_part {                                  /* the next part of a reply's text as it is written */
    struct lt_str text;                                 /* whole UTF-8 characters */
    const struct lt_reply *reply;                       /* its tokens so far, without text and finish */
    int shown;                                          /* how many: to the last whose text has begun to show */
};
struct lt_ask {                                         /* one generation */
    struct lt_str prompt;                               /* text, or */
    const int32_t *prompt_ids; int prompt_count;        /* ids when not NULL */
    const struct lt_choices *controls;                  /* NULL: none */
    int max_tokens, top_logprobs;
    uint64_t seed;                                      /* with `number` names the random stream */
    uint64_t number;
    bool greedy;
    bool heal;  /* the prompt's last token is taken back, and the text begins with its bytes: decode/healing.h */
    const int32_t *end; int end_count;                  /* tokens that end the text besides the tokenizer's own */
    const struct lt_list *stop;                         /* strings that end the text, not part of it */
    const char *adapter;                                /* as adapt takes it; NULL: the model's default */
    int (*stream)(void *self, const struct lt_reply_part *piece); void *stream_self;         /* nonzero stops */
};
struct lt_reply {                                       /* release with lt_reply_release */
    char *text; size_t text_size;
    int32_t *token; float *logp; int count;             /* logp: of the model, before the controls */
    int32_t *top_token; float *top_logp;  /* (count, ask.top_logprobs), most likely first; NULL: not asked */
    int prompt_count;                                   /* tokens of the prompt */
    const char *finish;  /* "stop": an end token or stop string, "length", "interrupted" */
};
void lt_reply_release(struct lt_reply *r);
/* A way to find a reply, over sessions only: it serves models of every kind. */
struct lt_search {
    struct lt_method m;
    int (*run)(const void *o, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, struct lt_reply *out);
};
struct lt_session_type;
struct lt_session { const struct lt_session_type *type; void *self; };
struct lt_lm_type {
    struct lt_method m;                                 /* opts = path, url, model ... */
    bool (*claims)(const char *path);                   /* looks like one of mine; NULL: only opened by name */
    /* o is valid during the call; a row "path" takes the path */
    int (*open)(const void *o, struct lt_ctx *c, void **self);
    int (*score)(void *self, struct lt_score *q, int n);
    int (*generate)(void *self, const struct lt_ask *q, int n, struct lt_reply *out);
    int (*session)(void *self, struct lt_session *out); /* NULL: cannot */
    const struct lt_tokenizer *(*tokenizer)(void *self);/* NULL: cannot */
    void (*close)(void *self);
    /* A cheaper model that guesses so many tokens for this one to judge (decode/draft.h), closed before it.  1: given;
     * 0: none; -1.  NULL: never. */
    int (*guesser)(void *self, struct lt_lm *out, int *tokens);
};
/* One session's part of a pass over several. */
struct lt_feed {
    void *s;
    const int32_t *token; int n;                        /* fed, n > 0 */
    /* Of tokens from .. n-1 as score gives them, n - from values; logp NULL: they are only fed. */
    float *logp; uint8_t *hit; int from;
    float *row; int rows;                               /* logits after each of the last `rows` tokens, (rows, vocab) */
    /* Hidden states of the last `states` tokens, after the model's last norm: (states, width); types with a width. */
    float *state; int states;
};
enum { LT_FULL = 1 };                                   /* there is no memory now for what would have to be kept */
struct lt_session_type {
    int (*feed)(void *s, const int32_t *token, int n);
    const float *(*logits)(void *s, int *vocab);        /* after the last token fed; valid until the next call */
    /* Feeds n tokens and gives log p (natural) of each given all before it; hit[i] (may be NULL): 1 when it was the
     * most likely.  The first token of an empty session has nothing before it: logp 0, hit 0. Logits are not kept. */
    int (*score)(void *s, const int32_t *token, int n, float *logp, uint8_t *hit);
    int (*rewind)(void *s, int n);
    void *(*fork)(void *s);
    int (*count)(void *s);                              /* tokens held */
    int (*limit)(void *s);                              /* most tokens it can hold; 0: no limit */
    void (*close)(void *s);
    /* Below: may be NULL (lm/feed.h does without). */
    /* Feeds `count` different sessions of one model in as few passes as it can; what a session then gives has the same
     * bits as when it is fed alone.  0; LT_FULL: other sessions hold the memory; -1.  Unless 0, all are as before. */
    int (*feed_many)(const struct lt_feed *f, int count);
    int (*vocab)(void *s);                              /* logits in a row */
    int (*width)(void *s);                              /* numbers in a hidden state; NULL: there are none */
    int (*save)(void *s, const char *path);             /* the session in a file, and back into an empty session */
    int (*load)(void *s, const char *path);
    /* Gives an empty session the adapter of this name, "": none.  Forks keep it; sessions of one model with different
     * adapters may be fed together.  -1: there is no such adapter.  NULL: the model has none. */
    int (*adapt)(void *s, const char *name);
};
struct lt_lm { const struct lt_lm_type *type; void *self; };
/* a model folder, file, or NAME:key=value,... */
int lt_lm_open(const char *path, struct lt_ctx *c, struct lt_lm *out);
/* The same with further "key=value" options of the back end; more may be NULL. */
int lt_lm_open_with(const char *path, const struct lt_list *more, struct lt_ctx *c, struct lt_lm *out);
void lt_lm_close(struct lt_lm *lm);

/* ---- whole operations ---- */
/* A verb with its run record: hashes what the LT_IN rows name, runs, and writes the record of every LT_OUT file or
 * folder.  An interrupted run leaves no record. */
int lt_record_run(const struct lt_verb *v, struct lt_options *s, struct lt_ctx *c);
/* Run records (doc/formats/run-record.md): made before the run, written after it. */
char *lt_record_make(const char *verb, const struct lt_options *s);     /* JSON text; free() it; NULL: lt_error */
/* Adds the hashes of the outputs and writes the record beside or inside the artefact. */
int lt_record_write(const char *record, const char *artefact);
int lt_record_read(const char *artefact, char **json);                  /* JSON text as it stands; free() it */
const char *lt_build_id(void);                                          /* equal ids: equal code */

#endif
