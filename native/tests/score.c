/* score FILE ROWS COUNT STRATEGY: margins of rows to standard output, all at once and then one by
   one. For sanitizers and for processors that Python does not run on here. */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

static uint8_t *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) || ftell(file) < 0) exit(2);
    *size = (size_t)ftell(file);
    /* Exactly as long, so that a step beyond it is seen. */
    uint8_t *data = malloc(*size + !*size);
    rewind(file);
    if (!data || fread(data, 1, *size, file) != *size || fclose(file)) exit(2);
    return data;
}

int main(int argc, char **argv) {
    size_t size, of_rows, n = argc > 4 ? strtoull(argv[3], NULL, 10) : 0;
    model opened;
    if (argc < 5) return 2;
    uint8_t *data = read_all(argv[1], &size);
    float *rows = (float *)read_all(argv[2], &of_rows);
    const char *expected = model_open(&opened, data, size, argv[4]);
    free(data);
    if (expected) return fprintf(stderr, "Expected %s.\n", expected), 3;
    size_t width = opened.walk.file.n_features, targets = opened.walk.file.n_targets;
    float *margins = malloc(n * targets * sizeof *margins + !n);
    if (!margins || of_rows != n * width * sizeof *rows) return 2;
    if (model_margins(&opened, rows, n, margins)) return 4;
    fwrite(margins, sizeof *margins, n * targets, stdout);
    for (size_t row = 0; row < n; row++)
        walk_row(&opened.walk, rows + row * width, margins + row * targets);
    fwrite(margins, sizeof *margins, n * targets, stdout);
    fprintf(stderr, "%s\n", opened.strategy);
    free(rows), free(margins), model_close(&opened);
    return 0;
}
