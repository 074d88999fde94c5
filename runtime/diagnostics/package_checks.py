"""Checks of installed packages: one line each, with what to install or to repair."""

import dataclasses
import enum
import platform
import sys
from typing import Final

from ...plugins.errors import CsakitError
from ...plugins.versions import installed, numbers
from ..host import DISTRIBUTION, ORT_WHEELS, has_bfloat16, low_precision_instructions, minimum
from ..libraries import import_onnxruntime


class Status(str, enum.Enum):
    """How a check ended."""

    OK = "OK"
    ABSENT = "--"  # optional
    FIX = "FIX"


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of ``csakit doctor``; the text ends with the remedy."""

    status: Status  # how it ended
    name: str  # what it is about
    text: str  # what is true, and the remedy

    def __str__(self) -> str:
        return f"{self.status.value:<4}{self.name:<21} {self.text}"


@dataclasses.dataclass(frozen=True)
class Package:
    """An optional package: what csakit does with it, and the arguments of ``pip install``."""

    name: str  # what people call it
    gives: str  # what csakit does with it
    install: str  # the arguments of ``pip install``
    wheels: tuple[str, ...] = ()  # distributions that provide it; the name by default


OPTIONAL: Final = (
    Package("torch", "training, and export of checkpoints", "'csakit[train]'"),
    Package("safetensors", "reading and writing checkpoints", "'csakit[train]'"),
    Package("lightning-fabric", "the training loop", "'csakit[train]'"),
    Package("onnx", "export to ONNX", "'csakit[export]'"),
    Package("scikit-image", "the photographs that exports are verified on", "'csakit[export]'"),
    Package("polygraphy", "verifying tensor by tensor", "'csakit[export]'"),
)


def check_python() -> Check:
    """Report which Python runs this."""
    where = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check(Status.OK, "Python", f"{where} ({sys.executable})")


def check_csakit() -> Check:
    """Report which csakit this is."""
    version = installed(DISTRIBUTION)
    if version is None:
        return Check(Status.FIX, DISTRIBUTION, "run from its source; install it: pip install .")
    return Check(Status.OK, DISTRIBUTION, version)


def check_required(distribution: str) -> Check:
    """Check that a package that csakit cannot do without is new enough."""
    version, least = installed(distribution), minimum(distribution)
    if version is None or numbers(version, 3) < numbers(least, 3):
        text = f"{version or 'absent'}; csakit needs at least {least}"
        return Check(Status.FIX, distribution, f"{text}: pip install '{distribution}>={least}'")
    return Check(Status.OK, distribution, version)


def check_optional(package: Package) -> Check:
    """Report whether an optional package is there."""
    found = [(wheel, installed(wheel)) for wheel in package.wheels or (package.name,)]
    versions = [f"{version}" for _, version in found if version is not None]
    if versions:
        return Check(Status.OK, package.name, versions[0])
    text = f"absent; for {package.gives}: pip install {package.install}"
    return Check(Status.ABSENT, package.name, text)


def check_onnxruntime(*, needed: bool = True) -> list[Check]:
    """Check onnxruntime; one check more where two of its wheels overwrite each other."""
    wheels = [f"{wheel} {version}" for wheel in ORT_WHEELS if (version := installed(wheel))]
    if not wheels:
        text = "absent; runs .onnx models: pip install 'csakit[runtime]'"
        return [Check(Status.FIX if needed else Status.ABSENT, "onnxruntime", text)]
    checks = []
    if len(wheels) > 1:
        names = " ".join(wheel.split()[0] for wheel in wheels)
        kept = "gpu" if "onnxruntime-gpu" in names else "runtime"
        remedy = f"pip uninstall -y {names} && pip install 'csakit[{kept}]'"
        text = f"{' and '.join(wheels)} overwrite each other: {remedy}"
        checks.append(Check(Status.FIX, "onnxruntime wheels", text))
    try:
        onnxruntime = import_onnxruntime()
    except CsakitError as error:
        reason = error.__cause__ or error
        remedy = "pip install --force-reinstall 'csakit[runtime]'"
        return [
            *checks,
            Check(Status.FIX, "onnxruntime", f"cannot be imported ({reason}): {remedy}"),
        ]
    least = minimum("onnxruntime")
    if numbers(onnxruntime.__version__, 3) < numbers(least, 3):
        text = f"{onnxruntime.__version__}; csakit needs at least {least}"
        remedy = "pip install --upgrade 'csakit[runtime]'"
        return [*checks, Check(Status.FIX, "onnxruntime", f"{text}: {remedy}")]
    providers = ", ".join(onnxruntime.get_available_providers())
    return [
        *checks,
        Check(Status.OK, "onnxruntime", f"{onnxruntime.__version__}, with {providers}"),
    ]


def check_openvino() -> Check:
    """Report openvino, and whether this processor computes in bfloat16; imports nothing."""
    version = installed("openvino")
    found = " ".join(low_precision_instructions()) or "none"
    here = f"bfloat16 {'possible' if has_bfloat16() else 'not possible'} here ({found})"
    if version is None:
        text = "absent; for .onnx models in bfloat16 on a CPU: pip install 'csakit[openvino]'"
        return Check(Status.ABSENT, "openvino", f"{text}; {here}")
    return Check(Status.OK, "openvino", f"{version}; {here}")
