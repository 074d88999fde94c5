"""Surgery on exported models, and files that are none."""

import copy
import random
from pathlib import Path

import onnx
import pytest
from csakit.export.graph import surgery
from csakit.plugins import spec
from csakit.plugins.errors import ContractError
from helpers.exported import Subject, session_of
from onnx import TensorProto, helper


def test_without_the_function_the_node_stays(fixed: Subject) -> None:
    before = fixed.proto.SerializeToString(deterministic=True)

    stripped = surgery.without_function(fixed.proto)

    assert not stripped.functions
    assert [node.op_type for node in surgery.csa_nodes(stripped)] == [spec.NAME]
    assert stripped.graph == fixed.proto.graph
    assert stripped.metadata_props == fixed.proto.metadata_props
    assert fixed.proto.SerializeToString(deterministic=True) == before


def test_functions_of_others_stay(fixed: Subject) -> None:
    model = copy.deepcopy(fixed.proto)
    model.functions.add(domain="other", name=spec.NAME)
    model.functions.add(domain=spec.DOMAIN, name="Other")

    stripped = surgery.without_function(model)

    assert [(f.domain, f.name) for f in stripped.functions] == [
        ("other", spec.NAME),
        (spec.DOMAIN, "Other"),
    ]


def test_an_ablation_has_no_function_to_remove(ablation: Subject) -> None:
    assert surgery.without_function(ablation.proto) == ablation.proto


def test_probes_make_the_inner_stages_outputs(fixed: Subject) -> None:
    model = copy.deepcopy(fixed.proto)

    names = surgery.add_probes(model)

    assert names == (*surgery.TRACED_OUTPUTS, "matches")
    assert {output.name for output in session_of(model).get_outputs()} == set(names)


def test_an_ablation_has_no_matches_to_probe(ablation: Subject) -> None:
    model = copy.deepcopy(ablation.proto)

    names = surgery.add_probes(model)

    assert "matches" not in names
    assert {value.name for value in model.graph.output} == set(names)


def test_a_model_without_its_function_cannot_be_probed(fixed: Subject) -> None:
    with pytest.raises(ContractError, match=r"CoherentSemanticAttention has no function body"):
        surgery.add_probes(surgery.without_function(fixed.proto))


def test_a_model_is_read_with_its_external_weights(packed: Subject) -> None:
    model = surgery.read(str(packed.path))

    assert all(tensor.raw_data for tensor in model.graph.initializer if len(tensor.dims) == 4)
    assert surgery.metadata_of(model) == surgery.metadata_of(packed.proto)


def test_external_weights_that_are_missing_are_named(packed: Subject, tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(packed.path.read_bytes())
    assert packed.exported.weights is not None

    with pytest.raises(ContractError, match=packed.exported.weights.name):
        surgery.read(str(alone))


def test_what_is_no_whole_model_is_refused(fixed: Subject, tmp_path: Path) -> None:
    whole, path = fixed.path.read_bytes(), tmp_path / "x.onnx"
    cut = [whole[: int(share * len(whole))] for share in (0.0, 0.001, 0.3, 0.9, 0.999)]

    for content in (*cut, *(random.Random(seed).randbytes(1000) for seed in range(20))):
        path.write_bytes(content)
        with pytest.raises(ContractError, match=r"x\.onnx (is not a readable|was not exported)"):
            surgery.read(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"cannot read .*none\.onnx: No such file"):
        surgery.read(str(tmp_path / "none.onnx"))


def test_a_model_of_another_program_is_refused(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    onnx.save(
        helper.make_model(helper.make_graph([node], "foreign", [value], [output])),
        tmp_path / "foreign.onnx",
    )

    with pytest.raises(ContractError, match=r"(?s)not exported by csakit.*csakit export MODEL"):
        surgery.read(str(tmp_path / "foreign.onnx"))


def test_a_model_of_a_newer_format_is_refused(fixed: Subject, tmp_path: Path) -> None:
    model = copy.deepcopy(fixed.proto)
    helper.set_model_props(model, surgery.metadata_of(model) | {"csakit.format": "2"})
    onnx.save(model, tmp_path / "newer.onnx")

    with pytest.raises(ContractError, match=r"(?s)format '2'; this csakit reads 1.*upgrade"):
        surgery.read(str(tmp_path / "newer.onnx"))


def test_a_model_with_tensors_of_other_names_is_refused(fixed: Subject, tmp_path: Path) -> None:
    model = onnx.load(fixed.path)
    model.graph.output[0].name = "result"
    onnx.save(model, tmp_path / "old.onnx")

    with pytest.raises(ContractError, match=r"got image, mask and result\n.*csakit export"):
        surgery.read(str(tmp_path / "old.onnx"))


def test_tensorrt_with_the_plugin_finds_no_function(fixed: Subject) -> None:
    prepared = surgery.for_tensorrt(fixed.proto, plugin=True)

    (node,) = surgery.csa_nodes(prepared)
    assert not prepared.functions
    assert {a.name: a.s.decode() for a in node.attribute} == {
        "similarity": "projection",
        "plugin_version": spec.VERSION,
        "plugin_namespace": spec.NAMESPACE,
    }


def test_tensorrt_without_the_plugin_finds_no_plugin(fixed: Subject) -> None:
    before = fixed.proto.SerializeToString(deterministic=True)

    prepared = surgery.for_tensorrt(fixed.proto, plugin=False)

    (node,) = surgery.csa_nodes(prepared)
    assert prepared.functions == fixed.proto.functions
    assert "plugin_namespace" not in {a.name for a in node.attribute}
    assert fixed.proto.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(prepared, full_check=True)


def test_the_function_must_be_there_where_it_is_needed(fixed: Subject) -> None:
    stripped = surgery.without_function(fixed.proto)

    with pytest.raises(ContractError, match="has no function body in this model"):
        surgery.for_tensorrt(stripped, plugin=False)


def test_an_ablation_needs_neither(ablation: Subject) -> None:
    for plugin in (True, False):
        assert surgery.for_tensorrt(ablation.proto, plugin=plugin).graph == ablation.proto.graph


def test_external_files_are_named_once(packed: Subject, fixed: Subject) -> None:
    assert packed.exported.weights is not None
    assert surgery.external_files(packed.proto) == [packed.exported.weights.name]
    assert surgery.external_files(fixed.proto) == []
