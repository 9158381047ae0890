/* Published models: stories260K writes its published text, gpt-nano-sort has its recorded activations. */
#include "test.h"
#include "base/json.h"
#include "model/session.h"

#include <math.h>

/* ---- stories260K ---- */

/* llama2.c's tokenizer.bin: the longest piece, then for each piece a score, a length and its bytes. */
static void read_pieces(const char *path, struct lt_str *piece, int count, struct lt_file *f)
{
    assert_ok(lt_file_open(path, f));
    size_t at = 4;
    for (int i = 0; i < count; i++) {
        int32_t n;
        assert_true(at + 8 <= f->n);
        memcpy(&n, f->p + at + 4, 4);
        piece[i] = (struct lt_str){ (const char *)f->p + at + 8, (size_t)n };
        at += 8 + (size_t)n;
        assert_true(at <= f->n);
    }
}

static void greedy(struct lt_model *m, const struct lt_str *piece, struct lt_buf *text)
{
    struct lt_session s;
    int32_t token = 1;
    int vocab;
    assert_ok(lt_model_session(m, NULL, (struct lt_session_spec){ 0 }, &s));
    for (int step = 0; step < 256; step++) {
        int32_t best = 0;
        assert_ok(s.type->feed(s.self, &token, 1));
        const float *x = s.type->logits(s.self, &vocab);
        for (int32_t i = 1; i < vocab; i++) best = x[i] > x[best] ? i : best;
        if (best == 1) break;
        struct lt_str p = piece[best];
        if (token == 1 && p.p[0] == ' ') p.p++, p.n--;
        unsigned byte;
        if (p.n == 6 && sscanf(p.p, "<0x%02X>", &byte) == 1) lt_buf_char(text, (char)byte);
        else lt_buf_put(text, p.p, p.n);
        token = best;
    }
    s.type->close(s.self);
}

static void test_published__stories_writes_its_text(void **state)
{
    (void)state;
    struct lt_model *m, *copy;
    struct lt_file pieces;
    struct lt_buf want = { 0 }, text = { 0 }, again = { 0 };
    struct lt_str piece[512];
    char *folder = lt_test_temp();
    assert_ok(lt_file_read(lt_test_data("models/stories260K/expected-greedy.txt"), &want));
    assert_ok(lt_model_open(lt_test_data("models/stories260K/stories260K.bin"), &m));
    assert_int_equal(m->vocab, 512);
    assert_true(lt_model_is_file(lt_test_data("models/stories260K/stories260K.bin")));
    read_pieces(lt_test_data("models/stories260K/tok512.bin"), piece, 512, &pieces);
    greedy(m, piece, &text);
    while (want.n && want.p[want.n - 1] == '\n') want.n--;
    want.p[want.n] = 0;
    assert_string_equal(text.p, want.p);
    assert_ok(lt_model_save(m, folder, LT_F32));        /* as a Hugging Face folder */
    assert_ok(lt_model_open(folder, &copy));
    greedy(copy, piece, &again);
    assert_string_equal(again.p, want.p);
    lt_model_free(m);
    lt_model_free(copy);
    lt_file_close(&pieces);
    lt_buf_free(&want);
    lt_buf_free(&text);
    lt_buf_free(&again);
    lt_test_temp_end(folder);
}

/* ---- gpt-nano-sort ---- */

enum { BATCH = 3, LENGTH = 11, WIDTH = 48, HEADS = 3 };

static int base64_digit(char c)
{
    const char *all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
               *at = c ? strchr(all, c) : NULL;
    return at ? (int)(at - all) : -1;
}

/* The float32 numbers of one recorded tensor; free() them. */
static float *numbers(const json_t *root, const char *name, size_t count)
{
    const char *text = json_string_value(json_object_get(json_object_get(root, name), "data"));
    if (!text) fail_msg("%s is not recorded", name);
    uint8_t *out = lt_calloc(count + 1, 4);
    size_t n = 0;
    uint32_t bits = 0;
    for (int have = 0; *text && *text != '='; text++) {
        bits = bits << 6 | (uint32_t)base64_digit(*text);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        assert_true(n < count * 4);
        out[n++] = (uint8_t)(bits >> have);
    }
    assert_int_equal(n, count * 4);
    return (float *)out;
}

