"""Two runners of Polygraphy are compared tensor by tensor, on the same limits as everything."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from csakit.export.cli.verify import main
from csakit.export.config import ExportConfig
from csakit.export.parity.cases import export_cases, oblong_case
from csakit.export.parity.layerwise import (
    Side,
    compare_stages,
    compare_tensors,
    onnx_side,
    reference_tensor,
)
from csakit.export.parity.probe import Probe
from csakit.export.parity.tensor_pairs import pair_tensors
from csakit.plugins.errors import ContractError, EngineError
from helpers.exported import WEIGHT, Subject, set_weight

from ..conftest import Alter

CASE = export_cases(ExportConfig(size=256))[0]
STAGES = ["rough", "features", "matches", "attended", "output"]


def side(subject: Subject | Path) -> Side:
    return onnx_side(subject if isinstance(subject, Path) else subject.path)[0]


def test_stages_of_two_precisions_are_held_against_the_coarser_limits(
    fixed: Subject, half: Subject
) -> None:
    report = compare_stages(side(fixed), side(half), [CASE])

    assert report.passed
    assert report.precision == "fp16"
    assert [stage.stage for stage in report.worst()] == STAGES
    assert 0 < report.worst()[0].max_abs < 1e-2


def test_polygraphy_gives_what_the_probe_gives(fixed: Subject) -> None:
    found = {name: reference_tensor(side(fixed), name, CASE) for name in ("features", "output")}

    expected = Probe(fixed.path).run(CASE)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


def test_bytes_are_compared_with_floats_on_images_of_any_size(
    dynamic: Subject, packed: Subject
) -> None:
    cases = [CASE, oblong_case()]

    report = compare_stages(side(packed), side(dynamic), cases)

    assert report.passed
    assert (report.io, report.precision) == ("uint8", "fp32")
    assert [parity.case.name for parity in report.cases] == [case.name for case in cases]
    assert report.worst()[-1].max_abs < 1 / 127.5


def test_a_side_may_want_several_images_at_once(dynamic: Subject) -> None:
    two = dataclasses.replace(side(dynamic), batch=2)

    assert compare_stages(two, side(dynamic), [CASE]).passed


def test_all_tensors_of_another_export_agree(fixed: Subject, for_ort: Subject) -> None:
    model, proto = onnx_side(for_ort.path)
    reference, other = onnx_side(fixed.path)

    tensors = compare_tensors(model, reference, pair_tensors(proto, other), CASE)

    assert len(tensors) > 110
    assert [t.stage for t in tensors if t.stage in STAGES] == STAGES
    assert [t.stage for t in tensors if not t.passed] == []
    assert max(t.max_relative for t in tensors) < 1e-4
    assert max(t.max_abs for t in tensors) > 0  # they were computed in different ways


@pytest.mark.parametrize("value", [3.0, np.nan])
def test_the_first_tensor_that_diverges_is_the_one_whose_weight_is_wrong(
    fixed: Subject, altered: Alter, value: float
) -> None:
    model, proto = onnx_side(altered(lambda graph: set_weight(graph, value)))
    reference, other = onnx_side(fixed.path)

    tensors = compare_tensors(model, reference, pair_tensors(proto, other), CASE)

    first = next(tensor for tensor in tensors if not tensor.passed)
    (node,) = (node for node in proto.graph.node if first.stage in node.output)
    assert WEIGHT in node.input
    assert not tensors[-1].passed


def test_a_size_that_a_side_does_not_take_is_refused(fixed: Subject, dynamic: Subject) -> None:
    with pytest.raises(ContractError, match=r"takes images of \(256, 256\); .* has \(512, 256\)"):
        compare_stages(side(fixed), side(dynamic), [oblong_case()])


def test_a_tensor_that_a_model_lacks_is_an_error_of_ours(fixed: Subject) -> None:
    with pytest.raises(EngineError, match=r"marking outputs failed: .*nowhere"):
        reference_tensor(side(fixed), "nowhere", CASE)


def test_inner_tensors_that_diverge_are_named_and_fail_nothing(
    half: Subject, fixed: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "case.npz", image=CASE.image, hole=CASE.hole)
    options = ["--layerwise", "--all-tensors", "--case", str(tmp_path / "case.npz")]

    code = main([str(half.path), "--against", str(fixed.path), *options])

    printed = capsys.readouterr().out
    assert code == 0  # random weights: half precision shows in narrow layers, not in the result
    assert "first tensor that diverges, though the stages keep their limits: " in printed
    assert "PASSED: 1 images, fp16" in printed
