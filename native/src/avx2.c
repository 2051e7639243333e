/* Blocks by AVX2: 32 rows at a time, and a comparison's answer is a byte of ones or zeros.

   The steps are those of avx512.c. Row 8 g + i of the 32 is byte 4 i + g of its codes. */
#include "blocks.h"

#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define WIDE 8 /* floats of a vector */
#define ROWS 32
#define STRATEGY avx2_rows

/* 8 rows of 8 features to 8 features of 8 rows; `out` has a feature every 32 floats. */
INLINE void transpose(const __m256 row[WIDE], float *out) {
    __m256 pair[WIDE], four[WIDE];
    for (int i = 0; i < WIDE; i += 2) {
        pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < WIDE; i += 4)
        for (int half = 0; half < 2; half++) {
            four[i + 2 * half] = _mm256_shuffle_ps(pair[i + half], pair[i + 2 + half], 0x44);
            four[i + 2 * half + 1] = _mm256_shuffle_ps(pair[i + half], pair[i + 2 + half], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        _mm256_store_ps(out + i * ROWS, _mm256_permute2f128_ps(four[i], four[i + 4], 0x20));
        _mm256_store_ps(out + (i + 4) * ROWS, _mm256_permute2f128_ps(four[i], four[i + 4], 0x31));
    }
}

/* Features `first` to `first` + 7 of up to 32 rows; rows that are not there repeat the last. */
static void load_tile(const float *rows, size_t n, uint32_t width, uint32_t first, float *tile) {
    uint32_t left = width - first;
    __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i there = _mm256_cmpgt_epi32(_mm256_set1_epi32(left < WIDE ? (int)left : WIDE), lanes);
    for (size_t start = 0; start < ROWS; start += WIDE) {
        __m256 row[WIDE];
        for (size_t i = 0; i < WIDE; i++) {
            size_t at = start + i < n ? start + i : n - 1;
            row[i] = _mm256_maskload_ps(rows + at * width + first, there);
        }
        transpose(row, tile + start);
    }
}

/* The thresholds that 8 searches ask for at one level. */
INLINE __m256 asked(const float *table, uint32_t level, __m256i at) {
    const float *of = table + (1u << level);
    if (level == 0) return _mm256_set1_ps(*of);
    if (level < 4) return _mm256_permutevar8x32_ps(_mm256_loadu_ps(of), at);
    return _mm256_i32gather_ps(of, at, 4);
}

INLINE void store_codes(uint8_t *out, const __m256i at[4]) {
    __m256i low = _mm256_or_si256(at[0], _mm256_slli_epi32(at[1], 8));
    __m256i high = _mm256_or_si256(_mm256_slli_epi32(at[2], 16), _mm256_slli_epi32(at[3], 24));
    _mm256_store_si256((__m256i *)out, _mm256_or_si256(low, high));
}

static void code(const coder *by, const float *values, uint8_t *codes) {
    __m256 value[4];
    __m256i at[4];
    for (int g = 0; g < 4; g++) {
        value[g] = _mm256_load_ps(values + g * WIDE);
        at[g] = _mm256_setzero_si256();
    }
    for (uint32_t level = 0; level < by->levels; level++)
        for (int g = 0; g < 4; g++) {
            __m256 reached = _mm256_cmp_ps(value[g], asked(by->table, level, at[g]), _CMP_GE_OQ);
            /* All ones are -1. */
            at[g] = _mm256_sub_epi32(_mm256_add_epi32(at[g], at[g]), _mm256_castps_si256(reached));
        }
    if (by->column[1] != NO_COLUMN) store_codes(codes + (size_t)by->column[1] * BLOCK, at);
    if (by->column[0] == NO_COLUMN) return;
    for (int g = 0; g < 4; g++) {
        __m256i missing = _mm256_castps_si256(_mm256_cmp_ps(value[g], value[g], _CMP_UNORD_Q));
        at[g] = _mm256_blendv_epi8(at[g], _mm256_set1_epi32((int)by->count), missing);
    }
    store_codes(codes + (size_t)by->column[0] * BLOCK, at);
}

/* Bytes of ones where a row stays left, since its code is not above the split's. */
INLINE __m256i left_of(const cell *at, const uint8_t *codes) {
    __m256i split = _mm256_set1_epi32((int)at->code);
    __m256i code = _mm256_load_si256((const __m256i *)(codes + at->column));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(code, split), code);
}

