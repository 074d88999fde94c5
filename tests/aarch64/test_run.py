"""`make test-aarch64` names everything that is missing before it does anything."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("run.sh")


def test_all_that_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "mkdir"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    given = {**os.environ, "PATH": str(tmp_path), "BUILD_PYTHON": "/nowhere/python"}

    done = subprocess.run([SCRIPT], env=given, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "missing: qemu-aarch64-static (Debian, Ubuntu: qemu-user-static)",
        "missing: aarch64-linux-gnu-g++ (g++-aarch64-linux-gnu)",
        "missing: apt-get (aarch64 packages of Debian or Ubuntu, for Python)",
        "missing: dpkg-deb (dpkg)",
        "missing: /nowhere/python (make install)",
    ]
