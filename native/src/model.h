/* A forest in memory, and the strategy that scores its rows. */
#ifndef MODEL_H
#define MODEL_H

#include "blocks.h"
#include "walk.h"

typedef struct way way;

typedef struct {
    uint8_t *data; /* the file */
    walk_forest walk;
    block_forest blocks;
    const way *by;        /* of many rows */
    uint32_t few;         /* rows that walk, where fewer are left */
    const char *strategy; /* the name of `by` */
} model;

/* The names of all strategies that this processor has, the best one first, then NULL. */
const char *const *model_strategies(void);

/* NULL, or what was expected of the file or of `strategy`. `strategy` NULL: the best one here.
   A forest that a strategy cannot take walks, by any strategy. */
const char *model_open(model *opened, const uint8_t *data, size_t size, const char *strategy);
void model_close(model *opened);

/* Rows, (n, n_features), to margins, (n, n_targets), both in C order. For any thread. 0, or -1
   without memory. */
int model_margins(const model *opened, const float *rows, size_t n, float *margins);

#endif
