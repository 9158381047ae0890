/* Laws of the training loop: what must not change a result does not, and what should change it does as it says. */
#include "tiny_run.h"

#include <math.h>
#include <inttypes.h>
#include "base/json.h"
#include "data/loader.h"
#include "model/model.h"
#include "model/safetensors.h"

/* As lt_test_path, for a folder whose own path came from there. */
static const char *inside(const char *folder, const char *name)
{
    static char path[4][1100];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static const char *words_of(const char *const *from)      /* for messages */
{
    static char text[512];
    text[0] = 0;
    for (; *from; from++) {
        strncat(text, *from, sizeof text - strlen(text) - 2);
        strcat(text, " ");
    }
    return text;
}

static void trained(int threads, const char *data, const char *output, const char *const *words)
{
    if (tiny_train(threads, data, output, words)) fail_msg("train %s: %s", words_of(words), lt_error());
}

static void same_files(const char *a, const char *b)
{
    char x[33], y[33];
    assert_ok(lt_hash_path(a, x, NULL));
    assert_ok(lt_hash_path(b, y, NULL));
    if (strcmp(x, y)) fail_msg("%s and %s differ", a, b);
}

static struct lt_safetensors *weights(const char *folder)
{
    struct lt_safetensors *s;
    assert_ok(lt_safetensors_open(folder, &s));
    return s;
}

static double distance(const char *a, const char *b)
{
    struct lt_safetensors *x = weights(a), *y = weights(b);
    double sum = 0;
    assert_int_equal(x->count, y->count);
    for (int i = 0; i < x->count; i++)
        for (int64_t k = 0; k < x->tensor[i].count; k++) {
            double d = (double)((const float *)x->tensor[i].data)[k] - (double)((const float *)y->tensor[i].data)[k];
            sum += d * d;
        }
    lt_safetensors_free(x);
    lt_safetensors_free(y);
    return sqrt(sum);
}

/* The value of a key in the last line of metrics.jsonl that has it, or in the line of one step. */
static double metric(const char *folder, const char *key, int64_t step)
{
    struct lt_buf b = { 0 };
    double found = NAN;
    assert_ok(lt_file_read(inside(folder, "metrics.jsonl"), &b));
    struct lt_str rest = lt_buf_view(&b), line;
    while (lt_str_split(&rest, '\n', &line)) {
        json_t *j = line.n ? json_loadb(line.p, line.n, 0, NULL) : NULL;
        const json_t *v = json_object_get(j, key);
        if (v && (!step || json_integer_value(json_object_get(j, "step")) == step)) found = json_number_value(v);
        json_decref(j);
    }
    lt_buf_free(&b);
    return found;
}

#define BASE TINY_MODEL, TINY_DATA
static const char *const ten[] = { BASE, "--max_steps", "10", "--batch_size", "4", NULL };

static void test_train__same_bits_at_any_number_of_threads(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *out[] = { lt_test_path(dir, "one"), lt_test_path(dir, "two"), lt_test_path(dir, "four") };
    for (int i = 0; i < 3; i++) trained(1 << i, data, out[i], ten);
    same_files(out[0], out[1]);
    same_files(out[0], out[2]);
    free(data);
    lt_test_temp_end(dir);
}

/* Whole numbers are summed exactly: threads change no bit there either. */
static void test_train__whole_numbers_learn_alike(void **state)
{
    (void)state;
    static const char *const types[] = { "int16", "int8" };
    const char *plain[] = { BASE, "--max_steps", "40", "--batch_size", "4", "--dtype", "float32", NULL };
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *exactly = lt_test_path(dir, "plain");
    trained(2, data, exactly, plain);
    const double exact = metric(exactly, "loss", 40), first = metric(exactly, "loss", 1);
    for (int i = 0; i < LT_COUNT(types); i++) {
        const char *words[] = { BASE, "--max_steps", "40", "--batch_size", "4", "--dtype", types[i], NULL };
        const char *out[] = { lt_test_path(dir, i ? "one8" : "one"), lt_test_path(dir, i ? "four8" : "four") };
        trained(1, data, out[0], words);
        trained(4, data, out[1], words);
        same_files(out[0], out[1]);
        const double whole = metric(out[0], "loss", 40);
        assert_true(whole != exact && fabs(whole - exact) < 0.01 * exact && exact < 0.9 * first);
    }
    free(data);
    lt_test_temp_end(dir);
}

static void test_train__accumulation_is_one_large_batch(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    static const char *const rows[] = { "8", "4", "2" }, *const parts[] = { "1", "2", "4" };
    const char *out[3];
    for (int i = 0; i < 3; i++) {
        const char *words[] = { BASE, "--optim", "sgd", "--max_steps", "6", "--dtype", "f32", "--batch_size", rows[i],
                                "--gradient_accumulation", parts[i], NULL };
        out[i] = lt_test_path(dir, parts[i]);
        trained(2, data, out[i], words);
    }
    for (int i = 1; i < 3; i++) {
        double d = distance(out[0], out[i]);
        if (!(d < 1e-5)) fail_msg("%s x %s rows: the weights lie %g from those of 1 x 8", parts[i], rows[i], d);
    }
    assert_true(distance(inside(out[0], "checkpoint-6"), out[0]) == 0);
    free(data);
    lt_test_temp_end(dir);
}

/* Plain descent without decay moves the weights by rate x norm of the gradient, and no further than rate x limit. */
static void test_train__clipping_bounds_the_step(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    static const char *const limit[] = { "0", "0.05" };
    const char *still = lt_test_path(dir, "still");
    const char *none[] = { TINY_MODEL, "--max_length", "32", "--lr", "0", "--max_steps", "1", NULL };
    trained(2, data, still, none);
    for (int i = 0; i < 2; i++) {
        const char *out = lt_test_path(dir, limit[i]);
        const char *words[] = { BASE, "--optim", "sgd", "--weight_decay", "0", "--max_steps", "1", "--max_grad_norm",
                                limit[i], NULL };
        trained(2, data, out, words);
        double norm = metric(out, "grad_norm", 1), moved = distance(still, out), want = i ? 0.01 * 0.05 : 0.01 * norm;
        assert_true(norm > 0.1);
        if (fabs(moved - want) > 1e-3 * want) fail_msg("limit %s: moved %g, expected %g", limit[i], moved, want);
    }
    free(data);
    lt_test_temp_end(dir);
}

/* One step over all the data lowers the loss over all the data by rate x norm^2, to first order: the gradient is the
 * gradient of the mean loss that is reported, and of nothing else. */
static void test_train__gradient_is_of_the_loss_reported(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir), rows[32];
    const char *out = lt_test_path(dir, "out");
    struct lt_loader_source source = { .path = data };
    struct lt_loader_spec spec = { .source = &source, .source_count = 1, .split = "train", .length = 32, .rows = 1,
                                   .seed = 42 };
    struct lt_loader *l;
    struct lt_loader_info info;
    assert_ok(lt_loader_open(&spec, NULL, &l));
    lt_loader_describe(l, &info);
    lt_loader_free(l);
    snprintf(rows, sizeof rows, "%" PRId64, info.batches);
    const char *words[] = { TINY_MODEL, "--max_length", "32", "--lr", "0.002", "--optim", "sgd", "--weight_decay", "0",
                            "--max_grad_norm", "0", "--schedule", "constant", "--dtype", "float32", "--batch_size", "1",
                            "--gradient_accumulation", rows, "--max_steps", "2", NULL };
    trained(2, data, out, words);
    double norm = metric(out, "grad_norm", 1), fall = metric(out, "loss", 1) - metric(out, "loss", 2);
    if (fabs(fall / (0.002 * norm * norm) - 1) > 0.05)
        fail_msg("the loss falls by %g, expected %g", fall, 0.002 * norm * norm);
    free(data);
    lt_test_temp_end(dir);
}

