#include "blocks.h"

#include <stdlib.h>
#include <string.h>

#define MOST_COLUMNS 4096
#define LEAST_LEAVES 16

void blocks_free(block_forest *built) {
    codes_free(&built->codes);
    free(built->groups);
    free(built->cells);
    free(built->leaves);
    free(built->starts);
    free(built->nodes);
    memset(built, 0, sizeof *built);
}

size_t blocks_scratch(const block_forest *forest) {
    /* Codes, one tile of 16 features, sums. */
    return (size_t)forest->codes.n_columns * BLOCK +
           ((size_t)16 + forest->file->n_targets) * BLOCK * sizeof(float) + 64;
}

static size_t leaves_of(uint32_t levels) {
    return 1u << levels < LEAST_LEAVES ? LEAST_LEAVES : 1u << levels;
}

/* The complete tree below `node`, which stands at `place` of level `level`. */
static void fill(const block_forest *built, const group *g, cell *cells, float *leaves,
                 uint32_t *starts, uint32_t node, uint32_t level, uint32_t place) {
    const walk_node *nodes = built->walk->nodes;
    uint32_t here = (1u << level) - 1 + place;
    int is_leaf = nodes[node].left == node;
    if (level == g->levels) {
        if (g->deeper)
            starts[place] = node;
        else
            leaves[place] = nodes[node].leaf;
        return;
    }
    cell *made = &cells[(size_t)here * ABREAST];
    made->column = is_leaf ? 0 : built->codes.place[node] * BLOCK;
    /* The rank among the thresholds of its column. */
    made->code = is_leaf ? 0 : (built->file->value[node] % MOST_CODES) * 0x01010101u;
    for (uint32_t side = 0; side < 2; side++)
        fill(built, g, cells, leaves, starts, is_leaf ? node : nodes[node].left + side, level + 1,
             2 * place + side);
}

static uint32_t levels_of(const walk_forest *walk, uint32_t first, uint32_t count) {
    uint32_t levels = 0;
    for (uint32_t tree = first; tree < first + count; tree++)
        levels = walk->depth[tree] > levels ? walk->depth[tree] : levels;
    return levels;
}

/* For the walk below the complete levels. A leaf leads to itself: no code is above 255. */
static int nodes_build(block_forest *built) {
    const uint32_t n_nodes = built->file->n_nodes;
    if (!(built->nodes = malloc(((size_t)n_nodes + 1) * sizeof *built->nodes))) return -1;
    for (uint32_t i = 0; i < n_nodes; i++) {
        const walk_node *node = &built->walk->nodes[i];
        uint32_t column = built->codes.place[i] * BLOCK, code = built->file->value[i] % MOST_CODES;
        uint32_t asks = node->left == i ? 255 : column << 8 | code;
        built->nodes[i] = (uint64_t)node->left << 32 | asks;
    }
    return 0;
}

static void measure(const walk_forest *walk, group *g, uint32_t number) {
    g->first = number * ABREAST;
    g->count = walk->file.n_trees - g->first;
    if (g->count > ABREAST) g->count = ABREAST;
    g->levels = levels_of(walk, g->first, g->count);
    g->deeper = g->levels > LEVELS;
    if (g->deeper) g->levels = LEVELS;
    const uint32_t *target = walk->file.tree_target + g->first;
    g->one_target = 1;
    for (uint32_t t = 1; t < g->count; t++) g->one_target &= target[t] == target[0];
}

static int groups_build(block_forest *built, const walk_forest *walk) {
    const uint32_t n_trees = walk->file.n_trees;
    size_t n_cells = 0, n_leaves = LEAST_LEAVES, n_starts = 0;
    built->n_groups = n_trees / ABREAST + (n_trees % ABREAST != 0);
    built->groups = calloc((size_t)built->n_groups + 1, sizeof *built->groups);
    if (!built->groups) return -1;
    for (uint32_t i = 0; i < built->n_groups; i++) {
        group *g = &built->groups[i];
        measure(walk, g, i);
        n_cells += ((1u << g->levels) - 1) * ABREAST;
        *(g->deeper ? &n_starts : &n_leaves) += leaves_of(g->levels) * ABREAST;
    }
    built->cells = calloc(n_cells + 1, sizeof *built->cells);
    built->starts = calloc(n_starts + 1, sizeof *built->starts);
    built->leaves = aligned_alloc(64, n_leaves * sizeof *built->leaves);
    if (!built->cells || !built->starts || !built->leaves) return -1;
    if (n_starts && nodes_build(built)) return -1;
    memset(built->leaves, 0, n_leaves * sizeof *built->leaves);
    cell *cells = built->cells;
    float *leaves = built->leaves;
    uint32_t *starts = built->starts;
    for (uint32_t i = 0; i < built->n_groups; i++) {
        group *g = &built->groups[i];
        const size_t each = leaves_of(g->levels);
        g->cells = cells, g->leaves = leaves, g->starts = starts;
        for (uint32_t t = 0; t < g->count; t++)
            fill(built, g, cells + t, leaves + t * each, starts + t * each,
                 walk->root[g->first + t], 0, 0);
        cells += ((1u << g->levels) - 1) * ABREAST;
        if (g->deeper)
            starts += each * ABREAST;
        else
            leaves += each * ABREAST;
    }
    return 0;
}

#define STEPS 4 /* without a look whether all have arrived */

void blocks_walk_on(const block_forest *forest, const group *g, uint32_t t, const uint8_t *codes,
                    const uint8_t *at, uint32_t rows, float *sums) {
    const uint32_t *starts = g->starts + (size_t)t * (1 << LEVELS), tree = g->first + t;
    const uint32_t depth = forest->walk->depth[tree];
    for (uint32_t p = 0; p < rows; p += ABREAST) {
        uint32_t node[ABREAST], moved = 1;
        for (uint32_t k = 0; k < ABREAST; k++) node[k] = starts[at[p + k]];
        for (uint32_t level = LEVELS; level < depth && moved; level += STEPS) {
            moved = 0;
            for (uint32_t k = 0; k < ABREAST; k++) {
                uint32_t was = node[k], now = was;
                for (uint32_t step = 0; step < STEPS; step++) {
                    uint64_t asks = forest->nodes[now];
                    uint32_t code = codes[((uint32_t)asks >> 8) + p + k];
                    now = (uint32_t)(asks >> 32) + (code > (asks & 255));
                }
                node[k] = now;
                moved |= now ^ was;
            }
        }
        for (uint32_t k = 0; k < ABREAST; k++)
            sums[(p + k) % 4 * (rows / 4) + (p + k) / 4] += forest->walk->nodes[node[k]].leaf;
    }
}

int blocks_build(block_forest *built, const walk_forest *walk) {
    memset(built, 0, sizeof *built);
    built->file = &walk->file;
    built->walk = walk;
    if (walk->has_sets || walk->has_vectors) return 1;
    if (codes_build(&built->codes, &walk->file, MOST_COLUMNS) || !built->codes.n_columns) {
        blocks_free(built);
        return 1;
    }
    if (groups_build(built, walk)) {
        blocks_free(built);
        return -1;
    }
    return 0;
}
