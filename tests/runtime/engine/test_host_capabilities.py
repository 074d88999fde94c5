"""What can open engines here is told from what is installed, without loading any of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from csakit.plugins.architectures import devices
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.plugins.tensorrt_flavours import FLAVOURS
from csakit.plugins.versions import installed
from csakit.runtime.engine import compatibility


def test_this_machine_has_what_is_installed() -> None:
    found = compatibility.this_machine()

    for module, flavour in FLAVOURS.items():
        versions = [v for name in flavour.distributions if (v := installed(name))]
        assert found.modules.get(module) == (versions[0] if versions else None)
    assert found.gpus == tuple(devices())


def test_looking_loads_no_tensorrt() -> None:
    program = (
        "import sys; from csakit.runtime.engine.compatibility import this_machine; this_machine(); "
        "sys.exit(any(name.startswith('tensorrt') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", ["libcsakit_trt.so", "libcsakit.so"])
def test_either_library_brings_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path))

    assert not compatibility.this_machine().plugin
    (tmp_path / name).touch()
    assert compatibility.this_machine().plugin
