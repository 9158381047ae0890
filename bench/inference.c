/* Prompts of 512 tokens and generation one by one, at the sizes of SmolLM2-135M and TinyLlama-1.1B with random
 * weights, by type of the weights, two threads.
 *
 * Peers run beside it when LLAMA_BENCH names the llama-bench of llama.cpp, IK_BENCH that of ik_llama.cpp, which then
 * repacks the weights as it loads them, and BENCH_GGUF a folder with files SIZE-TYPE.gguf (135M-q8_0.gguf), which all
 * sides then read; a row names the better of the two.  Without a file the weights are made in memory; where 256 does
 * not divide a width, a matrix is then Q8_0 instead of Q4_K.
 *
 * Shared machines have moods of seconds to half a minute: every round times each side once, for a second or so, and
 * what bounds it: the bandwidth of reads, or the peak of operations.  Figures are medians of rounds, and so are ratios
 * and shares.  Peers keep their models loaded and are stopped while it is another's turn: nobody waits for a load, and
 * no memory is given back, which in a virtual machine slows down whoever comes next.
 *
 * A file's cached pages lie as whoever filled the cache asked for them, and small ones cost a sixth of the bandwidth.
 * They are given up first, so that the file is read as after a start of the machine: a mapping that wishes for huge
 * pages gets them.
 *
 * Arguments: parts of the names of rows to keep, as "135M", "q4_0" or "1.1B-f32 generate". */
#include "bench.h"

#include "base/io.h"
#include "math/ceiling.h"
#include "math/quant.h"
#include "math/row_kernel.h"
#include "model/inspect_model.h"
#include "model/session.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROMPT = 512, PROMPT_ROUNDS = 7, ROUNDS = 21, THREADS = 2 };

struct size { const char *name; int generate; const char *option[8][2]; };
static const struct size sizes[] = {
    { "135M", 128, { { "vocab_size", "49152" }, { "hidden_size", "576" }, { "intermediate_size", "1536" },
                     { "num_hidden_layers", "30" }, { "num_attention_heads", "9" }, { "num_key_value_heads", "3" },
                     { "max_position_embeddings", "2048" }, { "tie_word_embeddings", "true" } } },
    { "1.1B", 16, { { "vocab_size", "32000" }, { "hidden_size", "2048" }, { "intermediate_size", "5632" },
                    { "num_hidden_layers", "22" }, { "num_attention_heads", "32" }, { "num_key_value_heads", "4" },
                    { "max_position_embeddings", "2048" }, { "tie_word_embeddings", "false" } } },
};

struct kind { const char *name; enum lt_dtype type; };
static const struct kind kinds[] = { { "f32", LT_F32 }, { "bf16", LT_BF16 }, { "f16", LT_F16 }, { "q8_0", LT_Q8_0 },
                                     { "q4_0", LT_Q4_0 }, { "q4_K", LT_Q4_K } };

static void must(int rc)
{
    if (rc) exit((fprintf(stderr, "bench: %s\n", lt_error()), 1));
}

static struct lt_model *make(const struct size *z, struct lt_ctx *c)
{
    const struct lt_arch *arch = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *s = lt_options_new(&arch->m);
    struct lt_model *m;
    for (int i = 0; i < LT_COUNT(z->option); i++) must(lt_options_set(s, z->option[i][0], z->option[i][1]));
    must(lt_model_new(arch, s, 1, c, &m));
    return m;
}

/* Matrices of `m` in another type, beside its floats: the next type begins from those. */
static void store(struct lt_model *m, enum lt_dtype wish, struct lt_pool *pool, void **copy)
{
    for (int i = 0; i < m->weight_count; i++) {
        struct lt_weight *w = &m->weight[i];
        const int64_t n = lt_weight_count(w);
        enum lt_dtype t = w->rank == 2 ? wish : LT_F32;
        if (w->rank == 2 && w->dim[1] % lt_dtype_block(t)) t = LT_Q8_0;
        copy[i] = NULL;
        w->data = w->master;
        w->type = t;
        if (t == LT_F32) continue;
        w->data = copy[i] = lt_aligned(lt_dtype_bytes(t, n));
        struct lt_quant q = { .type = t, .rows = w->dim[0], .width = w->dim[1] };
        if (lt_dtype_quantised(t)) must(lt_quant_rows(pool, &q, w->master, copy[i]));
        else lt_convert(t, copy[i], LT_F32, w->master, n);
    }
}

