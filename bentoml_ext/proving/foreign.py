"""Foreign: what ONNX Runtime must not be given of a file that anybody may have made.

It would read a tensor's values from another file, in the folder that a command happens to run in.
It writes out every call of a function, so that forty of them make a million million nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import onnx

__all__ = ["MOST_NODES", "node_count", "outside_of"]

MOST_NODES: Final = 1_000_000
"""Upper limit of a graph whose functions are written out."""


def outside_of(model: onnx.ModelProto) -> str:
    """The first other file that a model names; empty if it holds all that it is."""
    parts = [
        *_of_graph(model.graph),
        *(tensor for one in model.functions for tensor in _of_nodes(one.node)),
        *(tensor for one in model.training_info for tensor in _of_graph(one.algorithm)),
    ]
    for tensor in parts:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            return entries.get("location") or "no file"
    return ""


def node_count(model: onnx.ModelProto) -> float:
    """Nodes when every call of a function is written out; infinite where one calls itself."""
    functions = {(one.domain, one.name): one for one in model.functions}
    known: dict[tuple[str, str], float] = {}

    def count(nodes: Iterable[onnx.NodeProto]) -> float:
        total = 0.0
        for node in nodes:
            name = (node.domain, node.op_type)
            if name in functions and name not in known:
                # Until it is counted: a function that calls itself has no end.
                known[name] = float("inf")
                known[name] = count(functions[name].node)
            total += known.get(name, 1)
            for attribute in node.attribute:
                total += sum(count(one.node) for one in (attribute.g, *attribute.graphs))
        return total

    try:
        return count(model.graph.node)
    except RecursionError:
        return float("inf")


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _of_graph(graph)
