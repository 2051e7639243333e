"""Reading: a file of trees, node by node, to compare with what it was written from.

It shares no code with `packing`: it walks each tree from its root, by the file's own rule.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.errors import ExportRefused

__all__ = ["TreesFile", "check_same"]

Words = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class TreesFile:
    """The arrays of a file, as native/src/trees_file.h names them."""

    base: Floats
    feature_first: Words
    thresholds: Floats
    tree_first: Words
    tree_target: Words
    split: Words
    value: Words
    set_first: Words
    words: Words
    vectors: Floats

    @classmethod
    def of(cls, data: bytes | bytearray) -> TreesFile:
        """The arrays of a file that the kernel takes, in its own memory."""
        features, targets, trees, nodes, thresholds, sets, words, vectors = struct.unpack_from(
            "<8I", data, 12
        )
        lengths = [targets, features + 1, thresholds, trees + 1, trees, nodes, nodes]
        lengths += [sets + 1, words, vectors * targets]
        every = np.frombuffer(data, "<u4", offset=64)
        parts = np.split(every, np.cumsum(lengths)[:-1])
        for place in (0, 2, 9):
            parts[place] = parts[place].view(np.float32)
        parts[9] = parts[9].reshape(-1, targets)
        return cls(*parts)


def check_same(data: bytes, ensemble: Ensemble, trees: Trees) -> None:
    """Compare every number of a file with the ensemble's.

    Raises:
        ExportRefused: they differ, which is a fault of `packing`.
    """
    file = TreesFile.of(data)
    if not np.array_equal(file.base.view(np.uint32), ensemble.base.view(np.uint32)):
        raise ExportRefused("Expected the booster's base margin, got another - at trees.simd.")
    for tree in range(max(len(trees), len(file.tree_target))):
        for fault in _differences(file, trees, tree):
            raise ExportRefused(
                f"Expected the booster's own {fault}, got another - at trees.simd, tree {tree}."
            )


def _differences(file: TreesFile, trees: Trees, tree: int) -> Iterator[str]:
    """What differs in one tree, in words."""
    one, start, end = trees[tree], *(int(at) for at in file.tree_first[tree : tree + 2])
    if int(file.tree_target[tree]) != one.target % 2**32:
        yield "target"
    split, value = file.split[start:end], file.value[start:end]
    inner = split != 0xFFFFFFFF
    left = 2 * (np.cumsum(inner) - inner) + 1
    # Node by node: the place in the file and the place in the tree.
    pairs = np.zeros((1, 2), np.int64)
    seen = 0
    while len(pairs):
        mine, theirs = pairs.T
        seen += len(pairs)
        if (inner[mine] != (one.left[theirs] >= 0)).any():
            yield "shape"
            return
        at, of = mine[~inner[mine]], theirs[~inner[mine]]
        leaf = file.vectors[value[at]] if one.target < 0 else value[at].view(np.float32)[:, None]
        if not np.array_equal(
            leaf.view(np.uint32), one.leaf[of][:, : leaf.shape[1]].view(np.uint32)
        ):
            yield "leaves"
        at, of = mine[inner[mine]], theirs[inner[mine]]
        if not np.array_equal(split[at] >> 2, one.feature[of]):
            yield "features"
        if not np.array_equal(split[at] & 1, one.default_left[of]):
            yield "default directions"
        by_set = one.categorical[of]
        if not np.array_equal((split[at] & 2) > 0, by_set):
            yield "kinds of splits"
            return
        place = file.feature_first[split[at] >> 2][~by_set] + value[at][~by_set]
        if not np.array_equal(file.thresholds[place], one.threshold[of][~by_set]):
            yield "thresholds"
        for node, number in zip(of[by_set], value[at][by_set], strict=True):
            words = file.words[file.set_first[number] : file.set_first[number + 1]]
            codes = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
            if not np.array_equal(codes, one.codes[int(node)]):
                yield "codes"
        pairs = np.concatenate(
            [np.stack([left[at], one.left[of]], 1), np.stack([left[at] + 1, one.right[of]], 1)]
        )
    if seen != end - start:
        yield "number of nodes"
