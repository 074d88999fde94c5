"""ONNX Runtime on a GPU is refused where it is not on a GPU; its binding is tried on the CPU."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from csakit.plugins.errors import ContractError, EngineError, LibraryError
from csakit.runtime import Inpainter, open_session
from csakit.runtime.cli.inpaint import main
from csakit.runtime.sessions import ort_cuda_session
from csakit.runtime.sessions.ort_cuda_session import (
    PROVIDER,
    OrtCudaSession,
    preload,
    provider_options,
    require_gpu,
    require_provider,
)

from ..conftest import MakeModel
from .conftest import numbers, pixels

has_provider = PROVIDER in onnxruntime.get_available_providers()
without_provider = pytest.mark.skipif(has_provider, reason="this onnxruntime has CUDA")


@without_provider
def test_a_wheel_without_cuda_is_refused_and_nothing_falls_back(make_model: MakeModel) -> None:
    text = (
        rf"needs ONNX Runtime with {PROVIDER}; onnxruntime \S+ has .*CPUExecutionProvider"
        r"(.|\n)*the same module, so replace it: pip uninstall -y onnxruntime onnxruntime-gpu; "
        r"pip install onnxruntime-gpu"
    )
    for opener in (open_session, Inpainter.open):
        with pytest.raises(LibraryError, match=text):
            opener(make_model(), device="cuda:1")


def test_two_wheels_that_overwrite_each_other_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.0"}
    monkeypatch.setattr(ort_cuda_session, "installed", versions.get)
    module = SimpleNamespace(__version__="1.31.1", get_available_providers=lambda: ["CPU"])

    with pytest.raises(
        LibraryError,
        match=r"installed: onnxruntime 1\.31\.1, onnxruntime-gpu 1\.31\.0; they overwrite each",
    ):
        require_provider(module)


@pytest.mark.parametrize(("version", "good"), [("1.17.1", False), ("1.18.0", True), ("2.0", True)])
def test_a_provider_without_the_option_tf32_is_refused_by_its_version(
    version: str, good: bool
) -> None:
    module = SimpleNamespace(__version__=version, get_available_providers=lambda: [PROVIDER])

    if good:
        require_provider(module)
    else:
        with pytest.raises(LibraryError, match=rf"1\.18 or newer; got {version}"):
            require_provider(module)


@without_provider
@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")  # onnxruntime's own
def test_a_session_that_would_run_on_the_cpu_is_refused(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort_cuda_session, "require_provider", lambda _: None)

    with pytest.raises(
        EngineError,
        match=r"did not take GPU 0 for .*model\.onnx and would use CPUExecutionProvider",
    ):
        open_session(make_model(), device="cuda")


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ("CUDA failure 100: no CUDA-capable device", EngineError, "cannot use GPU 1 for .*100: no"),
        ("Protobuf parsing failed.", ContractError, "must be a complete ONNX model: Protobuf"),
    ],
)
def test_a_gpu_that_fails_is_told_from_a_broken_model(
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    kind: type[Exception],
    text: str,
) -> None:
    def create(*_: object, **__: object) -> None:
        raise RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : {said}")

    monkeypatch.setattr(ort_cuda_session, "require_provider", lambda _: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", create)

    with pytest.raises(kind, match=text):
        open_session(make_model(), device="cuda:1")


def test_another_gpu_than_the_one_asked_for_is_refused() -> None:
    session: Any = SimpleNamespace(
        get_providers=lambda: [PROVIDER, "CPUExecutionProvider"],
        get_provider_options=lambda: {PROVIDER: {"device_id": "0"}},
    )

    require_gpu(session, Path("model.onnx"), 0)
    with pytest.raises(EngineError, match=r"took GPU 0 for model\.onnx; it must be 1"):
        require_gpu(session, Path("model.onnx"), 1)


def test_libraries_that_pip_installed_are_looked_for_in_silence(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def preload_dlls() -> None:
        calls.append(1)
        print("Failed to load libcudnn.so.9")

    with caplog.at_level("DEBUG"):
        preload(SimpleNamespace(preload_dlls=preload_dlls))
    preload(SimpleNamespace())  # an older one

    assert (calls, capsys.readouterr().out) == ([1], "")
    assert "Failed to load libcudnn.so.9" in caplog.text


def test_float32_is_float32_on_the_gpu_too() -> None:
    options = provider_options(3)

    assert (options["device_id"], options["use_tf32"]) == ("3", "0")


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_bound_tensors_give_what_plain_ones_give(
    make_model: MakeModel, rng: np.random.Generator, io: str
) -> None:
    plain = open_session(make_model(io=io), cache=False)
    assert isinstance(plain, ort_cuda_session.OrtSession)
    bound = OrtCudaSession(
        plain.path, plain.signature, plain.metadata, plain._model, place=("cpu", 0)
    )
    results = []
    for _ in range(3):
        image, hole = pixels(rng)
        results.append(bound.run_uint8(image, hole))
        np.testing.assert_array_equal(results[-1], plain.run_uint8(image, hole))
    assert not np.shares_memory(results[0], results[1])

    bound.close()
    with pytest.raises(EngineError, match="is closed; open it again"):
        bound.run_uint8(image, hole)


@pytest.mark.gpu
@pytest.mark.skipif(not has_provider, reason="this onnxruntime has no CUDA provider")
def test_a_gpu_gives_what_the_cpu_gives(make_model: MakeModel, rng: np.random.Generator) -> None:
    path = make_model(io="float")
    image, hole = numbers(*pixels(rng))

    with Inpainter.open(path, device="cuda") as inpaint:
        found = inpaint.session.run(image, hole)

    np.testing.assert_allclose(found, open_session(path).run(image, hole), atol=1e-5)


@without_provider
def test_the_command_refuses_too(
    make_model: MakeModel, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-o", str(tmp_path / "out.png"), "--model", str(make_model())]

    assert main([*files, *options, "--device", "cuda"]) == 3
    assert main([*files, *options, "--device", "gpu"]) == 2
    assert not (tmp_path / "out.png").exists()
    assert main([*files, *options, "--device", "cpu"]) == 0

    error = capsys.readouterr().err
    assert "pip install onnxruntime-gpu" in error
    assert "device must be cpu, cuda or cuda:N; got 'gpu'" in error


def test_finite_answers_are_checked_on_request(make_model: MakeModel) -> None:
    with pytest.raises(ContractError, match="returns uint8, where NaN is no longer visible"):
        open_session(make_model(io="uint8"), check_finite=True)
    image, hole = np.zeros((1, 3, 256, 256), np.float32), np.zeros((1, 1, 256, 256), np.float32)

    assert np.isfinite(open_session(make_model(), check_finite=True).run(image, hole)).all()
