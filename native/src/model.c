#include "model.h"

#include <stdlib.h>
#include <string.h>

/* From so many rows on a block is faster than walks, though most of it may be empty. */
#define FEW 6

typedef struct {
    const char *name;
    blocks_rows *by_blocks;
} strategy_of;

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

static blocks_rows *rows_of(const char *strategy) {
#if defined(__x86_64__)
    if (!strcmp(strategy, "avx512")) return avx512_rows;
    if (!strcmp(strategy, "avx2")) return avx2_rows;
#elif defined(__aarch64__)
    if (!strcmp(strategy, "neon")) return neon_rows;
#endif
    (void)strategy;
    return NULL;
}

static const char *open_strategy(model *opened, const char *asked) {
    const char *const *here = model_strategies();
    while (*here && asked && strcmp(*here, asked)) here++;
    if (!*here) return "scalar as the strategy, or avx2, avx512 or neon where the processor has it";
    opened->by_blocks = rows_of(*here);
    int failed = opened->by_blocks ? blocks_build(&opened->blocks, &opened->walk) : 1;
    if (failed < 0) return "more memory than there is";
    if (failed) opened->by_blocks = NULL;
    opened->strategy = opened->by_blocks ? *here : "scalar";
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
    if (!opened->by_blocks || n < FEW) {
        walk_rows(&opened->walk, rows, n, margins);
        return 0;
    }
    uint8_t *scratch = malloc(blocks_scratch(&opened->blocks));
    if (!scratch) return -1;
    opened->by_blocks(&opened->blocks, rows, n, margins, scratch);
    free(scratch);
    return 0;
}
