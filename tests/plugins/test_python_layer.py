"""What the Python plugin tells TensorRT of the layer: types, shapes, formats, workspace."""

from collections.abc import Sequence
from types import ModuleType

import pytest
from csakit.plugins.errors import ContractError
from csakit.plugins.library import Library
from csakit.plugins.python_layer import Foreign, layer_class
from helpers import native

SHAPE = (2, 64, 8, 8)
HOLE_SHAPE = (2, 1, 8, 8)


@pytest.fixture(scope="module")
def trt() -> ModuleType:
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")


@pytest.fixture
def plugin(trt: ModuleType) -> Foreign:
    return layer_class(trt)(None, "cosine")


@pytest.fixture
def with_kernels(trt: ModuleType) -> Foreign:
    return layer_class(trt)(native.library(), "cosine")


def tensor(trt: ModuleType, shape: Sequence[int], kind: str, form: str = "LINEAR") -> Foreign:
    desc = trt.PluginTensorDesc()
    desc.dims = trt.Dims(shape)
    desc.type = getattr(trt.DataType, kind)
    desc.format = getattr(trt.TensorFormat, form)
    return desc


def profile(trt: ModuleType, *largest: Foreign) -> list[Foreign]:
    """Return the tensors as the builder has them: free batch and size, and the largest shape."""
    result = []
    for desc in largest:
        dynamic = trt.DynamicPluginTensorDesc()
        free = tensor(trt, (-1, tuple(desc.dims)[1], -1, -1), desc.type.name, desc.format.name)
        dynamic.desc, dynamic.max = free, desc.dims
        result.append(dynamic)
    return result


def inputs(
    trt: ModuleType,
    shape: Sequence[int] = SHAPE,
    hole_shape: Sequence[int] = HOLE_SHAPE,
    form: str = "LINEAR",
) -> list[Foreign]:
    return [tensor(trt, shape, "HALF", form), tensor(trt, hole_shape, "FLOAT")]


@pytest.mark.parametrize("hole", ["FLOAT", "HALF"])
@pytest.mark.parametrize("features", ["FLOAT", "HALF"])
def test_the_output_has_the_type_of_the_features(
    trt: ModuleType, plugin: Foreign, features: str, hole: str
) -> None:
    kinds = trt.DataType

    types = plugin.get_output_data_types([getattr(kinds, features), getattr(kinds, hole)])

    assert types == [getattr(kinds, features)]


