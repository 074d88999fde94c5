"""A fake of NVIDIA's driver on host memory, and Python processes that take it for the real one.

Enqueued work waits for a synchronisation, so that code which forgets to reads old bytes;
fresh memory is poisoned and lies between guards; a copy from freed memory breaks the context.
"""

import ctypes
import functools
import hashlib
import importlib.util
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final

from .alone import CACHE, alone
from .native import require_program

SOURCES: Final = Path(__file__).parents[1] / "runtime" / "fake_driver"
FAKE_DRIVER: Final = "CSAKIT_FAKE_DRIVER"  # set in processes that see it
_FLAGS: Final = ("-std=c++17", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wl,-z,now")


@functools.cache
def fake_driver() -> Path:
    """Compile ``libcuda.so.1``; take the one that is there if nothing has changed."""
    compiler, rest = require_program("g++"), _other_symbols()
    files = sorted(SOURCES.glob("*.*"))
    digest = hashlib.sha256(repr((_FLAGS, rest)).encode())
    for file in files:
        digest.update(file.read_bytes())
    folder = CACHE / "fake" / digest.hexdigest()[:32]
    with alone("fake"):
        if folder.is_dir():
            return folder / "libcuda.so.1"
        made = folder.with_name(secrets.token_hex(8))
        made.mkdir(parents=True)
        stubs = "".join(f'extern "C" int {name}() {{ return 801; }}\n' for name in rest)
        (made / "others.cpp").write_text(stubs)
        sources = [str(file) for file in files if file.suffix == ".cpp"]
        command = [compiler, *_FLAGS, *sources, str(made / "others.cpp"), "-ldl"]
        command += ["-Wl,-soname,libcuda.so.1", "-o", str(made / "libcuda.so.1")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made.rename(folder)
    return folder / "libcuda.so.1"


def environment() -> dict[str, str]:
    """Return the environment of a process that sees the fake driver."""
    library = fake_driver()
    path = os.pathsep.join(filter(None, [str(library.parent), os.environ.get("LD_LIBRARY_PATH")]))
    # Preloaded too: a PyCUDA that was linked without the driver finds its functions that way.
    return {**os.environ, "LD_LIBRARY_PATH": path, "LD_PRELOAD": str(library), FAKE_DRIVER: "1"}


def run_python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with the fake driver."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


class FakeDriver:
    """What a test asks of the fake driver, in a process that sees it."""

    MEMORY: Final = 4 << 30  # bytes of the device, as long as no test limits them

    def __init__(self) -> None:
        self._driver = ctypes.CDLL("libcuda.so.1")

    def fail(self, call: str, status: int) -> None:
        """Cause the next call of this name to fail."""
        self._driver.fake_fail(call.encode(), status)

    def limit(self, size: int) -> None:
        """Set how many bytes the device has."""
        self._driver.fake_limit(ctypes.c_size_t(size))

    def lose_context(self, status: int) -> None:
        """Fail every later call, as after a defect of a kernel; 0 ends that."""
        self._driver.fake_break(status)

    @property
    def live(self) -> int:
        """Everything that was made and not freed; a retained context counts too."""
        return int(self._driver.fake_live())

    @property
    def violations(self) -> int:
        """Bytes of guards that were written to."""
        return int(self._driver.fake_violations())


def _other_symbols() -> list[str]:
    """Name the functions that an installed PyCUDA needs of the driver and the fake lacks."""
    found = importlib.util.find_spec("pycuda")
    folder = Path(found.origin).parent if found and found.origin else None
    modules = list(folder.glob("_driver*.so")) if folder else []
    if not modules:
        return []
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", str(modules[0])],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = set(re.findall(r" (cu[A-Z]\w+)", listed))
    fake = "".join(file.read_text() for file in SOURCES.glob("*.cpp"))
    return sorted(wanted - set(re.findall(r"\b(cu[A-Z]\w+)\(", fake)))
