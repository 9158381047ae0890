/* Allocation that never returns NULL.  Sizes from outside are bounded by their readers, so an allocation that
 * fails means the machine is full: no caller could do better than stop, and one handler does. */
#include "base/base.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "lathe: out of memory (%zu bytes were asked for)\n", size);
    abort();
}

void *lt_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *lt_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory(size && count > SIZE_MAX / size ? SIZE_MAX : count * size);
    return p;
}

void *lt_realloc(void *p, size_t size)
{
    p = realloc(p, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

/* Large blocks start on a huge page and ask for more of them: matrices walk memory in strides that miss the TLB. */
void *lt_aligned(size_t size)
{
    size_t align = size >= 2 * LT_HUGE_PAGE ? LT_HUGE_PAGE : 64;
    if (size > SIZE_MAX - align)
        out_of_memory(size);
    void *p = aligned_alloc(align, (LT_MAX(size, 1) + align - 1) / align * align);
    if (!p)
        out_of_memory(size);
#ifdef MADV_HUGEPAGE
    if (align == LT_HUGE_PAGE)
        madvise(p, size, MADV_HUGEPAGE);
#endif
    return p;
}

char *lt_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(lt_alloc(n), s, n);
}
