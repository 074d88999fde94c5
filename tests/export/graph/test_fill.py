"""The fill of an exported file is the fill of the networks."""

import numpy as np
import onnx
import pytest
import torch
from csakit.export.graph.fill import PLACEHOLDER, expand_fills
from csakit.export.graph.surgery import IR_VERSION, OPSET
from csakit.plugins import spec
from csakit.train.masks import centre_hole, freeform_hole
from csakit.train.networks.fill import LEVELS, harmonic_fill
from helpers.exported import Floats, session_of
from helpers.features import image_like
from onnx import TensorProto, helper

LIMIT = 1e-5  # what trained weights may see change


def fill_model(channels: int, levels: int) -> onnx.ModelProto:
    """Create a model of one fill, of any batch and size."""
    shape = ["batch", channels, "height", "width"]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("missing", TensorProto.BOOL, ["batch", 1, *shape[2:]]),
    ]
    output = helper.make_tensor_value_info("filled", TensorProto.FLOAT, shape)
    node = helper.make_node(
        PLACEHOLDER,
        ["image", "missing"],
        ["filled"],
        name=f"/interpolate/{PLACEHOLDER}",
        domain=spec.DOMAIN,
        levels=levels,
        channels=channels,
    )
    model = helper.make_model(
        helper.make_graph([node], "fill", inputs, [output]),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    expand_fills(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def hole_of(kind: str, height: int, width: int) -> np.ndarray:
    border = np.zeros((height, width), dtype=bool)
    border[: height // 3, width // 2 :] = border[-5:] = True
    return {
        "centre": centre_hole(height, width),
        "strokes": freeform_hole(height, width, np.random.default_rng(3)),
        "border": border,
        "none": np.zeros((height, width), dtype=bool),
        "all": np.ones((height, width), dtype=bool),
    }[kind]


def filled(model: onnx.ModelProto, image: Floats, missing: np.ndarray) -> Floats:
    result: Floats = session_of(model).run(None, {"image": image, "missing": missing})[0]
    return result


@pytest.mark.parametrize(
    ("channels", "levels", "height", "width"), [(3, LEVELS, 256, 384), (1, 5, 32, 64)]
)
def test_it_equals_the_fill_of_the_networks(
    rng: np.random.Generator, channels: int, levels: int, height: int, width: int
) -> None:
    kinds = ("centre", "strokes", "border", "none", "all")
    image = image_like(rng, 3 * len(kinds), height, width)[:, :channels][: len(kinds)]
    missing = np.stack([hole_of(kind, height, width)[None] for kind in kinds])

    found = filled(fill_model(channels, levels), image, missing)

    expected = harmonic_fill(torch.from_numpy(image), torch.from_numpy(missing), levels).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=LIMIT)
    known = np.broadcast_to(~missing, image.shape)
    np.testing.assert_array_equal(found[known], image[known])


def test_one_known_pixel_fills_all_others(rng: np.random.Generator) -> None:
    image, missing = image_like(rng, 1, 256, 256), np.ones((1, 1, 256, 256), dtype=bool)
    missing[..., 7, 20] = False

    found = filled(fill_model(3, LEVELS), image, missing)

    # Rounding grows with the size of a hole; in torch it is 2e-4 where 16 pixels are known.
    assert np.abs(found - image[..., 7:8, 20:21]).max() < 5e-4


@pytest.mark.parametrize("under", [0.0, 1e30, np.nan, np.inf], ids=str)
def test_what_is_under_the_hole_plays_no_part(rng: np.random.Generator, under: float) -> None:
    image = image_like(rng, 1, 256, 256)
    missing = hole_of("strokes", 256, 256)[None, None]
    model = fill_model(3, LEVELS)

    other = filled(model, np.where(missing, np.float32(under), image), missing)

    np.testing.assert_array_equal(other, filled(model, image, missing))


def test_every_node_has_a_name_of_its_own_below_its_layer() -> None:
    names = [node.name for node in fill_model(3, LEVELS).graph.node]

    assert len(set(names)) == len(names)
    assert all(name.startswith("/interpolate/") for name in names)
    assert "/interpolate/estimate/level3/Conv" in names
    assert "/interpolate/cycle1/level6/AveragePool" in names