static int32_t likeliest(const float *x, int n)
{
    const float peak = lt_row_kernel()->peak(n, x);
    int best = 0;
    while (best < n - 1 && x[best] != peak) best++;
    return best;
}

static struct lt_session session(struct lt_model *m, struct lt_ctx *c, enum lt_compute compute)
{
    const struct lt_session_spec spec = { .compute = compute, .cache = LT_BF16 };
    struct lt_session s;
    must(lt_model_session(m, c, spec, &s));
    return s;
}

static double our_prompt(struct lt_model *m, struct lt_ctx *c, enum lt_compute compute)
{
    int32_t token[PROMPT];
    int vocab;
    for (int i = 0; i < PROMPT; i++) token[i] = (int32_t)((i * 7919 + 13) % m->vocab);
    struct lt_session s = session(m, c, compute);
    const double start = lt_clock();
    must(s.type->feed(s.self, token, PROMPT));
    s.type->logits(s.self, &vocab);
    const double speed = PROMPT / (lt_clock() - start);
    s.type->close(s.self);
    return speed;
}

static double our_generation(struct lt_model *m, struct lt_ctx *c, enum lt_compute compute, int n)
{
    int32_t next = 1;
    int vocab;
    struct lt_session s = session(m, c, compute);
    const double start = lt_clock();
    for (int i = 0; i < n; i++) {
        must(s.type->feed(s.self, &next, 1));
        next = likeliest(s.type->logits(s.self, &vocab), vocab);
    }
    const double speed = n / (lt_clock() - start);
    s.type->close(s.self);
    return speed;
}

/* Programs to run beside ours, as the environment names them. */
struct peer { const char *name, *variable, *option[2]; };
static const struct peer peers[] = { { "llama.cpp", "LLAMA_BENCH", { NULL } },
                                     { "ik_llama.cpp", "IK_BENCH", { "-rtr", "1" } } };

/* A peer with its model loaded: it runs one test after another, and is stopped whenever it is not its turn. */
struct running { pid_t pid; FILE *out; };

/* `rounds` tests of `prompt` tokens, or of `generate`, the other being 0.  None where the peer is not asked for. */
static struct running start_peer(const struct peer *p, const char *model, int prompt, int generate, int rounds)
{
    const char *program = getenv(p->variable), *folder = getenv("BENCH_GGUF");
    char path[1024], threads[16], lengths[8 * (ROUNDS + 1)];
    int ends[2], n = 0;
    if (!program || !folder) return (struct running){ 0 };
    for (int i = 0; i < rounds; i++)
        n += snprintf(lengths + n, sizeof lengths - (size_t)n, "%s%d", i ? "," : "", LT_MAX(prompt, generate));
    snprintf(path, sizeof path, "%s/%s.gguf", folder, model);
    snprintf(threads, sizeof threads, "%d", THREADS);
    const char *argv[] = { program, "-m", path, "-p", prompt ? lengths : "0", "-n", generate ? lengths : "0", "-t",
                           threads, "-r", "1", "-o", "json", p->option[0], p->option[1], NULL };
    const pid_t pid = pipe2(ends, O_CLOEXEC) ? -1 : fork();
    if (pid < 0) exit((fprintf(stderr, "bench: %s cannot be started: %s\n", p->name, strerror(errno)), 1));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        execv(program, (char **)argv);
        _exit(127);
    }
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    if (!out) exit((fprintf(stderr, "bench: what %s says cannot be read: %s\n", p->name, strerror(errno)), 1));
    return (struct running){ pid, out };
}

