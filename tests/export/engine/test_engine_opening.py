"""Opening engines with the real libraries, as far as they go without a GPU.

TensorRT for RTX builds the engine and refuses to open it here; TensorRT's lean runtime reads plans
of TensorRT. On a GPU ``tests/export/engine/test_engine_gpu.py`` goes on from here.
"""

import dataclasses
import importlib
import sys
from pathlib import Path

import pytest
from csakit.export.engine.build_engine import Built, build_engine
from csakit.export.engine.config import BuildConfig
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ContractError, EngineError, LibraryError
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.runtime import open_session
from csakit.runtime.device.binding import OutOfMemoryError
from csakit.runtime.engine import open_engine
from csakit.runtime.engine.compatibility import HostCapabilities
from csakit.runtime.engine.manifest import Manifest
from csakit.runtime.engine.open_engine import load_engine
from csakit.runtime.engine.tensorrt_module import TensorRTModule
from csakit.runtime.engine.trt_engine import require_plugin
from helpers.engines import PLUGIN, make_manifest, write_engine
from helpers.exported import Subject


@pytest.fixture(scope="module")
def built(fixed: Subject, tmp_path_factory: pytest.TempPathFactory) -> Built:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    config = BuildConfig(builder="tensorrt-rtx", targets=("sm_86",))
    return build_engine(fixed.path, tmp_path_factory.mktemp("built") / "a.engine", config)


@pytest.fixture
def without_gpu() -> None:
    if devices():
        pytest.skip("there is a GPU")


def lean(**build: object) -> Manifest:
    version = pytest.importorskip("tensorrt_lean").__version__
    defaults = {"module": "tensorrt", "version": version, "runtimes": ("tensorrt", "tensorrt_lean")}
    return make_manifest(build={**defaults, "version_compatible": True, **build})


def module_of(name: str) -> TensorRTModule:
    pytest.importorskip(name, reason=f"{name} is not installed")
    return TensorRTModule.load(name)


@pytest.mark.usefixtures("without_gpu")
def test_an_engine_that_tensorrt_does_not_open_ends_with_its_reason(built: Built) -> None:
    with pytest.raises(EngineError) as caught:
        load_engine(module_of("tensorrt_rtx"), built.engine, built.manifest)

    text, remedy = str(caught.value).split("\n")
    assert text.startswith("TensorRT for RTX 1.7")
    assert text.partition(": ")[2] not in ("", "no reason given")
    assert "csakit doctor" in remedy or "csakit build" in remedy


@pytest.mark.usefixtures("without_gpu")
def test_a_runtime_that_did_not_start_is_not_used(tmp_path: Path) -> None:
    engine = write_engine(tmp_path)

    # Without a driver the lean runtime is made all the same, and opening a plan with it crashes.
    with pytest.raises(EngineError, match=r"TensorRT lean 11\S+ cannot start: .*CUDA driver"):
        load_engine(module_of("tensorrt_lean"), engine, lean())


@pytest.mark.usefixtures("without_gpu")
def test_without_a_gpu_the_diagnosis_comes_first(built: Built) -> None:
    with pytest.raises(EngineError, match="needs an NVIDIA GPU and its driver; none was found"):
        open_session(built.engine)


def test_an_engine_runs_on_no_cpu(built: Built) -> None:
    with pytest.raises(ContractError, match=r"NVIDIA GPU only; got device='cpu' for .*a\.engine"):
        open_session(built.engine, device="cpu")
    with pytest.raises(ContractError, match="device must be cpu, cuda or cuda:N; got 'gpu'"):
        open_session(built.engine, device="gpu")


def test_what_the_machine_lacks_for_opening_is_named(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = built.manifest.build
    here = HostCapabilities(gpus=("sm_86",), modules={build.module: build.version}, plugin=False)
    monkeypatch.setattr(open_engine, "this_machine", lambda: here)
    if devices():
        pytest.skip("there is a GPU")

    with pytest.raises(LibraryError, match=r"no NVIDIA driver|needs a CUDA binding|PyCUDA cannot"):
        open_session(built.engine)


def test_a_module_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_lean", None)

    with pytest.raises(LibraryError, match=r"package tensorrt_lean cannot be imported(.|\n)*pip i"):
        TensorRTModule.load("tensorrt_lean")


def test_the_plugin_is_asked_for_before_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path))
    engine = write_engine(tmp_path)

    with pytest.raises((LibraryError, EngineError), match=r"plugin"):
        load_engine(module_of("tensorrt_lean"), engine, lean(plugin=PLUGIN))
    embedded = dataclasses.replace(PLUGIN, embedded=True)
    require_plugin(module_of("tensorrt_lean"), engine, lean(plugin=embedded))  # it travels inside


def test_the_library_beside_an_engine_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    engine = write_engine(tmp_path)
    (tmp_path / "libcsakit_trt.so").write_bytes(b"\x7fELF")

    with pytest.raises(EngineError, match=rf"cannot load {tmp_path}/libcsakit_trt\.so"):
        require_plugin(module_of("tensorrt_lean"), engine, lean(plugin=PLUGIN))


def test_what_tensorrt_says_of_memory_is_an_error_of_memory() -> None:
    lean_module = module_of("tensorrt_lean")
    log, levels = lean_module.log, lean_module.trt.ILogger
    where = "[defaultAllocator.cpp::allocate::58] Error Code 1: Cuda Runtime"
    log.log(levels.ERROR, f"{where} (out of memory)")

    error = lean_module.failure("made no context", "Run smaller batches.")

    assert isinstance(error, OutOfMemoryError)
    assert str(error) == f"{lean_module.title} made no context: out of memory\nRun smaller batches."
    log.clear()
    assert not isinstance(lean_module.failure("did not run", "See."), OutOfMemoryError)


def test_each_module_says_who_it_is() -> None:
    for name, title in (("tensorrt_rtx", "TensorRT for RTX"), ("tensorrt_lean", "TensorRT lean")):
        version = importlib.import_module(name).__version__
        assert module_of(name).title == f"{title} {version}"
