"""Run whole models on the GPU, compare them with torch, and write down what was found.

    python -m csakit.benchmarks.acceptance.models onnxruntime FOLDER FINDING.json
    python -m csakit.benchmarks.acceptance.models tensorrt FOLDER FINDING.json

The folder is one that ``csakit.benchmarks.acceptance.prepare`` wrote. A library that does not
support this GPU is asked, and its answer is the finding.
"""

import argparse
import contextlib
import dataclasses
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError, CsakitError, ExitCode
from ...runtime.command import run_command
from ...runtime.device_choice import ADAPTERS, choose_adapter
from ...runtime.engine_options import EngineOptions
from ...runtime.files import staged
from ..engine_overhead import measure_engine
from ..record import Outcome, Scalar
from .names import ENGINES
from .reference import MAX_BATCH, MODELS, SIZE, Reference, Run, compare

CUDA_PROVIDER: Final = "CUDAExecutionProvider"
_OPT_LEVEL: Final = 2  # the acceptance has minutes; 3 is TensorRT's own


class UnsupportedError(Exception):
    """The library does not run on this GPU, or lacks what the part is about; its answer."""


@dataclasses.dataclass
class Finding:
    """What was found, a little more with every step, so that a crash loses little.

    Attributes:
        outcome: of the part.
        reason: in words.
        details: numbers and versions.
    """

    outcome: Outcome = "failed"
    reason: str = "it ended in the middle"
    details: dict[str, Scalar] = dataclasses.field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write what is known so far; an interrupted call leaves no half file."""
        with staged(path) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(self)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a part; return the exit code, 0 unless something is wrong with what was computed."""
    parser = argparse.ArgumentParser(prog="python -m csakit.benchmarks.acceptance.models")
    parser.add_argument("what", choices=("onnxruntime", *ENGINES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("finding", type=Path)
    return run_command(parser, _main, arguments)


def _main(args: argparse.Namespace) -> int:
    finding = Finding()
    finding.write(args.finding)
    try:
        examine(args.what, args.folder, finding, args.finding)
    except UnsupportedError as error:
        finding.outcome, finding.reason = "skipped", str(error)
    except CsakitError as error:
        finding.outcome, finding.reason = "failed", "; ".join(str(error).splitlines())
    finding.write(args.finding)
    print(f"{finding.outcome}: {finding.reason or 'as torch computes'} {finding.details}")
    return ExitCode.CHECK_FAILED if finding.outcome == "failed" else ExitCode.OK


def examine(what: str, folder: Path, finding: Finding, output: Path) -> None:
    """Run both precisions and compare them with the reference.

    Args:
        what: "onnxruntime", or a module of TensorRT.
        folder: that was prepared.
        finding: is filled.
        output: where the finding is written after each step.

    Raises:
        UnsupportedError: the library does not support this.
        CsakitError: it does, and something failed.
    """
    reference, broken = Reference.load(folder), []
    for precision, name in MODELS.items():
        for label, run in _runs(what, folder / name, finding):
            found = compare(run, reference, precision)
            words = f"{precision} {label}".strip()
            finding.details.update(found.details(words.replace(" ", "_")))
            broken += [f"{words}: {rule}" for rule in found.broken]
            finding.write(output)
    finding.outcome, finding.reason = ("failed" if broken else "passed"), "; ".join(broken)


def _runs(what: str, model: Path, finding: Finding) -> Iterator[tuple[str, Run]]:
    """Give a model that runs on the GPU, with a label; an engine once with each CUDA binding."""
    from ...runtime.session import open_session  # deferred with the backends

    if what == "onnxruntime":
        _require_provider(finding)
        with contextlib.closing(open_session(model, device="cuda")) as session:
            yield "", session.run
        return
    adapters = [name for name in ADAPTERS if choose_adapter(name).adapter]
    if not adapters:
        raise UnsupportedError(choose_adapter().reason)
    with tempfile.TemporaryDirectory() as folder:
        engine = Path(folder) / f"{model.stem}.engine"
        _build(what, model, engine, finding)
        for adapter in adapters:
            options = EngineOptions(adapter=adapter)
            with contextlib.closing(open_session(engine, engine=options)) as session:
                finding.details[f"runs_by_{adapter}"] = str(getattr(session, "title", ""))
                yield adapter, session.run
            finding.details.update(_overhead(engine, options))


def _overhead(engine: Path, options: EngineOptions) -> dict[str, Scalar]:
    """Measure what a session adds to its engine; missing the target fails nothing."""
    found = measure_engine(engine, options=options)
    name = f"{engine.stem}_{options.adapter}"
    return {
        f"{name}_engine_us": round(statistics.median(found.device_us), 1),
        f"{name}_overhead_us": round(found.overhead_us, 1),
        f"{name}_graphs": found.graphs,
    }


def _require_provider(finding: Finding) -> None:
    """Go on only with an onnxruntime that was built for CUDA."""
    import onnxruntime

    finding.details["onnxruntime"] = onnxruntime.__version__
    providers = onnxruntime.get_available_providers()
    if CUDA_PROVIDER not in providers:
        raise UnsupportedError(
            f"onnxruntime {onnxruntime.__version__} has no CUDA provider, but "
            f"{', '.join(providers)}; onnxruntime-gpu has one"
        )


def _build(module: str, model: Path, engine: Path, finding: Finding) -> None:
    """Build an engine for this GPU, with the plugin where there is one for it."""
    from ...export.build_config import BuildConfig, BuilderName, Span
    from ...export.engine import build_engine
    from ...export.tensorrt_api import open_api

    rtx = module == "tensorrt_rtx"
    builder: BuilderName = "tensorrt-rtx" if rtx else "tensorrt"
    api = open_api(builder)
    finding.details[module] = api.version
    _require_support(api, rtx=rtx)
    config = BuildConfig(
        builder=builder,
        batch=Span(1, 1, MAX_BATCH),
        size=Span(SIZE, SIZE, SIZE),
        opt_level=_OPT_LEVEL,
        plugin=not rtx and _plugin_is_built(finding),
    )
    build_engine(model, engine, config, say=print)


def _require_support(api: Any, *, rtx: bool) -> None:  # noqa: ANN401
    """Ask TensorRT for RTX whether it builds for this GPU; it says why not."""
    if not rtx:
        return
    from ...export.build_config import BuildConfig
    from ...export.tensorrt_api import resolve_targets, set_targets

    config = api.trt.Builder(api.log).create_builder_config()
    try:
        set_targets(api, config, resolve_targets(BuildConfig(builder="tensorrt-rtx")))
    except ContractError as error:
        answer = _answer(api)
        raise UnsupportedError(f"{str(error).splitlines()[0]}; asked, it says: {answer}") from error


def _answer(api: Any) -> str:  # noqa: ANN401
    """Let it build the smallest network for the GPU it finds, and give what it says."""
    api.log.clear()
    builder = api.trt.Builder(api.log)
    network, config = builder.create_network(0), builder.create_builder_config()
    given = network.add_input("x", api.trt.float32, (1,))
    network.mark_output(network.add_identity(given).get_output(0))
    config.num_compute_capabilities = 1
    config.set_compute_capability(api.trt.ComputeCapability.CURRENT, 0)
    built = builder.build_serialized_network(network, config)
    if built is not None:
        return "it built an identity for it"
    return api.log.reason() or "nothing"


def _plugin_is_built(finding: Finding) -> bool:
    from ...runtime.machine import this_machine

    built = this_machine().plugin
    finding.details["attention"] = "plugin" if built else "function body: no plugin is built"
    return built


if __name__ == "__main__":
    raise SystemExit(main())
