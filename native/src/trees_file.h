/* The file of a forest: one header, then plain arrays of 4-byte words, little endian.

   Nodes of a tree stand level by level, so the k-th inner node of a tree has the children 2k+1 and
   2k+2 of that tree. No child is stored, hence none can be wrong. docs/kernel.md draws it. */
#ifndef TREES_FILE_H
#define TREES_FILE_H

#include <stddef.h>
#include <stdint.h>

#define NO_SPLIT UINT32_MAX     /* `split` of a leaf */
#define EVERY_TARGET UINT32_MAX /* `tree_target` of a tree whose leaves hold a value per target */
#define DEFAULT_LEFT 1u         /* flags in the low bits of `split`, below the feature */
#define BY_SET 2u
#define FEATURE_SHIFT 2

typedef struct {
    uint32_t n_features, n_targets, n_trees, n_nodes, n_thresholds, n_sets, n_words, n_vectors;
    const float *base;             /* n_targets: the margin before the first tree */
    const uint32_t *feature_first; /* n_features + 1: where a feature's thresholds begin */
    const float *thresholds;       /* n_thresholds: rising within a feature */
    const uint32_t *tree_first;    /* n_trees + 1: where a tree's nodes begin */
    const uint32_t *tree_target;   /* n_trees */
    const uint32_t *split;         /* n_nodes: feature and flags, or NO_SPLIT */
    const uint32_t *value;         /* n_nodes: threshold of the feature, set, leaf's bits or vector */
    const uint32_t *set_first;     /* n_sets + 1: where a set's words begin */
    const uint32_t *words;         /* n_words: bit c of a set: code c goes right */
    const float *vectors;          /* n_vectors x n_targets: leaves with a value per target */
} trees_file;

/* Points `file` into `data`, whose address is a multiple of 4. NULL if every size, offset and index
   is sound, else what was expected. Nothing outside `data` is read. */
const char *trees_file_read(const uint8_t *data, size_t size, trees_file *file);

/* Of all bytes but the header's last 8, which hold it: FNV-1a over words of 8 bytes, then bytes. */
uint64_t trees_file_checksum(const uint8_t *data, size_t size);

#endif
