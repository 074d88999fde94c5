"""Compile sources to objects with nvcc, several at a time, and keep objects for the next build."""

import concurrent.futures
import contextlib
import dataclasses
import errno
import hashlib
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .architectures import gencode
from .errors import LibraryError
from .resources import KernelResources, parse_resources
from .sources import CSRC, INCLUDE
from .toolchain import INSTALL_HOST, INSTALL_NVCC, Toolchain

# Hidden symbols: two libraries with the same kernels may meet in one process. Line numbers cost
# no speed and let compute-sanitizer name them. CMakeLists.txt has the same list.
FLAGS: Final = (
    "-std=c++17",
    "-O3",
    "-lineinfo",
    "-Xfatbin=-compress-all",  # a quarter of the size, with line numbers and eight architectures
    "-Xptxas=-v",
    "-Xcompiler=-fPIC,-fvisibility=hidden,-fvisibility-inlines-hidden",
    "-Xcompiler=-Wall,-Wextra",
)
WARNINGS_AS_ERRORS: Final = ("--Werror=all-warnings", "-Xcompiler=-Werror")
_NVCC_VARIABLES: Final = ("NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS", "CPATH")  # change objects
_UNWRITABLE: Final = {  # full, forbidden, read-only, or a file where a folder must be
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG),
}
_REPORT: Final = re.compile(r"ptxas info|\s+\d+ bytes stack frame")  # no part of an error
_SHOWN_LINES: Final = 25  # of what a failing compiler prints; the first ones tell the cause


@dataclasses.dataclass(frozen=True)
class CompiledObject:
    """One compiled source.

    Attributes:
        source: of the object.
        path: of the object.
        log: what the compiler printed.
    """

    source: Path
    path: Path
    log: str

    @property
    def resources(self) -> list[KernelResources]:
        """Tell what each kernel in it takes."""
        return parse_resources(self.log)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compilation:
    """How sources are compiled.

    Attributes:
        toolchain: the compilers.
        architectures: as ``csakit.plugins.architectures.choose`` gives them.
        csrc: folder of the sources, with the folder ``include`` beside it.
        system_includes: folders of foreign headers, whose warnings are not ours.
        preinclude: a header that comes before the first line; None for no such one.
        warnings_as_errors: refuse what the compilers warn of.
    """

    toolchain: Toolchain
    architectures: tuple[str, ...]
    csrc: Path = CSRC
    system_includes: tuple[Path, ...] = ()
    preinclude: Path | None = None
    warnings_as_errors: bool = False

    def __post_init__(self) -> None:
        """Refuse paths that nvcc would cut in two."""
        for path in (self.csrc, self.preinclude, *self.system_includes):
            if "," in str(path):
                raise LibraryError(
                    f"nvcc splits its options at commas; {path} has one\n"
                    "Choose or move to a folder without."
                )

    def command(self, source: Path, output: Path, threads: int = 1) -> list[str]:
        """Write the command that compiles one source.

        Args:
            source: a ``.cu`` or ``.cpp`` file.
            output: the object.
            threads: that nvcc may use for several architectures.

        Returns:
            The program and its arguments.
        """
        return [
            *(str(self.toolchain.nvcc), f"-ccbin={self.toolchain.host}", *FLAGS),
            *(WARNINGS_AS_ERRORS if self.warnings_as_errors else ()),
            *(gencode(list(self.architectures)) if source.suffix == ".cu" else ()),
            *(f"-I{folder}" for folder in (self.csrc.parent / INCLUDE.name, self.csrc)),
            *(word for folder in self.system_includes for word in ("-isystem", str(folder))),
            *(("-include", str(self.preinclude)) if self.preinclude else ()),
            *(f"--threads={threads}", "-c", str(source), "-o", str(output)),
        ]

    def key(self, source: Path) -> str:
        """Name the object by all that decides what is in it.

        Args:
            source: a ``.cu`` or ``.cpp`` file.

        Returns:
            Hexadecimal digits.
        """
        digest = hashlib.sha256(str(self.toolchain).encode())
        options = self.command(source, Path("object"))
        environment = [f"{name}={os.environ.get(name)}" for name in _NVCC_VARIABLES]
        if self.preinclude:  # its contents count, not where it lies
            options.remove(str(self.preinclude))
            digest.update(self.preinclude.read_bytes())
        digest.update("\n".join([*options, *environment]).encode())
        folders = (self.csrc, self.csrc.parent / INCLUDE.name)
        headers = (path for folder in folders for path in folder.rglob("*.*h"))
        for path in (source, *sorted(headers)):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:32]


