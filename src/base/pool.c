/* Thread pool.  Chunks are handed out from one atomic word that holds (job number, next chunk): a worker that
 * wakes late finds another job number there and takes nothing, so a run need not wait for workers that came to
 * nothing.  Threads spin for a moment before they sleep, and offer the processor to others for another, so that runs
 * close together cost microseconds, also where other programs run. */
#include "base/base.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPINS = 1000,                                /* some tens of microseconds */
       YIELDS = 400 };                              /* some hundreds, if nobody else wants to run */
#define MOST_CHUNKS (INT64_C(1) << 31)

struct lt_pool {
    _Alignas(64) _Atomic uint64_t ticket;           /* job number << 32 | next chunk */
    _Alignas(64) _Atomic int64_t left;              /* chunks of the job not yet finished */
    _Alignas(64) _Atomic(lt_chunk_fn *) fn;         /* these four change only between jobs */
    _Atomic(void *) arg;
    _Atomic int64_t first;
    _Atomic uint32_t count;
    _Atomic int sleepers;                           /* workers asleep or about to be */
    _Atomic bool caller_sleeps, quit;
    int workers;                                    /* besides the caller */
    struct lt_arena arena;                          /* of the caller */
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    pthread_t thread[];
};

/* The i-th step of waiting for what comes soon. */
static void linger(int i)
{
    if (i >= SPINS) sched_yield();
#if defined __x86_64__ || defined __i386__
    else __builtin_ia32_pause();
#endif
}

/* Takes chunks of job number `job` until none is left.  Once a ticket is won the job cannot end before its chunk
 * does, so what was read before that belongs to it. */
static void work(struct lt_pool *p, uint32_t job)
{
    uint64_t ticket = atomic_load(&p->ticket);
    for (;;) {
        lt_chunk_fn *fn = atomic_load_explicit(&p->fn, memory_order_relaxed);
        void *arg = atomic_load_explicit(&p->arg, memory_order_relaxed);
        int64_t first = atomic_load_explicit(&p->first, memory_order_relaxed);
        uint32_t count = atomic_load_explicit(&p->count, memory_order_relaxed), chunk = (uint32_t)ticket;
        if (ticket >> 32 != job || chunk >= count)
            return;
        if (!atomic_compare_exchange_weak(&p->ticket, &ticket, ticket + 1))
            continue;
        fn(arg, first + chunk);
        if (atomic_fetch_sub(&p->left, 1) == 1 && atomic_load(&p->caller_sleeps)) {
            pthread_mutex_lock(&p->mutex);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->mutex);
        }
        ticket = atomic_load(&p->ticket);
    }
}

static bool idle(struct lt_pool *p, uint32_t seen)
{
    return atomic_load(&p->ticket) >> 32 == seen && !atomic_load(&p->quit);
}

static void *worker(void *arg)
{
    struct lt_pool *p = arg;
    uint32_t seen = 0;
    while (!atomic_load(&p->quit)) {
        for (int i = 0; i < SPINS + YIELDS && idle(p, seen); i++)
            linger(i);
        if (idle(p, seen)) {
            pthread_mutex_lock(&p->mutex);
            atomic_fetch_add(&p->sleepers, 1);
            while (idle(p, seen))
                pthread_cond_wait(&p->work, &p->mutex);
            atomic_fetch_sub(&p->sleepers, 1);
            pthread_mutex_unlock(&p->mutex);
        }
        seen = (uint32_t)(atomic_load(&p->ticket) >> 32);
        work(p, seen);
    }
    return NULL;
}

static void wait_for_all(struct lt_pool *p)
{
    for (int i = 0; i < SPINS + YIELDS && atomic_load(&p->left); i++)
        linger(i);
    if (atomic_load(&p->left) == 0)
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->left))
        pthread_cond_wait(&p->done, &p->mutex);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->mutex);
}

static void run(struct lt_pool *p, int64_t first, int64_t count, lt_chunk_fn *fn, void *arg)
{
    uint32_t job = (uint32_t)(atomic_load(&p->ticket) >> 32) + 1;
    atomic_store(&p->ticket, (uint64_t)job << 32 | UINT32_MAX);     /* nothing to take while the fields change */
    atomic_store_explicit(&p->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&p->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&p->first, first, memory_order_relaxed);
    atomic_store_explicit(&p->count, (uint32_t)count, memory_order_relaxed);
    atomic_store(&p->left, count);
    job++;
    atomic_store(&p->ticket, (uint64_t)job << 32);
    int asleep = atomic_load(&p->sleepers);
    if (asleep) {
        pthread_mutex_lock(&p->mutex);
        if (count > asleep)
            pthread_cond_broadcast(&p->work);
        else
            for (int64_t i = 1; i < count; i++)
                pthread_cond_signal(&p->work);
        pthread_mutex_unlock(&p->mutex);
    }
    work(p, job);
    wait_for_all(p);
}

void lt_pool_run(struct lt_pool *p, int64_t count, lt_chunk_fn *fn, void *arg)
{
    if (!p || p->workers == 0 || count <= 1) {
        for (int64_t i = 0; i < count; i++)
            fn(arg, i);
        return;
    }
    for (int64_t at = 0; at < count; at += MOST_CHUNKS)
        run(p, at, LT_MIN(count - at, MOST_CHUNKS), fn, arg);
}

static int cores(void)
{
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

struct lt_pool *lt_pool_new(int threads)
{
    threads = threads > 0 ? LT_MIN(threads, 1024) : cores();
    size_t size = sizeof(struct lt_pool) + (size_t)(threads - 1) * sizeof(pthread_t);
    struct lt_pool *p = lt_aligned(size);
    *p = (struct lt_pool){ 0 };
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    sigset_t all, before;                           /* signals are for the caller's thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->workers < threads - 1 && pthread_create(&p->thread[p->workers], NULL, worker, p) == 0)
        p->workers++;                               /* fewer threads than asked for give the same results */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p;
}

int lt_pool_threads(const struct lt_pool *p)
{
    return p ? p->workers + 1 : 1;
}

struct lt_arena *lt_pool_arena(struct lt_pool *p)
{
    return p ? &p->arena : NULL;
}

void lt_pool_free(struct lt_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->quit, true);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->workers; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->mutex);
    lt_arena_free(&p->arena);
    free(p);
}