/* The number of each row's leaf, in its byte. */
INLINE __m256i leaf_of(const int levels, const cell *cells, const uint8_t *codes) {
    __m256i taken[LEVELS], of[1 << (LEVELS - 1)], at = _mm256_setzero_si256();
    for (int level = 0; level < levels; level++) {
        const int first = (1 << level) - 1;
        for (int i = 0; i < 1 << level; i++) of[i] = left_of(&cells[(first + i) * ABREAST], codes);
        for (int above = 0; above < level; above++) {
            int half = 1 << (level - 1 - above);
            for (int i = 0; i < half; i++)
                of[i] = _mm256_blendv_epi8(of[i + half], of[i], taken[above]);
        }
        taken[level] = of[0];
        at = _mm256_or_si256(
            at, _mm256_andnot_si256(of[0], _mm256_set1_epi8((char)(1 << (levels - 1 - level)))));
    }
    return at;
}

/* The leaves of 8 rows: 8 leaves at a time, then halves are chosen by the next bit of `at`. */
INLINE __m256 leaves_at(const int levels, const float *leaves, __m256i at) {
    const int n = levels < 3 ? 1 : 1 << (levels - 3);
    __m256 found[8];
    for (int i = 0; i < n; i++)
        found[i] = _mm256_permutevar8x32_ps(_mm256_load_ps(leaves + 8 * i), at);
    for (int bit = 3; bit < levels; bit++) {
        __m256 odd = _mm256_castsi256_ps(_mm256_slli_epi32(at, 31 - bit));
        for (int i = 0; i < n >> (bit - 2); i++)
            found[i] = _mm256_blendv_ps(found[2 * i], found[2 * i + 1], odd);
    }
    return found[0];
}

/* With `one_target` the sums stay in registers from tree to tree. */
INLINE void add_group(const block_forest *forest, const int levels, const int one_target,
                      const group *g, const uint8_t *codes, float *sums) {
    const uint32_t *target = forest->file->tree_target + g->first;
    const int n_leaves = levels < 4 ? 16 : 1 << levels;
    __m256 sum[4];
    for (uint32_t t = 0; t < g->count; t++) {
        float *of = sums + (size_t)target[t] * ROWS;
        __m256i at = leaf_of(levels, g->cells + t, codes);
        if (!one_target || t == 0)
            for (int i = 0; i < 4; i++) sum[i] = _mm256_load_ps(of + i * WIDE);
        for (int i = 0; i < 4; i++)
            sum[i] = _mm256_add_ps(
                sum[i], leaves_at(levels, g->leaves + t * n_leaves, _mm256_srli_epi32(at, 8 * i)));
        if (!one_target || t == g->count - 1)
            for (int i = 0; i < 4; i++) _mm256_store_ps(of + i * WIDE, sum[i]);
    }
}

INLINE void add_deeper_group(
    const block_forest *forest, const group *g, const uint8_t *codes, float *sums) {
    const uint32_t *target = forest->file->tree_target + g->first;
    const int levels = LEVELS;
    for (uint32_t t = 0; t < g->count; t++) {
        uint8_t start[ROWS] __attribute__((aligned(32)));
        __m256i at = leaf_of(levels, g->cells + t, codes);
        _mm256_store_si256((__m256i *)start, at);
        blocks_walk_on(forest, g, t, codes, start, ROWS, sums + (size_t)target[t] * ROWS);
    }
}

#include "block_rows.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
