"""The ``config.pbtxt`` of a served model.

``templates/config.pbtxt.jinja`` has the text; field names and meanings are those of Triton's
``model_config.proto``.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from . import warmup
from .model_io import ModelIO
from .options import ServingOptions

Backend = Literal["onnxruntime", "tensorrt"]
MODEL_FILES: Final[Mapping[Backend, str]] = {"onnxruntime": "model.onnx", "tensorrt": "model.plan"}
SUFFIXES: Final[Mapping[Backend, str]] = {"onnxruntime": "onnx", "tensorrt": "trt"}
PARAMETER_SIDES: Final = "csakit_sides"  # the client reads it; the backends ignore it


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
        """Batch sizes to warm up and capture: one image, the preferred, the largest."""
        form = self.form
        return tuple(sorted({1, *self.options.preferred, form.max_batch or 1}))

    @property
    def parameters(self) -> dict[str, str]:
        """Parameters: sides for the client, provenance, threads of ONNX Runtime."""
        parameters = {PARAMETER_SIDES: str(self.form.sides), **self.facts}
        if not self.on_gpu and self.options.threads:
            parameters["intra_op_thread_count"] = str(self.options.threads)
        return parameters


def config_text(model: Model) -> str:
    """Return the ``ModelConfig`` of a model as text."""
    return render("config.pbtxt.jinja", model=model, warmup_file=warmup.file_name)


def render(template: str, **values: Any) -> str:  # noqa: ANN401
    """Fill a template of the folder ``templates``."""
    import jinja2  # deferred: --help works without the extra

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = json.dumps  # of printable ASCII it is protobuf's escape as well
    return environment.get_template(template).render(values)
