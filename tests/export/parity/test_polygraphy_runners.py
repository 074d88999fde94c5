"""TensorRT for RTX builds what `--layerwise` runs: an engine with its stages marked."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from csakit.export.config import ExportConfig
from csakit.export.graph import surgery
from csakit.export.parity.cases import export_cases
from csakit.export.parity.layerwise import compare_stages, engine_side, onnx_side
from csakit.export.parity.polygraphy_runners import (
    choose_tensorrt,
    mark_stages,
    marked_network,
    marked_plan,
    quiet,
    tensorrt_runner,
)
from csakit.export.parity.probe import ExportedModel
from csakit.plugins.architectures import devices
from csakit.plugins.errors import EngineError
from csakit.runtime.engine.compatibility import HostCapabilities
from csakit.runtime.engine.manifest import Manifest, Precision
from csakit.runtime.engine.shapes import ShapeRange, Span
from csakit.runtime.files.engine_header import read_plan_header
from helpers.engines import make_manifest
from helpers.exported import Subject

STAGES = ("output", "rough", "features", "attended", "matches")
CASE = export_cases(ExportConfig(size=256))[0]


@pytest.fixture(autouse=True)
def _rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")


def test_the_stages_get_the_types_that_tensorrt_wants(half: Subject) -> None:
    model = surgery.for_tensorrt(half.proto, plugin=False)

    assert mark_stages(model) == STAGES
    assert [output.name for output in model.graph.output] == [*STAGES]
    assert all(output.type.tensor_type.elem_type for output in model.graph.output)


def test_without_its_function_body_csa_hides_the_matches(fixed: Subject) -> None:
    model = surgery.for_tensorrt(fixed.proto, plugin=True)

    assert mark_stages(model) == STAGES[:-1]


def test_a_model_without_csa_has_no_matches(ablation: Subject) -> None:
    model = surgery.for_tensorrt(ablation.proto, plugin=False)

    assert "matches" not in mark_stages(model)


def described(subject: Subject, batch: tuple[int, ...] = (1, 1, 1)) -> Manifest:
    """A manifest as a build of the subject by TensorRT for RTX has."""
    return make_manifest(
        io=subject.config.io,
        precision=Precision(audited=subject.config.precision, evidence={}),
        profiles=(ShapeRange(batch=Span(*batch), size=Span(256, 256, 256)),),
    )


def outputs_of(network: Any) -> list[str]:  # noqa: ANN401
    return [network[1].get_output(index).name for index in range(network[1].num_outputs)]


@pytest.mark.parametrize(
    ("form", "batch"), [("fixed", (1, 1, 1)), ("half", (1, 1, 2))], ids=["fp32", "fp16"]
)
def test_an_engine_with_marked_stages_is_built_without_a_gpu(
    request: pytest.FixtureRequest, form: str, batch: tuple[int, ...], tmp_path: Path
) -> None:
    subject: Subject = request.getfixturevalue(form)
    model = surgery.for_tensorrt(subject.proto, plugin=False)
    stages = mark_stages(model)

    network = marked_network(model, stages, "tensorrt_rtx")
    (tmp_path / "marked.engine").write_bytes(
        bytes(marked_plan(network, described(subject, batch), "sm_86"))
    )

    assert outputs_of(network) == [*STAGES]
    header = read_plan_header(tmp_path / "marked.engine")
    assert header is not None
    assert header.bytes == (tmp_path / "marked.engine").stat().st_size


def test_all_floating_point_tensors_of_the_graph_can_be_marked(fixed: Subject) -> None:
    model = surgery.for_tensorrt(fixed.proto, plugin=False)
    mark_stages(model)
    named = [name for node in model.graph.node for name in node.output]

    found = outputs_of(marked_network(model, [*named, "nowhere"], "tensorrt_rtx"))

    assert {*STAGES} < {*found} < {*named}
    assert len(found) > 150
    assert "gt" not in found  # a mask of booleans


def test_what_the_parser_refuses_is_an_error(fixed: Subject) -> None:
    model = surgery.for_tensorrt(fixed.proto, plugin=False)
    mark_stages(model)
    model.graph.node[0].op_type = "Nonsense"

    with pytest.raises(EngineError, match="parsing the model with TensorRT failed"):
        marked_network(model, STAGES, "tensorrt_rtx")


def test_the_side_of_an_engine_is_what_its_manifest_says(half: Subject) -> None:
    manifest = described(half, batch=(1, 2, 2))
    here = HostCapabilities(gpus=("sm_86",), modules={"tensorrt_rtx": "1.7.1.116"}, plugin=False)

    side, prepared = engine_side(
        Path("m.engine"), manifest, half.proto, ExportedModel(half.path, half.proto), here
    )

    assert (side.precision, side.io, side.batch, side.size) == ("fp16", "float", 2, (256, 256))
    assert side.stages == STAGES
    assert prepared.functions  # the body of CSA: this TensorRT has no plugins


def test_one_process_has_one_tensorrt(fixed: Subject) -> None:
    model = surgery.for_tensorrt(fixed.proto, plugin=False)
    mark_stages(model)
    marked_network(model, STAGES, "tensorrt_rtx")

    with pytest.raises(EngineError, match="has loaded the other; got tensorrt"):
        choose_tensorrt("tensorrt")
    choose_tensorrt("tensorrt_rtx")


def test_polygraphy_prints_nothing_and_raises_our_errors(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from polygraphy.logger import G_LOGGER

    def give_up() -> None:
        with quiet("trying"):
            G_LOGGER.error("not said")
            G_LOGGER.critical("no luck")

    with pytest.raises(EngineError, match=r"trying failed: no luck\nSee: csakit doctor"):
        give_up()

    assert "not said" not in "".join(capfd.readouterr())


@pytest.mark.skipif(bool(devices()), reason="there is a GPU")
def test_a_marked_engine_that_cannot_be_opened_here_says_so(fixed: Subject) -> None:
    model = surgery.for_tensorrt(fixed.proto, plugin=False)
    stages = mark_stages(model)
    network = marked_network(model, stages, "tensorrt_rtx")
    runner = tensorrt_runner(marked_plan(network, described(fixed), "sm_86"), "m.engine")
    reference, _ = onnx_side(fixed.path)
    engine = dataclasses.replace(reference, name="m.engine", runner=lambda _: runner)

    with pytest.raises(
        EngineError, match=r"running m\.engine failed: Could not deserialize engine"
    ):
        compare_stages(engine, reference, [CASE])
