/* Dumps of log-probabilities over arbitrary bytes: what is accepted is in step with itself, token by token and by the
 * ends of its tokens. */
#include "mixture/track.h"
#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_track t[2];
    if (lt_track_parse("input", (struct lt_str){ (const char *)p, n }, &t[0])) return 0;
    t[1] = t[0];
    for (int words = 0; words < 2; words++) {
        struct lt_aligned a;
        if (lt_tracks_align(t, 2, words, &a)) continue;
        assert(a.count > 0 && a.count + a.left_out <= t[0].count);
        for (int64_t i = 0; i < a.count; i++) {
            assert(a.logp[2 * i] == a.logp[2 * i + 1] && !(a.logp[2 * i] > 0));
            assert(a.first[i] >= 0 && a.first[i] <= i);
        }
        lt_aligned_release(&a);
    }
    lt_track_release(&t[0]);
    return 0;
}