def compile_objects(
    work: Sequence[tuple[Path, Compilation]], folder: Path, *, jobs: int
) -> list[CompiledObject]:
    """Compile sources that are not compiled yet.

    Args:
        work: each source, and how it is compiled.
        folder: for the objects; those that are there already are taken. It is created.
        jobs: how many compilers may run at a time, at least 1.

    Returns:
        The objects, in the order of the sources.

    Raises:
        LibraryError: a source does not compile, or the folder cannot be written.
    """
    folder = folder.absolute()  # compilers run in it
    threads = max(1, jobs // max(1, len(work)))  # spare ones go to the architectures
    with writable(folder), concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        make_folder(folder)
        futures = [pool.submit(_compile, *item, folder, threads) for item in work]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; harmless where it is there.

    Args:
        folder: to make.

    Raises:
        LibraryError: it cannot be made.
    """
    with writable(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # as /proc answers
            raise NotADirectoryError(errno.ENOTDIR, "no folders can be made there") from error


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into an error with a remedy.

    Args:
        folder: that is written to.

    Yields:
        Nothing.

    Raises:
        LibraryError: the block failed to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise LibraryError(
            f"cannot write to {folder}: {error.strerror or error}\n"
            "Free space or permit writing there, or choose another folder with --output or "
            "the environment variable XDG_CACHE_HOME."
        ) from error


def run_compiler(command: Sequence[str], folder: Path) -> str:
    """Run a compiler or linker.

    Args:
        command: the program and its arguments.
        folder: to run in.

    Returns:
        What it printed.

    Raises:
        LibraryError: it failed; the text ends with a remedy where the cause is known.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise LibraryError(f"cannot run {command[0]}: {error.strerror}\n{INSTALL_NVCC}") from error
    if done.returncode != 0:
        raise LibraryError(f"{Path(command[0]).name} failed: {_explain(done.stdout, command)}")
    return done.stdout


def _compile(source: Path, how: Compilation, folder: Path, threads: int) -> CompiledObject:
    """Compile one source, or take the object that is there."""
    stem = f"{source.stem}-{how.key(source)}"
    target, log = folder / f"{stem}.o", folder / f"{stem}.log"
    if target.is_file() and log.is_file():
        target.touch()  # in use: not to be removed for its age
        return CompiledObject(source, target, log.read_text())
    token = secrets.token_hex(4)
    staged, staged_log = folder / f".{token}.o", folder / f".{token}.log"
    try:
        printed = run_compiler(how.command(source, staged, threads), folder)
        staged_log.write_text(printed)
        staged_log.replace(log)
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)
        staged_log.unlink(missing_ok=True)
    return CompiledObject(source, target, printed)


def _explain(printed: str, command: Sequence[str]) -> str:
    """Cut what a compiler printed to what matters, and add the remedy of known causes."""
    lines = [line for line in printed.splitlines() if not _REPORT.match(line)]
    text = "\n".join(lines[:_SHOWN_LINES]) or f"no output of {' '.join(command)}"
    if "unsupported GNU version" in printed or "unsupported clang version" in printed:
        newest = re.search(r"versions? later than ([\d.]+)", printed)
        wish = f"version {newest[1]} or older" if newest else "an older one"
        return f"the C++ compiler is too new for this nvcc\n{text}\nInstall {wish} and name it \
in NVCC_CCBIN, or install a newer CUDA toolkit."
    if "No space left on device" in printed:
        return f"{text}\nFree space on the disk of the cache and of the temporary folder."
    if re.search(r"(gcc|g\+\+)\S*: (command )?not found|cannot execute|trying to exec", printed):
        return f"{text}\n{INSTALL_HOST}"
    return text
