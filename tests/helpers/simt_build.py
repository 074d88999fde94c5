"""Compile the kernels as plain C++ against ``tests/plugins/simt``, to run them on a CPU.

Kept in ``build/test-cache`` by the hash of everything that goes in.
"""

import concurrent.futures
import functools
import hashlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Final

from csakit.plugins.locations import CSRC, INCLUDE

from .alone import CACHE, alone
from .native import require_program, source_files

SIMT: Final = Path(__file__).parents[1] / "plugins" / "simt"
FLAGS: Final = (
    *("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden"),
    "-fno-gnu-unique",  # two of these libraries in one process share nothing
    "-fno-strict-aliasing",  # wide loads reinterpret, as nvcc allows
    "-U_FORTIFY_SOURCE",  # it takes the change of a fibre's stack for a defect
    *("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"),
    *(f"-I{folder}" for folder in (SIMT, INCLUDE, CSRC)),
    '-DCSAKIT_ARCHITECTURES="sm_90"',  # as the fake driver has it
)
PLAIN: Final = ("-D__CUDA_ARCH__=900",)  # what depends on the architecture is as on Hopper
# The compiler announces every access; simt_check.cpp listens in ThreadSanitizer's place. And
# what depends on the architecture is as on Turing: no matrix unit for bfloat16.
WATCHED: Final = (
    *("-fsanitize=thread", "--param=tsan-instrument-func-entry-exit=0"),
    "-D__CUDA_ARCH__=750",
)


@functools.cache
def simt_library(*, watched: bool) -> Path:
    """Compile the library, or take the one that is there; ``watched`` checks every access."""
    compiler = require_program("g++")
    target = CACHE / "simt" / f"{_key(compiler, watched=watched)}.so"
    with alone(f"simt-{watched:d}"):
        if not target.is_file():
            folder = target.parent / secrets.token_hex(4)
            folder.mkdir(parents=True)
            try:
                _link(compiler, folder, watched=watched).replace(target)
            finally:
                shutil.rmtree(folder)
    return target


def call_sites(call: str) -> list[str]:
    """Return every place in the kernels that calls something, as "file:line"."""
    return [
        f"{path.name}:{number}"
        for path in sorted(CSRC.rglob("*.cu*"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if call in line and "inline" not in line and "#define" not in line
    ]


def _link(compiler: str, folder: Path, *, watched: bool) -> Path:
    """Compile every source, as many at a time as there are cores, and link them."""
    commands = []
    for source in (*source_files("kernels"), *sorted(SIMT.glob("*.cpp"))):
        kind = (WATCHED if watched else PLAIN) if source.suffix == ".cu" else ()
        words = [compiler, *FLAGS, *kind]
        commands.append([*words, "-x", "c++", "-c", str(source), "-o", f"{source.name}.o"])
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(functools.partial(_run, folder=folder), commands))
    objects = [command[-1] for command in commands]
    _run([compiler, "-shared", *objects, "-o", "simt.so"], folder=folder)
    return folder / "simt.so"


def _run(command: list[str], *, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"


def _key(compiler: str, *, watched: bool) -> str:
    version = subprocess.run([compiler, "-v"], capture_output=True, check=True).stderr
    digest = hashlib.sha256(version + repr((FLAGS, PLAIN, WATCHED, watched)).encode())
    for folder in (SIMT, CSRC, INCLUDE):
        for path in sorted(folder.rglob("*.*")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]
