#include "model.h"

#include <stdlib.h>
#include <string.h>

/* A block costs the same however many rows it has, so fewer than `few` walk; of trees that go on
   below their complete levels, fewer than `few_deep`. docs/kernel.md has the measurements. */
struct way {
    const char *name;
    blocks_rows *rows;
    uint32_t block, few, few_deep;
};

static const way ways[] = {
#if defined(__x86_64__)
    {"avx512", avx512_rows, 64, 8, 40},
    {"avx2", avx2_rows, 32, 10, 28},
#elif defined(__aarch64__)
    {"neon", neon_rows, 16, 6, 14},
#endif
    {"scalar", NULL, 1, 1, 1},
};

void model_close(model *opened) {
    blocks_free(&opened->blocks);
    walk_free(&opened->walk);
    free(opened->data);
    memset(opened, 0, sizeof *opened);
}

const char *const *model_strategies(void) {
    static const char *names[4];
    int n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        names[n++] = "avx512";
    if (__builtin_cpu_supports("avx2")) names[n++] = "avx2";
#elif defined(__aarch64__)
    names[n++] = "neon"; /* every such processor has it */
#endif
    names[n++] = "scalar";
    names[n] = NULL;
    return names;
}

static const way *way_of(const char *name) {
    const way *found = ways;
    while (found->rows && strcmp(found->name, name)) found++;
    return found;
}

static int goes_deeper(const block_forest *forest) {
    int deeper = 0;
    for (uint32_t i = 0; i < forest->n_groups; i++) deeper |= forest->groups[i].deeper;
    return deeper;
}

static const char *open_strategy(model *opened, const char *asked) {
    const char *const *here = model_strategies();
    while (*here && asked && strcmp(*here, asked)) here++;
    if (!*here) return "scalar as the strategy, or avx2, avx512 or neon where the processor has it";
    const way *by = way_of(*here);
    int failed = by->rows ? blocks_build(&opened->blocks, &opened->walk) : 1;
    if (failed < 0) return "more memory than there is";
    opened->by = failed ? way_of("scalar") : by;
    opened->few = goes_deeper(&opened->blocks) ? opened->by->few_deep : opened->by->few;
    opened->strategy = opened->by->name;
    return NULL;
}

const char *model_open(model *opened, const uint8_t *data, size_t size, const char *strategy) {
    trees_file file;
    memset(opened, 0, sizeof *opened);
    if (!(opened->data = malloc(size + 1))) return "more memory than there is";
    memcpy(opened->data, data, size);
    const char *expected = trees_file_read(opened->data, size, &file);
    if (!expected && walk_build(&opened->walk, &file)) expected = "more memory than there is";
    if (!expected) expected = open_strategy(opened, strategy);
    if (expected) model_close(opened);
    return expected;
}

int model_margins(const model *opened, const float *rows, size_t n, float *margins) {
    const size_t width = opened->walk.file.n_features, targets = opened->walk.file.n_targets;
    /* The last rows walk where they are too few for a block of their own. */
    size_t rest = n % opened->by->block, by_blocks = opened->by->rows ? n : 0;
    if (by_blocks && rest < opened->few) by_blocks -= rest;
    if (by_blocks) {
        uint8_t *scratch = malloc(blocks_scratch(&opened->blocks));
        if (!scratch) return -1;
        opened->by->rows(&opened->blocks, rows, by_blocks, margins, scratch);
        free(scratch);
    }
    walk_rows(&opened->walk, rows + by_blocks * width, n - by_blocks, margins + by_blocks * targets);
    return 0;
}
