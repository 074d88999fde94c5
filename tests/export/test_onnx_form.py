"""An exported file has the form that the contract promises, whoever reads it."""

import importlib.metadata
import re
from pathlib import Path

import onnx
import onnx.shape_inference
import pytest
from csakit.export.graph import surgery
from csakit.plugins import spec
from csakit.runtime import contract
from csakit.runtime.files.atomic import sha256
from helpers.exported import Subject
from onnx import TensorProto

FORMS = ("dynamic", "packed", "fixed", "half")


@pytest.fixture(params=FORMS)
def subject(request: pytest.FixtureRequest) -> Subject:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Subject)
    return found


def ends(model: onnx.ModelProto) -> dict[str, tuple[int, list[int | str]]]:
    """Return type and shape of inputs and outputs, by name."""
    return {
        value.name: (
            value.type.tensor_type.elem_type,
            [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim],
        )
        for value in (*model.graph.input, *model.graph.output)
    }


@pytest.mark.parametrize(
    ("form", "kind", "shape"),  # of the image; the mask has one channel
    [
        ("dynamic", TensorProto.FLOAT, ["batch", 3, "height", "width"]),
        ("packed", TensorProto.UINT8, ["batch", "height", "width", 3]),
        ("half", TensorProto.FLOAT, ["batch", 3, 256, 256]),
        ("fixed", TensorProto.FLOAT, [1, 3, 256, 256]),
    ],
)
def test_a_form_decides_the_ends(
    request: pytest.FixtureRequest, form: str, kind: int, shape: list[int | str]
) -> None:
    subject: Subject = request.getfixturevalue(form)

    assert ends(subject.proto) == {
        "image": (kind, shape),
        "mask": (kind, [1 if length == 3 else length for length in shape]),
        "output": (kind, shape),
    }


def test_the_attention_is_one_node_with_one_function_of_its_name(subject: Subject) -> None:
    (node,) = surgery.csa_nodes(subject.proto)
    (function,) = subject.proto.functions

    assert (node.domain, node.op_type, node.name) == (spec.DOMAIN, spec.NAME, spec.NAME)
    assert {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute} == {
        "similarity": subject.model.config.similarity.encode(),
        "plugin_version": spec.VERSION.encode(),
        "plugin_namespace": spec.NAMESPACE.encode(),
    }
    assert (function.domain, function.name) == (spec.DOMAIN, spec.NAME)
    assert len(node.input) == len(function.input)
    assert len(node.output) == len(function.output)


def test_all_other_nodes_are_standard_operators_with_names_of_their_own(subject: Subject) -> None:
    others = [node for node in subject.proto.graph.node if node.domain != spec.DOMAIN]

    assert {node.domain for node in others} == {""}
    assert all(node.name for node in others)
    assert len({node.name for node in others}) == len(others)
    assert {o.domain: o.version for o in subject.proto.opset_import} == {
        "": surgery.OPSET,
        spec.DOMAIN: int(spec.VERSION),
    }


def test_the_oldest_allowed_onnx_runtime_can_read_the_file(subject: Subject) -> None:
    assert subject.proto.ir_version == 9  # "max supported IR version: 9", says 1.17
    assert surgery.OPSET <= 20


def test_the_ablations_have_neither_node_nor_function(ablation: Subject) -> None:
    model = ablation.proto

    assert not surgery.csa_nodes(model)
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}
    assert surgery.metadata_of(model)[contract.META_ATTENTION] == ablation.model.config.attention


def test_the_file_passes_the_full_check_and_strict_shape_inference(subject: Subject) -> None:
    onnx.checker.check_model(str(subject.path), full_check=True)
    inferred = onnx.shape_inference.infer_shapes(
        onnx.load(subject.path), check_type=True, strict_mode=True, data_prop=True
    )

    assert ends(inferred) == ends(subject.proto)


def test_every_inner_tensor_has_a_rank(subject: Subject) -> None:
    known = {v.name for v in subject.proto.graph.value_info if v.type.tensor_type.HasField("shape")}

    produced = {name for node in subject.proto.graph.node for name in node.output if name}

    assert produced - known <= {contract.OUTPUT}


