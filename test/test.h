/* What every test file includes: cmocka with its headers, data look-up, a temporary folder. */
#ifndef LT_TEST_H
#define LT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/base.h"
#include "base/io.h"

/* Path of a file of the optional data folder (LATHE_DATA, else ../shared/data); the test skips, saying so, when it
 * is not there.  The result lives until the next call. */
static inline const char *lt_test_data(const char *name)
{
    static char path[1024];
    const char *root = getenv("LATHE_DATA");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
    if (!lt_path_exists(path)) {
        fprintf(stderr, "SKIP %s: not in the data folder (set LATHE_DATA)\n", name);
        skip();
    }
    return path;
}

/* A fresh folder under TMPDIR or /tmp; remove and free it with lt_test_temp_end. */
static inline char *lt_test_temp(void)
{
    const char *root = getenv("TMPDIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/lathe-test-XXXXXX", root ? root : "/tmp");
    assert_non_null(mkdtemp(path));
    return lt_strdup(path);
}

static inline void lt_test_temp_end(char *path)
{
    assert_int_equal(lt_remove_tree(path), 0);
    free(path);
}

/* "FOLDER/NAME"; lives until the sixteenth call after it. */
static inline const char *lt_test_path(const char *folder, const char *name)
{
    static char path[16][1024];
    static int turn;
    turn = (turn + 1) % 16;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

#define assert_ok(call) do { if ((call) != 0) fail_msg("%s: %s", #call, lt_error()); } while (0)
/* The call fails and its sentence holds `part`. */
#define assert_fails(call, part) do { \
    if ((call) == 0) fail_msg("%s: succeeded", #call); \
    if (!strstr(lt_error(), part)) fail_msg("%s: \"%s\" does not hold \"%s\"", #call, lt_error(), part); \
} while (0)

#endif