/* Lets it go on until it has printed the speed of its next test, which it timed itself: it then makes a context anew
 * and writes a token, neither of them timed, and is stopped at the beginning of that. */
static double peer_speed(const struct running *r, const char *name)
{
    char line[4096];
    double speed = 0;
    if (!r->out) return 0;
    kill(r->pid, SIGCONT);
    while (speed <= 0 && fgets(line, sizeof line, r->out)) {
        const char *found = strstr(line, "\"avg_ts\": ");
        if (found) speed = atof(found + strlen("\"avg_ts\": "));
    }
    if (speed <= 0) exit((fprintf(stderr, "bench: %s gave no speed\n", name), 1));
    kill(r->pid, SIGSTOP);
    return speed;
}

static void end_peer(const struct running *r)
{
    if (!r->out) return;
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    fclose(r->out);
}

/* Bytes of weights that a token reads: all but the rows of an embedding that is not the head as well. */
static double bytes_read(const struct lt_model *m)
{
    double n = 0;
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        if (w->layer >= 0 || !strcmp(w->name, m->head_name)) n += (double)lt_dtype_bytes(w->type, lt_weight_count(w));
    }
    return n;
}

/* What both sides reached, round by round. */
struct rounds { int n; double we[ROUNDS], peer[LT_COUNT(peers)][ROUNDS]; };

/* The row of a measure: ours beside the better peer's, and the middle of how many times theirs ours was by round. */
static void row(const char *what, const struct rounds *x, const char *bound, double share)
{
    int best = 0;
    double middle[LT_COUNT(peers)], times[ROUNDS] = { 0 };
    for (int i = 0; i < LT_COUNT(peers); i++) {
        middle[i] = bench_median(x->peer[i], x->n);
        if (middle[i] > middle[best]) best = i;
    }
    for (int r = 0; r < x->n && middle[best] > 0; r++) times[r] = x->we[r] / x->peer[best][r];
    bench_row_as(what, "tokens/s", bench_median(x->we, x->n), middle[best], peers[best].name,
                 bench_median(times, x->n), bound, share);
}

/* Of a model's file and of its rows. */
struct names { char model[32], prompt[96], generate[96]; };

struct weighed {
    struct lt_model *m;
    struct lt_ctx *c;
    const struct names *name;
    enum lt_compute compute;
    bool quantised;
};

/* The peers of a row, loaded and once through their test.  Our weights are read before, so that they lie as we wish. */
static void start_peers(struct running *run, const struct weighed *w, int prompt, int generate, int rounds)
{
    our_generation(w->m, w->c, w->compute, 1);
    for (int i = 0; i < LT_COUNT(peers); i++) {
        run[i] = start_peer(&peers[i], w->name->model, prompt, generate, rounds + 1);
        peer_speed(&run[i], peers[i].name);
    }
}

static void run_peers(const struct running *run, struct rounds *x, int round)
{
    for (int i = 0; i < LT_COUNT(peers); i++) x->peer[i][round] = peer_speed(&run[i], peers[i].name);
}

static void end_peers(const struct running *run)
{
    for (int i = 0; i < LT_COUNT(peers); i++) end_peer(&run[i]);
}

static double peak(const struct weighed *w)
{
    struct lt_pool *pool = lt_ctx_pool(w->c);
    return w->quantised ? bench_peak_int8(pool) : lt_peak_flops(pool, w->compute);
}

static void race_prompts(const struct weighed *w)
{
    /* The head sees the last token alone. */
    const double head = 2 * (double)w->m->vocab * (double)w->m->width;
    const double flops = lt_model_flops(w->m, PROMPT) - head * (PROMPT - 1) / PROMPT;
    const char *bound = w->quantised ? "int8 peak" : w->compute == LT_COMPUTE_BF16 ? "bf16 peak" : "f32 peak";
    struct rounds x = { .n = PROMPT_ROUNDS };
    struct running run[LT_COUNT(peers)];
    double share[PROMPT_ROUNDS];
    start_peers(run, w, PROMPT, 0, x.n);
    for (int r = 0; r < x.n; r++) {
        our_generation(w->m, w->c, w->compute, 1);
        x.we[r] = our_prompt(w->m, w->c, w->compute);
        const double top = peak(w);
        share[r] = top > 0 ? x.we[r] * flops / top : 0;
        run_peers(run, &x, r);
    }
    end_peers(run);
    row(w->name->prompt, &x, bound, bench_median(share, x.n));
}

