"""The pipeline fills the hole, and only the hole, from what is known."""

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.runtime.contract import FILL_RGB
from csakit.train import CSAInpainter, ModelConfig
from csakit.train.networks.fill import harmonic_fill
from csakit.train.networks.inpainter import RoughStage
from helpers.features import image_like
from helpers.models import make_model
from torch import Tensor, nn

RESIDUAL = ModelConfig(width=4, fill="interpolated", prediction="residual")


@pytest.fixture
def image(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(image_like(rng, 1, 256, 256))


@pytest.fixture
def hole() -> Tensor:
    """A rectangle, a speck, and the first pixel."""
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 90:170, 40:130] = hole[..., 200, 10] = hole[..., 0, 0] = 1.0
    return hole


def known(image: Tensor, hole: Tensor) -> Tensor:
    return image[(hole == 0).expand_as(image)]


def missing(image: Tensor, hole: Tensor) -> Tensor:
    return image[(hole == 1).expand_as(image)]


def test_known_pixels_are_the_input_bit_for_bit(
    small_model: CSAInpainter, image: Tensor, hole: Tensor
) -> None:
    image[..., 5:9, 5:9] = 3.0  # even where the input leaves its range

    result = small_model(image, hole)

    assert known(result, hole).equal(known(image, hole))


def test_hole_pixels_are_the_refined_ones_clamped(
    small_model: CSAInpainter, image: Tensor, hole: Tensor
) -> None:
    stages = small_model.stages(image, hole)

    assert stages.refined.abs().max() > 1
    assert missing(stages.result, hole).equal(missing(stages.refined, hole).clamp(-1, 1))
    assert not missing(stages.result, hole).equal(missing(image, hole))


@pytest.mark.parametrize("form", ["absolute", "residual"])
@pytest.mark.parametrize("under", [0.0, -1.0, 1e30, float("nan"), float("inf")])
def test_what_is_under_the_hole_does_not_matter(
    small_model: CSAInpainter, image: Tensor, hole: Tensor, under: float, form: str
) -> None:
    model = small_model if form == "absolute" else CSAInpainter(RESIDUAL).eval()
    other = torch.where(hole > 0, torch.tensor(under), image)

    with torch.no_grad():
        assert model(other, hole).equal(model(image, hole))


def test_what_is_known_does_matter(small_model: CSAInpainter, image: Tensor, hole: Tensor) -> None:
    other = torch.where(hole > 0, image, -image)

    difference = missing(small_model(other, hole), hole) - missing(small_model(image, hole), hole)

    assert difference.abs().mean() > 0.01


def test_a_batch_equals_its_images_one_by_one(
    small_model: CSAInpainter, rng: np.random.Generator
) -> None:
    images = torch.from_numpy(image_like(rng, 3, 256, 256))
    holes = torch.zeros(3, 1, 256, 256)
    holes[0, :, 68:188, 68:188] = 1.0
    holes[1, :, :60, 100:] = 1.0

    together = small_model(images, holes)

    for i in range(3):
        alone = small_model(images[i : i + 1], holes[i : i + 1])
        # convolutions of another batch size sum in another order; measured 1e-6
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-4)


def test_a_grey_mask_is_a_hole_above_one_half(
    small_model: CSAInpainter, image: Tensor, hole: Tensor
) -> None:
    grey = torch.where(hole > 0, torch.tensor(0.51), torch.tensor(0.5))

    assert small_model(image, grey).equal(small_model(image, hole))


def test_an_image_that_is_all_hole_gives_something_in_range(
    small_model: CSAInpainter, image: Tensor
) -> None:
    with torch.no_grad():
        for model in (small_model, CSAInpainter(RESIDUAL).eval()):
            assert model(image, torch.ones(1, 1, 256, 256)).abs().max() <= 1


def test_each_network_sees_in_the_hole_what_it_was_trained_with(
    small_model: CSAInpainter, image: Tensor, hole: Tensor
) -> None:
    seen: dict[nn.Module, Tensor] = {}
    networks = (small_model.rough, small_model.refinement)
    hooks = [
        network.register_forward_pre_hook(lambda module, args: seen.update({module: args[0]}))
        for network in networks
    ]

    stages = small_model.stages(image, hole)

    for hook in hooks:
        hook.remove()
    rough_input, (composite, emptied) = seen[networks[0]], seen[networks[1]].chunk(2, dim=1)
    colour = torch.tensor([2 * value / 255 - 1 for value in FILL_RGB])
    torch.testing.assert_close(rough_input[0, :, 100, 100], colour)
    for picture in (rough_input, composite, emptied):
        assert known(picture, hole).equal(known(image, hole))
    assert missing(composite, hole).equal(missing(stages.rough, hole))
    assert not missing(emptied, hole).any()


def test_half_precision_networks_keep_their_ends_in_float32(image: Tensor, hole: Tensor) -> None:
    model = make_model().requires_grad_(False)
    expected = model.stages(image, hole)
    model.rough.half()
    model.refinement.half()

    stages = model.stages(image, hole)

    assert model.dtype == stages.features.dtype == torch.float16
    assert stages.result.dtype == stages.refined.dtype == stages.rough.dtype == torch.float32
    assert known(stages.result, hole).equal(known(image, hole))
    error = (missing(stages.result, hole) - missing(expected.result, hole)).abs()
    assert error.mean() < 0.02  # 2.5 of the 255 steps of an 8-bit image


@pytest.mark.parametrize(
    ("shape", "hole_shape", "message"),
    [
        *(
            (shape, (1, 1, 256, 256), r"image must be \(B, 3, H, W\); got shape")
            for shape in ((3, 256, 256), (1, 1, 256, 256), (1, 4, 256, 256))
        ),
        *(
            ((1, 3, 256, 256), shape, r"hole must be \(B, 1, H, W\) with B, H, W of the im")
            for shape in ((256, 256), (1, 256, 256), (2, 1, 256, 256), (1, 1, 256, 512))
        ),
        *(
            ((1, 3, *size), (1, 1, *size), r"each side must be a .*multiple of 256; got \(")
            for size in ((255, 256), (256, 300), (128, 128), (0, 256))
        ),
        ((0, 3, 256, 256), (0, 1, 256, 256), "at least one image; got none"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    small_model: CSAInpainter, shape: tuple[int, ...], hole_shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        small_model(torch.zeros(shape), torch.zeros(hole_shape))


def test_a_new_residual_network_is_near_interpolation(image: Tensor, hole: Tensor) -> None:
    model = CSAInpainter(RESIDUAL).eval()

    with torch.no_grad():
        stages = model.stages(image, hole)

    assert stages.filled.equal(harmonic_fill(image, hole > 0))
    assert 0 < (stages.result - stages.filled).abs().max() < 0.2


def test_residuals_are_as_large_as_the_contrast_around_the_hole(
    image: Tensor, hole: Tensor
) -> None:
    model = CSAInpainter(RESIDUAL).eval()

    with torch.no_grad():
        loud, quiet = (model.rough_stage(scale * image, hole) for scale in (1.0, 0.1))

    def added(stage: RoughStage) -> float:
        return float((stage.rough - stage.filled).abs().mean())

    assert loud.contrast is not None
    assert quiet.contrast is not None
    assert 0.05 < added(quiet) / added(loud) < 0.5
    assert (quiet.contrast < loud.contrast).all()
