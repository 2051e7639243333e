/* Reads and validates a file of trees. All that the other modules rely on is checked here. */
#include "trees_file.h"

#include <string.h>

#define HEADER 64
#define CHECKSUM_AT 56
#define VERSION 1
#define MOST_FEATURES 10000000u
#define MOST_TARGETS 100000u

uint64_t trees_file_checksum(const uint8_t *data, size_t size) {
    uint64_t hash = 14695981039346656037u;
    for (size_t at = 0; at < size; at += 8) {
        if (at == CHECKSUM_AT) continue;
        uint64_t word = 0;
        memcpy(&word, data + at, size - at < 8 ? size - at : 8);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 29; /* a high bit must not stay high for ever */
    }
    return hash;
}

/* The next `count` words, or NULL where the file is too short for them. */
static const void *take(const uint8_t **at, const uint8_t *end, uint64_t count) {
    const uint8_t *start = *at;
    if (count > (uint64_t)(end - start) / 4) return NULL;
    *at = start + count * 4;
    return start;
}

static int rises(const uint32_t *first, uint32_t count, uint32_t end, int strictly) {
    if (first[0] != 0 || first[count] != end) return 0;
    for (uint32_t i = 0; i < count; i++)
        if (strictly ? first[i] >= first[i + 1] : first[i] > first[i + 1]) return 0;
    return 1;
}

static const char *check_thresholds(const trees_file *f) {
    if (!rises(f->feature_first, f->n_features, f->n_thresholds, 0))
        return "offsets of thresholds that rise to their number";
    for (uint32_t i = 0; i < f->n_thresholds; i++)
        if (f->thresholds[i] != f->thresholds[i]) return "thresholds that are numbers";
    for (uint32_t i = 0; i < f->n_features; i++)
        for (uint32_t t = f->feature_first[i] + 1; t < f->feature_first[i + 1]; t++)
            if (!(f->thresholds[t - 1] < f->thresholds[t]))
                return "thresholds that rise within a feature";
    return NULL;
}

static const char *check_inner(const trees_file *f, uint32_t node) {
    uint32_t feature = f->split[node] >> FEATURE_SHIFT;
    if (feature >= f->n_features) return "a feature of the model in each split";
    if (f->split[node] & BY_SET)
        return f->value[node] < f->n_sets ? NULL : "a set of the file in each split by codes";
    if (f->value[node] >= f->feature_first[feature + 1] - f->feature_first[feature])
        return "a threshold of its feature in each split";
    return NULL;
}

static const char *check_tree(const trees_file *f, uint32_t tree) {
    uint32_t first = f->tree_first[tree], size = f->tree_first[tree + 1] - first, target;
    uint64_t inner = 0;
    target = f->tree_target[tree];
    if (target >= f->n_targets && target != EVERY_TARGET) return "a target of the model in each tree";
    for (uint32_t i = 0; i < size; i++) {
        uint32_t node = first + i;
        if (i > 2 * inner) return "a parent before each node";
        if (f->split[node] == NO_SPLIT) {
            if (target == EVERY_TARGET && f->value[node] >= f->n_vectors)
                return "a vector of the file in each leaf of all targets";
        } else {
            const char *expected = check_inner(f, node);
            if (expected) return expected;
            inner++;
        }
    }
    return size == 2 * inner + 1 ? NULL : "two children of each split";
}

static const char *check(const trees_file *f) {
    const char *expected = check_thresholds(f);
    if (expected) return expected;
    if (!rises(f->tree_first, f->n_trees, f->n_nodes, 1))
        return "offsets of trees that rise to the number of nodes";
    if (!rises(f->set_first, f->n_sets, f->n_words, 0))
        return "offsets of sets that rise to the number of words";
    for (uint32_t tree = 0; tree < f->n_trees; tree++)
        if ((expected = check_tree(f, tree))) return expected;
    return NULL;
}

const char *trees_file_read(const uint8_t *data, size_t size, trees_file *f) {
    uint32_t head[10];
    uint64_t sum;
    if (size < HEADER || memcmp(data, "BEXTTREE", 8)) return "a file that begins with BEXTTREE";
    memcpy(head, data + 8, sizeof head);
    memcpy(&sum, data + CHECKSUM_AT, 8);
    if (head[0] != VERSION) return "version 1 of the file";
    if (sum != trees_file_checksum(data, size)) return "the checksum of the header";
    f->n_features = head[1], f->n_targets = head[2], f->n_trees = head[3], f->n_nodes = head[4];
    f->n_thresholds = head[5], f->n_sets = head[6], f->n_words = head[7], f->n_vectors = head[8];
    if (!f->n_features || f->n_features > MOST_FEATURES) return "1 to 10000000 features";
    if (!f->n_targets || f->n_targets > MOST_TARGETS) return "1 to 100000 targets";
    if (f->n_nodes > UINT32_MAX / 2) return "nodes that 31 bits count";
    const uint8_t *at = data + HEADER, *end = data + size;
    if (!(f->base = take(&at, end, f->n_targets)) ||
        !(f->feature_first = take(&at, end, (uint64_t)f->n_features + 1)) ||
        !(f->thresholds = take(&at, end, f->n_thresholds)) ||
        !(f->tree_first = take(&at, end, (uint64_t)f->n_trees + 1)) ||
        !(f->tree_target = take(&at, end, f->n_trees)) ||
        !(f->split = take(&at, end, f->n_nodes)) || !(f->value = take(&at, end, f->n_nodes)) ||
        !(f->set_first = take(&at, end, (uint64_t)f->n_sets + 1)) ||
        !(f->words = take(&at, end, f->n_words)) ||
        !(f->vectors = take(&at, end, (uint64_t)f->n_vectors * f->n_targets)) || at != end)
        return "arrays as long as the header says";
    return check(f);
}
