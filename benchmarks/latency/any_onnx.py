"""Run and profile any ONNX file with inputs ``image`` and ``mask`` in ONNX Runtime.

Letters: B images, H W sides in pixels.
"""

import collections
import json
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from ...plugins.errors import ContractError
from ...plugins.locations import file_name
from ...runtime.contract import IMAGE, MASK
from ...runtime.engine.manifest import manifest_path, read_manifest
from ...runtime.tensors.pixels import Float32

_PROFILED_CALLS: Final = 10
_KERNEL: Final = "_kernel_time"
_LAYERS: Final = 15  # listed; the rest is summed


class AnyModel:
    """An ONNX file, which takes images in [0, 1] or bytes, as a ``Running`` model."""

    def __init__(self, file: Path, threads: int, profile: Path | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(file), options, providers=providers)
        self._inputs = {one.name: one for one in self.session.get_inputs()}
        if {*self._inputs} != {IMAGE, MASK}:
            raise ContractError(
                f"the inputs of {file.name} must be {IMAGE!r} and {MASK!r}; got "
                f"{', '.join(self._inputs)}"
            )
        self._feeds: dict[int, Mapping[str, npt.NDArray[Any]]] = {}  # by image

    def run(self, image: Float32, hole: Float32) -> npt.NDArray[Any]:
        """Inpaint a batch; its first call converts it to the types and layouts of the file."""
        if id(image) not in self._feeds:
            pair: dict[str, Float32] = {IMAGE: np.float32(0.5) * (image + 1), MASK: hole}
            self._feeds[id(image)] = {name: self._converted(name, x) for name, x in pair.items()}
        result: npt.NDArray[Any] = self.session.run(None, self._feeds[id(image)])[0]
        return result

    def _converted(self, name: str, values: Float32) -> npt.NDArray[Any]:
        """Convert (B, C, H, W) in [0, 1] to the type and layout of an input."""
        wanted, channels = self._inputs[name], values.shape[1]
        if wanted.shape[-1] == channels != wanted.shape[1]:
            values = values.transpose(0, 2, 3, 1)
        if wanted.type == "tensor(uint8)":
            return np.ascontiguousarray(values * 255, dtype=np.uint8)
        kinds = {"tensor(float16)": np.float16, "tensor(bool)": np.bool_}
        return np.ascontiguousarray(values, dtype=kinds.get(wanted.type, np.float32))


class Layer(NamedTuple):
    """One node of a graph, and its milliseconds a call."""

    name: str
    kind: str
    ms: float


def profile(file: Path, image: Float32, hole: Float32, threads: int) -> str:
    """Return the slowest layers of a file, or the command that lists those of an engine."""
    if file.suffix == ".onnx":
        return profile_text(file, profiled(file, image, hole, threads))
    build = read_manifest(manifest_path(file)).build
    tool = "tensorrt_rtx" if build.module == "tensorrt_rtx" else "trtexec"
    command = [tool, f"--loadEngine={file}", "--dumpProfile", "--separateProfileRun"]
    if build.plugin is not None and not build.plugin.embedded:
        command.append(f"--staticPlugins={file_name('csakit_trt_autoreg')}")
    return f"TensorRT lists the layers of an engine:\n  {shlex.join(command)}"


def profiled(file: Path, image: Float32, hole: Float32, threads: int) -> list[Layer]:
    """Return ONNX Runtime's profile, mean over some calls, slowest layer first.

    The profiler slows every node down, most of all the many small ones in loops.
    """
    with tempfile.TemporaryDirectory(prefix="csakit-profile-") as folder:
        model = AnyModel(file, threads, profile=Path(folder) / "ort")
        for _ in range(_PROFILED_CALLS):
            model.run(image, hole)
        events = json.loads(Path(model.session.end_profiling()).read_text(encoding="utf-8"))
    spent: collections.Counter[tuple[str, str]] = collections.Counter()
    nodes = [one for one in events if one.get("cat") == "Node" and one["name"].endswith(_KERNEL)]
    end = 0
    for event in sorted(nodes, key=lambda one: (one["ts"], -one["dur"])):
        if event["ts"] + event["dur"] <= end:
            continue  # in the body of a loop, whose event includes its time
        end = event["ts"] + event["dur"]
        spent[event["name"].removesuffix(_KERNEL), event["args"]["op_name"]] += event["dur"]
    return [Layer(*key, us / 1e3 / _PROFILED_CALLS) for key, us in spent.most_common()]


def profile_text(file: Path, layers: list[Layer]) -> str:
    """Return a profile as text: kinds of operators, then the slowest layers."""
    total = sum(layer.ms for layer in layers)
    kinds: collections.Counter[str] = collections.Counter()
    for layer in layers:
        kinds[layer.kind] += layer.ms  # type: ignore[assignment]  # counters sum floats as well
    shares = (f"{kind} {ms / total:.0%}" for kind, ms in kinds.most_common(6))
    rows = [*layers[:_LAYERS]]
    if rest := layers[_LAYERS:]:
        rows.append(Layer(f"{len(rest)} others", "", sum(layer.ms for layer in rest)))
    lines = [f"{row.ms:>10.3f} {row.ms / total:>6.1%}  {row.kind:<20} {row.name}" for row in rows]
    head = (
        f"{file.name}, layers in ONNX Runtime, {total:.1f} ms with the profiler, mean of "
        f"{_PROFILED_CALLS} calls"
    )
    return "\n".join([f"{head}; {', '.join(shares)}", *lines])