static void race_generation(const struct weighed *w, int n)
{
    struct rounds x = { .n = ROUNDS };
    struct running run[LT_COUNT(peers)];
    double share[ROUNDS];
    start_peers(run, w, 0, n, x.n);
    for (int r = 0; r < x.n; r++) {
        our_generation(w->m, w->c, w->compute, 1);
        x.we[r] = our_generation(w->m, w->c, w->compute, n);
        share[r] = x.we[r] * bytes_read(w->m) / bench_read(lt_ctx_pool(w->c));
        run_peers(run, &x, r);
    }
    end_peers(run);
    row(w->name->generate, &x, "memory read", bench_median(share, x.n));
}

static struct names names_of(const struct size *z, const struct kind *k)
{
    struct names n;
    snprintf(n.model, sizeof n.model, "%s-%s", z->name, k->name);
    snprintf(n.prompt, sizeof n.prompt, "inference/%s prompt %d", n.model, PROMPT);
    snprintf(n.generate, sizeof n.generate, "inference/%s generate %d", n.model, z->generate);
    return n;
}

static void race(const struct size *z, const struct kind *k, struct lt_model *m, struct lt_ctx *c, char **parts)
{
    const struct names name = names_of(z, k);
    const bool bf16 = k->type == LT_BF16 || k->type == LT_F16;
    const struct weighed w = { m, c, &name, bf16 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32, lt_dtype_quantised(k->type) };
    if (bench_wanted(name.prompt, parts)) race_prompts(&w);
    if (bench_wanted(name.generate, parts)) race_generation(&w, z->generate);
}

/* What is cached of a file is given up, once it is on the disk. */
static void forget_cached(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
        fprintf(stderr, "bench: %s stays cached as it is\n", path);
    if (fd >= 0) close(fd);
}

/* The model of the file that peers read; NULL: there is none. */
static struct lt_model *from_file(const char *name)
{
    const char *folder = getenv("BENCH_GGUF");
    char path[1024];
    struct lt_model *m = NULL;
    if (!folder) return NULL;
    snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
    if (!lt_path_exists(path)) return NULL;
    forget_cached(path);
    must(lt_model_open(path, &m));
    return m;
}

static void race_in_memory(const struct size *z, const struct kind *k, struct lt_model *m, struct lt_ctx *c,
                           char **parts)
{
    void **copy = lt_calloc((size_t)m->weight_count, sizeof *copy);
    store(m, k->type, lt_ctx_pool(c), copy);
    race(z, k, m, c, parts);
    for (int w = 0; w < m->weight_count; w++) free(copy[w]);
    free(copy);
}

static void race_size(const struct size *z, struct lt_ctx *c, char **parts)
{
    struct lt_model *m = NULL;
    for (int j = 0; j < LT_COUNT(kinds); j++) {
        const struct names name = names_of(z, &kinds[j]);
        if (!bench_wanted(name.prompt, parts) && !bench_wanted(name.generate, parts)) continue;
        struct lt_model *file = from_file(name.model);
        if (file) {
            race(z, &kinds[j], file, c, parts);
            lt_model_free(file);
            continue;
        }
        if (!m) m = make(z, c);
        race_in_memory(z, &kinds[j], m, c, parts);
    }
    lt_model_free(m);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct lt_ctx *c = lt_ctx_new(THREADS, NULL, NULL);
    for (int i = 0; i < LT_COUNT(sizes); i++) race_size(&sizes[i], c, argv + 1);
    lt_ctx_free(c);
    return 0;
}