static struct lt_model *sorter(const json_t *root)
{
    static const char *const size[][2] = { { "n_layer", "3" },
                                           { "n_head", "3" },
                                           { "n_embd", "48" },
                                           { "vocab_size", "3" },
                                           { "n_positions", "11" },
                                           { "tie_word_embeddings", "false" },
                                           { "activation_function", "gelu_new" } };
    const struct lt_method *arch = lt_method_find("arch", "gpt2");
    struct lt_options *s = lt_options_new(arch);
    struct lt_model *m;
    for (int i = 0; i < LT_COUNT(size); i++) assert_ok(lt_options_set(s, size[i][0], size[i][1]));
    assert_ok(lt_model_new((const struct lt_arch *)arch, s, 1, NULL, &m));
    for (int i = 0; i < m->weight_count; i++) {
        struct lt_weight *w = &m->weight[i];
        int64_t n = lt_weight_count(w);
        float *stored = numbers(root, w->name, (size_t)n);
        for (int64_t k = 0; k < n; k++)     /* recorded (out, in), kept (in, out) */
            w->master[k] = w->transposed ? stored[k % w->dim[1] * w->dim[0] + k / w->dim[1]] : stored[k];
        free(stored);
    }
    return m;
}

struct watch { const json_t *partials; int seen; double worst; };

static void compare(struct watch *w, const char *name, const struct lt_tensor *x, bool by_head)
{
    int64_t cols = lt_cols(x), dim = cols / HEADS;
    float *want = numbers(w->partials, name, (size_t)(lt_rows(x) * cols));
    for (int64_t i = 0; i < lt_rows(x); i++)
        for (int64_t j = 0; j < cols; j++) {
            int64_t head = ((i / LENGTH * HEADS + j / dim) * LENGTH + i % LENGTH) * dim + j % dim;
            double d = fabs((double)lt_f32(x)[i * x->ld + j] - (double)want[by_head ? head : i * cols + j]);
            if (!(d < 1e-5)) fail_msg("%s (%d, %d) is off by %g", name, (int)i, (int)j, d);
            w->worst = fmax(w->worst, d);
        }
    free(want);
    w->seen++;
}

static struct lt_tensor *look(void *self, struct lt_graph *g, const char *site, int layer, struct lt_tensor *x)
{
    static const struct { const char *site; int layer; const char *name; bool by_head;
    } row[] = {
        { "embed", -1, "x", false },
        { "attn_in", 0, "ln1", false },
        { "q", 0, "q", true },
        { "k", 0, "k", true },
        { "v", 0, "v", true },
        { "attn_mix", 0, "y", false },
        { "attn_out", 0, "yProj", false },
        { "mlp_in", 0, "ln2", false },
        { "mlp_mid", 0, "gelu", false },
        { "mlp_out", 0, "mlp", false },
        { "resid", 0, "block0", false },
        { "resid", 1, "block1", false },
        { "resid", 2, "block2", false },
        { "final", -1, "ln_f", false },
    };
    (void)g;
    for (int i = 0; i < LT_COUNT(row); i++)
        if (!strcmp(site, row[i].site) && layer == row[i].layer) compare(self, row[i].name, x, row[i].by_head);
    return x;
}

static void test_published__gpt_nano_sort_layer_by_layer(void **state)
{
    (void)state;
    json_t *weights, *partials;
    assert_ok(lt_json_read(lt_test_data("models/gpt-nano-sort/gpt-nano-sort-model.json"), &weights));
    assert_ok(lt_json_read(lt_test_data("models/gpt-nano-sort/gpt-nano-sort-t0-partials.json"), &partials));
    struct lt_model *m = sorter(weights);
    struct watch w = { .partials = partials };
    m->tap = look;
    m->tap_self = &w;
    int32_t token[BATCH * LENGTH], pos[BATCH * LENGTH];
    int64_t rows[] = { 0, 11, 22, 33 };
    float *idx = numbers(partials, "idx", BATCH * LENGTH);
    for (int i = 0; i < BATCH * LENGTH; i++) {
        token[i] = (int32_t)idx[i];
        pos[i] = i % LENGTH;
    }
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    struct lt_batch b = { .rows = BATCH * LENGTH, .token = token, .pos = pos, .seq_count = BATCH, .seq_row = rows };
    struct lt_tensor *x = m->arch->forward(m->o, m, g, &b);
    assert_non_null(x);
    compare(&w, "lm_head", lt_model_logits(g, m, x), false);
    assert_int_equal(w.seen, 15);
    print_message("gpt-nano-sort: 15 activations, the worst off by %.2g\n", w.worst);
    free(idx);
    lt_graph_free(g);
    lt_model_free(m);
    json_decref(weights);
    json_decref(partials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published__stories_writes_its_text),
        cmocka_unit_test(test_published__gpt_nano_sort_layer_by_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