static void test_train__frozen_weights_stay(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *out = lt_test_path(dir, "out"), *still = lt_test_path(dir, "still");
    const char *none[] = { TINY_MODEL, "--max_length", "32", "--lr", "0", "--max_steps", "1", NULL };
    const char *words[] = { BASE, "--max_steps", "3", "--freeze", "*embed_tokens*,*layers.0.*,*k_proj*", NULL };
    const char *wrong[] = { BASE, "--max_steps", "3", "--freeze", "*layer.0.*", NULL };
    const char *all[] = { BASE, "--max_steps", "3", "--freeze", "*", NULL };
    trained(2, data, still, none);
    trained(2, data, out, words);
    struct lt_safetensors *a = weights(still), *b = weights(out);
    for (int i = 0; i < a->count; i++) {
        const struct lt_safetensor *x = &a->tensor[i], *y = lt_safetensors_find(b, x->name);
        bool frozen = strstr(x->name, "embed_tokens") || strstr(x->name, "layers.0.") || strstr(x->name, "k_proj");
        bool same;
        same = !memcmp(x->data, y->data, (size_t)x->count * sizeof(float));
        if (same != frozen) fail_msg("%s %s", x->name, frozen ? "was frozen and moved" : "did not move");
    }
    lt_safetensors_free(a);
    lt_safetensors_free(b);
    assert_fails(tiny_train(1, data, lt_test_path(dir, "w"), wrong), "matches no weight");
    assert_fails(tiny_train(1, data, lt_test_path(dir, "a"), all), "no weight to train");
    free(data);
    lt_test_temp_end(dir);
}

