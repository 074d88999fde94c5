import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.engine.shapes import ShapeRange, Span

ENGINE = {"name": "model.engine", "rebuild": "csakit build model.onnx"}


def shapes(batch: tuple[int, int, int], size: tuple[int, int, int]) -> ShapeRange:
    return ShapeRange(batch=Span(*batch), size=Span(*size))


def test_one_shape_is_fixed() -> None:
    fixed = shapes((2, 2, 2), (512, 512, 512))

    assert (fixed.fixed_batch, fixed.fixed_size) == (2, (512, 512))
    fixed.check(2, (512, 512), **ENGINE)
    with pytest.raises(ContractError, match="takes batches of 2 and sides of 512 pixels; got B=1"):
        fixed.check(1, (512, 512), **ENGINE)


def test_several_shapes_are_listed() -> None:
    several = shapes((1, 1, 8), (256, 512, 1024))

    assert (several.fixed_batch, several.fixed_size) == (None, None)
    several.check(8, (256, 1024), **ENGINE)
    with pytest.raises(
        ContractError,
        match=r"batches of 1 to 8 and sides of 256 or 512 or 768 or 1024 pixels; got B=9, "
        r"512 x 256 \(width x height\)(.|\n)*csakit build model\.onnx",
    ):
        several.check(9, (256, 512), **ENGINE)


@pytest.mark.parametrize("batch", [(2, 1, 4), (0, 1, 1), (4, 2, 4)])
def test_shapes_ascend(batch: tuple[int, int, int]) -> None:
    with pytest.raises(ContractError, match="--batch must satisfy 1 <= min <= opt <= max; got"):
        shapes(batch, (256, 256, 256))
