"""The C++ plugin, and the Python one where both are alike, as TensorRT's own libraries see them.

None of this needs a GPU.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from csakit.plugins import spec
from csakit.plugins.python_layer import Foreign, fields_of
from csakit.plugins.python_plugin import make_creator
from csakit.plugins.tensorrt_flavours import FLAVOURS
from csakit.plugins.toolchain import headers_folder
from csakit.plugins.versions import numbers
from helpers.native import built, require_toolchain
from helpers.simt_build import simt_library
from helpers.trt_plugin import ROOT, plugin_libraries, plugin_on_cpu, run_or_fail

CSRC = ROOT / "plugins" / "csrc" / "tensorrt"


@pytest.fixture(scope="module")
def libraries() -> Path:
    return plugin_libraries()


@pytest.fixture(scope="module", params=["tensorrt_lean", "tensorrt_rtx"])
def trt(request: pytest.FixtureRequest) -> ModuleType:
    return pytest.importorskip(request.param, reason=f"{request.param} is not installed")


@pytest.fixture(scope="module", params=["cpp", "python"])
def creator(trt: ModuleType, request: pytest.FixtureRequest) -> Iterator[Foreign]:
    if request.param == "python":
        yield make_creator(trt, SimpleNamespace(build_info=lambda: {"source_hash": "0" * 64}))
        return
    libraries: Path = request.getfixturevalue("libraries")
    registry = trt.get_plugin_registry()
    handle = registry.load_library(str(libraries / "libcsakit_trt.so"))
    assert handle is not None
    yield registry.get_creator(spec.NAME, spec.VERSION, spec.NAMESPACE)
    registry.deregister_library(handle)


def create(trt: ModuleType, creator: Foreign, *fields: tuple[str, Foreign, str]) -> Foreign:
    kinds = trt.PluginFieldType
    made = [trt.PluginField(name, data, getattr(kinds, kind)) for name, data, kind in fields]
    return through_tensorrt(trt, creator, trt.PluginFieldCollection(made))


def through_tensorrt(trt: ModuleType, creator: Foreign, fields: Foreign) -> Foreign:
    """Create a plugin as an engine does: None where the creator refuses."""
    phase = trt.TensorRTPhase.RUNTIME
    return trt.IPluginCreatorV3One.create_plugin(creator, "csa", fields, phase)


def test_the_header_has_the_constants_of_the_spec() -> None:
    text = (CSRC / "csa_plugin.h").read_text()
    constants = dict(re.findall(r'constexpr char const\* k(\w+) = "(.*?)";', text))

    assert constants == {
        "PluginName": spec.NAME,
        "PluginVersion": spec.VERSION,
        "PluginNamespace": spec.NAMESPACE,
        "SimilarityField": spec.ATTRIBUTE,
        **{name.capitalize(): name for name in spec.SIMILARITIES},
    }


def test_the_registry_lists_the_creator_and_its_field(trt: ModuleType, creator: Foreign) -> None:
    fields = [(field.name, field.type) for field in creator.field_names]

    assert (creator.name, creator.plugin_version) == (spec.NAME, spec.VERSION)
    assert creator.plugin_namespace == spec.NAMESPACE
    assert fields == [(spec.ATTRIBUTE, trt.PluginFieldType.CHAR)]


@pytest.mark.parametrize("ending", [b"", b"\0"], ids=["bare", "closed as by the ONNX parser"])
def test_the_registry_creates_the_plugin(
    trt: ModuleType, creator: Foreign, similarity: str, ending: bytes
) -> None:
    plugin = create(trt, creator, (spec.ATTRIBUTE, similarity.encode() + ending, "CHAR"))

    core = plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
    build = plugin.get_capability_interface(trt.PluginCapabilityType.BUILD)
    assert (core.plugin_name, core.plugin_version) == (spec.NAME, spec.VERSION)
    assert build.num_outputs == len(spec.OUTPUTS)
    serialised = fields_of(trt, similarity)
    assert bytes(serialised[0].data) == similarity.encode() + b"\0"
    assert through_tensorrt(trt, creator, serialised) is not None


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="missing"),
        pytest.param([("similarity", b"cosin", "CHAR")], id="another similarity"),
        pytest.param([("similarity", np.zeros(1, np.int32), "INT32")], id="a number"),
        pytest.param(
            [("similarity", b"cosine", "CHAR"), ("epsilon", np.zeros(1, np.float32), "FLOAT32")],
            id="a field too many",
        ),
    ],
)
def test_the_registry_creates_nothing_from_other_fields(
    trt: ModuleType, creator: Foreign, fields: list[tuple[str, Foreign, str]]
) -> None:
    assert create(trt, creator, *fields) is None


def require_lean() -> None:
    """Skip the test where a process of its own would not find TensorRT's lean runtime."""
    pytest.importorskip("tensorrt_lean", reason="tensorrt_lean is not installed")


