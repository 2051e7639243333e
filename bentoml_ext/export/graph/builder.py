"""Builder: a growing list of ONNX nodes and constants, to be put into whichever graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

import bentoml_ext

__all__ = ["IR_VERSION", "ML_OPSET", "OPSET", "GraphBuilder"]

OPSET: Final = 17
"""Operator set of our own graphs: old enough for every supported ONNX Runtime."""

ML_OPSET: Final = 3
"""Operator set of tree ensembles."""

IR_VERSION: Final = 8
"""Version of ONNX 1.12; ONNX Runtime 1.20 and later read it."""

Array = npt.NDArray[Any]


class GraphBuilder:
    """Nodes in the order in which they are computed.

    Args:
        prefix: put before every name, so that several can share a graph.
        opset: version of the default domain, 13 to 22, that the nodes are written for.
    """

    def __init__(self, prefix: str = "", opset: int = OPSET) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.opset = opset
        self._prefix = prefix
        self._count = 0

    def name(self, stem: str) -> str:
        """A name that nothing in the graph has yet."""
        self._count += 1
        return f"{self._prefix}{stem}_{self._count}"

    def inside(self) -> GraphBuilder:
        """The nodes of a graph inside this one, with names of their own."""
        return GraphBuilder(f"{self.name('inner')}_", self.opset)

    def constant(self, value: Any, dtype: Any = None, *, name: str = "constant") -> str:
        """The name of a constant; `name` is a part of it."""
        name = self.name(name)
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(
        self,
        operator: str,
        *inputs: str,
        output: str | None = None,
        domain: str = "",
        n_outputs: int = 1,
        **how: Any,
    ) -> str:
        """Append a node and return the name of its first output.

        Args:
            operator: as ONNX calls it.
            inputs: names.
            output: a name that must not be changed by the prefix; made up by default.
            domain: "" or "ai.onnx.ml".
            n_outputs: how many the operator must have; only the first is of use.
            how: attributes; an array becomes a list, quickly even if it is long.
        """
        name = output or self.name(operator.lower())
        node = NodeProto(op_type=operator, name=f"{name}_node", domain=domain)
        node.input.extend(inputs)
        node.output.append(name)
        node.output.extend(f"{name}_{more}" for more in range(1, n_outputs))
        node.attribute.extend(_attribute(key, value) for key, value in how.items())
        self.nodes.append(node)
        return name

    def cast(self, name: str, to: int) -> str:
        """The tensor `name` in another type, one of `onnx.TensorProto`."""
        return self.add("Cast", name, to=to)

    def largest(self, name: str) -> str:
        """(n, k) to (n, 1): the largest of each row."""
        if self.opset >= 18:
            return self.add("ReduceMax", name, self.constant([1], np.int64), keepdims=1)
        return self.add("ReduceMax", name, axes=[1], keepdims=1)

    def running_total(self, name: str, output: str | None = None) -> str:
        """Axis 1 added from first to last, one after the other: its last partial sum."""
        sums = self.add("CumSum", name, self.constant(1, np.int64))
        return self.add("Gather", sums, self.constant(-1, np.int64), axis=1, output=output)

    def adopt(self, graph: onnx.GraphProto, inputs: Mapping[str, str]) -> str:
        """Append another graph's nodes and constants under names of our own.

        Args:
            graph: of an operator set that fits; its attributes hold no graphs.
            inputs: by the name of each of its inputs, what is handed in.

        Returns:
            The name of its first output.
        """
        names = dict(inputs)

        def ours(name: str) -> str:
            # An empty name is an input that is left out.
            return names.setdefault(name, self.name("adopted")) if name else ""

        for constant in graph.initializer:
            copy = TensorProto()
            copy.CopyFrom(constant)
            copy.name = ours(constant.name)
            self.constants.append(copy)
        for node in graph.node:
            copied = NodeProto()
            copied.CopyFrom(node)
            del copied.input[:], copied.output[:]
            copied.input.extend(map(ours, node.input))
            copied.output.extend(map(ours, node.output))
            copied.name = self.name("adopted_node")
            self.nodes.append(copied)
        return names[graph.output[0].name]

    def to_model(
        self,
        name: str,
        *,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        properties: Mapping[str, str],
    ) -> onnx.ModelProto:
        """The nodes as a whole model, checked.

        Args:
            name: of the graph.
            inputs, outputs: what it takes and gives.
            properties: metadata of the file.
        """
        graph = onnx.GraphProto(name=name)
        graph.input.extend(inputs)
        graph.output.extend(outputs)
        graph.node.extend(self.nodes)
        graph.initializer.extend(self.constants)
        opsets = (("", self.opset), ("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(
            graph,
            producer_name="bentoml_ext",
            producer_version=bentoml_ext.__version__,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(*opset) for opset in opsets],
        )
        helper.set_model_props(model, dict(properties))
        onnx.checker.check_model(model)
        return model


def _attribute(name: str, value: Any) -> AttributeProto:
    """An attribute. `onnx.helper` looks at every element, which takes minutes for a large model."""
    if not isinstance(value, np.ndarray):
        return helper.make_attribute(name, value)
    attribute = AttributeProto(name=name)
    if value.dtype == np.float32:
        attribute.type = onnx.AttributeProto.FLOATS
        attribute.floats.extend(value.tolist())
    elif value.dtype == np.int64:
        attribute.type = onnx.AttributeProto.INTS
        attribute.ints.extend(value.tolist())
    else:
        attribute.type = onnx.AttributeProto.STRINGS
        attribute.strings.extend(value.tolist())
    return attribute
