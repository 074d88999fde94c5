"""``csakit bench``: its arguments, what it prints, its exit codes, and a whole run that checks."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.benchmarks import cold_start, targets, training
from csakit.benchmarks.cli import main
from csakit.benchmarks.latency import models, run
from csakit.benchmarks.latency.any_onnx import profile, profiled
from csakit.benchmarks.latency.models import ModelSource
from csakit.benchmarks.latency.plan import QUICK, Plan
from csakit.benchmarks.record import Record, read_record
from csakit.benchmarks.targets import Target
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ContractError, EngineError, ParityError
from helpers.engines import PLUGIN, make_manifest, write_engine
from helpers.records import measured, record_of
from onnx import helper, parser


def found(name: str, *, met: bool) -> Target:
    return Target(what=name, target=f"{name} is fast", found=f"{name} took 1 ms", met=met)


@pytest.mark.parametrize(
    ("outcomes", "code"), [((True, True), 0), ((True, False), 1), ((False, True), 1)]
)
def test_each_target_is_printed_beside_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcomes: tuple[bool, bool],
    code: int,
) -> None:
    results = [found(name, met=met) for name, met in zip("ab", outcomes, strict=True)]
    monkeypatch.setattr(targets, "measure", lambda threads: iter(results))

    returned = main(["targets"])

    verdicts = ["met   " if met else "MISSED" for met in outcomes]
    assert returned == code
    assert capsys.readouterr().out.splitlines() == [
        f"{verdicts[0]} a",
        "       target: a is fast",
        "       found:  a took 1 ms",
        f"{verdicts[1]} b",
        "       target: b is fast",
        "       found:  b took 1 ms",
    ]


@pytest.mark.parametrize("module", [targets, training, cold_start])
@pytest.mark.parametrize(("arguments", "threads"), [([], 2), (["--threads", "7"], 7)])
def test_the_number_of_threads_is_handed_on(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,  # noqa: ANN401
    arguments: list[str],
    threads: int,
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(module, "measure", lambda given: seen.append(given) or iter(()))

    assert main([module.__name__.rpartition(".")[2].replace("_", "-"), *arguments]) == 0

    assert seen == [threads]


def test_a_measurement_that_cannot_be_trusted_is_a_line_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(threads: int) -> Iterator[Target]:
        yield found("a", met=True)
        raise EngineError("the operator and the loop must agree")

    monkeypatch.setattr(targets, "measure", measure)

    code = main(["targets"])

    captured = capsys.readouterr()
    assert code == 3
    assert "a took 1 ms" in captured.out
    assert captured.err == "csakit bench: the operator and the loop must agree\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "the following arguments are required: BENCHMARK"),
        (["unknown"], "invalid choice: 'unknown'"),
        (["targets", "--threads", "many"], "invalid int value: 'many'"),
        (["attention", "--holes", "1,many"], "invalid list of int value: '1,many'"),
        (["latency", "--sizes", "1,many"], "invalid list of int value: '1,many'"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    printed = capsys.readouterr().err
    assert stopped.value.code == 2
    assert printed.startswith("usage: csakit bench")
    assert text in printed


@pytest.mark.parametrize("threads", ["0", "-1"])
def test_no_threads_are_refused(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["targets", "--threads", threads])

    assert code == 2
    assert capsys.readouterr().err == (f"csakit bench: threads must be at least 1; got {threads}\n")


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Plan]]:
    """Keep what would be measured: names of the models, and the plan."""
    seen: list[tuple[list[str], Plan]] = []

    def measure(sources: Sequence[ModelSource], plan: Plan, *_: object) -> Record:
        seen.append(([source.model.name for source in sources], plan))
        return record_of(measured("torch-python-loop"), measured("ort"))

    monkeypatch.setattr(run, "measure", measure)
    return seen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--backends", "ort, torch"], {"backends": ("ort", "torch")}),
        (["--sizes", "256,512", "--batches", "1,4"], {"sizes": (256, 512), "batches": (1, 4)}),
        (["--hole-ratios", "center,0.25"], {"holes": ("center", "0.25")}),
        (
            ["--threads", "1", "--rounds", "5", "--calls", "2", "--cold-starts", "0"],
            {"threads": 1, "rounds": 5, "calls": 2, "cold_starts": 0},
        ),
    ],
)
def test_arguments_become_the_plan(
    plans: list[tuple[list[str], Plan]], arguments: list[str], expected: dict[str, Any]
) -> None:
    assert main(["latency", *arguments]) == 0
    assert main(["latency", "--quick", *arguments]) == 0

    assert plans == [
        (["demo"], dataclasses.replace(Plan(), **expected)),
        (["demo"], dataclasses.replace(QUICK, **expected)),
    ]


def test_a_width_is_a_model_of_random_weights(plans: list[tuple[list[str], Plan]]) -> None:
    assert main(["latency", "--width", "2"]) == 0

    assert plans[0][0] == ["random-2"]


@pytest.mark.usefixtures("plans")
def test_the_record_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["latency", "--json", str(tmp_path / "record.json")])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert read_record(tmp_path / "record.json").kind == "latency"
    assert lines[0] == "demo, 256x256, batch 1, holes center (22.0% of the image, 252 positions)"
    assert lines[3].split() == [
        *("ort", "4", "11.50", "12.70", "12.85", "-", "13.00", "11.2%", "86.96"),
        *("1.00", "(0.84-1.20)", "2.0e-05"),
    ]
    assert lines[7].split() == ["torch-python-loop", "100", "50", "30", "250", "100", "300", "demo"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--sizes", "255"], "a size must be a multiple of 256"),
        (["--backends", "tflite"], "a backend must be one of"),
        (["--width", "2", "--models", "a.safetensors"], "give one of FILE, --models and --width"),
        (["--width", "1000"], "width must be an integer in 1..128"),
        (["absent.onnx"], "a model alone must be an .onnx or .engine file; got absent.onnx"),
        (["m.onnx", "--width", "2"], "give one of FILE, --models and --width"),
        (["m.onnx", "--external", "n.onnx"], "FILE is timed alone"),
        (["--external", "absent.onnx"], "cannot read absent.onnx: No such file"),
        (["--models", "absent.safetensors"], "absent.safetensors"),
        (["--json", "absent/record.json"], "cannot write absent/record.json"),
    ],
)
@pytest.mark.usefixtures("plans")
def test_wrong_arguments_are_a_line_and_exit_code_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_a_backend_that_is_wrong_is_exit_code_1_and_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: object) -> Record:
        raise ParityError("ort differs from the torch model")

    monkeypatch.setattr(run, "measure", measure)

    assert main(["latency", "--json", str(tmp_path / "record.json")]) == 1
    assert "ort differs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_quick_run_checks_every_backend_on_the_demo_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", "--quick", "--json", str(tmp_path / "record.json")]) == 0

    record = read_record(tmp_path / "record.json")
    names = ["torch-python-loop", "torch", "ort", "ort-target"]
    assert record.absent == ()
    assert [backend.name for backend in record.backends] == names
    assert [(m.backend, m.case["holes"]) for m in record.measurements] == [
        (name, holes) for holes in ("center", "0.4") for name in names
    ]
    for measurement in record.measurements:
        assert measurement.parity is not None
        assert measurement.parity.max_abs <= 1e-4  # the contract of an fp32 export
        assert measurement.parity.max_abs_limit == 1e-4
        assert len(measurement.samples_ms) == QUICK.rounds * QUICK.calls
    for backend in record.backends:
        (start,) = backend.cold_starts
        assert 0 < start.import_ms + start.load_ms + start.first_ms < start.total_ms
        assert backend.peak_host_bytes is not None
    # Both hold Python and NumPy; the one of them holds torch as well.
    peaks = {backend.name: backend.peak_host_bytes or 0 for backend in record.backends}
    assert peaks["torch"] > peaks["ort"] > record.models[0].weights_bytes
    assert record.libraries.keys() >= {"python", "numpy", "torch", "onnxruntime"}
    assert "of the loop" in capsys.readouterr().out


def test_a_file_alone_is_timed_without_a_checkpoint_and_profiled(
    small_onnx: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--rounds", "1", "--calls", "2", "--threads", "1", "--cold-starts", "0"]
    few += ["--hole-ratios", "center"]
    file = tmp_path / "record.json"

    code = main(["latency", str(small_onnx), *few, "--profile", "--json", str(file)])

    record, printed = read_record(file), capsys.readouterr().out
    assert code == 0
    assert record.models == ()
    assert [(m.backend, m.model, m.parity) for m in record.measurements] == [
        ("small.onnx", None, None)
    ]
    assert printed.startswith("small.onnx, 256x256, batch 1, holes center")
    assert "of the loop" not in printed  # a column that one file alone cannot fill
    assert re.search(r"small.onnx, layers in ONNX Runtime, \S+ ms with the profiler", printed)


def test_a_profile_counts_the_time_of_a_loop_once(tmp_path: Path) -> None:
    file = tmp_path / "loop.onnx"
    body = parser.parse_graph(
        "b (int64 i, bool go, float[64, 64] a) => (bool on, float[64, 64] c) "
        "{ on = Identity(go) c = MatMul(a, a) }"
    )
    model = parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18]> m (float[1, 3, 64, 64] image, '
        "float[1, 1, 64, 64] mask) => (float[64, 64] output) "
        "<int64[1] axes = {0}, int64 times = {200}, bool yes = {1}> { p = Squeeze(mask, axes) "
        "q = Squeeze(p, axes) unused = Identity(image) }"
    )
    loop = helper.make_node("Loop", ["times", "yes", "q"], ["output"], name="loop", body=body)
    model.graph.node.append(loop)
    file.write_bytes(model.SerializeToString())

    layers = profiled(
        file, np.zeros((1, 3, 64, 64), np.float32), np.zeros((1, 1, 64, 64), np.float32), 1
    )

    assert layers[0].kind == "Loop"
    assert "MatMul" not in {layer.kind for layer in layers}


def test_outside_of_a_checkout_the_demo_checkpoint_names_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ContractError, match=r"in a checkout; .*\n.*give FILE, --models or --width"):
        models.demo_checkpoint()

    file = tmp_path / "train" / "weights" / "demo.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    assert models.demo_checkpoint().samefile(file)


@pytest.mark.skipif(bool(devices()), reason="there is a GPU")
def test_an_engine_that_cannot_run_here_is_a_line_and_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path)

    assert main(["latency", str(engine), "--quick", "--profile"]) == 3
    assert "no backend can run the model:\nmodel.engine: EngineError: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("build", "command"),
    [
        ({}, "tensorrt_rtx --loadEngine={} --dumpProfile --separateProfileRun"),
        (
            {"module": "tensorrt", "plugin": PLUGIN},
            "trtexec --loadEngine={} --dumpProfile --separateProfileRun "
            "--staticPlugins=libcsakit_trt_autoreg.so",
        ),
    ],
)
def test_a_command_of_tensorrt_lists_the_layers_of_an_engine(
    tmp_path: Path, build: dict[str, Any], command: str
) -> None:
    engine = write_engine(tmp_path, make_manifest(build=build))

    text = profile(engine, *2 * [np.zeros(1, np.float32)], threads=1)

    assert text.splitlines()[1].strip() == command.format(engine)
