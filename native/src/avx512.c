/* Blocks by AVX-512: a comparison of 64 codes is one instruction, and its answer one word.

   Row 16 g + i of a block is byte 4 i + g of its codes, so that four vectors of 16 ranks become one
   of 64 codes by three shifts, and the leaves of rows 16 g to 16 g + 15 come out side by side. */
#include "blocks.h"

#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
#endif
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define WIDE 16 /* floats of a vector */
#define ROWS BLOCK
#define STRATEGY avx512_rows

/* 16 rows of 16 features to 16 features of 16 rows; `out` has a feature every 64 floats. */
INLINE void transpose(const __m512 row[WIDE], float *out) {
    __m512 pair[WIDE], four[WIDE], eight[WIDE];
    for (int i = 0; i < WIDE; i += 2) {
        pair[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < WIDE; i += 4)
        for (int half = 0; half < 2; half++) {
            __m512d low = _mm512_castps_pd(pair[i + half]);
            __m512d high = _mm512_castps_pd(pair[i + 2 + half]);
            four[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            four[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 4; i++) {
        eight[i] = _mm512_shuffle_f32x4(four[i], four[i + 4], 0x88);
        eight[i + 4] = _mm512_shuffle_f32x4(four[i], four[i + 4], 0xdd);
        eight[i + 8] = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0x88);
        eight[i + 12] = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        __m512 low = eight[i], high = eight[i + 8];
        _mm512_store_ps(out + i * BLOCK, _mm512_shuffle_f32x4(low, high, 0x88));
        _mm512_store_ps(out + (i + 8) * BLOCK, _mm512_shuffle_f32x4(low, high, 0xdd));
    }
}

/* Features `first` to `first` + 15 of up to 64 rows; rows that are not there repeat the last. */
static void load_tile(const float *rows, size_t n, uint32_t width, uint32_t first, float *tile) {
    uint32_t left = width - first;
    __mmask16 there = (__mmask16)(left < WIDE ? (1u << left) - 1 : 0xffff);
    for (size_t start = 0; start < BLOCK; start += WIDE) {
        __m512 row[WIDE];
        for (size_t i = 0; i < WIDE; i++) {
            size_t at = start + i < n ? start + i : n - 1;
            row[i] = _mm512_maskz_loadu_ps(there, rows + at * width + first);
        }
        transpose(row, tile + start);
    }
}

/* The thresholds that 16 searches ask for at one level. */
INLINE __m512 asked(const float *table, const uint32_t level, __m512i at) {
    const float *of = table + (1u << level);
    if (level == 0) return _mm512_set1_ps(*of);
    if (level < 5) return _mm512_permutexvar_ps(at, _mm512_loadu_ps(of));
    __m512 found[4];
    for (uint32_t i = 0; i < 1u << (level - 5); i++)
        found[i] = _mm512_permutex2var_ps(
            _mm512_loadu_ps(of + 32 * i), at, _mm512_loadu_ps(of + 32 * i + 16));
    if (level == 5) return found[0];
    __mmask16 odd = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
    __m512 low = _mm512_mask_blend_ps(odd, found[0], found[1]);
    if (level == 6) return low;
    __mmask16 high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(64));
    return _mm512_mask_blend_ps(high, low, _mm512_mask_blend_ps(odd, found[2], found[3]));
}

INLINE void search(const float *table, const uint32_t level, const __m512 value[4], __m512i at[4]) {
    for (int g = 0; g < 4; g++) {
        __mmask16 reached = _mm512_cmp_ps_mask(value[g], asked(table, level, at[g]), _CMP_GE_OQ);
        at[g] = _mm512_add_epi32(at[g], at[g]);
        at[g] = _mm512_mask_add_epi32(at[g], reached, at[g], _mm512_set1_epi32(1));
    }
}

INLINE void store_codes(uint8_t *out, const __m512i at[4]) {
    __m512i low = _mm512_or_si512(at[0], _mm512_slli_epi32(at[1], 8));
    __m512i high = _mm512_or_si512(_mm512_slli_epi32(at[2], 16), _mm512_slli_epi32(at[3], 24));
    _mm512_store_si512(out, _mm512_or_si512(low, high));
}

static void code(const coder *by, const float *values, uint8_t *codes) {
    __m512 value[4];
    __m512i at[4];
    for (int g = 0; g < 4; g++) {
        value[g] = _mm512_load_ps(values + g * WIDE);
        at[g] = _mm512_setzero_si512();
    }
    search(by->table, 0, value, at);
    if (by->levels > 1) search(by->table, 1, value, at);
    if (by->levels > 2) search(by->table, 2, value, at);
    if (by->levels > 3) search(by->table, 3, value, at);
    if (by->levels > 4) search(by->table, 4, value, at);
    if (by->levels > 5) search(by->table, 5, value, at);
    if (by->levels > 6) search(by->table, 6, value, at);
    if (by->levels > 7) search(by->table, 7, value, at);
    /* A missing value reaches no threshold: it is already the least code. */
    if (by->column[1] != NO_COLUMN) store_codes(codes + (size_t)by->column[1] * BLOCK, at);
    if (by->column[0] == NO_COLUMN) return;
    for (int g = 0; g < 4; g++) {
        __mmask16 missing = _mm512_cmp_ps_mask(value[g], value[g], _CMP_UNORD_Q);
        at[g] = _mm512_mask_mov_epi32(at[g], missing, _mm512_set1_epi32((int)by->count));
    }
    store_codes(codes + (size_t)by->column[0] * BLOCK, at);
}

/* Where a bit of `by` is set, that of `right`, otherwise that of `left`. */
INLINE __m512i choose(__m512i by, __m512i right, __m512i left) {
    return _mm512_ternarylogic_epi64(by, right, left, 0xca);
}

/* Bit r of right[split][tree]: row r goes right there. */
INLINE void compare(const int levels, const group *g, const uint8_t *codes, uint64_t right[][ABREAST]) {
    for (int split = 0; split < (1 << levels) - 1; split++)
        for (int t = 0; t < ABREAST; t++) {
            const cell *at = &g->cells[split * ABREAST + t];
            right[split][t] = _mm512_cmpgt_epu8_mask(
                _mm512_load_si512(codes + at->column), _mm512_set1_epi32((int)at->code));
        }
}

/* Of each level only the split on a row's path counts: halves are chosen by the levels above. */
INLINE void combine(const int levels, uint64_t right[][ABREAST], uint64_t path[][ABREAST]) {
    __m512i taken[LEVELS], of[1 << (LEVELS - 1)];
    for (int level = 0; level < levels; level++) {
        for (int i = 0; i < 1 << level; i++) of[i] = _mm512_load_si512(right[(1 << level) - 1 + i]);
        for (int above = 0; above < level; above++) {
            int half = 1 << (level - 1 - above);
            for (int i = 0; i < half; i++) of[i] = choose(taken[above], of[i + half], of[i]);
        }
        taken[level] = of[0];
        _mm512_store_si512(path[level], taken[level]);
    }
}

/* The leaves of 16 rows, whose numbers are in the low bits of `at`; higher bits do not matter. */
INLINE __m512 leaves_at(const int levels, const float *leaves, __m512i at) {
    if (levels < 5) return _mm512_permutexvar_ps(at, _mm512_load_ps(leaves));
    __m512 low = _mm512_permutex2var_ps(_mm512_load_ps(leaves), at, _mm512_load_ps(leaves + 16));
    if (levels == 5) return low;
    __m512 high = _mm512_permutex2var_ps(_mm512_load_ps(leaves + 32), at, _mm512_load_ps(leaves + 48));
    return _mm512_mask_blend_ps(_mm512_test_epi32_mask(at, _mm512_set1_epi32(32)), low, high);
}

/* With `one_target` the sums stay in registers from tree to tree. */
INLINE void add_group(const block_forest *forest, const int levels, const int one_target,
                      const group *g, const uint8_t *codes, float *sums) {
    uint64_t right[(1 << LEVELS) - 1][ABREAST] __attribute__((aligned(64)));
    uint64_t path[LEVELS][ABREAST] __attribute__((aligned(64)));
    const uint32_t *target = forest->file->tree_target + g->first;
    const int n_leaves = levels < 4 ? 16 : 1 << levels;
    __m512 sum[4];
    compare(levels, g, codes, right);
    combine(levels, right, path);
    for (uint32_t t = 0; t < g->count; t++) {
        float *of = sums + (size_t)target[t] * BLOCK;
        __m512i at = _mm512_setzero_si512();
        for (int level = 0; level < levels; level++)
            at = _mm512_mask_add_epi8(
                at, path[level][t], at, _mm512_set1_epi8((char)(1 << (levels - 1 - level))));
        if (!one_target || t == 0)
            for (int i = 0; i < 4; i++) sum[i] = _mm512_load_ps(of + i * WIDE);
        for (int i = 0; i < 4; i++)
            sum[i] = _mm512_add_ps(
                sum[i], leaves_at(levels, g->leaves + t * n_leaves, _mm512_srli_epi32(at, 8 * i)));
        if (!one_target || t == g->count - 1)
            for (int i = 0; i < 4; i++) _mm512_store_ps(of + i * WIDE, sum[i]);
    }
}

INLINE void add_deeper_group(
    const block_forest *forest, const group *g, const uint8_t *codes, float *sums) {
    uint64_t right[(1 << LEVELS) - 1][ABREAST] __attribute__((aligned(64)));
    uint64_t path[LEVELS][ABREAST] __attribute__((aligned(64)));
    const uint32_t *target = forest->file->tree_target + g->first;
    const int levels = LEVELS;
    compare(levels, g, codes, right);
    combine(levels, right, path);
    for (uint32_t t = 0; t < g->count; t++) {
        uint8_t start[BLOCK] __attribute__((aligned(64)));
        __m512i at = _mm512_setzero_si512();
        for (int level = 0; level < levels; level++)
            at = _mm512_mask_add_epi8(
                at, path[level][t], at, _mm512_set1_epi8((char)(1 << (levels - 1 - level))));
        _mm512_store_si512(start, at);
        blocks_walk_on(forest, g, t, codes, start, BLOCK, sums + (size_t)target[t] * BLOCK);
    }
}

#include "block_rows.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
