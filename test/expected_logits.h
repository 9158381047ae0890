/* What a model says after some tokens, in a folder for a peer to compare with: expected.json. */
#ifndef LT_TEST_EXPECTED_LOGITS_H
#define LT_TEST_EXPECTED_LOGITS_H

#include "test.h"
#include "base/base.h"
#include "model/session.h"

static inline void lt_test_expected_logits(struct lt_model *m, struct lt_session_spec spec, const int32_t *token, int n,
                                           const char *folder)
{
    struct lt_session s;
    int vocab;
    struct lt_buf path = { 0 }, text = { 0 };
    assert_ok(lt_model_session(m, NULL, spec, &s));
    assert_ok(s.type->feed(s.self, token, n));
    const float *have = s.type->logits(s.self, &vocab);
    assert_non_null(have);
    lt_buf_str(&text, "{\"tokens\": [");
    for (int i = 0; i < n; i++) lt_buf_fmt(&text, "%s%d", i ? ", " : "", (int)token[i]);
    lt_buf_str(&text, "], \"logits\": [");
    for (int i = 0; i < vocab; i++) lt_buf_fmt(&text, "%s%.9g", i ? ", " : "", (double)have[i]);
    lt_buf_str(&text, "]}\n");
    lt_buf_fmt(&path, "%s/expected.json", folder);
    assert_ok(lt_file_save(path.p, text.p, text.n));
    s.type->close(s.self);
    lt_buf_free(&path);
    lt_buf_free(&text);
}

#endif
