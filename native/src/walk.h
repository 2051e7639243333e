/* The portable strategy: each row walks from the root of each tree to its leaf. */
#ifndef WALK_H
#define WALK_H

#include "trees_file.h"

/* A leaf leads to itself, so a walk may take more steps than its path has. */
typedef struct {
    union {
        float threshold;
        uint32_t set;
    };
    uint32_t split; /* feature and flags, as in the file */
    uint32_t left;  /* among all nodes; the right child follows */
    union {
        float leaf;
        uint32_t vector;
    };
} walk_node;

typedef struct {
    trees_file file; /* its arrays outlive the forest */
    walk_node *nodes;
    uint32_t *root, *depth; /* by tree; steps to the deepest leaf */
    int has_sets, has_vectors;
} walk_forest;

/* 0, or -1 without memory. `file` has been read by `trees_file_read`. */
int walk_build(walk_forest *forest, const trees_file *file);
void walk_free(walk_forest *forest);

/* One row: several trees at a time, since each step waits for memory. */
void walk_row(const walk_forest *forest, const float *row, float *margins);

/* Rows of n_features to margins of n_targets, both without gaps. */
void walk_rows(const walk_forest *forest, const float *rows, size_t n, float *margins);

#endif