AUTOREG = """
import ctypes, sys, tensorrt_lean as trt
ctypes.CDLL(sys.argv[1] + "/libcsakit_trt_autoreg.so")
registry = trt.get_plugin_registry()
names = [creator.name for creator in registry.all_creators]
print(names.count("CoherentSemanticAttention"))
print([registry.load_library(f"{sys.argv[1]}/libcsakit_trt{end}.so") for end in ("", "_autoreg")])
field = trt.PluginField("similarity", b"cosine", trt.PluginFieldType.CHAR)
creator = registry.get_creator("CoherentSemanticAttention", "1", "")
fields = trt.PluginFieldCollection([field])
print(creator.create_plugin("csa", fields, trt.TensorRTPhase.RUNTIME) is not None)
"""


def test_opening_the_self_registering_library_registers_the_plugin_once(libraries: Path) -> None:
    require_lean()
    here = FLAVOURS["tensorrt_lean"].version() or ""
    if numbers(here, 1) != numbers(built().tensorrt or "", 1):
        pytest.skip(f"headers of TensorRT {built().tensorrt}, a runtime of {here}")

    printed = run_or_fail([sys.executable, "-c", AUTOREG, str(libraries)])

    assert printed.splitlines() == ["1", "[None, None]", "True"]


def test_the_self_registering_library_reports_what_it_misses(libraries: Path) -> None:
    program = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    library = libraries / "libcsakit_trt_autoreg.so"

    done = subprocess.run(
        [sys.executable, "-c", program, str(library)], capture_output=True, text=True, check=True
    )

    assert re.search(r"is not registered: there is no TensorRT \d+ in this process", done.stderr)


def folders_of_headers() -> list[Path]:
    """The oldest and the newest version of each major one that is at hand."""
    chosen = []
    for major in ("10", "11"):
        folders = [path for path in headers_folder().glob(f"{major}.*") if path.is_dir()]
        folders.sort(key=lambda path: [int(part) for part in path.name.split(".")])
        chosen += dict.fromkeys(folders[:1] + folders[-1:])
    return chosen


LOAD = """
import sys, tensorrt_lean as trt
registry = trt.get_plugin_registry()
assert registry.load_library(sys.argv[1]) is not None
creator = registry.get_creator("CoherentSemanticAttention", "1", "")
for value in b"cosine", b"cosin":
    field = trt.PluginField("similarity", value, trt.PluginFieldType.CHAR)
    fields = trt.PluginFieldCollection([field])
    print(creator.create_plugin("csa", fields, trt.TensorRTPhase.RUNTIME) is not None)
"""


def test_a_plugin_built_with_the_oldest_headers_serves_the_newest_runtime(tmp_path: Path) -> None:
    require_lean()
    folders = folders_of_headers()
    if not folders:
        pytest.skip(f"no headers of TensorRT in {headers_folder()}")
    kernels = simt_library(watched=False)  # compiled already, and not looked at here
    library = plugin_on_cpu(kernels, tmp_path / "libcsakit_trt.so", headers=folders[0])

    printed = run_or_fail([sys.executable, "-c", LOAD, str(library)])

    assert printed.splitlines() == ["True", "False"]  # refused without a crash in its logger


@pytest.mark.parametrize("folder", folders_of_headers(), ids=lambda folder: folder.name)
def test_every_generation_of_headers_compiles_without_a_warning(folder: Path) -> None:
    toolchain = require_toolchain()
    warnings = "-Wall,-Wextra,-Wpedantic,-Wshadow,-Wconversion,-Wnon-virtual-dtor,-Werror"

    for source in sorted(CSRC.glob("*.cpp")):
        run_or_fail(
            [
                *(str(toolchain.nvcc), f"-ccbin={toolchain.host}", "-std=c++17"),
                *("-isystem", str(folder), f"-I{ROOT}/plugins/include"),
                *(f"-Xcompiler=-fsyntax-only,{warnings}", "-c", str(source), "-o", "/dev/null"),
            ]
        )
