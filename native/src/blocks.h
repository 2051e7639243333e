/* Blocks: trees as complete trees of up to six levels, eight side by side, for 64 rows at a time.

   All splits of a tree are compared, also those off a row's path: no step waits for another. Below
   the sixth level a row walks on, from one of 64 nodes, over codes instead of values. */
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
    int one_target; /* whether all its trees add to the same target */
    int deeper;     /* whether a tree goes on below its complete levels */
    const cell *cells;   /* [split][tree of the group], level by level */
    const float *leaves; /* [tree of the group][leaf], 16 at least, 64 bytes apart */
    const uint32_t *starts; /* of a deeper group: [tree of the group][64 nodes] */
} group;

typedef struct {
    const trees_file *file;
    const walk_forest *walk;
    codes codes;
    group *groups;
    uint32_t n_groups;
    cell *cells;
    float *leaves;
    uint32_t *starts;
    uint64_t *nodes; /* of a deeper forest: left child, column and code in one word */
} block_forest;

/* 0; 1 where this forest has no such form: sets, vectors, too many columns; or -1 without memory. */
int blocks_build(block_forest *built, const walk_forest *walk);
void blocks_free(block_forest *built);

/* Rows of n_features to margins of n_targets. `scratch` has `blocks_scratch` bytes. */
typedef void blocks_rows(
    const block_forest *forest, const float *rows, size_t n, float *margins, uint8_t *scratch);
size_t blocks_scratch(const block_forest *forest);

/* Adds the leaves of tree `t` of a deeper group. Byte p of `at` is the number of the start of the
   row that has byte p of each column: of `rows` rows, row p / 4 of the (p mod 4)-th quarter. */
void blocks_walk_on(const block_forest *forest, const group *g, uint32_t t, const uint8_t *codes,
                    const uint8_t *at, uint32_t rows, float *sums);

blocks_rows avx512_rows, avx2_rows, neon_rows; /* each where the processor has it */

#endif
