/* Blocks by NEON: 16 rows at a time, and tables of 64 bytes that one instruction looks up.

   The steps are those of avx2.c. Row 4 g + i of the 16 is byte 4 i + g of its codes. */
#include "blocks.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define WIDE 4 /* floats of a vector */
#define ROWS 16
#define STRATEGY neon_rows
#define TABLE 16 /* floats of a table */

/* 4 rows of 4 features to 4 features of 4 rows; `out` has a feature every 16 floats. */
INLINE void transpose(const float32x4_t row[WIDE], float *out) {
    float32x4x2_t low = vtrnq_f32(row[0], row[1]), high = vtrnq_f32(row[2], row[3]);
    for (int i = 0; i < 2; i++) {
        vst1q_f32(out + i * ROWS, vcombine_f32(vget_low_f32(low.val[i]), vget_low_f32(high.val[i])));
        vst1q_f32(
            out + (i + 2) * ROWS, vcombine_f32(vget_high_f32(low.val[i]), vget_high_f32(high.val[i])));
    }
}

/* Features `first` to `first` + 3 of up to 16 rows; rows that are not there repeat the last. */
static void load_tile(const float *rows, size_t n, uint32_t width, uint32_t first, float *tile) {
    uint32_t there = width - first < WIDE ? width - first : WIDE;
    for (size_t start = 0; start < ROWS; start += WIDE) {
        float32x4_t row[WIDE];
        for (size_t i = 0; i < WIDE; i++) {
            float some[WIDE] = {0};
            size_t at = start + i < n ? start + i : n - 1;
            memcpy(some, rows + at * width + first, there * sizeof *some);
            row[i] = vld1q_f32(some);
        }
        transpose(row, tile + start);
    }
}

/* Where the four bytes of float `at` stand in a table; `at` is below 64. */
INLINE uint8x16_t bytes_of(uint32x4_t at) {
    return vreinterpretq_u8_u32(vmlaq_n_u32(vdupq_n_u32(0x03020100), at, 0x04040404));
}

INLINE uint8x16x4_t table_at(const float *floats) {
    return vld1q_u8_x4((const uint8_t *)floats);
}

/* The thresholds that 4 searches ask for at one level. */
INLINE float32x4_t asked(const float *table, uint32_t level, uint32x4_t at) {
    const float *of = table + (1u << level);
    uint32_t each[WIDE];
    if (level == 0) return vdupq_n_f32(*of);
    if (level < 5) return vreinterpretq_f32_u8(vqtbl4q_u8(table_at(of), bytes_of(at)));
    vst1q_u32(each, at);
    const float found[WIDE] = {of[each[0]], of[each[1]], of[each[2]], of[each[3]]};
    return vld1q_f32(found);
}

INLINE void store_codes(uint8_t *out, const uint32x4_t at[4]) {
    uint32x4_t low = vsliq_n_u32(at[0], at[1], 8), high = vsliq_n_u32(at[2], at[3], 8);
    vst1q_u8(out, vreinterpretq_u8_u32(vsliq_n_u32(low, high, 16)));
}

static void code(const coder *by, const float *values, uint8_t *codes) {
    float32x4_t value[4];
    uint32x4_t at[4];
    for (int g = 0; g < 4; g++) {
        value[g] = vld1q_f32(values + g * WIDE);
        at[g] = vdupq_n_u32(0);
    }
    for (uint32_t level = 0; level < by->levels; level++)
        for (int g = 0; g < 4; g++) {
            uint32x4_t reached = vcgeq_f32(value[g], asked(by->table, level, at[g]));
            /* All ones are -1. */
            at[g] = vsubq_u32(vaddq_u32(at[g], at[g]), reached);
        }
    if (by->column[1] != NO_COLUMN) store_codes(codes + (size_t)by->column[1] * BLOCK, at);
    if (by->column[0] == NO_COLUMN) return;
    for (int g = 0; g < 4; g++)
        at[g] = vbslq_u32(vceqq_f32(value[g], value[g]), at[g], vdupq_n_u32(by->count));
    store_codes(codes + (size_t)by->column[0] * BLOCK, at);
}

