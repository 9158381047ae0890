/* Runs a program's tests once for every instruction set that the machine has, each in a process of its own, because the
 * level is settled once per process; and compares bits that all of them must share. */
#ifndef LT_LEVELS_H
#define LT_LEVELS_H

#include "test.h"
#include "math/cpu.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { LT_TEST_BITS = 1 << 16, LT_TEST_NO_LEVEL = 77 };

/* Hashes noted by one level, in order; shared with the parent. */
struct lt_test_level { int count; uint64_t hash[LT_TEST_BITS]; };

static struct lt_test_level *lt_test_level;

/* These bytes must be the same on every level. */
static inline void lt_test_bits(const void *p, size_t n)
{
    assert_true(lt_test_level->count < LT_TEST_BITS);
    lt_test_level->hash[lt_test_level->count++] = lt_hash(p, n, 1);
}

static inline int lt_test_run_level(enum lt_isa isa, int (*tests)(void))
{
    pid_t child = fork();
    if (child == 0) {
        setenv("LATHE_ISA", lt_isa_name(isa), 1);
        if (lt_cpu_level() != isa) _exit(LT_TEST_NO_LEVEL);
        printf("instruction set %s\n", lt_isa_name(isa));
        int failed = tests();
        fflush(NULL);
        _exit(failed != 0);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
    return WEXITSTATUS(status);
}

/* The exit status of a test program. */
static inline int lt_test_levels(int (*tests)(void))
{
    const enum lt_isa isas[] = { LT_ISA_C, LT_ISA_AVX2, LT_ISA_AVX512 };
    size_t size = LT_COUNT(isas) * sizeof *lt_test_level;
    struct lt_test_level *level = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (level == MAP_FAILED) return 1;
    int failed = 0;
    for (int i = 0; i < LT_COUNT(isas); i++) {
        lt_test_level = &level[i];
        int status = lt_test_run_level(isas[i], tests);
        if (status == LT_TEST_NO_LEVEL) continue;
        failed |= status;
        int same = 0;
        while (same < level[0].count && level[i].hash[same] == level[0].hash[same]) same++;
        if (same == level[0].count && same == level[i].count) continue;
        printf("%s gives other bits than plain C from note %d of %d on\n", lt_isa_name(isas[i]), same, level[0].count);
        failed = 1;
    }
    return failed;
}

#endif
