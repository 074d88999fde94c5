"""Reports on files: a checkpoint, an exported model, or an engine with its manifest."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...plugins import spec
from ...plugins.errors import ContractError
from .. import contract
from ..engine.compatibility import Compatibility, HostCapabilities, diagnose
from ..engine.manifest import Manifest
from ..files.atomic import sha256
from ..files.failures import is_file, named
from ..files.onnx_header import OnnxHeader, read_onnx_header
from ..files.safetensors_header import read_checkpoint_header
from .package_checks import printable

_DIGITS = 12  # of a hash in the text; JSON has all of them


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The report on one file."""

    path: Path  # the file
    kind: str  # "checkpoint", "model" or "engine"
    lines: Mapping[str, str]  # text lines by label
    values: Mapping[str, Any]  # all values, JSON-serialisable
    damaged: bool = False  # whether the file is incomplete or altered

    def text(self) -> str:
        """Return the report as text."""
        rows = (f"  {name:<10} {line}" for name, line in self.lines.items() if line)
        return "\n".join([str(self.path), *rows])

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {"file": str(self.path), "kind": self.kind, "damaged": self.damaged, **self.values}


def inspect(path: Path, machine: HostCapabilities) -> Inspection:
    """Return the report on a file, by its suffix and then by its content."""
    kinds = {".safetensors": _checkpoint, ".onnx": _model}
    suffix = path.suffix.lower()
    if suffix not in (*kinds, ".engine"):
        raise ContractError(
            f"the suffix must be one of {', '.join(kinds)}, .engine; got {path.name!r}"
        )
    if not is_file(path):
        raise ContractError(f"file not found: {named(path)}")
    return _engine(diagnose(path, machine)) if suffix == ".engine" else kinds[suffix](path)


def _checkpoint(path: Path) -> Inspection:
    header, digest = read_checkpoint_header(path), sha256(path)
    config = {key: header.config[key] for key in sorted(header.config.keys() - {"training"})}
    stored = ", ".join(f"{many / 1e6:.2f} M {kind}" for kind, many in header.parameters.items())
    stated = ", ".join(f"{key} {value}" for key, value in config.items())
    trained = header.config.get("training")
    lines = {
        "what": f"checkpoint, {_size(path)}, SHA-256 {digest[:_DIGITS]}",
        "network": printable(stated) or "not written by csakit",
        "weights": stored,
        "training": printable(", ".join(trained)) if isinstance(trained, dict) else "",
    }
    values = {"sha256": digest, "config": dict(header.config), "weights": dict(header.parameters)}
    return Inspection(path, "checkpoint", lines, values)


def _model(path: Path) -> Inspection:
    header, digest = read_onnx_header(path), sha256(path)
    missing = [name for name in header.external if not is_file(path.parent / name)]
    damaged = [
        name
        for name, least in header.external.items()
        if name not in missing and not _whole(path.parent / name, least)
    ]
    stored = ", ".join(f"{many / 1e6:.2f} M {kind}" for kind, many in header.weights.items())
    beside = f", in {', '.join(header.external)}" if header.external else ""
    lost = f" (MISSING: {', '.join(missing)})" if missing else ""
    lost += f" (CUT OR CHANGED: {', '.join(damaged)})" if damaged else ""
    stated = header.metadata
    version = stated.get(contract.META_VERSION)
    checkpoint = stated.get(contract.META_CHECKPOINT, "")[:_DIGITS]
    width, limit = stated.get(contract.META_WIDTH), stated.get(contract.META_MAX_BATCH)
    lines = {
        "what": f"ONNX model, {_size(path)}, SHA-256 {digest[:_DIGITS]}",
        "from": f"checkpoint {checkpoint}, width {width}" if checkpoint else "",
        "built by": f"csakit {version}" if version else "not exported by csakit",
        "precision": stated.get(contract.META_PRECISION, ""),
        "takes": "; ".join(f"{t.name} {t.dtype} {_shape(t.shape)}" for t in header.inputs),
        "batches": f"up to {limit}" if limit else "",
        "gives": "; ".join(f"{t.name} {t.dtype} {_shape(t.shape)}" for t in header.outputs),
        "weights": stored + beside + lost,
        "CSA": _attention(header),
        "opset": ", ".join(f"{domain or 'ai.onnx'} {n}" for domain, n in header.opsets.items()),
    }
    shown = {name: printable(line) for name, line in lines.items()}
    values = {"sha256": digest, "missing": missing, "changed": damaged}
    values |= dataclasses.asdict(header)
    return Inspection(path, "model", shown, values, damaged=bool(missing or damaged))


