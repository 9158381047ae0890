/* What the matrices of a model are multiplied with, measured on a text. */
#ifndef LT_CALIBRATE_H
#define LT_CALIBRATE_H

#include "model/model.h"

struct lt_calibration {
    int64_t first, last;            /* layers measured; layer m->layers is the output head */
    int64_t rows;                   /* tokens that went through */
    /* Sums over the rows; product may be NULL. */
    struct lt_calibration_site { int64_t width; double *square; float *product; } *site;
    int64_t site_count;
};
/* Runs n tokens in windows of `context`.  products: x x^T besides the squares. */
int lt_calibrate(struct lt_model *m, struct lt_ctx *c, const int32_t *id, int64_t n, int64_t context, int64_t first,
                 int64_t last, bool products, struct lt_calibration *out);
void lt_calibration_release(struct lt_calibration *k);
/* Of the inputs of a weight; NULL: not measured, or it has none (embeddings). */
const struct lt_calibration_site *lt_calibration_of(const struct lt_calibration *k, const struct lt_model *m,
                                                    int weight);
/* The layer whose measuring serves a weight; -1: none does. */
int64_t lt_calibration_layer(const struct lt_model *m, int weight);
double lt_calibration_bytes(const struct lt_model *m);      /* of the products of one layer */

#endif