/* ema(t) = d ema(t-1) + (1 - d) w(t), from the checkpoint of every step. */
static void test_train__ema_is_the_running_mean(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *out = lt_test_path(dir, "out"), *still = lt_test_path(dir, "still");
    const char *none[] = { TINY_MODEL, "--max_length", "32", "--lr", "0", "--max_steps", "1", NULL };
    const char *words[] = { BASE, "--max_steps", "3", "--ema", "0.75", "--save_steps", "1", "--save_total_limit", "0",
                            NULL };
    trained(2, data, still, none);
    trained(2, data, out, words);
    struct lt_safetensors *mean = weights(inside(out, "ema")), *w[4] = { weights(still) };
    for (int t = 1; t <= 3; t++) {
        char name[32];
        snprintf(name, sizeof name, "checkpoint-%d", t);
        w[t] = weights(inside(out, name));
    }
    for (int i = 0; i < mean->count; i++)
        for (int64_t k = 0; k < mean->tensor[i].count; k++) {
            double want = 0;
            for (int t = 0; t <= 3; t++) {
                double v = (double)((const float *)lt_safetensors_find(w[t], mean->tensor[i].name)->data)[k];
                want = t ? 0.75 * want + 0.25 * v : v;
            }
            assert_true(fabs(want - (double)((const float *)mean->tensor[i].data)[k]) < 1e-6);
        }
    for (int t = 0; t <= 3; t++) lt_safetensors_free(w[t]);
    lt_safetensors_free(mean);
    free(data);
    lt_test_temp_end(dir);
}

static void test_train__every_optimiser_learns(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "optim")) k++;
    for (const struct lt_method *const *m = k->member; *m; m++) {
        const char *out = lt_test_path(dir, (*m)->name), *rate = strcmp((*m)->name, "sgd") ? "0.003" : "0.3";
        const char *words[] = { TINY_MODEL, "--max_length", "32", "--optim", (*m)->name, "--lr", rate, "--max_steps",
                                "60", NULL };
        trained(2, data, out, words);
        double first = metric(out, "loss", 1), last = metric(out, "eval_loss", 0);
        if (!(last < first - 0.5)) fail_msg("%s: the loss goes from %g to %g in 60 steps", (*m)->name, first, last);
    }
    free(data);
    lt_test_temp_end(dir);
}

