#include "walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ABREAST 8 /* walks that go side by side */
#define TILE 64   /* rows that see a tree while it is in the cache */

void walk_free(walk_forest *forest) {
    free(forest->nodes);
    free(forest->root);
    free(forest->depth);
    memset(forest, 0, sizeof *forest);
}

/* Nodes come level by level, so a child's depth is known before it is reached. */
static int fill_tree(walk_forest *forest, uint32_t tree, uint32_t *depth) {
    const trees_file *f = &forest->file;
    uint32_t first = f->tree_first[tree], size = f->tree_first[tree + 1] - first, inner = 0;
    depth[0] = 0;
    for (uint32_t i = 0; i < size; i++) {
        walk_node *node = &forest->nodes[first + i];
        uint32_t split = f->split[first + i], value = f->value[first + i];
        memset(node, 0, sizeof *node);
        if (split == NO_SPLIT) {
            node->threshold = NAN; /* with DEFAULT_LEFT: any value goes left, which is here */
            node->split = DEFAULT_LEFT;
            node->left = first + i;
            node->vector = value;
            forest->depth[tree] = depth[i];
            continue;
        }
        node->split = split;
        node->left = first + 2 * inner + 1;
        depth[2 * inner + 1] = depth[2 * inner + 2] = depth[i] + 1;
        inner++;
        if (split & BY_SET)
            node->set = value, forest->has_sets = 1;
        else
            node->threshold = f->thresholds[f->feature_first[split >> FEATURE_SHIFT] + value];
    }
    return 0;
}

int walk_build(walk_forest *forest, const trees_file *file) {
    memset(forest, 0, sizeof *forest);
    forest->file = *file;
    uint32_t *depth = malloc(((size_t)file->n_nodes + 1) * sizeof *depth);
    forest->nodes = malloc(((size_t)file->n_nodes + 1) * sizeof *forest->nodes);
    forest->root = malloc(((size_t)file->n_trees + 1) * sizeof *forest->root);
    forest->depth = malloc(((size_t)file->n_trees + 1) * sizeof *forest->depth);
    if (!depth || !forest->nodes || !forest->root || !forest->depth) {
        free(depth);
        walk_free(forest);
        return -1;
    }
    for (uint32_t tree = 0; tree < file->n_trees; tree++) {
        forest->root[tree] = file->tree_first[tree];
        forest->has_vectors |= file->tree_target[tree] == EVERY_TARGET;
        fill_tree(forest, tree, depth);
    }
    free(depth);
    return 0;
}

/* XGBoost cuts a code to a whole number; what no set can hold goes left. */
static int goes_right_by_set(const trees_file *f, uint32_t set, float value) {
    uint32_t first = f->set_first[set], bits = (f->set_first[set + 1] - first) * 32, code;
    if (!(value >= 0 && value < 16777216.0f)) return 0;
    code = (uint32_t)value;
    return code < bits && (f->words[first + code / 32] >> code % 32 & 1);
}

static inline uint32_t step(const walk_forest *forest, uint32_t at, const float *row, int has_sets) {
    const walk_node *node = &forest->nodes[at];
    float value = row[node->split >> FEATURE_SHIFT];
    uint32_t missing_right = (value != value) & ~node->split & DEFAULT_LEFT;
    if (has_sets && node->split & BY_SET)
        return node->left + (missing_right | goes_right_by_set(&forest->file, node->set, value));
    return node->left + ((value >= node->threshold) | missing_right);
}

static inline void add_leaf(const walk_forest *forest, uint32_t tree, uint32_t at, float *margins) {
    const trees_file *f = &forest->file;
    if (f->tree_target[tree] != EVERY_TARGET) {
        margins[f->tree_target[tree]] += forest->nodes[at].leaf;
        return;
    }
    const float *vector = f->vectors + (size_t)forest->nodes[at].vector * f->n_targets;
    for (uint32_t k = 0; k < f->n_targets; k++) margins[k] += vector[k];
}

static inline void row_through(
    const walk_forest *forest, const float *row, float *margins, const int has_sets) {
    const uint32_t n_trees = forest->file.n_trees;
    const int one = forest->file.n_targets == 1 && !forest->has_vectors;
    float sum = forest->file.base[0];
    memcpy(margins, forest->file.base, forest->file.n_targets * sizeof *margins);
    for (uint32_t tree = 0; tree < n_trees; tree += ABREAST) {
        uint32_t at[ABREAST], deepest = 0, some = n_trees - tree < ABREAST ? n_trees - tree : ABREAST;
        for (uint32_t t = 0; t < ABREAST; t++) {
            uint32_t this = tree + (t < some ? t : some - 1);
            at[t] = forest->root[this];
            deepest = forest->depth[this] > deepest ? forest->depth[this] : deepest;
        }
        for (uint32_t level = 0; level < deepest; level++)
            for (uint32_t t = 0; t < ABREAST; t++) at[t] = step(forest, at[t], row, has_sets);
        for (uint32_t t = 0; t < some; t++) {
            if (one)
                sum += forest->nodes[at[t]].leaf;
            else
                add_leaf(forest, tree + t, at[t], margins);
        }
    }
    if (one) margins[0] = sum;
}

void walk_row(const walk_forest *forest, const float *row, float *margins) {
    if (forest->has_sets)
        row_through(forest, row, margins, 1);
    else
        row_through(forest, row, margins, 0);
}

static inline void tile_through(
    const walk_forest *forest, const float *rows, size_t n, float *margins, const int has_sets) {
    const size_t width = forest->file.n_features, targets = forest->file.n_targets;
    for (size_t row = 0; row < n; row++)
        memcpy(margins + row * targets, forest->file.base, targets * sizeof *margins);
    for (uint32_t tree = 0; tree < forest->file.n_trees; tree++)
        for (size_t row = 0; row < n; row += ABREAST) {
            uint32_t at[ABREAST];
            const float *of[ABREAST];
            for (size_t r = 0; r < ABREAST; r++) {
                at[r] = forest->root[tree];
                of[r] = rows + (row + r < n ? row + r : n - 1) * width;
            }
            for (uint32_t level = 0; level < forest->depth[tree]; level++)
                for (size_t r = 0; r < ABREAST; r++) at[r] = step(forest, at[r], of[r], has_sets);
            for (size_t r = 0; r < ABREAST && row + r < n; r++)
                add_leaf(forest, tree, at[r], margins + (row + r) * targets);
        }
}

void walk_rows(const walk_forest *forest, const float *rows, size_t n, float *margins) {
    const size_t width = forest->file.n_features, targets = forest->file.n_targets;
    for (size_t row = 0; row < n; row += TILE) {
        const float *some = rows + row * width;
        float *out = margins + row * targets;
        size_t count = n - row < TILE ? n - row : TILE;
        if (count < ABREAST)
            for (size_t r = 0; r < count; r++) walk_row(forest, some + r * width, out + r * targets);
        else if (forest->has_sets)
            tile_through(forest, some, count, out, 1);
        else
            tile_through(forest, some, count, out, 0);
    }
}
