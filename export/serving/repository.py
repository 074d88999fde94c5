"""Write a model repository into a temporary folder, then move it to its name."""

import contextlib
import dataclasses
import importlib.metadata
import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError, EngineError
from ...runtime import contract
from ...runtime.engine.compatibility import diagnose, this_machine
from ...runtime.engine.manifest import Manifest, manifest_path
from ...runtime.files.atomic import followed, sha256, staged_folder
from ...runtime.files.failures import failures_as_errors, named
from ...runtime.files.onnx_header import read_onnx_header
from ...runtime.files.onnx_weights import require_finite_weights
from . import guide, plugin, warmup
from .model_config import MODEL_FILES, Model, config_text
from .model_io import form_of_engine, form_of_model
from .options import ServingOptions

MODELS: Final = "models"  # Triton's model repository; each folder in it is a model
RECORD: Final = "repository.json"  # marks a folder written by csakit
SCHEMA: Final = 1
_CLIENT: Final = Path(__file__).with_name("client.py")  # imports tritonclient


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repository:
    """A written repository."""

    folder: Path  # Triton serves ``folder/models``
    models: tuple[Model, ...]
    # the plugin library of the engine; None if not needed
    plugin: plugin.PluginNeed | None


@dataclasses.dataclass(frozen=True)
class _Source:
    """A served model, its source files, and the destination of each in its folder."""

    model: Model
    files: tuple[tuple[Path, str], ...]
    manifest: Manifest | None = None


def write_repository(
    model: str | Path,
    engine: str | Path | None,
    output: str | Path,
    options: ServingOptions | None = None,
    *,
    overwrite: bool = False,
) -> Repository:
    """Write a model repository for Triton Inference Server.

    Args:
        model: written by ``csakit export``.
        engine: built from it by ``csakit build``; None serves the model alone.
        output: folder, absent or empty.
        options: serving options; None is one instance on a CPU.
        overwrite: replace a repository that this function wrote.

    Returns:
        The repository; its folder is moved to its name last.

    Raises:
        ContractError: the model, the options or the output are not usable.
        EngineError: the engine is stale, damaged, of another model, or not one that Triton
            can open.
    """
    model, output, options = Path(model), Path(output), options or ServingOptions()
    _require_free(output, overwrite=overwrite)
    sources = [_model_source(model, options)]
    need = None
    if engine is not None:
        opened = _engine_source(Path(engine), model, options)
        sources.append(opened)
        assert opened.manifest is not None
        need = plugin.plugin_need(opened.manifest)
    with _staged(output) as folder:
        for source in sources:
            _write_model(folder / MODELS / source.model.name, source)
        if need is not None and need.library is not None:
            (folder / plugin.FOLDER).mkdir()
            shutil.copyfile(need.library, folder / plugin.FOLDER / plugin.LIBRARY)
        written = Repository(
            folder=output, models=tuple(source.model for source in sources), plugin=need
        )
        shutil.copyfile(_CLIENT, folder / _CLIENT.name)
        described = [(source.model, source.manifest) for source in sources]
        (folder / "README.md").write_text(guide.guide_text(described, need))
        (folder / RECORD).write_text(json.dumps(_record(folder, sources), indent=1) + "\n")
    return written


def _require_free(output: Path, *, overwrite: bool) -> None:
    """Refuse an existing output without ``overwrite``, and foreign files always."""
    if not output.exists():
        return
    if not output.is_dir():
        raise ContractError(f"the output must be a folder; {output} is a file")
    if not any(output.iterdir()):
        return
    if not (output / RECORD).is_file():
        raise ContractError(
            f"the output must be absent or empty, or a repository written by csakit; {output} "
            "holds something else\nChoose another folder."
        )
    if not overwrite:
        raise ContractError(f"{output} exists\nReplace it with --overwrite, or choose another.")


def _model_source(path: Path, options: ServingOptions) -> _Source:
    if not path.is_file():
        raise ContractError(f"the model must be an existing file; got {named(path)}")
    header = read_onnx_header(path)
    form = form_of_model(path, header, options)
    files = [(path, f"1/{MODEL_FILES['onnxruntime']}")]
    for name in header.external:
        if Path(name).name != name:
            raise ContractError(f"{path} must keep its weights beside it; it names {name!r}")
        files.append((path.parent / name, f"1/{name}"))
    require_finite_weights(path)
    precision = header.metadata.get(contract.META_PRECISION, "")
    facts = {"csakit_precision": precision, "csakit_model_sha256": sha256(path)}
    served = Model(backend="onnxruntime", form=form, options=options, facts=facts)
    return _Source(served, tuple(files))


def _engine_source(path: Path, model: Path, options: ServingOptions) -> _Source:
    found = diagnose(path, this_machine())
    if found.corrupt or found.manifest is None:  # it need not run on this machine
        raise EngineError(str(found.corrupt[0]))
    manifest = found.manifest
    build = manifest.build
    if build.module != "tensorrt":
        raise EngineError(
            f"{path} was built by {build.module}, and Triton opens engines of TensorRT only\n"
            "Build one with --builder tensorrt on the GPU that will serve it."
        )
    if build.weights == "strip":
        raise EngineError(
            f"{path} has no weights, and Triton does not refit engines\n"
            "Build it again without --strip-weights."
        )
    if manifest.source.model.sha256 != sha256(model):
        raise EngineError(
            f"{path} was built from another model ({manifest.source.model.name}, SHA-256 "
            f"{manifest.source.model.sha256[:12]}) than {model}\n"
            f"Name that one, or build it again: {manifest.rebuild}"
        )
    form = form_of_engine(path, manifest, options)
    facts = {
        "csakit_precision": manifest.precision.audited,
        "csakit_model_sha256": manifest.source.model.sha256,
        "csakit_tensorrt": build.version,
    }
    files = (
        (path, f"1/{MODEL_FILES['tensorrt']}"),
        (manifest_path(path), manifest_path(path).name),  # beside config.pbtxt
    )
    served = Model(backend="tensorrt", form=form, options=options, facts=facts)
    return _Source(served, files, manifest)


def _write_model(folder: Path, source: _Source) -> None:
    (folder / "1").mkdir(parents=True)
    for file, name in source.files:
        shutil.copyfile(file, folder / name)
    (folder / "config.pbtxt").write_text(config_text(source.model))
    if source.model.options.warmup:
        warmup.write_files(source.model.form, folder)


def _record(folder: Path, sources: list[_Source]) -> dict[str, Any]:
    """Return the record of a repository, with the hash of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "schema": SCHEMA,
        "csakit": importlib.metadata.version("csakit"),
        "models": [source.model.name for source in sources],
        "options": dataclasses.asdict(sources[0].model.options),
        "files": {path.relative_to(folder).as_posix(): sha256(path) for path in files},
    }


@contextlib.contextmanager
def _staged(output: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces the output when the block succeeds."""
    target = followed(output.absolute())
    with staged_folder(target) as staging, failures_as_errors(f"write {output}"):
        yield staging
        _replace(staging, target)


def _replace(staging: Path, target: Path) -> None:
    """Move a folder to a name that may be taken; an interruption leaves the old or the new."""
    if not target.exists() or not any(target.iterdir()):
        staging.replace(target)
        return
    old = target.with_name(f".csakit-old-{secrets.token_hex(4)}")  # no cleanup removes it
    target.replace(old)
    try:
        staging.replace(target)
    except BaseException:
        old.replace(target)
        raise
    shutil.rmtree(old)
