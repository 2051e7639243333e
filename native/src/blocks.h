/* Blocks: trees of up to six levels as complete trees, eight side by side, for 64 rows at a time.

   All splits of a tree are compared, also those off a row's path: no step waits for another. */
#ifndef BLOCKS_H
#define BLOCKS_H

#include "codes.h"
#include "walk.h"

#define LEVELS 6    /* of a complete tree, at most */
#define ABREAST 8   /* trees of a group */
#define BLOCK 64    /* rows */

/* One split: the rows whose code is above go right. A leaf higher up is a split with equal sides. */
typedef struct {
    uint32_t column; /* where the column's 64 codes begin */
    uint32_t code;   /* four times the same byte */
} cell;

/* Trees that stand one after the other in the file. */
typedef struct {
    uint32_t levels, count, first;
    const cell *cells;   /* [split][tree of the group], level by level */
    const float *leaves; /* [tree of the group][leaf], 16 at least, 64 bytes apart */
} group;

typedef struct {
    const trees_file *file;
    codes codes;
    group *groups;
    uint32_t n_groups;
    cell *cells;
    float *leaves;
} block_forest;

/* 0; 1 where this forest has no such form: too deep, sets, vectors; or -1 without memory. */
int blocks_build(block_forest *built, const walk_forest *walk);
void blocks_free(block_forest *built);

/* Rows of n_features to margins of n_targets. `scratch` has `blocks_scratch` bytes. */
typedef void blocks_rows(
    const block_forest *forest, const float *rows, size_t n, float *margins, uint8_t *scratch);
size_t blocks_scratch(const block_forest *forest);

blocks_rows avx512_rows, avx2_rows;

#endif
