/* How long it takes until work can begin: the program's start, and the opening of a folder of 500 MB.  Also the size of
 * the program.  Peer rows hold the limits that are kept, with the name "limit", so a ratio below 1 is good. */
#include "bench.h"

#include "base/io.h"
#include "model/model.h"
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

static void help(void *program)
{
    char *argv[] = { program, "help", NULL };
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    if (posix_spawn(&pid, program, &quiet, NULL, argv, environ) || waitpid(pid, &status, 0) < 0 || status)
        exit((fprintf(stderr, "%s help failed\n", argv[0]), 1));
    posix_spawn_file_actions_destroy(&quiet);
}

static void open_folder(void *folder)
{
    struct lt_model *m;
    if (lt_model_open(folder, &m)) exit((fprintf(stderr, "%s\n", lt_error()), 1));
    lt_model_free(m);
}

/* 125 million parameters in f32: the shape of GPT-2 with the layout of Llama. */
static void make_folder(const char *folder)
{
    const struct lt_arch *arch = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *s = lt_options_new(&arch->m);
    static const char *const size[][2] = {
        { "vocab_size", "50304" }, { "hidden_size", "768" }, { "intermediate_size", "2048" },
        { "num_hidden_layers", "12" }, { "num_attention_heads", "12" }, { "tie_word_embeddings", "true" },
    };
    struct lt_model *m;
    for (int i = 0; i < LT_COUNT(size); i++)
        if (lt_options_set(s, size[i][0], size[i][1])) exit((fprintf(stderr, "%s\n", lt_error()), 1));
    if (lt_model_new(arch, s, 1, NULL, &m) || lt_mkdirs(folder) || lt_model_save(m, folder, LT_F32))
        exit((fprintf(stderr, "%s\n", lt_error()), 1));
    lt_model_free(m);
}

/* Of the program as it is installed, without what debuggers read. */
static double installed_size(const char *program, const char *folder)
{
    char command[2048], path[1024];
    struct stat st;
    snprintf(path, sizeof path, "%s/stripped", folder);
    snprintf(command, sizeof command, "strip -o '%s' '%s'", path, program);
    if (system(command) || stat(path, &st)) exit((fprintf(stderr, "%s: cannot be stripped\n", program), 1));
    return (double)st.st_size;
}

int main(int argc, char **argv)
{
    char *program = argc > 1 ? argv[1] : "build/lathe", top[] = "/tmp/lathe-bench-XXXXXX", folder[64];
    struct bench_side start = { .name = "help", .run = help, .arg = program },
                      opening = { .name = "open", .run = open_folder, .arg = folder };
    bench_race(&start, 1, 15, 0.1);
    bench_row("start/lathe help", "ms", start.median * 1e3, 10, "limit", "processor", 0);
    if (!mkdtemp(top)) return perror(top), 1;
    bench_row("start/size of the program", "MB", installed_size(program, top) * 1e-6, 8, "limit", "-", 0);
    snprintf(folder, sizeof folder, "%s/model", top);
    make_folder(folder);
    bench_race(&opening, 1, 15, 0.1);
    bench_row("start/open a folder of 500 MB", "ms", opening.median * 1e3, 50, "limit", "processor", 0);
    return lt_remove_tree(top) ? 1 : 0;
}
