"""What Triton is told that a model takes."""

from pathlib import Path
from typing import Any

import pytest
from csakit.export.serving.model_io import ModelIO, form_of_engine, form_of_model
from csakit.export.serving.options import ServingOptions
from csakit.plugins.errors import ContractError, EngineError
from csakit.runtime.engine.shapes import Span
from csakit.runtime.files.onnx_header import read_onnx_header
from helpers.exported import Subject

from .conftest import SHAPES, manifest_for, profile, tensors


def of_model(subject: Subject, **options: Any) -> ModelIO:  # noqa: ANN401
    return form_of_model(subject.path, read_onnx_header(subject.path), ServingOptions(**options))


def test_a_model_of_free_batch_and_size_is_declared_without_its_batch(packed: Subject) -> None:
    form = of_model(packed)

    assert (form.io, form.max_batch, form.size, form.dtype) == ("uint8", 8, None, "TYPE_UINT8")
    assert form.dims("image") == [-1, -1, 3]
    assert form.dims("mask", (256, 512)) == [256, 512, 1]
    assert str(form.sides) == "256:256:2048"


def test_floats_have_their_channels_first(dynamic: Subject) -> None:
    form = of_model(dynamic, max_batch=3, size=512)

    assert (form.max_batch, form.dtype, form.warm_size) == (3, "TYPE_FP32", (512, 512))
    assert form.dims("output") == [3, -1, -1]


def test_a_fixed_batch_is_a_dimension_and_nothing_is_batched(fixed: Subject) -> None:
    form = of_model(fixed)

    assert (form.max_batch, form.batch, form.size) == (0, 1, (256, 256))
    assert form.dims("mask") == [1, 1, 256, 256]
    assert str(form.sides) == "256"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_batch": 4}, "takes batches of 1 and nothing else, so Triton cannot batch for it"),
        ({"preferred": (1,)}, "Leave --max-batch and --preferred out"),
        ({"size": 512}, r"takes images of 256 x 256 \(width x height\) and nothing else"),
    ],
)
def test_options_for_shapes_that_a_fixed_model_lacks_are_refused(
    fixed: Subject, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ContractError, match=text):
        of_model(fixed, **options)


def test_batches_that_never_form_are_not_waited_for(packed: Subject) -> None:
    with pytest.raises(ContractError, match="--preferred must be up to the largest batch, 4; got"):
        of_model(packed, max_batch=4, preferred=(2, 8))


def of_engine(model: Path, options: ServingOptions, **fields: Any) -> ModelIO:  # noqa: ANN401
    return form_of_engine(Path("x.engine"), manifest_for(model, **fields), options)


def test_an_engine_takes_what_its_profile_says(packed: Subject) -> None:
    form = of_engine(packed.path, ServingOptions(max_batch=100))

    assert (form.max_batch, form.size, form.sides) == (8, None, Span(256, 512, 1024))
    assert form.warm_size == (512, 512)


def test_an_engine_of_fixed_shapes_is_declared_whole(packed: Subject) -> None:
    shapes = {name: (1, 3 if name != "mask" else 1, 256, 256) for name in SHAPES}

    form = of_engine(
        packed.path,
        ServingOptions(),
        io="float",
        tensors=tensors(shapes, "float32"),
        profiles=profile((1, 1, 1), (256, 256, 256)),
    )

    assert (form.max_batch, form.batch, form.size) == (0, 1, (256, 256))
    assert form.dims("image") == [1, 3, 256, 256]


def test_an_engine_that_takes_no_single_image_is_refused(packed: Subject) -> None:
    with pytest.raises(EngineError, match=r"takes batches from 4 on.*\n.*--batch 1:4:8"):
        of_engine(packed.path, ServingOptions(), profiles=profile((4, 4, 8), (256, 256, 256)))


def test_an_engine_is_not_warmed_up_outside_of_its_profile(packed: Subject) -> None:
    with pytest.raises(ContractError, match="takes sides of 256:512:1024 pixels; got --size 2048"):
        of_engine(packed.path, ServingOptions(size=2048))