/* Matrices decay, vectors do not, and what --no_decay names does not either. */
static void test_train__decay_by_pattern(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *none = lt_test_path(dir, "none"), *some = lt_test_path(dir, "some");
    const char *plain[] = { BASE, "--optim", "sgd", "--max_steps", "1", "--weight_decay", "0", NULL };
    const char *decay[] = { BASE, "--optim", "sgd", "--max_steps", "1", "--weight_decay", "5", "--no_decay", "*embed*",
                            NULL };
    trained(2, data, none, plain);
    trained(2, data, some, decay);
    struct lt_safetensors *a = weights(none), *b = weights(some);
    for (int i = 0; i < a->count; i++) {
        const struct lt_safetensor *x = &a->tensor[i], *y = lt_safetensors_find(b, x->name);
        bool same = !memcmp(x->data, y->data, (size_t)x->count * sizeof(float));
        bool decays = x->rank == 2 && !strstr(x->name, "embed");
        if (same == decays) fail_msg("%s %s", x->name, decays ? "did not decay" : "decayed");
    }
    lt_safetensors_free(a);
    lt_safetensors_free(b);
    free(data);
    lt_test_temp_end(dir);
}

/* Muon keeps one number of state for each of a layer's matrices; AdamW, with two, has the rest. */
static void test_train__muon_leaves_the_rest_to_adamw(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *out = lt_test_path(dir, "out");
    const char *words[] = { BASE, "--optim", "muon", "--max_steps", "1", NULL };
    trained(2, data, out, words);
    struct lt_safetensors *w = weights(out), *s = weights(inside(out, "checkpoint-1/optimizer.safetensors"));
    for (int i = 0; i < w->count; i++) {
        const struct lt_safetensor *x = &w->tensor[i], *y = lt_safetensors_find(s, x->name);
        bool muon = x->rank == 2 && strstr(x->name, "layers.");
        assert_non_null(y);
        if (y->count != x->count * (muon ? 1 : 2)) fail_msg("%s has %d numbers of state", x->name, (int)y->count);
    }
    lt_safetensors_free(w);
    lt_safetensors_free(s);
    free(data);
    lt_test_temp_end(dir);
}

static void test_train__checkpointing_changes_no_bit(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *a = lt_test_path(dir, "a"), *b = lt_test_path(dir, "b");
    const char *words[] = { BASE, "--max_steps", "10", "--batch_size", "4", "--gradient_checkpointing", NULL };
    trained(2, data, a, ten);
    trained(2, data, b, words);
    same_files(a, b);
    free(data);
    lt_test_temp_end(dir);
}

/* A stop right after a validation, at a step that is not saved otherwise, does not make the run validate twice. */
static void test_train__stopped_after_a_validation(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *a = lt_test_path(dir, "a"), *b = lt_test_path(dir, "b");
    const char *whole[] = { BASE, "--max_steps", "10", "--eval_steps", "3", "--save_total_limit", "1", NULL };
    const char *stop[] = { BASE, "--max_steps", "10", "--eval_steps", "3", "--save_total_limit", "1", "--stop_at", "6",
                           NULL };
    trained(2, data, a, whole);
    trained(2, data, b, stop);
    trained(2, data, b, whole);
    same_files(a, b);
    free(data);
    lt_test_temp_end(dir);
}

static void test_train__stopped_and_continued_is_never_stopped(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *a = lt_test_path(dir, "a"), *b = lt_test_path(dir, "b");
    const char *stop[] = { BASE, "--max_steps", "10", "--batch_size", "4", "--stop_at", "7", NULL };
    const char *other[] = { BASE, "--max_steps", "10", "--batch_size", "4", "--seed", "7", NULL };
    const char *again[] = { BASE, "--max_steps", "10", "--batch_size", "4", "--seed", "7", "--on_change",
                            "restart", NULL };
    trained(2, data, a, ten);
    trained(2, data, b, stop);
    assert_false(lt_path_exists(inside(b, "model.safetensors")));
    assert_fails(tiny_train(2, data, b, other), "--seed was 42");
    trained(1, data, b, ten);
    assert_ok(lt_remove_tree(inside(b, "checkpoint-7")));     /* a stop that the other run did not make */
    same_files(a, b);
    trained(2, data, b, again);
    assert_true(distance(a, b) > 0.1);
    const char *forced[] = { BASE, "--max_steps", "10", "--batch_size", "4", "--restart", NULL };
    trained(2, data, b, forced);
    same_files(a, b);
    tiny_split(data, "train", 61);
    assert_fails(tiny_train(2, data, a, ten), "the data is not what");
    free(data);
    lt_test_temp_end(dir);
}