def _whole(weights: Path, least: int) -> bool:
    """Report whether a file of weights is long enough, and matches the hash in its name."""
    named = re.search(r"-([0-9a-f]{8})\.weights$", weights.name)
    with weights.open("rb") as file:
        size = file.seek(0, 2)
    return size >= least and (named is None or sha256(weights).startswith(named[1]))


def _attention(header: OnnxHeader) -> str:
    operator = f"{spec.DOMAIN}::{spec.NAME}"
    if operator not in header.operators:
        return f"none ({header.metadata.get(contract.META_ATTENTION, 'unknown')} in its place)"
    body = "with" if operator in header.functions else "WITHOUT"
    return f"{header.metadata.get(contract.META_SIMILARITY, '')}, {body} its function body"


def _engine(found: Compatibility) -> Inspection:
    manifest = found.manifest
    reasons = [str(problem).replace("\n", ": ") for problem in found.problems]
    here = f"opens with {found.module}" if not reasons else f"no: {'; '.join(reasons)}"
    lines = {"what": f"engine, {_size(found.engine)}"}
    values: dict[str, Any] = {"problems": reasons, "opens_with": found.module, "manifest": None}
    if manifest is not None:
        lines = _describe(manifest)
        values["manifest"] = dataclasses.asdict(manifest)
    lines["here"] = here
    return Inspection(found.engine, "engine", lines, values, damaged=bool(found.corrupt))


def _describe(manifest: Manifest) -> dict[str, str]:
    build, source, shapes = manifest.build, manifest.source, manifest.profiles[0]
    plugin = build.plugin
    by = "function body" if plugin is None else f"{plugin.implementation} plugin {plugin.version}"
    inside = ", inside the engine" if plugin is not None and plugin.embedded else ""
    reach = [f"portable {build.portable}"] if build.portable != "none" else []
    reach += ["later versions too"] if build.version_compatible else []
    parity = manifest.parity
    stated = f"engine, {manifest.engine.bytes / 1e6:.1f} MB, SHA-256 "
    return {
        "what": stated + manifest.engine.sha256[:_DIGITS],
        "from": f"{source.model.name} ({source.model.sha256[:_DIGITS]}), checkpoint "
        f"{source.checkpoint_sha256[:_DIGITS]}",
        "built by": f"{build.module} {build.version}, csakit {manifest.csakit}",
        "built for": ", ".join([*build.targets, *reach]),
        "opens in": ", ".join(build.runtimes),
        "takes": f"{manifest.io} images, batch {shapes.batch}, sides {shapes.size}",
        "precision": f"{manifest.precision.audited}, as audited",
        "CSA": f"{source.similarity}, {by}{inside}" if source.attention == "csa" else "none",
        "weights": "" if build.weights == "full" else build.weights,
        "parity": "not verified" if parity is None else printable(_parity(parity)),
        "rebuild": manifest.rebuild,
    }


def _parity(parity: Mapping[str, Any]) -> str:
    """Return the line on the parity that ``csakit verify`` recorded; any field may be missing."""
    output, against = parity.get("output"), parity.get("against")
    verdict = "passed" if parity.get("passed") is True else "FAILED"
    if parity.get("images"):
        verdict += f" on {parity['images']} images"
    if isinstance(against, dict) and against.get("name"):
        verdict += f" against {against['name']}"
    if parity.get("gpu"):
        verdict += f" on {parity['gpu']}"
    if not isinstance(output, dict):
        return verdict
    numbers = [
        f"{what} {output[key]:.3g}{unit}"
        for key, what, unit in (("max_abs", "max abs", ""), ("psnr_db", "PSNR", " dB"))
        if isinstance(output.get(key), float | int)
    ]
    return f"{verdict}, {', '.join(numbers)} in the hole" if numbers else verdict


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