/* Bytes of ones where a row stays left, since its code is not above the split's. */
INLINE uint8x16_t left_of(const cell *at, const uint8_t *codes) {
    return vcleq_u8(vld1q_u8(codes + at->column), vdupq_n_u8((uint8_t)at->code));
}

/* The number of each row's leaf, in its byte. */
INLINE uint8x16_t leaf_of(const int levels, const cell *cells, const uint8_t *codes) {
    uint8x16_t taken[LEVELS], of[1 << (LEVELS - 1)], at = vdupq_n_u8(0);
    for (int level = 0; level < levels; level++) {
        const int first = (1 << level) - 1;
        for (int i = 0; i < 1 << level; i++) of[i] = left_of(&cells[(first + i) * ABREAST], codes);
        for (int above = 0; above < level; above++) {
            int half = 1 << (level - 1 - above);
            for (int i = 0; i < half; i++) of[i] = vbslq_u8(taken[above], of[i], of[i + half]);
        }
        taken[level] = of[0];
        at = vorrq_u8(at, vbicq_u8(vdupq_n_u8((uint8_t)(1 << (levels - 1 - level))), of[0]));
    }
    return at;
}

/* The leaves of 4 rows: a look-up outside of a table leaves what the tables before it gave. */
INLINE float32x4_t leaves_at(const int levels, const float *leaves, uint32x4_t at) {
    const int n = levels < 5 ? 1 : 1 << (levels - 4);
    uint8x16_t place = bytes_of(at), found = vqtbl4q_u8(table_at(leaves), place);
    for (int i = 1; i < n; i++) {
        place = vsubq_u8(place, vdupq_n_u8(TABLE * sizeof(float)));
        found = vqtbx4q_u8(found, table_at(leaves + i * TABLE), place);
    }
    return vreinterpretq_f32_u8(found);
}

/* Group i of a block's rows. */
INLINE uint32x4_t group_of(uint8x16_t at, int i) {
    uint32x4_t shifted = vshlq_u32(vreinterpretq_u32_u8(at), vdupq_n_s32(-8 * i));
    return vandq_u32(shifted, vdupq_n_u32(0xff));
}

/* With `one_target` the sums stay in registers from tree to tree. */
INLINE void add_group(const block_forest *forest, const int levels, const int one_target,
                      const group *g, const uint8_t *codes, float *sums) {
    const uint32_t *target = forest->file->tree_target + g->first;
    const int n_leaves = levels < 4 ? 16 : 1 << levels;
    float32x4_t sum[4];
    for (uint32_t t = 0; t < g->count; t++) {
        float *of = sums + (size_t)target[t] * ROWS;
        uint8x16_t at = leaf_of(levels, g->cells + t, codes);
        if (!one_target || t == 0)
            for (int i = 0; i < 4; i++) sum[i] = vld1q_f32(of + i * WIDE);
        for (int i = 0; i < 4; i++)
            sum[i] = vaddq_f32(
                sum[i], leaves_at(levels, g->leaves + (size_t)t * n_leaves, group_of(at, i)));
        if (!one_target || t == g->count - 1)
            for (int i = 0; i < 4; i++) vst1q_f32(of + i * WIDE, sum[i]);
    }
}

INLINE void add_deeper_group(
    const block_forest *forest, const group *g, const uint8_t *codes, float *sums) {
    const uint32_t *target = forest->file->tree_target + g->first;
    for (uint32_t t = 0; t < g->count; t++) {
        uint8_t start[ROWS];
        vst1q_u8(start, leaf_of(LEVELS, g->cells + t, codes));
        blocks_walk_on(forest, g, t, codes, start, ROWS, sums + (size_t)target[t] * ROWS);
    }
}

#include "block_rows.h"
#endif
