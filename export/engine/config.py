"""Options of an engine: a frozen object, validated when it is created.

Letters: B images, H W sides in pixels.
"""

import dataclasses
import re
from pathlib import Path
from typing import Final, Literal, get_args

from ...plugins.errors import ContractError
from ...runtime.contract import SIZE_MULTIPLE
from ...runtime.engine.shapes import Span
from ..config import MAX_SIZE, SIZES

BuilderName = Literal["tensorrt", "tensorrt-rtx"]
Portable = Literal["none", "ampere+", "same-cc"]
EngineWeights = Literal["full", "refit", "strip"]
BUILDERS: Final[tuple[BuilderName, ...]] = get_args(BuilderName)
PORTABLES: Final[tuple[Portable, ...]] = get_args(Portable)

OPT_LEVELS: Final = range(6)  # of TensorRT; 3 is its default
_UNITS: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ARCHITECTURE: Final = re.compile(r"sm_\d{2,3}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """Options of an engine build.

    Attributes:
        builder: the flavour of TensorRT.
        batch: images in one run; None is what the model was exported for, up to 8.
        size: side in pixels, multiples of 256; None is the model's, or 256 to 1024 if that is
            dynamic.
        workspace_bytes: limit of a layer's scratch memory on the GPU; None leaves it to
            TensorRT.
        opt_level: 0 builds fastest, 5 searches longest; None is TensorRT's default, 3.
        timing_cache: file of measured layer times, read if it exists, and updated.
        portable: "none": the GPU it is built on; "ampere+": all from compute capability 8.0
            on; "same-cc": all of the same compute capability.
        version_compatible: later versions of TensorRT open the engine too.
        embed_plugin: store the plugin library in the engine.
        weights: "full"; "refit": replaceable; "strip": left out, and read from the ONNX file.
        targets: GPU architectures, such as "sm_89"; None is this machine's.
        plugin: compute CSA with the plugin; False uses the model's function body.
        tf32: allow TF32 (10-bit mantissa) in float32 products, TensorRT's own default; faster,
            but exceeds the fp32 parity limits.
    """

    builder: BuilderName = "tensorrt"
    batch: Span | None = None
    size: Span | None = None
    workspace_bytes: int | None = None
    opt_level: int | None = None
    timing_cache: Path | None = None
    portable: Portable = "none"
    version_compatible: bool = False
    embed_plugin: bool = False
    weights: EngineWeights = "full"
    targets: tuple[str, ...] | None = None
    plugin: bool = True
    tf32: bool = False

    @property
    def rtx(self) -> bool:
        """Whether this is TensorRT for RTX, which takes no plugins."""
        return self.builder == "tensorrt-rtx"

    @property
    def wants_plugin(self) -> bool:
        """Whether the plugin computes CSA."""
        return self.plugin and not self.rtx

    def __post_init__(self) -> None:
        """Refuse values that the chosen builder does not accept."""
        if self.batch is not None:
            self.batch.require_ascending("--batch")
        if self.size is not None:
            self.size.require_ascending("--size")
            if any(side not in SIZES for side in self.size):
                raise ContractError(
                    f"--size must be of multiples of {SIZE_MULTIPLE} up to {MAX_SIZE}; "
                    f"got {self.size}"
                )
        if self.opt_level is not None and self.opt_level not in OPT_LEVELS:
            raise ContractError(f"--opt-level must be 0 to {OPT_LEVELS[-1]}; got {self.opt_level}")
        for name in self.targets or ():
            if not _ARCHITECTURE.fullmatch(name):
                raise ContractError(f"--targets must be names such as sm_89; got {name!r}")
        if self.targets == ():
            raise ContractError("--targets must name at least one architecture; got none")
        if self.rtx:
            _check_rtx(self)
        else:
            _check_tensorrt(self)


def parse_span(name: str, text: str) -> Span:
    """Read "4" or "1:4:8", the value of the option ``name``."""
    if not re.fullmatch(r"[0-9]{1,9}(:[0-9]{1,9}:[0-9]{1,9})?", text):
        raise ContractError(f"{name} must be N or MIN:OPT:MAX, whole numbers; got {text!r}")
    numbers = [int(part) for part in text.split(":")]
    return Span(*(numbers if len(numbers) == 3 else numbers * 3))


def parse_bytes(text: str) -> int:
    """Read "2GiB", "512 MiB" or a number of bytes."""
    match = re.fullmatch(r"(\d{1,15}) ?([KMG]iB|B|)", text.strip())
    if match is None or not int(match[1]):
        raise ContractError(f"--workspace must be a size such as 2GiB or 512MiB; got {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def _check_rtx(config: BuildConfig) -> None:
    """Refuse what TensorRT for RTX silently ignores or cannot do (1.7, tried)."""
    refused = {
        "--portable": (config.portable != "none", "name the GPUs with --targets"),
        "--version-compatible": (config.version_compatible, "build with each version"),
        "--embed-plugin": (config.embed_plugin, "it takes no plugins"),
        "--timing-cache": (config.timing_cache is not None, "it does not time anything"),
    }
    for option, (given, remedy) in refused.items():
        if given:
            raise ContractError(
                f"TensorRT for RTX does not have {option}: {remedy}\n"
                f"Leave {option} out, or use --builder tensorrt."
            )


def _check_tensorrt(config: BuildConfig) -> None:
    if config.targets is not None:
        raise ContractError(
            "TensorRT builds for the GPU of this machine; --targets is for --builder tensorrt-rtx\n"
            "Leave --targets out; --portable widens where the engine runs."
        )
    if config.embed_plugin and not (config.version_compatible and config.plugin):
        raise ContractError(
            "--embed-plugin needs --version-compatible and the plugin: only such engines carry "
            "libraries\nAdd --version-compatible, and leave --no-plugin out."
        )
