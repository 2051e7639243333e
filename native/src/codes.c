#include "codes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void codes_free(codes *built) {
    free(built->coders);
    free(built->place);
    memset(built, 0, sizeof *built);
}

static uint32_t slices(const trees_file *f, uint32_t feature) {
    uint32_t count = f->feature_first[feature + 1] - f->feature_first[feature];
    return count / MOST_CODES + (count % MOST_CODES != 0);
}

/* The order of the search: the middle of the sorted thresholds, then the middles of both halves. */
static void fill(coder *made, const float *sorted, uint32_t count) {
    made->count = count;
    for (made->levels = 1; count >> made->levels; made->levels++) continue;
    for (uint32_t level = 0; level < made->levels; level++)
        for (uint32_t i = 0; i < 1u << level; i++) {
            uint32_t at = ((2 * i + 1) << (made->levels - 1 - level)) - 1;
            made->table[(1u << level) + i] = at < count ? sorted[at] : NAN;
        }
}

/* Marks the columns that splits ask for; `first` has each feature's first slice among all. */
static void mark(const trees_file *f, const uint32_t *first, uint8_t *asked) {
    for (uint32_t node = 0; node < f->n_nodes; node++) {
        uint32_t split = f->split[node];
        if (split == NO_SPLIT || split & BY_SET) continue;
        uint32_t slice = first[split >> FEATURE_SHIFT] + f->value[node] / MOST_CODES;
        asked[slice] |= (uint8_t)(split & DEFAULT_LEFT ? 2 : 1);
    }
}

static void number(codes *built, const trees_file *f, const uint32_t *first, const uint8_t *asked) {
    for (uint32_t feature = 0; feature < f->n_features; feature++)
        for (uint32_t slice = first[feature]; slice < first[feature + 1]; slice++) {
            uint32_t skipped = (slice - first[feature]) * MOST_CODES;
            uint32_t left = f->feature_first[feature + 1] - f->feature_first[feature] - skipped;
            if (!asked[slice]) continue;
            coder *made = &built->coders[built->n_coders++];
            made->feature = feature;
            fill(made, f->thresholds + f->feature_first[feature] + skipped,
                 left < MOST_CODES ? left : MOST_CODES);
            for (int side = 0; side < 2; side++)
                made->column[side] = asked[slice] >> side & 1 ? built->n_columns++ : NO_COLUMN;
        }
}

static void place(codes *built, const trees_file *f, const uint32_t *first, const uint8_t *asked) {
    /* Slices that are asked for have coders, in the same order. */
    uint32_t *coder_of = built->place + f->n_nodes, next = 0;
    for (uint32_t slice = 0; slice < first[f->n_features]; slice++)
        coder_of[slice] = asked[slice] ? next++ : NO_COLUMN;
    for (uint32_t node = 0; node < f->n_nodes; node++) {
        uint32_t split = f->split[node];
        built->place[node] = NO_COLUMN;
        if (split == NO_SPLIT || split & BY_SET) continue;
        uint32_t slice = first[split >> FEATURE_SHIFT] + f->value[node] / MOST_CODES;
        built->place[node] = built->coders[coder_of[slice]].column[split & DEFAULT_LEFT];
    }
}

int codes_build(codes *built, const trees_file *f, uint32_t most) {
    uint32_t *first = malloc(((size_t)f->n_features + 1) * sizeof *first), count = 0;
    int failed = -1;
    memset(built, 0, sizeof *built);
    if (!first) return -1;
    for (uint32_t feature = 0; feature < f->n_features; feature++)
        first[feature] = count, count += slices(f, feature);
    first[f->n_features] = count;
    uint8_t *asked = calloc((size_t)count + 1, 1);
    if (asked && count <= most) {
        mark(f, first, asked);
        built->coders = calloc((size_t)count + 1, sizeof *built->coders);
        built->place = malloc(((size_t)f->n_nodes + count + 1) * sizeof *built->place);
        if (built->coders && built->place) {
            number(built, f, first, asked);
            place(built, f, first, asked);
            failed = 0;
        }
    }
    free(first);
    free(asked);
    if (failed) codes_free(built);
    return failed;
}
