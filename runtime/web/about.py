"""Descriptions of the server for the page, for API clients, and for IOPaint's clients."""

import dataclasses
from typing import Any, Final

from ..images.decode import FORMATS as READ_FORMATS
from ..images.decode import MAX_PIXELS
from ..options import CHANNELS, DILATE_MAX, MARGIN_MAX, MARGIN_MIN, STRATEGIES
from .fields import FORMATS, QUALITY, RequestOptions
from .options import WebOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """The served model."""

    version: str  # of csakit
    name: str  # file name
    sha256: str  # of the file
    precision: str  # of the computation, or of the export
    backend: str  # library that runs it
    device: str  # "cpu" or "cuda:N"
    size: tuple[int, int] | None  # the one (H, W) it takes; None if it takes any multiple of 256
    trained_hole: int  # px, side of the largest hole in training
    concurrency: int = 1  # repairs that run at once


_MODEL_KEYS: Final = ("name", "sha256", "precision", "size", "trained_hole")


def describe(model: Model, options: WebOptions, defaults: RequestOptions) -> dict[str, Any]:
    """Return the answer of /api/v1/info."""
    inpaint, mask = defaults.inpaint, defaults.mask
    return {
        "name": "csakit",
        "version": model.version,
        "model": {key: getattr(model, key) for key in _MODEL_KEYS},
        "backend": model.backend,
        "device": model.device,
        "limits": {
            "max_upload_bytes": options.max_bytes,
            "max_pixels": MAX_PIXELS,
            "queue": options.queue,
            "deadline_seconds": options.deadline,
        },
        "formats": {"read": list(READ_FORMATS), "write": list(FORMATS)},
        "options": {
            "strategy": {"default": inpaint.strategy, "values": list(STRATEGIES)},
            "margin": {"default": inpaint.margin, "least": MARGIN_MIN, "most": MARGIN_MAX},
            "blend": {"default": inpaint.blend, "values": ["seamless", "none", "feather PX"]},
            "texture": {"default": inpaint.texture, "values": [False, True]},
            "max_side": {"default": inpaint.max_side, "multiple_of": 256},
            "mask_channel": {"default": mask.channel, "values": list(CHANNELS)},
            "mask_invert": {"default": mask.invert, "values": [False, True]},
            "mask_threshold": {"default": mask.threshold, "least": 1, "most": 255},
            "dilate": {"default": mask.dilate, "least": 0, "most": DILATE_MAX},
            "format": {"default": defaults.format, "values": list(FORMATS)},
            "quality": {"default": QUALITY, "least": 1, "most": 100},
        },
    }


def iopaint_models(model: Model) -> list[dict[str, Any]]:
    """Return the models as IOPaint's clients expect them."""
    named = {"name": f"csakit {model.name}", "path": model.name, "model_type": "inpaint"}
    absent = ("strength", "outpainting", "lcm_lora", "controlnet", "brushnet", "powerpaint_v2")
    return [
        named
        | {"need_prompt": False, "controlnets": [], "is_single_file_diffusers": False}
        | {f"support_{feature}": False for feature in absent}
    ]


def iopaint_config(model: Model) -> dict[str, Any]:
    """Return the configuration that IOPaint's clients ask for first."""
    kinds = ("removeBG", "realesrgan", "interactiveSeg")
    return {
        "plugins": [],
        "samplers": [],
        "modelInfos": iopaint_models(model),
        **{f"{kind}Model": "" for kind in kinds},
        **{f"{kind}Models": [] for kind in kinds},
        **{f"enable{name}": False for name in ("FileManager", "AutoSaving", "Controlnet")},
        "controlnetMethod": None,
        "disableModelSwitch": True,
        "isDesktop": False,
    }