def test_the_metadata_says_where_the_model_comes_from(subject: Subject) -> None:
    config, form = subject.model.config, subject.config

    assert surgery.metadata_of(subject.proto) == {
        "csakit.format": "1",
        "csakit.version": importlib.metadata.version("csakit"),
        "csakit.checkpoint_sha256": sha256(subject.checkpoint),
        "csakit.target": "generic",
        "csakit.precision": form.precision,
        "csakit.io": form.io,
        "csakit.similarity": config.similarity,
        "csakit.attention": "csa",
        "csakit.fill": config.fill,
        "csakit.prediction": config.prediction,
        "csakit.trained_hole": "",
        "csakit.max_batch": str(form.max_batch or ""),
        "csakit.width": "4",
    }


def test_the_file_names_its_producer_and_documents_its_ends(subject: Subject) -> None:
    model, version = subject.proto, importlib.metadata.version("csakit")
    sides = subject.config.size == "dynamic"

    assert (model.producer_name, model.producer_version) == ("csakit", version)
    assert "missing pixels" in model.graph.doc_string
    image, mask = (value.doc_string for value in model.graph.input)
    assert ("[-1, 1]" in image) is (subject.config.io == "float")
    assert "where a pixel is missing" in mask
    for text in (image, mask, model.graph.output[0].doc_string):
        assert ("multiples of 256" in text) is sides


def test_nodes_and_tensors_are_named_after_their_modules(subject: Subject) -> None:
    modules = {"/" + re.sub(r"\.(?!\d)", "/", n) for n, _ in subject.model.named_modules() if n}
    graph = subject.proto.graph
    nodes = {node.name: node for node in graph.node}

    widen = nodes["/refinement/levels.2/widen/Conv"]
    assert widen.input[1:] == ["refinement.levels.2.widen.weight", "refinement.levels.2.widen.bias"]
    assert list(nodes["/rough/levels.1/down/Conv"].output) == ["/rough/levels.1/down/Conv"]
    scopes = {name.rpartition("/")[0] for name in nodes if name != spec.NAME}
    assert scopes - {""} <= modules
    assert set(subject.model.state_dict()) <= {tensor.name for tensor in graph.initializer}


def test_nothing_of_the_exporting_machine_is_left_in_the_file(subject: Subject) -> None:
    model = subject.proto

    assert not any(node.doc_string for node in model.graph.node)
    assert not any(item.metadata_props for item in (*model.graph.node, *model.graph.input))
    home, here = str(Path.home()).encode(), str(Path(__file__).parents[2]).encode()
    content = subject.path.read_bytes()
    assert not re.search(rb"site-packages|\.py\b|File \"", content)
    assert home + b"/" not in content
    assert here not in content
    assert b"torch" not in content


def test_half_precision_weights_are_stored_in_half_precision(half: Subject, fixed: Subject) -> None:
    convolutions = [node for node in half.proto.graph.node if node.op_type.startswith("Conv")]
    stored = {tensor.name: tensor.data_type for tensor in half.proto.graph.initializer}

    kinds = {stored[name] for node in convolutions for name in node.input[1:]}

    assert kinds == {TensorProto.FLOAT16}
    assert half.path.stat().st_size < 0.6 * fixed.path.stat().st_size


def test_half_precision_pools_the_mask_in_float32(half: Subject) -> None:
    types = {v.name: v.type.tensor_type.elem_type for v in half.proto.graph.value_info}
    (csa,) = surgery.csa_nodes(half.proto)

    pools = [node for node in half.proto.graph.node if node.op_type == "AveragePool"]

    assert len(pools) == 3
    assert {types[node.input[0]] for node in pools} == {TensorProto.FLOAT}
    assert [types[name] for name in csa.input] == [TensorProto.FLOAT16, TensorProto.FLOAT]


def test_external_weights_are_in_the_file_that_the_model_names(packed: Subject) -> None:
    named = {
        entry.value
        for tensor in packed.proto.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }

    weights = packed.exported.weights
    assert weights is not None
    assert named == {weights.name}
    assert weights.parent == packed.path.parent
    assert weights.name == f"model-{sha256(weights)[:8]}.weights"
    assert weights.stat().st_mode == packed.path.stat().st_mode
    assert packed.path.stat().st_size < 0.2 * weights.stat().st_size


def test_an_export_leaves_the_named_files_and_no_other(subject: Subject) -> None:
    files = {path for path in (subject.path, subject.exported.weights) if path}

    assert subject.left == files
