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
static void fill(const block_forest *built, const walk_node *nodes, const group *g, cell *cells,
                 float *leaves, uint32_t node, uint32_t level, uint32_t place) {
    uint32_t here = (1u << level) - 1 + place;
    int is_leaf = nodes[node].left == node;
    if (level == g->levels) {
        leaves[place] = nodes[node].leaf;
        return;
    }
    cell *made = &cells[(size_t)here * ABREAST];
    made->column = is_leaf ? 0 : built->codes.place[node] * BLOCK;
    /* The rank among the thresholds of its column. */
    made->code = is_leaf ? 0 : (built->file->value[node] % MOST_CODES) * 0x01010101u;
    for (uint32_t side = 0; side < 2; side++)
        fill(built, nodes, g, cells, leaves, is_leaf ? node : nodes[node].left + side, level + 1,
             2 * place + side);
}

static uint32_t levels_of(const walk_forest *walk, uint32_t first, uint32_t count) {
    uint32_t levels = 0;
    for (uint32_t tree = first; tree < first + count; tree++)
        levels = walk->depth[tree] > levels ? walk->depth[tree] : levels;
    return levels;
}

static int groups_build(block_forest *built, const walk_forest *walk) {
    const uint32_t n_trees = walk->file.n_trees;
    size_t n_cells = 0, n_leaves = 0;
    built->n_groups = n_trees / ABREAST + (n_trees % ABREAST != 0);
    built->groups = calloc((size_t)built->n_groups + 1, sizeof *built->groups);
    if (!built->groups) return -1;
    for (uint32_t i = 0; i < built->n_groups; i++) {
        group *g = &built->groups[i];
        g->first = i * ABREAST;
        g->count = n_trees - g->first < ABREAST ? n_trees - g->first : ABREAST;
        g->levels = levels_of(walk, g->first, g->count);
        n_cells += ((1u << g->levels) - 1) * ABREAST;
        n_leaves += leaves_of(g->levels) * ABREAST;
    }
    built->cells = calloc(n_cells + 1, sizeof *built->cells);
    built->leaves = aligned_alloc(64, (n_leaves + LEAST_LEAVES) * sizeof *built->leaves);
    if (!built->cells || !built->leaves) return -1;
    memset(built->leaves, 0, (n_leaves + LEAST_LEAVES) * sizeof *built->leaves);
    cell *cells = built->cells;
    float *leaves = built->leaves;
    for (uint32_t i = 0; i < built->n_groups; i++) {
        group *g = &built->groups[i];
        g->cells = cells, g->leaves = leaves;
        for (uint32_t t = 0; t < g->count; t++)
            fill(built, walk->nodes, g, cells + t, leaves + t * leaves_of(g->levels),
                 walk->root[g->first + t], 0, 0);
        cells += ((1u << g->levels) - 1) * ABREAST;
        leaves += leaves_of(g->levels) * ABREAST;
    }
    return 0;
}

int blocks_build(block_forest *built, const walk_forest *walk) {
    memset(built, 0, sizeof *built);
    built->file = &walk->file;
    if (walk->has_sets || walk->has_vectors) return 1;
    for (uint32_t tree = 0; tree < walk->file.n_trees; tree++)
        if (walk->depth[tree] > LEVELS) return 1;
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
