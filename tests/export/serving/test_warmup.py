"""The requests that a server warms up with can be answered."""

from pathlib import Path

import numpy as np
import pytest
from csakit.export.serving.model_io import ModelIO, form_of_model
from csakit.export.serving.options import ServingOptions
from csakit.export.serving.warmup import centre_hole, file_name, picture, write_files
from csakit.runtime.files.onnx_header import read_onnx_header
from helpers.exported import Subject


def form_of(subject: Subject) -> ModelIO:
    return form_of_model(subject.path, read_onnx_header(subject.path), ServingOptions())


@pytest.mark.parametrize("name", ["packed", "fixed"])
def test_the_files_are_inputs_that_the_model_repairs(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    subject: Subject = request.getfixturevalue(name)
    form = form_of(subject)

    write_files(form, tmp_path)

    dtype = np.uint8 if form.io == "uint8" else np.float32
    image, hole = (
        np.fromfile(tmp_path / "warmup" / file_name(tensor, (256, 256)), dtype).reshape(
            [-1, *form.dims(tensor, (256, 256))][form.max_batch == 0 :]
        )
        for tensor in ("image", "mask")
    )
    result = subject.run(image, hole)
    assert result.shape == image.shape
    assert np.isfinite(result).all()
    assert hole.mean() == 0.25
    known = np.broadcast_to(hole == 0, image.shape)
    assert (result[known] == image[known]).all()
    assert (result[~known] != image[~known]).any()


def test_the_picture_is_not_flat_and_may_be_oblong() -> None:
    drawn = picture((256, 512))

    assert drawn.shape == (256, 512, 3)
    assert drawn.std(axis=(0, 1)).min() > 50
    assert centre_hole((256, 512)).shape == (256, 512, 1)
