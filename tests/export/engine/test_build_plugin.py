"""What a build says of the plugin and of the audit; TensorRT itself needs a GPU to be asked."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from csakit.export.engine.config import BuildConfig, Portable
from csakit.export.engine.precision_audit import Share, Types
from csakit.plugins.architectures import PTX, SUPPORTED
from csakit.plugins.errors import EngineError
from csakit.runtime.engine.tensorrt_module import LoadedPlugin
from helpers.exported import Subject

module = importlib.import_module("csakit.export.engine.build_engine")


@pytest.mark.parametrize(
    ("portable", "held", "warned"),
    [
        pytest.param("ampere+", ("sm_89",), True, id="code for one GPU"),
        pytest.param("ampere+", (*SUPPORTED, PTX), False, id="code for all"),
        pytest.param("ampere+", (), False, id="unknown"),
        pytest.param("none", ("sm_89",), False, id="an engine for one GPU"),
    ],
)
def test_an_engine_that_may_go_where_its_plugin_cannot_is_warned_of(
    caplog: pytest.LogCaptureFixture, portable: Portable, held: tuple[str, ...], warned: bool
) -> None:
    plugin = LoadedPlugin("c++", Path("libcsakit_trt.so"), None, held)

    module._warn_of_architectures(plugin, BuildConfig(portable=portable))

    assert ("libcsakit_trt.so has code for sm_89 alone" in caplog.text) == warned


def test_an_engine_that_cannot_be_opened_for_the_audit_is_built_all_the_same(
    fixed: Subject, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> str:
        raise EngineError("cannot open what it has just built")

    monkeypatch.setattr(module, "inspect_plan", fail)

    request = SimpleNamespace(module=None, targets=("sm_89",), proto=fixed.proto)
    types = Types(Share(0, 1), Share(0, 1))
    precision = module._audit(SimpleNamespace(request=request, plan=b"", types=types))

    assert precision.evidence["engine"] is None
    assert "the layers of the engine are not audited: cannot open" in caplog.text
