import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.engine.manifest import ProfileShapes
from csakit.runtime.engine.shapes import Profile
from helpers.engines import make_manifest


def profile(batch: tuple[int, ...], size: tuple[int, ...]) -> Profile:
    manifest = make_manifest(profiles=(ProfileShapes(batch=batch, size=size),))
    return Profile.of(manifest, "model.engine")


def test_one_shape_is_fixed() -> None:
    fixed = profile((2, 2, 2), (512, 512, 512))

    assert (fixed.fixed_batch, fixed.fixed_size) == (2, (512, 512))
    fixed.check(2, (512, 512))
    with pytest.raises(ContractError, match="takes batches of 2 and sides of 512 pixels; got B=1"):
        fixed.check(1, (512, 512))


def test_several_shapes_are_listed() -> None:
    several = profile((1, 1, 8), (256, 512, 1024))

    assert (several.fixed_batch, several.fixed_size) == (None, None)
    several.check(8, (256, 1024))
    with pytest.raises(
        ContractError,
        match=r"batches of 1 to 8 and sides of 256 or 512 or 768 or 1024 pixels; got B=9, "
        r"512 x 256 \(width x height\)(.|\n)*csakit build model\.onnx",
    ):
        several.check(9, (256, 512))


@pytest.mark.parametrize("batch", [(1, 1), (2, 1, 4), (0, 1, 1), ()])
def test_a_manifest_without_shapes_is_refused(batch: tuple[int, ...]) -> None:
    with pytest.raises(ContractError, match="must state shapes as least, best and most"):
        profile(batch, (256, 256, 256))