static void interrupt(void *self, const char *what, const char *unit, double done, double all, double seconds,
                      const char *extra, bool finished)
{
    (void)what, (void)unit, (void)all, (void)seconds, (void)extra, (void)finished;
    if (done >= 2) lt_ctx_interrupt(*(struct lt_ctx **)self);
}

/* Interrupted somewhere, it saves and says so in the context; started again it ends as if nothing had been. */
static void test_train__interrupted_saves_and_goes_on(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *a = lt_test_path(dir, "a"), *b = lt_test_path(dir, "b");
    const char *words[] = { BASE, "--max_steps", "300", "--save_steps", "300", "--eval_steps", "1",
                            "--save_total_limit", "1", NULL };
    struct lt_talk talk = { .progress = interrupt };
    struct lt_ctx *c;
    c = lt_ctx_new(2, &talk, &c);
    assert_ok(tiny_train_in(c, data, a, words));
    assert_true(lt_ctx_interrupted(c));
    assert_false(lt_path_exists(lt_test_path(dir, "a/model.safetensors")));
    int64_t reached = (int64_t)metric(a, "step", 0);
    assert_true(reached >= 2 && reached < 300);
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%" PRId64, reached);
    assert_true(lt_path_exists(inside(a, name)));
    lt_ctx_free(c);
    trained(2, data, a, words);
    trained(2, data, b, words);
    same_files(a, b);
    free(data);
    lt_test_temp_end(dir);
}

static void test_train__divergence_names_step_tensor_and_checkpoint(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *out = lt_test_path(dir, "out");
    const char *words[] = { BASE, "--optim", "sgd", "--max_steps", "20", "--save_steps", "1", "--max_grad_norm", "0",
                            "--lr_scale", "*down_proj*=1e6", "--warmup_steps", "15", NULL };
    assert_int_equal(tiny_train(2, data, out, words), -1);
    char text[1024];
    snprintf(text, sizeof text, "%s", lt_error());
    long step = 0, saved = 0;
    assert_int_equal(sscanf(text, "step %ld", &step), 1);
    assert_true(step > 1);
    assert_non_null(strstr(text, "the first tensor that is not finite is"));
    const char *at = strstr(text, "checkpoint-");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "checkpoint-%ld", &saved), 1);
    assert_int_equal(saved, step - 1);
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%ld", saved);
    struct lt_safetensors *good = weights(inside(out, name));
    for (int i = 0; i < good->count; i++)
        for (int64_t k = 0; k < good->tensor[i].count; k++)
            assert_true(isfinite(((const float *)good->tensor[i].data)[k]));
    lt_safetensors_free(good);
    free(data);
    lt_test_temp_end(dir);
}

/* A run against the clock writes down a plan; the plan without the clock gives the same model. */
static void test_train__time_limit_can_be_repeated(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *a = lt_test_path(dir, "a"), *b = lt_test_path(dir, "b");
    const char *timed[] = { BASE, "--time_limit", "0.7s", "--batch_size", "4", "--save_total_limit", "1", NULL };
    trained(2, data, a, timed);
    int64_t last = (int64_t)metric(a, "step", 0);
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%" PRId64 "/trainer_state.json", last);
    json_t *j;
    assert_ok(lt_json_read(inside(a, name), &j));
    const char *plan = json_string_value(json_object_get(j, "time_plan"));
    const char *planned[] = { BASE, "--time_limit", "0.7s", "--time_plan", plan, "--batch_size", "4",
                              "--save_total_limit", "1", NULL };
    trained(1, data, b, planned);
    same_files(a, b);
    json_decref(j);
    free(data);
    lt_test_temp_end(dir);
}

