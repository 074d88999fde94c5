"""What TensorRT logs reaches ``logging``, and its reasons reach the user in plain words."""

import logging

import pytest
from csakit.export.engine.tensorrt_api import open_module
from csakit.runtime.engine import tensorrt_module
from csakit.runtime.engine.tensorrt_module import TensorRTModule, plain


@pytest.fixture
def module() -> TensorRTModule:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    return open_module("tensorrt-rtx")


def test_what_tensorrt_logs_is_forwarded_and_errors_are_kept(
    module: TensorRTModule, caplog: pytest.LogCaptureFixture
) -> None:
    severity = module.trt.ILogger

    with caplog.at_level(logging.DEBUG, logger=tensorrt_module.__name__):
        module.log.log(severity.WARNING, "a warning")
        module.log.log(severity.ERROR, "IBuilder::build: Error Code 4: API Usage Error (reason)")
        module.log.log(severity.VERBOSE, "much")

    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "DEBUG"]
    assert module.log.reason() == "reason"
    assert module.log.complaints()[0] == "a warning"
    assert len(module.log.complaints()) == 2
    module.log.clear()
    assert module.log.reason() == ""


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([pass.cpp:337: check] Cannot "
            "compile 'x (y)' for Turing (SM75). In compileGraph at /_src/a/codeGenerator.cpp:2012)",
            "Cannot compile 'x (y)' for Turing (SM75).",
        ),
        (
            "ITensor::getDimensions: Error Code 4: API Usage Error (n: first input has type UInt8. "
            "In checkType at /_src/optimizer/common/nodeBase.cpp:456)",
            "n: first input has type UInt8.",
        ),
        (
            "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError "
            "at /_src/common/checkMacros.cpp:250 (cudaError 35: the driver is too old))",
            "cudaError 35: the driver is too old",
        ),
        ("  two\n lines ", "two lines"),
        ("", ""),
    ],
)
def test_messages_are_reduced_to_what_they_say(message: str, text: str) -> None:
    assert plain(message) == text
