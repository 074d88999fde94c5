"""An engine takes the shapes that its model was exported for, and says which where it does not."""

import copy

import onnx
import pytest
from csakit.export.engine.config import BuildConfig, parse_span
from csakit.export.engine.profiles import resolve_shapes
from csakit.plugins.errors import ContractError
from csakit.runtime.contract import META_MAX_BATCH
from csakit.runtime.engine.shapes import ShapeRange, Span
from helpers.exported import Subject


def resolve(
    subject: Subject | onnx.ModelProto, batch: str | None = None, size: str | None = None
) -> ShapeRange:
    model = subject.proto if isinstance(subject, Subject) else subject
    spans = {"batch": batch, "size": size}
    given = {name: parse_span(f"--{name}", text) for name, text in spans.items() if text}
    return resolve_shapes(model, BuildConfig(builder="tensorrt-rtx", **given))


def limited(subject: Subject, most: str) -> onnx.ModelProto:
    model = copy.deepcopy(subject.proto)
    next(p for p in model.metadata_props if p.key == META_MAX_BATCH).value = most
    return model


def test_fixed_models_need_no_options(fixed: Subject) -> None:
    assert str(resolve(fixed)) == "--batch 1 --size 256"
    assert resolve(fixed, "1:1:1", "256") == resolve(fixed)


def test_free_models_have_defaults(dynamic: Subject, packed: Subject, half: Subject) -> None:
    assert str(resolve(dynamic)) == str(resolve(packed)) == "--batch 1:1:8 --size 256:512:1024"
    assert str(resolve(half)) == "--batch 1:1:8 --size 256"


def test_free_models_take_what_is_asked_for(packed: Subject) -> None:
    assert str(resolve(packed, "2:4:16", "512")) == "--batch 2:4:16 --size 512"


def test_the_largest_batch_of_the_export_bounds_the_default(half: Subject) -> None:
    assert resolve(limited(half, "4")).batch == Span(1, 1, 4)
    assert resolve(limited(half, "16")).batch == Span(1, 1, 8)
    assert resolve(limited(half, "4"), "1:4:4").batch == Span(1, 4, 4)


def test_a_larger_batch_than_exported_is_refused(half: Subject) -> None:
    with pytest.raises(ContractError, match=r"at most 4; got --batch 1:1:8\nUse --batch 1:1:4"):
        resolve(limited(half, "4"), "1:1:8")


@pytest.mark.parametrize(("batch", "size"), [("1:1:2", None), ("2", None), (None, "512")])
def test_a_fixed_model_takes_nothing_else(
    fixed: Subject, batch: str | None, size: str | None
) -> None:
    with pytest.raises(ContractError, match=r"the model takes --(batch 1|size 256) and nothing"):
        resolve(fixed, batch, size)


def test_a_model_without_square_sides_is_refused(fixed: Subject) -> None:
    model = copy.deepcopy(fixed.proto)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 512

    with pytest.raises(ContractError, match=r"square or free sizes; the model has 512 x 256"):
        resolve(model)


def test_a_model_without_an_image_is_refused(fixed: Subject) -> None:
    model = copy.deepcopy(fixed.proto)
    del model.graph.input[0].type.tensor_type.shape.dim[3]

    with pytest.raises(ContractError, match="no input 'image' of rank 4"):
        resolve(model)