@pytest.mark.parametrize(
    ("kinds", "message"),
    [(("INT32", "FLOAT"), "features must be float"), (("HALF", "BOOL"), "hole must be float")],
)
def test_other_types_are_refused(
    trt: ModuleType, plugin: Foreign, kinds: tuple[str, str], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        plugin.get_output_data_types([getattr(trt.DataType, kind) for kind in kinds])


def test_the_output_has_the_shape_of_the_features(trt: ModuleType, plugin: Foreign) -> None:
    shapes = plugin.get_output_shapes([trt.DimsExprs(4), trt.DimsExprs(4)], [], None)

    assert [(type(shape), len(shape)) for shape in shapes] == [(trt.DimsExprs, 4)]


def test_other_ranks_are_refused(trt: ModuleType, plugin: Foreign) -> None:
    with pytest.raises(ContractError, match=r"must have 4 dimensions each; got \[3, 4\]"):
        plugin.get_output_shapes([trt.DimsExprs(3), trt.DimsExprs(4)], [], None)


FLOAT, HALF, HWC8 = ("FLOAT", "LINEAR"), ("HALF", "LINEAR"), ("HALF", "HWC8")
HWC = ("FLOAT", "HWC")


@pytest.mark.parametrize(
    ("channels", "combination", "taken"),
    [
        pytest.param(512, (FLOAT, FLOAT, FLOAT), True, id="an fp32 export"),
        pytest.param(512, (HALF, FLOAT, HALF), True, id="an fp16 export"),
        pytest.param(7, (HALF, HALF, HALF), True, id="any channels"),
        pytest.param(512, (HWC8, FLOAT, HWC8), True, id="channels last"),
        pytest.param(12, (HWC8, FLOAT, HWC8), False, id="padded to 16 channels"),
        pytest.param(-1, (HWC8, FLOAT, HWC8), False, id="perhaps padded"),
        pytest.param(512, (HWC8, HWC8, HWC8), False, id="a hole with channels last"),
        pytest.param(7, (HWC, FLOAT, HWC), True, id="fp32 channels last"),
        pytest.param(512, (("HALF", "HWC"), FLOAT, ("HALF", "HWC")), False, id="half"),
        pytest.param(512, (("FLOAT", "HWC8"), FLOAT, ("FLOAT", "HWC8")), False, id="fp32 last"),
        pytest.param(512, (HALF, FLOAT, FLOAT), False, id="another type out"),
        pytest.param(512, (HWC8, FLOAT, HALF), False, id="another format out"),
        pytest.param(512, (FLOAT, ("BOOL", "LINEAR"), FLOAT), False, id="a boolean hole"),
        pytest.param(512, (("INT8", "LINEAR"),) * 3, False, id="integers"),
    ],
)
def test_formats_are_linear_or_channels_last(
    trt: ModuleType,
    plugin: Foreign,
    channels: int,
    combination: tuple[tuple[str, str], ...],
    taken: bool,
) -> None:
    counts = (channels, 1, channels)
    tensors = profile(
        trt,
        *(tensor(trt, (1, c, 8, 8), *form) for c, form in zip(counts, combination, strict=True)),
    )

    answers = [plugin.supports_format_combination(at, tensors, 2) for at in range(3)]

    assert all(answers) is taken


def test_the_workspace_serves_the_largest_shape(trt: ModuleType, with_kernels: Foreign) -> None:
    small = profile(trt, *inputs(trt))
    large = profile(trt, *inputs(trt, (8, 64, 32, 32), (8, 1, 32, 32)))

    with_kernels.configure_plugin(large, [])
    bytes_of = [with_kernels.get_workspace_size(tensors, []) for tensors in (small, large)]

    assert 0 < bytes_of[0] < bytes_of[1]


@pytest.mark.parametrize("call", ["configure", "shape change", "enqueue"])
@pytest.mark.parametrize(
    ("shape", "hole_shape", "form", "message"),
    [
        pytest.param(SHAPE, (1, 1, 8, 8), "LINEAR", r"\(2, 64, 8, 8\), \(1, 1, 8, 8\)", id="batch"),
        pytest.param(SHAPE, SHAPE, "LINEAR", r"hole \(B, 1, H, W\)", id="channels of the hole"),
        pytest.param((64, 8, 8), (1, 8, 8), "LINEAR", "must be", id="rank"),
        pytest.param((2, 2048, 8, 8), HOLE_SHAPE, "LINEAR", "2048", id="too many channels"),
        pytest.param((2, 12, 8, 8), HOLE_SHAPE, "HWC8", "takes no features", id="padded"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    trt: ModuleType,
    with_kernels: Foreign,
    call: str,
    shape: tuple[int, ...],
    hole_shape: tuple[int, ...],
    form: str,
    message: str,
) -> None:
    given = inputs(trt, shape, hole_shape, form)
    calls = {
        "configure": lambda: with_kernels.configure_plugin(profile(trt, *given), []),
        "shape change": lambda: with_kernels.on_shape_change(given, []),
        "enqueue": lambda: with_kernels.enqueue(given, [], [0, 0], [0], 0, 0),
    }

    with pytest.raises(ContractError, match=message):
        calls[call]()


def test_shapes_that_fit_are_taken(trt: ModuleType, with_kernels: Foreign) -> None:
    with_kernels.on_shape_change(inputs(trt), [])
    with_kernels.on_shape_change(inputs(trt, form="HWC8"), [])
    assert isinstance(with_kernels.library, Library)
