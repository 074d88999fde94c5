"""Checks of installed packages: one line each, with the remedy."""

import dataclasses
import enum
import platform
import sys
from types import MappingProxyType
from typing import Final

from ...plugins.errors import CsakitError
from ...plugins.versions import installed, numbers
from ..host import DISTRIBUTION, ORT_WHEELS, has_bfloat16, low_precision_instructions, minimum
from ..libraries import import_onnxruntime


class Status(str, enum.Enum):
    """Outcome of a check."""

    OK = "OK"
    ABSENT = "--"  # optional
    FIX = "FIX"


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of ``csakit doctor``; the text ends with the remedy."""

    status: Status  # how it ended
    name: str  # its subject
    text: str  # the finding, and the remedy

    def __str__(self) -> str:
        return f"{self.status.value:<4}{self.name:<21} {self.text}"


# Optional packages: what csakit uses each for, and the extra that installs it.
OPTIONAL: Final = MappingProxyType(
    {
        "torch": ("training, and export of checkpoints", "train"),
        "safetensors": ("reading and writing checkpoints", "train"),
        "lightning-fabric": ("the training loop", "train"),
        "onnx": ("export to ONNX", "export"),
        "scikit-image": ("the photographs that exports are verified on", "export"),
        "polygraphy": ("verifying tensor by tensor", "export"),
    }
)


def printable(text: str) -> str:
    """Return a text with ? for control characters and line ends."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def check_python() -> Check:
    """Report the running Python."""
    where = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check(Status.OK, "Python", f"{where} ({sys.executable})")


def check_csakit() -> Check:
    """Report the version of csakit."""
    version = installed(DISTRIBUTION)
    if version is None:
        return Check(Status.FIX, DISTRIBUTION, "run from its source; install it: pip install .")
    return Check(Status.OK, DISTRIBUTION, version)


def check_required(distribution: str) -> Check:
    """Check that a required package is installed and new enough."""
    version, least = installed(distribution), minimum(distribution)
    if version is None or numbers(version, 3) < numbers(least, 3):
        text = f"{version or 'absent'}; csakit needs at least {least}"
        return Check(Status.FIX, distribution, f"{text}: pip install '{distribution}>={least}'")
    return Check(Status.OK, distribution, version)


def check_optional(name: str) -> Check:
    """Report whether an optional package is installed."""
    if version := installed(name):
        return Check(Status.OK, name, version)
    use, extra = OPTIONAL[name]
    return Check(Status.ABSENT, name, f"absent; for {use}: pip install 'csakit[{extra}]'")


def check_onnxruntime(*, needed: bool = True) -> list[Check]:
    """Check onnxruntime, and whether two of its wheels overwrite each other."""
    wheels = [f"{wheel} {version}" for wheel in ORT_WHEELS if (version := installed(wheel))]
    absent = Status.FIX if needed else Status.ABSENT
    text = "absent; runs .onnx models: pip install 'csakit[runtime]'"
    status, found = _onnxruntime() if wheels else (absent, text)
    checks = [Check(status, "onnxruntime", found)]
    if len(wheels) > 1:
        names = " ".join(wheel.split()[0] for wheel in wheels)
        kept = "gpu" if "onnxruntime-gpu" in names else "runtime"
        remedy = f"pip uninstall -y {names} && pip install 'csakit[{kept}]'"
        text = f"{' and '.join(wheels)} overwrite each other: {remedy}"
        checks.insert(0, Check(Status.FIX, "onnxruntime wheels", text))
    return checks


def _onnxruntime() -> tuple[Status, str]:
    try:
        onnxruntime = import_onnxruntime()
    except CsakitError as error:
        remedy = "pip install --force-reinstall 'csakit[runtime]'"
        return Status.FIX, f"cannot be imported ({error.__cause__ or error}): {remedy}"
    version, least = onnxruntime.__version__, minimum("onnxruntime")
    if numbers(version, 3) < numbers(least, 3):
        remedy = "pip install --upgrade 'csakit[runtime]'"
        return Status.FIX, f"{version}; csakit needs at least {least}: {remedy}"
    return Status.OK, f"{version}, with {', '.join(onnxruntime.get_available_providers())}"


def check_openvino() -> Check:
    """Report openvino, and whether this processor computes in bfloat16; imports nothing."""
    version = installed("openvino")
    found = " ".join(low_precision_instructions()) or "none"
    here = f"bfloat16 {'possible' if has_bfloat16() else 'not possible'} here ({found})"
    if version is None:
        text = "absent; for .onnx models in bfloat16 on a CPU: pip install 'csakit[openvino]'"
        return Check(Status.ABSENT, "openvino", f"{text}; {here}")
    return Check(Status.OK, "openvino", f"{version}; {here}")
