"""The Python plugin over the real base classes of TensorRT for RTX; none of this needs a GPU."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from csakit.plugins import spec
from csakit.plugins.errors import ContractError, EngineError
from csakit.plugins.python_layer import Foreign
from csakit.plugins.python_plugin import make_creator, register

# What is tested here computes nothing.
NO_KERNELS: Foreign = SimpleNamespace(build_info=lambda: {"source_hash": "0123456789abcdef"})


@pytest.fixture(scope="module", params=["tensorrt_lean", "tensorrt_rtx"])
def trt(request: pytest.FixtureRequest) -> ModuleType:
    return pytest.importorskip(request.param, reason=f"{request.param} is not installed")


def fields(trt: ModuleType, *items: tuple[str, Foreign, str]) -> Foreign:
    kinds = trt.PluginFieldType
    return trt.PluginFieldCollection(
        [trt.PluginField(name, data, getattr(kinds, kind)) for name, data, kind in items]
    )


def create(trt: ModuleType, *items: tuple[str, Foreign, str]) -> Foreign:
    creator = make_creator(trt, NO_KERNELS)
    return creator.create_plugin("csa", fields(trt, *items), trt.TensorRTPhase.BUILD)


def test_the_timing_cache_id_names_the_kernels(trt: ModuleType) -> None:
    plugin = create(trt, (spec.ATTRIBUTE, b"cosine", "CHAR"))

    assert (plugin.similarity, plugin.timing_cache_id) == ("cosine", "cosine-0123456789ab")


def test_one_object_has_every_capability(trt: ModuleType) -> None:
    plugin = create(trt, (spec.ATTRIBUTE, b"cosine", "CHAR"))
    kinds = {
        trt.PluginCapabilityType.CORE: trt.IPluginV3OneCore,
        trt.PluginCapabilityType.BUILD: trt.IPluginV3OneBuild,
        trt.PluginCapabilityType.RUNTIME: trt.IPluginV3OneRuntime,
    }

    for capability, base in kinds.items():
        assert isinstance(plugin.get_capability_interface(capability), base)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        pytest.param([], "field similarity is missing", id="missing"),
        pytest.param([("similarity", b"cosin", "CHAR")], 'got "cosin"', id="another similarity"),
        pytest.param([("similarity", b"", "CHAR")], 'got ""', id="empty"),
        pytest.param([("similarity", b"\xff", "CHAR")], "must be one of", id="no text"),
        pytest.param([("similarity", bytes(4), "INT32")], "must be a string", id="a number"),
        pytest.param(
            [("similarity", b"cosine", "CHAR"), ("epsilon", bytes(4), "FLOAT32")],
            'the only field is similarity; got "epsilon"',
            id="a field too many",
        ),
    ],
)
def test_other_fields_are_refused(
    trt: ModuleType, items: list[tuple[str, Foreign, str]], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        create(trt, *items)


@pytest.mark.parametrize("copy", ["clone", "attach_to_context"])
def test_copies_are_objects_of_their_own(trt: ModuleType, copy: str) -> None:
    original = create(trt, (spec.ATTRIBUTE, b"cosine", "CHAR"))

    copied = original.clone() if copy == "clone" else original.attach_to_context(None)

    assert copied is not original
    assert type(copied) is type(original)
    assert (copied.similarity, copied.timing_cache_id) == ("cosine", original.timing_cache_id)


REGISTER = """
import sys, types, tensorrt_rtx
from csakit.plugins.python_layer import Foreign
from csakit.plugins.python_plugin import register

class Module(types.ModuleType):  # the same bindings under the name of those that take plugins
    def __getattr__(self, name):
        return getattr(tensorrt_rtx, name)

trt = Module("tensorrt")
print(register(trt, object()), register(trt, object()))
creator = trt.get_plugin_registry().get_creator("CoherentSemanticAttention", "1", "")
field = trt.PluginField("similarity", b"cosine", trt.PluginFieldType.CHAR)
fields = trt.PluginFieldCollection([field])
print(creator.create_plugin("csa", fields, trt.TensorRTPhase.BUILD).similarity)
"""


def test_registering_twice_registers_once() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")

    done = subprocess.run(
        [sys.executable, "-c", REGISTER], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("True False\ncosine\n", "")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            SimpleNamespace(__name__="tensorrt", __version__="8.6.1"),
            "or newer; got tensorrt 8",
        ),
        (SimpleNamespace(__name__="tensorrt_rtx", __version__="1.7"), "RTX takes no plugins"),
        (
            SimpleNamespace(__name__="tensorrt_lean", __version__="11.4", IPluginV3=None),
            "a module with tensor formats",
        ),
    ],
)
def test_modules_that_take_no_python_plugins_are_refused(module: Foreign, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        register(module, NO_KERNELS)
