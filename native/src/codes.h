/* Codes: a value becomes its rank among the thresholds of its feature, one byte.

   `value < threshold[j]` is then `code <= j`, and a missing value is the least code or the greatest:
   by the default direction it is below every threshold of its column, or above. So a feature has one
   column of codes for each direction that its splits have, and for each 255 thresholds. */
#ifndef CODES_H
#define CODES_H

#include "trees_file.h"

#define MOST_CODES 255 /* thresholds of a column */
#define NO_COLUMN UINT32_MAX

/* How one feature's values find their rank among up to 255 thresholds: by a binary search that asks
   for the middle, then for a quarter, and so on. Level l asks `table[2^l + the answers so far]`. */
typedef struct {
    float table[MOST_CODES + 1]; /* NaN where there is no threshold: no value reaches it */
    uint32_t feature, levels;
    uint32_t count;     /* thresholds */
    uint32_t column[2]; /* of codes, for missing to the right and to the left; or NO_COLUMN */
} coder;

typedef struct {
    coder *coders; /* by feature, rising */
    uint32_t n_coders, n_columns;
    uint32_t *place; /* of each split of the file: column, or NO_COLUMN for leaves and sets */
} codes;

/* 0, or -1 without memory, or where more columns than `most` would be needed. */
int codes_build(codes *built, const trees_file *file, uint32_t most);
void codes_free(codes *built);

#endif
