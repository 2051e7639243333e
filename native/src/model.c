#include "model.h"

#include <stdlib.h>
#include <string.h>

void model_close(model *opened) {
    walk_free(&opened->walk);
    free(opened->data);
    memset(opened, 0, sizeof *opened);
}

const char *const *model_strategies(void) {
    static const char *const names[] = {"scalar", NULL};
    return names;
}

static const char *open_strategy(model *opened, const char *strategy) {
    if (strategy && strcmp(strategy, "scalar")) return "scalar as the strategy";
    opened->strategy = "scalar";
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

void model_margins(const model *opened, const float *rows, size_t n, float *margins) {
    walk_rows(&opened->walk, rows, n, margins);
}