/* An untrained model of rate 0 knows nothing: about log2(vocabulary) bits a token, of three bytes each. */
static void test_train__bits_per_byte_counts_bytes(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *out = lt_test_path(dir, "out");
    const char *none[] = { TINY_MODEL, "--max_length", "32", "--lr", "0", "--max_steps", "1", NULL };
    trained(2, data, out, none);
    double loss = metric(out, "eval_loss", 0), bpb = metric(out, "eval_bits_per_byte", 0),
        n = metric(out, "eval_tokens", 0);
    assert_true(fabs(loss - log(TINY_VOCAB)) < 0.2);
    /* four documents: their first tokens are bytes too, but nothing predicts them */
    double bytes = (n + 4) * 3;
    assert_true(fabs(bpb - loss * n / log(2) / bytes) < 1e-6);
    free(data);
    lt_test_temp_end(dir);
}

static void cut(const char *path, size_t keep)
{
    struct lt_buf b = { 0 };
    assert_ok(lt_file_read(path, &b));
    assert_true(b.n > keep);
    assert_ok(lt_file_save(path, b.p, keep));
    lt_buf_free(&b);
}

/* Neither the run nor its going on minds how its weights lie in files; nonsense is refused before anything is made. */
static void test_train__weights_in_shards(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *a = lt_test_path(dir, "a"), *b = lt_test_path(dir, "b");
    const char *whole[] = { BASE, "--max_steps", "6", "--batch_size", "4", NULL };
    const char *stop[] = { BASE, "--max_steps", "6", "--batch_size", "4", "--stop_at", "3", "--max_shard_size", "4KB",
                           NULL };
    const char *on[] = { BASE, "--max_steps", "6", "--batch_size", "4", "--max_shard_size", "8000", NULL };
    const char *nonsense[] = { BASE, "--max_steps", "6", "--max_shard_size", "5XB", NULL };
    static const char index[] = "model.safetensors.index.json";
    struct lt_safetensors *x, *y;
    trained(2, data, a, whole);
    trained(2, data, b, stop);
    assert_true(lt_path_exists(lt_test_path(dir, "b/checkpoint-3/model.safetensors.index.json")));
    trained(2, data, b, on);
    assert_true(lt_path_exists(inside(b, index)));
    assert_false(lt_path_exists(inside(b, "model.safetensors")));
    assert_ok(lt_safetensors_open(a, &x));
    assert_ok(lt_safetensors_open(b, &y));
    assert_int_equal(x->file_count, 1);
    assert_true(y->file_count > 1);
    assert_int_equal(x->count, y->count);
    for (int i = 0; i < x->count; i++) {
        const struct lt_safetensor *w = lt_safetensors_find(y, x->tensor[i].name);
        assert_non_null(w);
        assert_int_equal(w->count, x->tensor[i].count);
        assert_memory_equal(w->data, x->tensor[i].data, (size_t)w->count * 4);
    }
    lt_safetensors_free(x);
    lt_safetensors_free(y);
    assert_ok(lt_remove_tree(inside(b, "checkpoint-6")));       /* a finished model in shards is not written over */
    assert_ok(lt_remove_tree(inside(b, "checkpoint-3")));
    assert_fails(tiny_train(2, data, b, on), "holds a model");
    assert_fails(tiny_train(2, data, lt_test_path(dir, "c"), nonsense), "max_shard_size: expected a size");
    assert_false(lt_path_exists(lt_test_path(dir, "c")));
    free(data);
    lt_test_temp_end(dir);
}

