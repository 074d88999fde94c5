"""One face for the modules ``tensorrt`` (10.3 to 11.x) and ``tensorrt_rtx``.

What differs between them, all of it here: which of them needs a GPU to build, how the GPUs
that an engine is for are stated, and options that a version lacks. Flags and enumerators are
looked up by name, because their numbers change between versions.
"""

import dataclasses
import importlib
import importlib.util
import re
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Final

from ...plugins.architectures import device_architectures, devices
from ...plugins.errors import ContractError, EngineError, LibraryError
from ...plugins.tensorrt_flavours import FLAVOURS
from ...runtime.engine.tensorrt_module import make_log
from .config import BuildConfig, BuilderName

MODULES: Final[Mapping[BuilderName, str]] = MappingProxyType(
    {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
)
_WEIGHT_OPTIONS: Final = MappingProxyType({"refit": "--refit", "strip": "--strip-weights"})


@dataclasses.dataclass(frozen=True)
class Api:
    """One flavour of TensorRT.

    Attributes:
        trt: its module.
        builder: what the command line calls it.
        log: what it said; errors are read from here when a call returns nothing.
    """

    trt: ModuleType
    builder: BuilderName
    log: Any

    @property
    def version(self) -> str:
        """Version of the module."""
        return str(self.trt.__version__)

    @property
    def title(self) -> str:
        """What people call it, with its version."""
        return f"{FLAVOURS[MODULES[self.builder]].title} {self.version}"

    def has(self, owner: str, name: str) -> bool:
        """Tell whether a class or an enumeration of this version has a member."""
        return hasattr(getattr(self.trt, owner, None), name)

    def failure(self, what: str, remedy: str) -> EngineError:
        """Make the error for a call that returned nothing, from what was logged."""
        reason = self.log.reason() or "no reason given"
        return EngineError(f"{self.title} {what}: {reason}\n{remedy}")


def open_api(builder: BuilderName) -> Api:
    """Import a flavour of TensorRT.

    Args:
        builder: which.

    Returns:
        Its face.

    Raises:
        LibraryError: it is not installed, cannot be imported, or is too old.
    """
    name = MODULES[builder]
    try:
        trt = importlib.import_module(name)
    except ImportError as error:
        raise LibraryError(
            f"--builder {builder} needs the Python package {name}: {error}\n"
            f"Install it with: pip install {FLAVOURS[name].install}{_other(builder)}"
        ) from error
    if not FLAVOURS[name].supports(trt.__version__):
        raise LibraryError(
            f"TensorRT must be 10.3 or newer; got {trt.__version__}\n"
            "Update it with: pip install --upgrade tensorrt"
        )
    return Api(trt, builder, make_log(trt))


def make_builder(api: Api) -> Any:  # noqa: ANN401
    """Make TensorRT's builder.

    Args:
        api: the flavour.

    Returns:
        Its ``Builder``.

    Raises:
        EngineError: there is no GPU, and this flavour needs one, or it failed.
    """
    if api.builder == "tensorrt" and not device_architectures():
        raise EngineError(
            "TensorRT builds on the GPU that it builds for, and there is none here (no driver, or "
            "no device)\nBuild on the target machine, or without a GPU for GeForce RTX: "
            "--builder tensorrt-rtx --targets sm_89"
        )
    try:
        return api.trt.Builder(api.log)
    except (TypeError, RuntimeError) as error:  # its constructor returned nothing
        raise api.failure("made no builder", "Compare driver and CUDA: csakit doctor") from error


def make_network(api: Api, builder: Any) -> Any:  # noqa: ANN401
    """Make an empty network whose types are those of the graph, and nothing else's."""
    flags = 0
    if api.has("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"):  # 11 has nothing else
        flags |= 1 << int(api.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return builder.create_network(flags)


def make_config(api: Api, builder: Any, config: BuildConfig) -> Any:  # noqa: ANN401
    """Translate the configuration of a build into TensorRT's.

    Args:
        api: the flavour.
        builder: its builder.
        config: the form of the engine.

    Returns:
        An ``IBuilderConfig`` without profiles, plugins and timing cache.

    Raises:
        EngineError: this version lacks an option.
    """
    trt, made = api.trt, builder.create_builder_config()
    made.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the audit reads layers
    if config.workspace_bytes is not None:
        made.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace_bytes)
    if config.opt_level is not None:
        made.builder_optimization_level = config.opt_level
    if not config.tf32:  # on by default; fp32 models were verified in fp32
        made.clear_flag(trt.BuilderFlag.TF32)
    flags = {"refit": ("REFIT",), "strip": ("STRIP_PLAN", "REFIT_IDENTICAL"), "full": ()}
    for name in flags[config.weights]:
        made.set_flag(_member(api, "BuilderFlag", name, _WEIGHT_OPTIONS[config.weights]))
    if config.version_compatible:
        flag = _member(api, "BuilderFlag", "VERSION_COMPATIBLE", "--version-compatible")
        made.set_flag(flag)
    if config.portable != "none":
        level = {"ampere+": "AMPERE_PLUS", "same-cc": "SAME_COMPUTE_CAPABILITY"}[config.portable]
        made.hardware_compatibility_level = _member(
            api, "HardwareCompatibilityLevel", level, f"--portable {config.portable}"
        )
    return made


def set_targets(api: Api, made: Any, targets: tuple[str, ...]) -> None:  # noqa: ANN401
    """State the architectures that an engine of TensorRT for RTX is for.

    Args:
        api: the flavour.
        made: its configuration.
        targets: names such as "sm_89".

    Raises:
        ContractError: this version does not build for one of them.
    """
    if api.builder != "tensorrt-rtx":
        return  # it builds for the GPU it runs on, and has no such setting
    known = {f"sm_{name[2:]}": name for name in _members(api) if re.fullmatch(r"SM\d+", name)}
    for target in targets:
        if target not in known:
            raise ContractError(
                f"{api.title} builds for {', '.join(known)}; got {target!r}\n"
                "Choose among them, or build with --builder tensorrt on that GPU."
            )
    made.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        made.set_compute_capability(getattr(api.trt.ComputeCapability, known[target]), index)


def resolve_targets(config: BuildConfig) -> tuple[str, ...]:
    """Name the architectures that an engine will be for.

    Args:
        config: of the build.

    Returns:
        The stated ones, in order and each once, or those of the GPUs of this machine.

    Raises:
        EngineError: none is stated and there is no GPU here.
    """
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
    """Mention the other flavour where it is installed."""
    for other, name in MODULES.items():
        if other != builder and importlib.util.find_spec(name) is not None:
            return f"\nOr use what is installed: --builder {other}"
    return ""


def _members(api: Api) -> list[str]:
    return list(getattr(api.trt, "ComputeCapability").__members__)  # noqa: B009 - not in stubs


def _member(api: Api, owner: str, name: str, option: str) -> Any:  # noqa: ANN401
    if not api.has(owner, name):
        raise EngineError(
            f"{api.title} has no {option} ({owner}.{name})\nLeave it out, or update TensorRT."
        )
    return getattr(getattr(api.trt, owner), name)
