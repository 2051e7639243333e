/* fuzz FILE COUNT SEED [STRATEGY]: damages a file in many ways and scores rows with what still
   opens. Built with sanitizers by native/tests/test_damage.py; no part of the extension. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define ROWS 150

static uint64_t state;

static uint32_t below(uint32_t limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)((state >> 32) % limit);
}

static void damage(uint8_t *data, size_t *size) {
    static const uint32_t odd[] = {0, 1, 2, 3, 0x7F, 0xFF, 0x7FC00000, 0x7FFFFFFF, 0x80000000, UINT32_MAX - 1, UINT32_MAX};
    for (uint32_t times = 1 + below(3); times; times--) {
        uint32_t words = (uint32_t)(*size / 4), word, at;
        if (!words) return;
        at = below(4) ? below(words) : 2 + below(9); /* often in the header */
        if (at >= words) at = words - 1;
        memcpy(&word, data + at * 4, 4);
        switch (below(6)) {
        case 0: word ^= 1u << below(32); break;
        case 1: word = odd[below(sizeof odd / sizeof *odd)]; break;
        case 2: word += below(2) ? 1 : UINT32_MAX; break;
        case 3: memcpy(&word, data + below(words) * 4, 4); break;
        case 4: word = below(UINT32_MAX); break;
        default:
            if (!below(4)) *size = below((uint32_t)*size);
            continue;
        }
        memcpy(data + at * 4, &word, 4);
    }
}

/* Bound before it is scored: a damaged count may ask for rows of gigabytes. */
static void score(const model *opened) {
    size_t width = opened->walk.file.n_features, targets = opened->walk.file.n_targets;
    if (width > 4096 || targets > 4096) return;
    /* Rows of exact sizes, so that a step beyond them is seen. */
    for (size_t n = 0; n <= ROWS; n = n < 3 ? n + 1 : n * 7) {
        float *rows = malloc(n * width * sizeof *rows + !n);
        float *margins = malloc(n * targets * sizeof *margins + !n);
        static const float odd[] = {0, -0.0f, NAN, INFINITY, -INFINITY, 1e-45f, 3e38f, -1, 16777216, 31, 5};
        for (size_t i = 0; i < n * width; i++)
            rows[i] = below(2) ? odd[below(11)] : (float)below(2000) / 500 - 2;
        if (model_margins(opened, rows, n, margins)) abort();
        if (n) walk_row(&opened->walk, rows, margins);
        free(rows), free(margins);
    }
}

int main(int argc, char **argv) {
    static uint8_t data[1 << 20], damaged[1 << 20];
    FILE *file = argc > 3 ? fopen(argv[1], "rb") : NULL;
    size_t size = file ? fread(data, 1, sizeof data, file) : 0;
    unsigned long opened = 0, count = file ? strtoul(argv[2], NULL, 10) : 0;
    if (!size || size == sizeof data || fclose(file)) return 2;
    state = strtoull(argv[3], NULL, 10) * 2 + 1;
    for (unsigned long round = 0; round < count; round++) {
        size_t now = size;
        memcpy(damaged, data, size);
        if (round) damage(damaged, &now);
        /* Mostly with its checksum put right: the checks behind it must hold alone. */
        if (now >= 64 && below(16)) {
            uint64_t sum = trees_file_checksum(damaged, now);
            memcpy(damaged + 56, &sum, 8);
        }
        uint8_t *exact = malloc(now + !now);
        memcpy(exact, damaged, now);
        model one;
        const char *expected = model_open(&one, exact, now, argc > 4 ? argv[4] : NULL);
        free(exact);
        if (!expected) {
            score(&one);
            model_close(&one);
            opened++;
        } else if (!round)
            return fprintf(stderr, "Expected %s.\n", expected), 3;
    }
    printf("%lu of %lu opened\n", opened, count);
    return 0;
}
