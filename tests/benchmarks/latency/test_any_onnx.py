"""Files of other networks are fed what they take, and profiled layer by layer."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from csakit.benchmarks.latency.any_onnx import AnyModel, Layer, profile_text, profiled
from csakit.benchmarks.latency.cases import Case
from csakit.benchmarks.latency.interleave import InterleavedRun
from csakit.benchmarks.latency.models import ModelSource, read_alone, stated_side
from csakit.benchmarks.latency.plan import Plan
from csakit.plugins.errors import ContractError, ParityError
from onnx import TensorProto, helper

FLOAT, HALF, BYTES, BOOL = (
    *(TensorProto.FLOAT, TensorProto.FLOAT16),
    *(TensorProto.UINT8, TensorProto.BOOL),
)


def write_model(
    path: Path,
    *,
    image: tuple[int, Sequence[Any]] = (FLOAT, ("B", 3, "H", "W")),
    mask: tuple[int, Sequence[Any]] = (FLOAT, ("B", 1, "H", "W")),
    names: tuple[str, str] = ("image", "mask"),
    nodes: Sequence[onnx.NodeProto] = (),
) -> Path:
    """Write a network that answers with its image."""
    inputs = [
        helper.make_tensor_value_info(name, *form)
        for name, form in zip(names, (image, mask), strict=True)
    ]
    output = helper.make_tensor_value_info("result", *image)
    nodes = nodes or [helper.make_node("Identity", [names[0]], ["result"], name="only")]
    graph = helper.make_graph(nodes, "other", inputs, [output])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def batch() -> tuple[np.ndarray, np.ndarray]:
    image = np.linspace(-1, 1, 3 * 4 * 5, dtype=np.float32).reshape(1, 3, 4, 5)
    return image, (image[:, :1] > -0.5).astype(np.float32)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((FLOAT, ("B", 3, "H", "W")), lambda x: x),
        ((FLOAT, (1, 4, 5, 3)), lambda x: x.transpose(0, 2, 3, 1)),
        ((HALF, ("B", 3, "H", "W")), lambda x: x.astype(np.float16)),
        ((BYTES, ("B", "H", "W", 3)), lambda x: (x * 255).astype(np.uint8).transpose(0, 2, 3, 1)),
    ],
)
@pytest.mark.parametrize("mask", [(FLOAT, ("B", 1, "H", "W")), (BOOL, ("B", 1, "H", "W"))])
def test_a_network_gets_its_own_type_and_layout(
    tmp_path: Path,
    image: tuple[int, Sequence[Any]],
    expected: Any,  # noqa: ANN401
    mask: tuple[int, Sequence[Any]],
) -> None:
    model = AnyModel(write_model(tmp_path / "other.onnx", image=image, mask=mask), threads=1)
    pixels, hole = batch()

    first, second = (model.run(pixels, hole) for _ in range(2))

    np.testing.assert_array_equal(first, expected((pixels + 1) / 2))
    np.testing.assert_array_equal(first, second)


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "other.onnx", names=("image", "hole"))

    with pytest.raises(ContractError, match=r"inputs of other.onnx must be 'image' and 'mask'; go"):
        AnyModel(path, threads=1)


def test_layers_are_listed_by_time(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sin", ["image"], ["a"], name="/first/Sin"),
        helper.make_node("Cos", ["a"], ["result"], name="/second/Cos"),
    ]
    path = write_model(tmp_path / "other.onnx", nodes=nodes)

    layers = profiled(path, *batch(), threads=1)

    assert {(layer.name, layer.kind) for layer in layers} == {
        ("/first/Sin", "Sin"),
        ("/second/Cos", "Cos"),
    }
    assert [layer.ms for layer in layers] == sorted((layer.ms for layer in layers), reverse=True)


def test_a_profile_ends_with_the_sum_of_the_rest() -> None:
    text = profile_text(Path("m.onnx"), [Layer(f"/{n}", "Conv", 1.0) for n in range(20)])

    lines = text.splitlines()
    assert (
        lines[0]
        == "m.onnx, layers in ONNX Runtime, 20.0 ms with the profiler, mean of 10 calls; Conv 100%"
    )
    assert lines[1].split() == ["1.000", "5.0%", "Conv", "/0"]
    assert lines[-1].split() == ["5.000", "25.0%", "5", "others"]


def test_another_network_is_timed_and_not_compared(
    plan: Plan, cases: list[Case], tmp_path: Path, small_checkpoint: Path
) -> None:
    other = write_model(tmp_path / "other.onnx")
    source = ModelSource(model=None, checkpoint=small_checkpoint, external=(other,))
    (candidate,) = source.candidates([], plan, tmp_path)
    run = InterleavedRun(plan, cases[:1], [], tmp_path, progress=lambda _: None)

    with run.opened([candidate]) as (timed, absent):
        run.measure(timed)

    assert absent == []
    assert "another network" in candidate.backend.description
    assert [len(samples) for samples in timed[0].samples] == [2]
    assert timed[0].parities == [None]


def test_another_network_that_returns_nan_is_not_timed(
    plan: Plan, cases: list[Case], tmp_path: Path
) -> None:
    nodes = [
        helper.make_node("Sub", ["image", "image"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["result"]),
    ]
    other = write_model(tmp_path / "other.onnx", nodes=nodes)
    (candidate,) = read_alone(other).candidates([], plan, tmp_path)
    backend = dataclasses.replace(candidate.backend, opener=".any_onnx:AnyModel")
    run = InterleavedRun(plan, cases[:1], [], tmp_path, progress=lambda _: None)

    with (
        pytest.raises(ParityError, match=r"other.onnx returns NaN or infinity on 256x256"),
        run.opened([dataclasses.replace(candidate, backend=backend)]),
    ):
        pass


@pytest.mark.parametrize(
    ("shape", "side"),
    [(("B", 3, "H", "W"), None), ((1, 3, 512, 512), 512), ((1, 512, 512, 3), 512)],
)
def test_the_size_of_a_file_is_read_from_it(
    tmp_path: Path, shape: Sequence[Any], side: int | None
) -> None:
    assert stated_side(write_model(tmp_path / "m.onnx", image=(FLOAT, shape))) == side


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")

    with pytest.raises(ContractError, match=r"m.onnx must be a whole ONNX file"):
        stated_side(tmp_path / "m.onnx")
    with pytest.raises(ContractError, match=r"must be an .onnx or .engine file; got absent.onnx"):
        read_alone(Path("absent.onnx"))
