/* The way of a block, the same for each instruction set: codes, trees, sums.

   Included behind what differs: WIDE, ROWS, load_tile, code, add_group and add_deeper_group. STRATEGY
   is the name of the function. No guard: each file has functions of its own. */
#define MOST_AHEAD 16384 /* bytes: half of a small cache */

INLINE void add_shallow_group(const block_forest *forest, const int one_target, const group *g,
                              const uint8_t *codes, float *sums) {
    switch (g->levels) {
    case 0: add_group(forest, 0, one_target, g, codes, sums); break;
    case 1: add_group(forest, 1, one_target, g, codes, sums); break;
    case 2: add_group(forest, 2, one_target, g, codes, sums); break;
    case 3: add_group(forest, 3, one_target, g, codes, sums); break;
    case 4: add_group(forest, 4, one_target, g, codes, sums); break;
    case 5: add_group(forest, 5, one_target, g, codes, sums); break;
    default: add_group(forest, 6, one_target, g, codes, sums); break;
    }
}

/* The next block's rows come from memory while this one's trees are compared. */
static void prefetch(const float *rows, size_t n, uint32_t width) {
    size_t bytes = n * width * sizeof *rows;
    if (bytes > MOST_AHEAD) bytes = MOST_AHEAD;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch((const char *)rows + at);
}

static void add_groups(const block_forest *forest, const uint8_t *codes, float *sums) {
    for (uint32_t i = 0; i < forest->n_groups; i++) {
        const group *g = &forest->groups[i];
        if (g->deeper)
            add_deeper_group(forest, g, codes, sums);
        else if (g->one_target)
            add_shallow_group(forest, 1, g, codes, sums);
        else
            add_shallow_group(forest, 0, g, codes, sums);
    }
}

void STRATEGY(
    const block_forest *forest, const float *rows, size_t n, float *margins, uint8_t *scratch) {
    const uint32_t width = forest->file->n_features, targets = forest->file->n_targets;
    float *tile = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), *sums = tile + 16 * ROWS;
    uint8_t *codes = (uint8_t *)(sums + (size_t)targets * ROWS);
    for (size_t start = 0; start < n; start += ROWS) {
        size_t count = n - start < ROWS ? n - start : ROWS;
        uint32_t first = NO_COLUMN;
        for (uint32_t i = 0; i < forest->codes.n_coders; i++) {
            const coder *by = &forest->codes.coders[i];
            if (by->feature - by->feature % WIDE != first) {
                first = by->feature - by->feature % WIDE;
                load_tile(rows + start * width, count, width, first, tile);
            }
            code(by, tile + (size_t)(by->feature - first) * ROWS, codes);
        }
        prefetch(rows + (start + count) * width, n - start - count < ROWS ? n - start - count : ROWS, width);
        for (uint32_t k = 0; k < targets; k++)
            for (int row = 0; row < ROWS; row++) sums[k * ROWS + row] = forest->file->base[k];
        add_groups(forest, codes, sums);
        float *out = margins + start * targets;
        if (targets == 1)
            memcpy(out, sums, count * sizeof *out);
        else
            for (size_t row = 0; row < count; row++)
                for (uint32_t k = 0; k < targets; k++) out[row * targets + k] = sums[k * ROWS + row];
    }
}
