#include "graph/tape.h"

#define ROW(id) &lt_row_##id,
const struct lt_op *const lt_op_table[] = { LT_OPS(ROW) NULL };
