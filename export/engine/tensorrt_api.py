"""One interface to the modules ``tensorrt`` (10.3 to 11.x) and ``tensorrt_rtx``.

Flags and enumerators are looked up by name, because their numbers change between versions.
"""

import importlib.util
import re
from collections.abc import Mapping
from typing import Any, Final

from ...plugins.architectures import device_architectures, devices
from ...plugins.errors import ContractError, EngineError, LibraryError
from ...runtime.engine.tensorrt_module import TensorRTModule
from .config import BuildConfig, BuilderName, EngineWeights

MODULES: Final[Mapping[BuilderName, str]] = {
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt_rtx",
}
# By the weights of an engine: the command-line option, and TensorRT's flags.
_WEIGHT_FLAGS: Final[Mapping[EngineWeights, tuple[str, tuple[str, ...]]]] = {
    "full": ("", ()),
    "refit": ("--refit", ("REFIT",)),
    "strip": ("--strip-weights", ("STRIP_PLAN", "REFIT_IDENTICAL")),
}


def open_module(builder: BuilderName) -> TensorRTModule:
    """Import the TensorRT module of a builder."""
    try:
        return TensorRTModule.load(MODULES[builder])
    except LibraryError as error:
        raise LibraryError(f"--builder {builder}: {error}{_other(builder)}") from error


def make_builder(module: TensorRTModule) -> Any:  # noqa: ANN401
    """Create TensorRT's ``Builder``; raise EngineError if it needs a GPU that is missing."""
    if module.name == "tensorrt" and not device_architectures():
        raise EngineError(
            "TensorRT builds on the GPU that it builds for; no GPU was found (no driver, or no "
            "device)\nBuild on the target machine, or without a GPU for GeForce RTX: "
            "--builder tensorrt-rtx --targets sm_89"
        )
    try:
        return module.trt.Builder(module.log)
    except (TypeError, RuntimeError) as error:  # its constructor returned nothing
        raise module.failure("made no builder", "Compare driver and CUDA: csakit doctor") from error


def make_network(module: TensorRTModule, builder: Any) -> Any:  # noqa: ANN401
    """Create an empty, strongly typed network."""
    flags = 0
    if module.has("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"):  # the only mode of 11
        flags |= 1 << int(module.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return builder.create_network(flags)


def make_config(module: TensorRTModule, builder: Any, config: BuildConfig) -> Any:  # noqa: ANN401
    """Create an ``IBuilderConfig`` without profiles, plugins and timing cache."""
    trt, builder_config = module.trt, builder.create_builder_config()
    builder_config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the audit reads layers
    if config.workspace_bytes is not None:
        builder_config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace_bytes)
    if config.opt_level is not None:
        builder_config.builder_optimization_level = config.opt_level
    if not config.tf32:  # on by default; fp32 models were verified in fp32
        builder_config.clear_flag(trt.BuilderFlag.TF32)
    option, flags = _WEIGHT_FLAGS[config.weights]
    for flag in flags:
        builder_config.set_flag(_member(module, "BuilderFlag", flag, option))
    if config.version_compatible:
        flag = _member(module, "BuilderFlag", "VERSION_COMPATIBLE", "--version-compatible")
        builder_config.set_flag(flag)
    if config.portable != "none":
        level = {"ampere+": "AMPERE_PLUS", "same-cc": "SAME_COMPUTE_CAPABILITY"}[config.portable]
        builder_config.hardware_compatibility_level = _member(
            module, "HardwareCompatibilityLevel", level, f"--portable {config.portable}"
        )
    return builder_config


def set_targets(module: TensorRTModule, builder_config: Any, targets: tuple[str, ...]) -> None:  # noqa: ANN401
    """Set the architectures, such as "sm_89", of an engine of TensorRT for RTX."""
    if module.name != "tensorrt_rtx":
        return  # it builds for the GPU it runs on, and has no such setting
    members = getattr(module.trt, "ComputeCapability").__members__  # noqa: B009 - not in stubs
    known = {f"sm_{name[2:]}": name for name in members if re.fullmatch(r"SM\d+", name)}
    for target in targets:
        if target not in known:
            raise ContractError(
                f"{module.title} builds for {', '.join(known)}; got {target!r}\n"
                "Choose among them, or build with --builder tensorrt on that GPU."
            )
    builder_config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        builder_config.set_compute_capability(
            getattr(module.trt.ComputeCapability, known[target]), index
        )


def resolve_targets(config: BuildConfig) -> tuple[str, ...]:
    """Return the stated architectures, each once, or those of this machine's GPUs."""
    if config.targets is not None:
        return tuple(dict.fromkeys(config.targets))
    found = device_architectures() if config.rtx else devices()[:1]  # TensorRT takes number 0
    if not found:
        raise EngineError(
            "without a GPU here the engine's GPU must be named; got no --targets\n"
            "Add --targets with its compute capability, such as --targets sm_89 (RTX 40)."
        )
    return tuple(found)


def _other(builder: BuilderName) -> str:
    """Return a remedy that names the other flavour if it is installed, else an empty one."""
    for other, name in MODULES.items():
        if other != builder and importlib.util.find_spec(name) is not None:
            return f"\nOr use what is installed: --builder {other}"
    return ""


def _member(module: TensorRTModule, owner: str, name: str, option: str) -> Any:  # noqa: ANN401
    if not module.has(owner, name):
        raise EngineError(
            f"{module.title} has no {option} ({owner}.{name})\nLeave it out, or update TensorRT."
        )
    return getattr(getattr(module.trt, owner), name)
