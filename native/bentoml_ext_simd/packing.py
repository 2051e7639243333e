"""Packing: an ensemble becomes the bytes of a file of trees."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Bools, Floats, Ints
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext_simd.kernel import checksum

__all__ = ["BY_SET", "DEFAULT_LEFT", "HEADER", "MAGIC", "NONE", "VERSION", "level_order", "pack"]

MAGIC: Final = b"BEXTTREE"
VERSION: Final = 1
HEADER: Final = struct.Struct("<8s10IQQ")
"""Magic, version, eight numbers of native/src/trees_file.h, two zeros, and the checksum."""

NONE: Final = 0xFFFFFFFF
"""The split of a leaf, and the target of a tree that adds to every target."""
DEFAULT_LEFT, BY_SET = 1, 2
"""Flags of a split, below its feature."""


def pack(ensemble: Ensemble, trees: Trees) -> bytes:
    """The file of trees that split by "<" on float32, with NaN alone for missing."""
    order, new_tree = level_order(trees)
    leaf = trees.is_leaf[order]
    by_set = trees.categorical[order] & ~leaf
    by_number = ~leaf & ~by_set
    feature = np.where(leaf, 0, trees.feature[order])
    first, thresholds, rank = _ranks(
        feature[by_number], trees.threshold[order][by_number], ensemble.n_features
    )
    set_first, words = _sets(trees, order[by_set])
    every = (trees.target < 0)[new_tree]
    vectors = trees.leaf[order][leaf & every] if every.any() else trees.leaf[:0]
    value = np.zeros(len(order), np.uint32)
    value[by_number] = rank
    value[by_set] = np.arange(by_set.sum())
    value[leaf & every] = np.arange(len(vectors))
    value[leaf & ~every] = trees.leaf[order][leaf & ~every, 0].view(np.uint32)
    split = feature << 2 | trees.default_left[order] * DEFAULT_LEFT | by_set * BY_SET
    arrays: list[npt.NDArray[Any]] = [
        ensemble.base,
        first.astype(np.uint32),
        thresholds,
        trees.first.astype(np.uint32),
        np.where(trees.target < 0, NONE, trees.target).astype(np.uint32),
        np.where(leaf, NONE, split).astype(np.uint32),
        value,
        set_first.astype(np.uint32),
        words,
        vectors,
    ]
    sizes = [ensemble.n_features, ensemble.n_targets, len(trees), len(order)]
    sizes += [len(thresholds), len(set_first) - 1, len(words), len(vectors)]
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    head = HEADER.pack(MAGIC, VERSION, *sizes, 0, 0, 0)
    return HEADER.pack(MAGIC, VERSION, *sizes, 0, 0, checksum(head + body)) + body


def level_order(trees: Trees) -> tuple[Ints, Ints]:
    """Every node's place in `trees`, level by level within its tree, and its tree.

    Both children of a node stand together, those of an earlier node first.
    """
    front, of = trees.first[:-1], np.arange(len(trees))
    nodes, tree = [front], [of]
    while len(front):
        inner = ~trees.is_leaf[front]
        front, of = front[inner], of[inner]
        start = trees.first[of]
        children = [start + trees.left[front], start + trees.right[front]]
        front, of = np.stack(children, axis=1).ravel(), np.repeat(of, 2)
        nodes.append(front)
        tree.append(of)
    every, trees_of = np.concatenate(nodes), np.concatenate(tree)
    # Stable, so that a tree's levels stay in order.
    by_tree = np.argsort(trees_of, kind="stable")
    return every[by_tree], trees_of[by_tree]


def _ranks(feature: Ints, threshold: Floats, n_features: int) -> tuple[Ints, Floats, Ints]:
    """Where each feature's thresholds begin, those thresholds, and the rank of each split's own."""
    threshold = threshold + np.float32(0)  # -0.0 and 0.0 are one threshold
    order = np.lexsort((threshold, feature))
    by_feature, rising = feature[order], threshold[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (by_feature[1:] != by_feature[:-1]) | (rising[1:] != rising[:-1])
    counts = np.bincount(by_feature[new], minlength=n_features)
    first = np.concatenate([[0], np.cumsum(counts)])
    rank = np.empty(len(order), np.int64)
    rank[order] = np.cumsum(new) - 1 - first[by_feature]
    return first, rising[new], rank


def _sets(trees: Trees, nodes: Ints) -> tuple[Ints, npt.NDArray[np.uint32]]:
    """Where each set's words begin, and the words: bit c of a set for each of its codes c."""
    words = [_bits(trees.codes[trees.first_code[at] : trees.first_code[at + 1]]) for at in nodes]
    first = np.concatenate([[0], np.cumsum([len(some) for some in words], dtype=np.int64)])
    return first, np.concatenate([np.zeros(0, np.uint32), *words])


def _bits(codes: Ints) -> npt.NDArray[np.uint32]:
    listed: Bools = np.zeros(-(-(int(codes.max(initial=-1)) + 1) // 32) * 32, np.bool_)
    listed[codes] = True
    return np.packbits(listed, bitorder="little").view(np.uint32)
