"""One face for every TensorRT; what is missing is said with what to install."""

import dataclasses
import sys
from types import SimpleNamespace

import pytest
from csakit.export.engine import tensorrt_api
from csakit.export.engine.config import BuildConfig
from csakit.export.engine.tensorrt_api import open_module
from csakit.plugins.errors import ContractError, EngineError, LibraryError
from csakit.runtime.engine.tensorrt_module import TensorRTModule

RTX = BuildConfig(builder="tensorrt-rtx")


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_api, "devices", list)
    monkeypatch.setattr(tensorrt_api, "device_architectures", list)


def test_a_missing_module_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)

    with pytest.raises(LibraryError, match=r"tensorrt-rtx: .* cannot be imported") as caught:
        open_module("tensorrt-rtx")

    assert "pip install 'csakit[rtx]'" in str(caught.value)


@pytest.mark.usefixtures("needs_rtx")
def test_what_is_installed_instead_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)

    with pytest.raises(LibraryError, match=r"pip install tensorrt(.|\n)*--builder tensorrt-rtx"):
        open_module("tensorrt")


def test_an_old_tensorrt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.2.0.post1"))

    with pytest.raises(LibraryError, match=r"must be 10\.3 or newer; got 10\.2\.0"):
        open_module("tensorrt")


def test_tensorrt_builds_on_a_gpu_only(module: TensorRTModule, without_gpu: None) -> None:
    there = dataclasses.replace(module, name="tensorrt")

    with pytest.raises(EngineError, match=r"no GPU was found(.|\n)*--builder tensorrt-rtx"):
        tensorrt_api.make_builder(there)


def test_without_a_gpu_the_targets_must_be_named(without_gpu: None) -> None:
    with pytest.raises(EngineError, match=r"must be named; got no --targets\nAdd --targets"):
        tensorrt_api.resolve_targets(RTX)


def test_targets_are_those_stated_each_once() -> None:
    stated = dataclasses.replace(RTX, targets=("sm_89", "sm_86", "sm_89"))

    assert tensorrt_api.resolve_targets(stated) == ("sm_89", "sm_86")


def test_targets_are_the_gpus_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_api, "devices", lambda: ["sm_90", "sm_86"])
    monkeypatch.setattr(tensorrt_api, "device_architectures", lambda: ["sm_86", "sm_90"])

    assert tensorrt_api.resolve_targets(RTX) == ("sm_86", "sm_90")
    assert tensorrt_api.resolve_targets(BuildConfig()) == ("sm_90",)


def test_an_architecture_that_it_does_not_build_for_is_refused(module: TensorRTModule) -> None:
    made = tensorrt_api.make_builder(module).create_builder_config()

    with pytest.raises(ContractError, match=r"builds for sm_75, .*sm_120.*; got 'sm_87'"):
        tensorrt_api.set_targets(module, made, ("sm_87",))


def test_the_configuration_says_what_was_asked_for(module: TensorRTModule) -> None:
    builder, trt = tensorrt_api.make_builder(module), module.trt
    wanted = dataclasses.replace(RTX, workspace_bytes=1 << 30, opt_level=4, weights="strip")

    made = tensorrt_api.make_config(module, builder, wanted)
    tensorrt_api.set_targets(module, made, ("sm_86", "sm_120"))

    assert made.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 1 << 30
    assert made.builder_optimization_level == 4
    assert made.get_flag(trt.BuilderFlag.STRIP_PLAN)
    assert made.get_flag(trt.BuilderFlag.REFIT_IDENTICAL)
    assert not made.get_flag(trt.BuilderFlag.REFIT)
    assert made.profiling_verbosity == trt.ProfilingVerbosity.DETAILED
    assert [made.get_compute_capability(i) for i in range(made.num_compute_capabilities)] == [
        trt.ComputeCapability.SM86,
        trt.ComputeCapability.SM120,
    ]


@pytest.mark.parametrize("wanted", [False, True])
def test_products_of_fp32_keep_their_bits_unless_asked_otherwise(
    module: TensorRTModule, wanted: bool
) -> None:
    builder = tensorrt_api.make_builder(module)

    made = tensorrt_api.make_config(module, builder, dataclasses.replace(RTX, tf32=wanted))

    assert made.get_flag(module.trt.BuilderFlag.TF32) == wanted


def test_later_versions_are_asked_for_by_name(module: TensorRTModule) -> None:
    builder, flags = tensorrt_api.make_builder(module), module.trt.BuilderFlag
    there = dataclasses.replace(module, name="tensorrt")
    wanted = BuildConfig(version_compatible=True, weights="refit")

    made = tensorrt_api.make_config(there, builder, wanted)
    tensorrt_api.set_targets(there, made, ("sm_87",))  # TensorRT has nothing to set

    assert made.get_flag(flags.VERSION_COMPATIBLE)
    assert made.get_flag(flags.REFIT)
    assert not made.get_flag(flags.STRIP_PLAN)


def test_a_network_is_strongly_typed(module: TensorRTModule) -> None:
    network = tensorrt_api.make_network(module, tensorrt_api.make_builder(module))

    assert network.get_flag(module.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def test_an_option_that_a_version_lacks_is_an_error(module: TensorRTModule) -> None:
    older = SimpleNamespace(__version__="10.3", HardwareCompatibilityLevel=SimpleNamespace())
    old = TensorRTModule("tensorrt", older, module.log)  # type: ignore[arg-type]

    with pytest.raises(EngineError, match=r"10\.3 has no --portable same-cc"):
        tensorrt_api._member(
            old, "HardwareCompatibilityLevel", "SAME_COMPUTE_CAPABILITY", "--portable same-cc"
        )
