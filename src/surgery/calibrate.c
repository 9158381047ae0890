#include "surgery/calibrate.h"
#include "base/ctx.h"
#include "math/gemm.h"
#include "model/decoder.h"

#include <stdlib.h>
#include <string.h>

/* The sites of a layer whose tensors are inputs of matrices, in the order of the passes; then the head's. */
enum { ATTN_IN, ATTN_MIX, MLP_IN, MLP_MID, SITES };
static const char *const site_name[SITES] = { "attn_in", "attn_mix", "mlp_in", "mlp_mid" };

static int64_t site_width(const struct lt_model *m, int site)
{
    return site == ATTN_MIX ? m->heads * m->head_dim : site == MLP_MID ? m->inner : m->width;
}

double lt_calibration_bytes(const struct lt_model *m)
{
    double sum = 0;
    for (int s = 0; s < SITES; s++) sum += (double)site_width(m, s) * (double)site_width(m, s) * sizeof(float);
    return sum;
}

static void add(struct lt_calibration_site *s, struct lt_pool *pool, const struct lt_tensor *x)
{
    int64_t rows = lt_rows(x), n = s->width;
    for (int64_t r = 0; r < rows; r++) {
        const float *row = lt_f32(x) + r * x->ld;
        for (int64_t i = 0; i < n; i++) s->square[i] += (double)row[i] * (double)row[i];
    }
    if (!s->product) return;
    lt_gemm(pool, &(struct lt_gemm){ .m = n, .n = n, .k = rows, .a = x->data, .b = x->data, .c = s->product,
                                     .lda = x->ld, .ldb = x->ld, .a_trans = true, .add = true });
}

struct watch { struct lt_calibration *k; int64_t layers; };

static struct lt_tensor *tap(void *self, struct lt_graph *g, const char *site, int layer, struct lt_tensor *x)
{
    struct watch *w = self;
    struct lt_calibration *k = w->k;
    bool final = !strcmp(site, "final");
    int64_t at = final ? w->layers : layer;
    if (at < k->first || at >= k->last) return x;
    int64_t index = (at - k->first) * SITES;
    int s = 0;
    while (!final && s < SITES && strcmp(site, site_name[s])) s++;
    if (s < SITES) add(&k->site[index + s], lt_graph_pool(g), x);
    return x;
}

static void make_sites(struct lt_calibration *k, const struct lt_model *m, bool products)
{
    k->site_count = (k->last - k->first) * SITES;
    k->site = lt_calloc((size_t)k->site_count + 1, sizeof *k->site);
    for (int64_t i = 0; i < k->site_count; i++) {
        struct lt_calibration_site *s = &k->site[i];
        bool head = k->first + i / SITES == m->layers;
        if (head && i % SITES) continue;
        s->width = head ? m->width : site_width(m, (int)(i % SITES));
        s->square = lt_calloc((size_t)s->width, sizeof *s->square);
        if (products) s->product = lt_calloc((size_t)(s->width * s->width), sizeof *s->product);
    }
}

int lt_calibrate(struct lt_model *m, struct lt_ctx *c, const int32_t *id, int64_t n, int64_t context, int64_t first,
                 int64_t last, bool products, struct lt_calibration *out)
{
    *out = (struct lt_calibration){ .first = first, .last = last };
    make_sites(out, m, products);
    struct watch w = { out, m->layers };
    struct lt_graph *g = lt_graph_new(c, LT_COMPUTE_F32);
    struct lt_progress progress;
    int32_t *pos = lt_alloc((size_t)context * sizeof *pos);
    for (int64_t i = 0; i < context; i++) pos[i] = (int32_t)i;
    int rc = 0;
    m->tap = tap;
    m->tap_self = &w;
    lt_progress_begin(c, &progress, "calibrate", "tokens", (double)n);
    for (int64_t at = 0; at < n && !rc; at += context) {
        const int64_t held = LT_MIN(context, n - at), seq_row[2] = { 0, held };
        const struct lt_batch b = { .rows = held, .token = id + at, .pos = pos, .seq_count = 1, .seq_row = seq_row };
        lt_graph_reset(g);
        if (lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
        else if (!m->arch->forward(m->o, m, g, &b)) rc = -1;
        out->rows += held;
        lt_progress_at(&progress, (double)out->rows, NULL);
    }
    lt_progress_end(&progress);
    m->tap = NULL;
    lt_graph_free(g);
    free(pos);
    return rc;
}

void lt_calibration_release(struct lt_calibration *k)
{
    for (int64_t i = 0; i < k->site_count; i++) {
        free(k->site[i].square);
        free(k->site[i].product);
    }
    free(k->site);
    *k = (struct lt_calibration){ 0 };
}

/* ---- which weight has which inputs ---- */

static int site_of(const struct lt_model *m, int weight, int64_t *layer)
{
    const struct lt_decoder *d = m->plan;
    if (weight == d->out.w) {                   /* a tied embedding is the head, too */
        *layer = m->layers;
        return ATTN_IN;
    }
    for (int64_t i = 0; i < d->layers; i++) {
        const struct lt_decoder_layer *l = &d->layer[i];
        const struct { int w, site; } row[] = {
            { l->q.w, ATTN_IN }, { l->k.w, ATTN_IN }, { l->v.w, ATTN_IN }, { l->o.w, ATTN_MIX }, { l->gate.w, MLP_IN },
            { l->up.w, MLP_IN }, { l->down.w, MLP_MID },
        };
        *layer = i;
        for (int r = 0; r < LT_COUNT(row); r++)
            if (row[r].w == weight) return row[r].site;
    }
    return -1;
}

int64_t lt_calibration_layer(const struct lt_model *m, int weight)
{
    int64_t layer;
    return site_of(m, weight, &layer) < 0 ? -1 : layer;
}

const struct lt_calibration_site *lt_calibration_of(const struct lt_calibration *k, const struct lt_model *m,
                                                    int weight)
{
    int64_t layer;
    int site = site_of(m, weight, &layer);
    if (site < 0 || layer < k->first || layer >= k->last) return NULL;
    return &k->site[(layer - k->first) * SITES + site];
}