/* A file of the run that is cut short is named, and nothing of the run is touched. */
static void test_train__damaged_runs_are_refused(void **state)
{
    (void)state;
    static const struct { const char *file, *says; } cases[] = {
        { "checkpoint-7/trainer_state.json", "trainer_state.json" },
        { "checkpoint-7/optimizer.safetensors", "optimizer" },
        { "checkpoint-7/model.safetensors", "model.safetensors" }, { "checkpoint-7/config.json", "config.json" },
        { "metrics.jsonl", "metrics.jsonl" },
    };
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *stop[] = { BASE, "--max_steps", "10", "--batch_size", "4", "--stop_at", "7", NULL };
    const char *adafactor[] = { BASE, "--max_steps", "10", "--batch_size", "4", "--optim", "adafactor", NULL };
    for (int i = 0; i < LT_COUNT(cases); i++) {
        const char *out = lt_test_path(dir, "out");
        trained(2, data, out, stop);
        cut(inside(out, cases[i].file), 100);
        assert_fails(tiny_train(2, data, out, ten), cases[i].says);
        assert_true(lt_path_exists(inside(out, "checkpoint-7")));
        assert_ok(lt_remove_tree(out));
    }
    const char *out = lt_test_path(dir, "out"), *empty = lt_test_path(dir, "empty");
    trained(2, data, out, stop);
    assert_fails(tiny_train(2, data, out, adafactor), "--optim was");
    assert_ok(lt_mkdirs(empty));
    assert_fails(tiny_train(2, empty, lt_test_path(dir, "x"), ten), "empty");
    free(data);
    lt_test_temp_end(dir);
}

static void test_train__refuses_what_does_not_fit(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_data(dir);
    const char *model = lt_test_path(dir, "model"), *out = lt_test_path(dir, "out");
    const char *make[] = { BASE, "--max_steps", "1", NULL };
    const char *small[] = { BASE, "--max_steps", "1", "--vocab_size", "16", NULL };
    const char *neither[] = { TINY_DATA, "--max_steps", "1", NULL };
    const char *self[] = { "--model", model, TINY_DATA, "--max_steps", "1", NULL };
    const char *longer[] = { "--model", model, "--max_length", "64", "--max_steps", "1", NULL };
    const char *on[] = { "--model", model, TINY_DATA, "--max_steps", "1", NULL };
    const char *init[] = { BASE, "--max_steps", "1", "--init_from", model, "--lr_scale", "*=0", NULL };
    trained(2, data, model, make);
    assert_fails(tiny_train(1, data, out, small), "vocabulary");
    assert_fails(tiny_train(1, data, out, neither), "neither");
    assert_fails(tiny_train(1, data, model, self), "name another");
    assert_fails(tiny_train(1, data, out, longer), "context");
    trained(1, data, out, on);
    trained(1, data, lt_test_path(dir, "init"), init);
    assert_true(distance(model, out) > 0);
    assert_true(distance(model, lt_test_path(dir, "init")) == 0);
    free(data);
    lt_test_temp_end(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train__same_bits_at_any_number_of_threads),
        cmocka_unit_test(test_train__whole_numbers_learn_alike),
        cmocka_unit_test(test_train__accumulation_is_one_large_batch),
        cmocka_unit_test(test_train__clipping_bounds_the_step),
        cmocka_unit_test(test_train__gradient_is_of_the_loss_reported),
        cmocka_unit_test(test_train__frozen_weights_stay),
        cmocka_unit_test(test_train__ema_is_the_running_mean),
        cmocka_unit_test(test_train__every_optimiser_learns),
        cmocka_unit_test(test_train__decay_by_pattern),
        cmocka_unit_test(test_train__muon_leaves_the_rest_to_adamw),
        cmocka_unit_test(test_train__checkpointing_changes_no_bit),
        cmocka_unit_test(test_train__stopped_after_a_validation),
        cmocka_unit_test(test_train__stopped_and_continued_is_never_stopped),
        cmocka_unit_test(test_train__interrupted_saves_and_goes_on),
        cmocka_unit_test(test_train__divergence_names_step_tensor_and_checkpoint),
        cmocka_unit_test(test_train__time_limit_can_be_repeated),
        cmocka_unit_test(test_train__bits_per_byte_counts_bytes),
        cmocka_unit_test(test_train__weights_in_shards),
        cmocka_unit_test(test_train__damaged_runs_are_refused),
        cmocka_unit_test(test_train__refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
