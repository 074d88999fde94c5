"""``csakit web`` as a process: one line when it serves, and a clean end."""

import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from csakit.plugins.errors import ExitCode

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from csakit.runtime.cli.web import main


def test_it_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, "-m", "csakit.runtime.cli", "web", "--port", "0", "--threads", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"(http://localhost:\d+/)  model demo\.onnx, cpu, fp32; .*\n", line)
        assert match is not None, line
        with urllib.request.urlopen(f"{match[1]}health/ready", timeout=30) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (0, "", "csakit web: stopped\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "99999"], "port must be 0 to 65535; got 99999"),
        (["--model", "absent.onnx"], "absent.onnx"),
        (["--key", "absent.pem"], "a key needs its certificate"),
        (["--certificate", "absent.pem", "--port", "0"], "absent.pem"),
        (["--host", "256.1.1.1", "--port", "0"], "cannot listen on 256.1.1.1"),
    ],
)
def test_what_cannot_be_served_is_a_line_and_a_code(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert err.startswith("csakit web: ")
    assert message in err
    assert "Traceback" not in err
