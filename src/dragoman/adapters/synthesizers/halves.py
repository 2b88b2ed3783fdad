"""A VITS voice as two models: from phonemes to frames, and from frames to sound, which can then be made piece by piece.

Needs the package ``onnx`` of the extra ``voice``; without it, or where a model is built in another way, a voice is one model.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

_PACKAGE = "onnx"
# The first step of the decoder, by the name that every export of these voices gives it.
_DECODER_BEGINS = "/dec/conv_pre/Conv"


class Halves(NamedTuple):
    """Two models in ONNX, and the name under which the first gives its frames and the second takes them."""

    frames: bytes
    sound: bytes
    name: str


def halves(model: Path) -> Halves | None:
    """The two halves; None where the model cannot be cut, or nothing is there to cut it with."""
    if importlib.util.find_spec(_PACKAGE) is None:
        return None
    onnx = importlib.import_module(_PACKAGE)
    whole = onnx.load(str(model))
    first = next((node for node in whole.graph.node if node.name.endswith(_DECODER_BEGINS)), None)
    if first is None:
        return None
    name = first.input[0]
    cut = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, None])
    frames = _part(onnx, whole, [], cut)
    sound = _part(onnx, whole, [cut], whole.graph.output[0])
    if [given.name for given in sound.graph.input] != [name]:
        # A decoder that is told who speaks, too.
        return None
    return Halves(frames.SerializeToString(), sound.SerializeToString(), name)


def _part(onnx: Any, whole: Any, given: Sequence[Any], wanted: Any) -> Any:
    """The steps that lead from what is given to what is wanted, as a model."""
    graph = whole.graph
    makers = {output: node for node in graph.node for output in node.output}
    ends = {value.name for value in given}
    names: set[str] = set()
    todo = [wanted.name]
    while todo:
        name = todo.pop()
        if name in names:
            continue
        names.add(name)
        if name in makers and name not in ends:
            todo += _taken(onnx, makers[name])
    steps = [
        node for node in graph.node if not ends.intersection(node.output) and names.intersection(node.output)
    ]
    inputs = [value for value in graph.input if value.name in names]
    weights = [weight for weight in graph.initializer if weight.name in names]
    part = onnx.helper.make_graph(steps, "part", [*inputs, *given], [wanted], weights)
    return onnx.helper.make_model(part, opset_imports=whole.opset_import, ir_version=whole.ir_version)


def _taken(onnx: Any, node: Any) -> list[str]:
    """What a step needs, with what the steps inside it need."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            made = {output for inner in attribute.g.node for output in inner.output}
            inside = [name for inner in attribute.g.node for name in _taken(onnx, inner)]
            names += [name for name in inside if name not in made]
    return names
