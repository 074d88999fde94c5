"""The README of a model repository: what is in it, how to serve it, how to ask it."""

import shlex
from collections.abc import Sequence
from typing import Final

from ...runtime.contract import IMAGE, MASK, OUTPUT
from ...runtime.engine.manifest import Manifest
from ...runtime.engine.shapes import Span
from .containers import OLDEST_FOR_ONNX, SUPPORT_MATRIX, USUAL, image, release_for
from .model_config import Model
from .plugin import FOLDER, LIBRARY, PluginNeed

_REACH: Final = {"none": " only", "ampere+": " and on all GPUs from Ampere on"}
Described = Sequence[tuple[Model, Manifest | None]]
_MOUNT: Final = "/csakit"  # where the container finds the folder


def guide_text(models: Described, need: PluginNeed | None) -> str:
    """Write the README."""
    parts = [
        "# CSA inpainting on Triton Inference Server\n",
        _models(models),
        _start(models, need),
        _ask(models),
        _scale(models),
        _update(),
    ]
    return "\n".join(part for part in parts if part)


def _models(models: Described) -> str:
    rows = [
        "| model | backend | precision | batches | sides | device |",
        "|---|---|---|---|---|---|",
    ]
    for model, manifest in models:
        form = model.form
        batches = f"1 to {form.max_batch}" if form.max_batch else f"{form.batch}, fixed"
        backend = model.backend if manifest is None else f"tensorrt {manifest.build.version}"
        where = "CPU" if not model.on_gpu else "GPU"
        if manifest is not None:
            where += f" {', '.join(manifest.build.targets)}"
        precision = model.facts["csakit_precision"]
        cells = (f"`{model.name}`", backend, precision, batches, _sides(form.sides), where)
        rows.append(f"| {' | '.join(cells)} |")
    form = models[0][0].form
    shape = "(B, H, W, C) bytes" if form.io == "uint8" else "(B, C, H, W) float32 in [-1, 1]"
    takes = (
        f"Inputs `{IMAGE}` (C = 3, RGB) and `{MASK}` (C = 1, "
        f"{'other than 0' if form.io == 'uint8' else '1'} is missing), output `{OUTPUT}` (C = 3): "
        f"{shape}. Sides are multiples of 256. Known pixels come back as they were sent."
    )
    return "\n".join([*rows, "", takes, ""])


def _sides(sides: Span) -> str:
    span = f"{sides.least} to {sides.most}" if sides.least != sides.most else f"{sides.most}, fixed"
    return f"{span}, warm at {sides.best}" if sides.least != sides.most else span


def _start(models: Described, need: PluginNeed | None) -> str:
    engine = next((manifest for _, manifest in models if manifest is not None), None)
    release = USUAL if engine is None else release_for(engine.build.version)
    command = [
        *("docker run --rm --shm-size=256m -p 8000:8000 -p 8001:8001 -p 8002:8002",),
        *(("--gpus all",) if any(model.on_gpu for model, _ in models) else ()),
        f'-v "$PWD":{_MOUNT}:ro {image(release or "YY.MM")}',
        f"tritonserver --model-repository={_MOUNT}/models",
        *_backend_options(engine, need),
    ]
    parts = ["## Start the server\n\nIn this folder:\n", _shell(" \\\n    ".join(command))]
    if engine is None:
        parts.append(
            f"Any release from {OLDEST_FOR_ONNX} on serves the model; {USUAL} is an example.\n"
        )
    else:
        parts.append(_matching(engine, release))
    if need is not None:
        parts.append(_plugin(need))
    return "\n".join(parts)


def _backend_options(engine: Manifest | None, need: PluginNeed | None) -> list[str]:
    if engine is None:
        return []
    options = []
    if need is not None:
        options.append(f"--backend-config=tensorrt,plugins={_MOUNT}/{FOLDER}/{LIBRARY}")
    if engine.build.version_compatible:
        options.append("--backend-config=tensorrt,version-compatible=true")
    return options


def _matching(engine: Manifest, release: str | None) -> str:
    """Return which container opens the engine, and how to check it."""
    build = engine.build
    ask = f"docker run --rm {image(release or 'YY.MM')} printenv TRT_VERSION"
    if build.version_compatible:
        rule = (
            f"The engine opens in TensorRT {build.version} and newer. It carries code that the "
            "server runs (`version-compatible=true`): serve only engines that you trust."
        )
    else:
        rule = f"The engine opens in TensorRT {build.version} and in no other version."
    known = (
        f"Release {release} should have it."
        if release
        else f"Put the release for YY.MM that has it, by the [support matrix]({SUPPORT_MATRIX})."
    )
    verified = "" if engine.parity else " Its result was not compared with its source (no parity)."
    return (
        f"{rule} {known} Ask the container, and otherwise build the engine again with the TensorRT "
        f"it has:\n\n{_shell(ask)}\n"
        f"It runs on {', '.join(build.targets)}{_REACH.get(build.portable, '')}.{verified}\n"
    )


def _plugin(need: PluginNeed) -> str:
    if need.library is not None:
        return (
            f"`{FOLDER}/{LIBRARY}` computes the attention in the engine, and registers itself when "
            "the server opens it. "
            f"`LD_PRELOAD={_MOUNT}/{FOLDER}/{LIBRARY}` does the same as the option `plugins`.\n"
        )
    return (
        f"**`{FOLDER}/{LIBRARY}` is missing** ({need.problem}), and without it the server cannot "
        "open the engine. Build it in this folder, with the headers of the container's TensorRT:\n"
        f"\n{_shell(need.command)}"
    )


def _ask(models: Described) -> str:
    name = models[-1][0].name
    client = ["python", "client.py", "photo.png", "mask.png", "-o", "repaired.png"]
    lines = [
        "curl --fail localhost:8000/v2/health/ready",
        "pip install 'tritonclient[http]' pillow",
        shlex.join([*client, "--model", name]),
    ]
    return (
        f"## Ask it\n\n{_shell(chr(10).join(lines))}\n"
        "White in the mask is missing. `client.py` sends the part of the picture around the hole, "
        "and needs nothing of csakit.\n"
    )


def _scale(models: Described) -> str:
    model = models[0][0]
    options = model.options
    lines = [
        f"* {options.instances} instance(s) of each model"
        f"{' on each GPU' if model.on_gpu else ''}: `instance_group`. Each holds the weights once.",
    ]
    if any(m.form.max_batch > 1 for m, _ in models):
        lines.append(
            f"* A request waits at most {options.delay_us} microseconds for others of its size to "
            "form a batch: `dynamic_batching`."
        )
    if options.warmup:
        lines.append(
            "* The server says that it is ready when every instance has run the requests in "
            "`warmup/`: `model_warmup`."
        )
    if options.cuda_graphs and len(models) > 1:
        size = models[-1][0].form.warm_size
        batches = ", ".join(map(str, models[-1][0].batches))
        lines.append(
            f"* CUDA graphs are captured for {size[1]} x {size[0]} pixels and batches of {batches};"
            " other shapes run without."
        )
    return "## How it is served\n\n" + "\n".join(lines) + "\n"


def _update() -> str:
    return (
        "Folders `1` are versions: put a new model into `2`, and the server takes the highest. "
        "`repository.json` has the SHA-256 of every file.\n"
    )


def _shell(command: str) -> str:
    return f"```sh\n{command}\n```\n"
