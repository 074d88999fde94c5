"""The ``config.pbtxt`` of a served model.

Field names and meanings are those of Triton's ``model_config.proto``.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal

from ...runtime.contract import IMAGE, MASK, OUTPUT
from .model_io import ModelIO
from .options import ServingOptions
from .pbtxt import Value, Word, write
from .warmup import samples

Backend = Literal["onnxruntime", "tensorrt"]
MODEL_FILES: Final[Mapping[Backend, str]] = {"onnxruntime": "model.onnx", "tensorrt": "model.plan"}
SUFFIXES: Final[Mapping[Backend, str]] = {"onnxruntime": "onnx", "tensorrt": "trt"}
PARAMETER_SIDES: Final = "csakit_sides"  # the client reads it; the backends pass over it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """One served model."""

    backend: Backend
    form: ModelIO
    options: ServingOptions
    facts: Mapping[str, str]  # further parameters, by name

    @property
    def name(self) -> str:
        """Its name in the repository."""
        return f"{self.options.name}_{SUFFIXES[self.backend]}"

    @property
    def on_gpu(self) -> bool:
        """Whether it needs a GPU."""
        return self.backend == "tensorrt" or self.options.device == "gpu"

    @property
    def batches(self) -> tuple[int, ...]:
        """Batches that are warmed up and captured: one image, the preferred, the largest."""
        form = self.form
        return tuple(sorted({1, *self.options.preferred, form.max_batch or 1}))


def config_text(model: Model) -> str:
    """Write the ``ModelConfig`` of a model."""
    form, options = model.form, model.options
    message: dict[str, Value] = {
        "name": model.name,
        "backend": model.backend,
        "max_batch_size": form.max_batch,
        "input": [_tensor(form, IMAGE), _tensor(form, MASK)],
        "output": [_tensor(form, OUTPUT)],
        "instance_group": [
            {"count": options.instances, "kind": Word("KIND_GPU" if model.on_gpu else "KIND_CPU")}
        ],
    }
    if form.max_batch > 1:
        message["dynamic_batching"] = _batching(options)
    if model.backend == "tensorrt" and options.cuda_graphs:
        message["optimization"] = {"cuda": {"graphs": True, "graph_spec": _graphs(model)}}
    if options.warmup:
        message["model_warmup"] = list(samples(form, model.batches))
    message["parameters"] = [
        {"key": key, "value": {"string_value": value}} for key, value in _parameters(model).items()
    ]
    return f"# Written by csakit; see README.md two folders up.\n{write(message)}"


def _tensor(form: ModelIO, name: str) -> Value:
    return {"name": name, "data_type": Word(form.dtype), "dims": form.dims(name)}


def _batching(options: ServingOptions) -> Value:
    batching: dict[str, Value] = {}
    if options.preferred:
        batching["preferred_batch_size"] = sorted({*options.preferred})
    return {**batching, "max_queue_delay_microseconds": options.delay_us}


def _graphs(model: Model) -> Value:
    """Capture the shapes that the engine is tuned for; others run without a graph."""
    form = model.form
    inputs = [
        {"key": name, "value": {"dim": form.dims(name, form.warm_size)}} for name in (IMAGE, MASK)
    ]
    sizes = model.batches if form.max_batch else (0,)  # 0 is Triton's word for "no batching"
    return [{"batch_size": size, "input": inputs} for size in sizes]


def _parameters(model: Model) -> dict[str, str]:
    """State what the client needs, what was served, and how ONNX Runtime is to run."""
    parameters = {PARAMETER_SIDES: str(model.form.sides), **model.facts}
    if model.backend == "onnxruntime" and not model.on_gpu and model.options.threads:
        parameters["intra_op_thread_count"] = str(model.options.threads)
    return parameters
