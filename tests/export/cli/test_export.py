"""``csakit export`` prints what it wrote, and says what is wrong in a line."""

import re
from pathlib import Path

import onnx
import pytest
from csakit.export import exporter
from csakit.export.cli.export import main
from helpers.exported import Subject


def test_the_command_writes_the_model_and_prints_parity_sizes_and_form(
    fixed: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = str(fixed.checkpoint)

    code = main([source, "-o", "out.onnx", "--size", "256", "--max-batch", "1"])

    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    megabytes = fixed.path.stat().st_size / 1e6
    assert code == 0
    assert (tmp_path / "out.onnx").read_bytes() == fixed.path.read_bytes()
    assert lines[0].split()[:1] == ["stage"]
    assert [line.split()[0] for line in lines[1:-3]] == [
        *("rough", "features", "matches", "attended", "output")
    ]
    assert all(line.endswith("ok") for line in lines[1:-3])
    wrote = re.escape(f"wrote out.onnx ({megabytes:.1f} MB): fp32, float, size 256, ")
    assert re.fullmatch(wrote + r"\d+ s", lines[-3])
    assert lines[-2:] == [
        "next: csakit inpaint photo.png mask.png -o repaired.png --model out.onnx",
        "      csakit build out.onnx -o out.engine",
    ]
    assert captured.err.splitlines() == [
        f"loading {source} ...",
        "tracing the networks ...",
        "finishing the graph ...",
        "verifying on 3 images ...",
    ]


def test_an_export_that_is_not_verified_runs_no_model(
    fixed: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exporter, "_trace", lambda wrapper, config: onnx.load(fixed.path))
    monkeypatch.setattr(exporter.surgery, "finish", lambda *arguments, **options: None)
    monkeypatch.setattr(exporter, "verify_model", lambda *given: pytest.fail("it was verified"))

    code = main([str(fixed.checkpoint), "-o", "out.onnx", "--no-verify"])

    captured = capsys.readouterr()
    assert code == 0
    assert captured.out.startswith("not verified (--no-verify)\nwrote out.onnx")
    assert "verifying" not in captured.err


def test_the_command_hands_every_option_on(
    fixed: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    monkeypatch.setattr(
        exporter,
        "export_onnx",
        lambda *given, **named: seen.append((*given, named)) or fixed.exported,
    )
    options = "--precision fp16 --io uint8 --external-weights --max-batch 4 --verify-images 3"

    code = main(["model.safetensors", "-o", "out.onnx", *options.split()])

    ((checkpoint, output, config, named),) = seen
    assert code == 0
    assert (checkpoint, output) == (Path("model.safetensors"), Path("out.onnx"))
    assert (config.precision, config.io, config.external_weights) == ("fp16", "uint8", True)
    assert (config.size, config.max_batch) == ("dynamic", 4)
    assert named["verify_images"] == 3
    assert "wrote" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--size", "large"], "--size must be a number or 'dynamic'; got 'large'"),
        (["--size", "100"], "size must be 'dynamic' or a multiple of 256 up to 2048; got 100"),
        (["--max-batch", "0"], "max_batch must be 1 to 65536; got 0"),
        (["--verify-images", "0"], "--verify-images must be at least 1; got 0"),
        (["--verify-images", "5"], "an export can be verified on 0 to 4 photographs; got 5"),
        ([], "no checkpoint at missing.safetensors"),
    ],
)
def test_wrong_input_is_a_line_and_exit_code_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(["missing.safetensors", "-o", "out.onnx", *options])

    captured = capsys.readouterr()
    assert code == 2
    assert f"csakit export: {text}" in captured.err
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [[], ["model.safetensors"], ["--precision", "int8"]])
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: csakit export")
