"""Detail is drawn deep in the hole alone, from noise that is the same on every machine."""

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train import CSAInpainter, ModelConfig
from csakit.train.networks.detail import DetailNetwork, depth_weight, noise_tile
from torch.nn import functional as F  # noqa: N812

CONFIG = ModelConfig(width=4, fill="interpolated", prediction="residual", detail=True)


def hole_of(side: int) -> torch.Tensor:
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 100 : 100 + side, 60 : 60 + side] = 1
    return hole


def test_noise_is_white_and_the_same_everywhere() -> None:
    tile = noise_tile()

    assert tile.shape == (1, 1, 256, 256)
    assert (tile[0, 0, 0, :4] * 147.801).round().tolist() == [-510, -128, -17, 82]
    assert tile.half().float().equal(tile)
    assert abs(float(tile.mean())) < 0.01
    assert abs(float(tile.std()) - 1) < 0.01
    spectrum = torch.fft.fft2(tile[0, 0]).abs().square() / tile.numel()
    assert spectrum.max() < 20  # of 65,536 exponentials of mean 1 the largest is about 11


def test_detail_has_the_image_s_size_and_no_shades() -> None:
    features = torch.randn(2, 32, 32, 64, generator=torch.Generator().manual_seed(0))

    with torch.no_grad():
        detail = DetailNetwork(4)(features)

    assert detail.shape == (2, 3, 256, 512)
    assert detail.std() > 0
    assert F.avg_pool2d(detail, 16).abs().max() < 0.2 * detail.std()


def test_its_weight_is_0_at_the_edge_and_1_from_14_pixels_on() -> None:
    weight = depth_weight(hole_of(60) > 0, torch.float32)[0, 0, 130]

    assert not weight[:60].any()
    assert weight[60] < 0.2
    assert weight[74:106].eq(1).all()
    assert weight[60:75].diff().ge(0).all()


@pytest.mark.parametrize("side", [3, 14])
def test_thin_holes_are_repaired_as_without_it(side: int) -> None:
    image, hole = torch.rand(1, 3, 256, 256) * 2 - 1, hole_of(side)
    model = CSAInpainter(CONFIG).eval()

    with torch.no_grad():
        result = model(image, hole)
        model.detail = None
        assert model(image, hole).equal(result)


def test_deep_holes_get_detail_in_units_of_the_contrast_around_them() -> None:
    image, hole = torch.rand(1, 3, 256, 256) * 2 - 1, hole_of(60)
    model = CSAInpainter(CONFIG).eval()

    def added(scale: float) -> float:
        with torch.no_grad():
            stages = model.stages(scale * image, hole)
            detail, model.detail = model.detail, None
            without = model.stages(scale * image, hole)
            model.detail = detail
        assert stages.rough.equal(without.rough)
        return float((stages.refined - without.refined).abs().mean())

    assert 0 < added(0.1) < 0.5 * added(1.0)


def test_it_is_refused_without_a_contrast() -> None:
    with pytest.raises(
        ContractError, match=r"prediction must be 'residual' with detail.*'absolute'"
    ):
        ModelConfig(fill="interpolated", detail=True)
    with pytest.raises(ContractError, match="detail must be true or false; got 1"):
        ModelConfig(detail=1)  # type: ignore[arg-type]
