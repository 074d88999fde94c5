"""Build the native libraries with CMake: libcsakit, and the TensorRT plugin if headers are found.

The libraries appear together once all are linked; ``library`` finds those in the user's cache.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from .abi import ABI_VERSION
from .architectures import choose
from .errors import ContractError, LibraryError
from .locations import (
    CSRC,
    HASH_DIGITS,
    KINDS,
    RECORD_NAME,
    builds_folder,
    cache_folder,
    file_name,
    source_hash,
)
from .toolchain import Headers, Toolchain, explain, find_cmake, find_headers, find_toolchain
from .versions import installed

RECORD_SCHEMA: Final = 1
_VERSION: Final = installed("csakit") or "unknown"
_TREE_DAYS: Final = 30  # object files unused for this long are removed
_VARIABLES: Final = (  # environment variables that change the compiler's output
    *("NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS", "CPATH"),
    *("CXXFLAGS", "CUDAFLAGS", "LDFLAGS"),
)
_LOG_NAME: Final = "build.log"
_UNWRITABLE: Final = {  # full, forbidden, read-only, or a file where a folder must be
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG),
}
_WARNING: Final = re.compile(r"^.*\bwarning\b.*$", re.IGNORECASE | re.MULTILINE)
_ENTRY: Final = re.compile(r"Compiling entry function '(\S+)' for '(\w+)'")
_FRAME: Final = re.compile(
    r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
)
_USED: Final = re.compile(r"Used (\d+) registers")
_SHARED: Final = re.compile(r"(\d+)(?:\+\d+)? bytes smem")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """Options of a build."""

    architectures: str = "all"  # or "native", or names such as "sm_75,sm_90"
    tensorrt_include: Path | None = None  # TensorRT's headers; None searches the usual places
    output: Path | None = None  # folder of the libraries; None is the cache
    jobs: int | None = None  # parallel compilers; None is one per core
    warnings_as_errors: bool = False
    csrc: Path = CSRC  # sources, with CMakeLists.txt and the folder ``include`` beside it

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ContractError(f"jobs must be at least 1; got {self.jobs}")


@dataclasses.dataclass(frozen=True)
class KernelResources:
    """Resources of one kernel on one architecture, as ptxas reports them."""

    kernel: str  # name with template arguments, without namespaces and parameters
    architecture: str  # as "sm_90"
    registers: int  # per thread
    shared_bytes: int  # static shared memory per block; a launch may add to it
    stack_bytes: int  # per thread, in slow local memory
    spill_bytes: int  # stores and loads, including those of device functions that were not inlined


@dataclasses.dataclass(frozen=True, kw_only=True)
class Build:
    """Result of a build."""

    libraries: tuple[Path, ...]
    source_hash: str
    architectures: tuple[str, ...]
    omitted: tuple[str, ...]  # architectures of "all" that this nvcc does not know
    toolchain: str  # names and versions of the compilers
    tensorrt: str | None  # version of its headers
    resources: tuple[KernelResources, ...]
    warnings: tuple[str, ...]  # lines that the compilers printed
    seconds: float


def build(config: BuildConfig, progress: Callable[[str], None] = lambda _: None) -> Build:
    """Build the libraries; ``progress`` is called with one line when compiling begins.

    Raises:
        ContractError: an architecture is malformed or too old, or a build for another machine
            has no separate folder.
        LibraryError: a compiler, CMake, Ninja or the headers asked for are missing, a source
            does not compile, or the folder cannot be written.
    """
    start = time.monotonic()
    toolchain, tools = find_toolchain(), find_cmake()
    _require_place(config, toolchain)
    names, omitted = choose(config.architectures, toolchain.architectures)
    headers = find_headers(config.tensorrt_include)
    digest, root = source_hash(config.csrc), config.csrc.absolute().parent
    _require_no_comma(root, *([headers.folder.absolute()] if headers else []))
    options = {
        "CMAKE_MAKE_PROGRAM": tools[1],
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_CUDA_COMPILER": toolchain.nvcc,
        "CMAKE_CUDA_HOST_COMPILER": toolchain.host,
        "CMAKE_CXX_COMPILER": toolchain.host,
        "CMAKE_CUDA_ARCHITECTURES": ";".join(map(_cmake_architecture, names)),
        "CSAKIT_WARNINGS_AS_ERRORS": "ON" if config.warnings_as_errors else "OFF",
    }
    key = _hash([digest, root, toolchain, options, [os.environ.get(name) for name in _VARIABLES]])
    folder = config.output or builds_folder() / _place(digest, names, toolchain, headers)
    folder = folder.absolute()  # compilers run elsewhere
    kinds = KINDS if headers else KINDS[:1]
    progress(f"compiling for {', '.join(names)} with {toolchain}, found by {toolchain.source}")
    with _staging(folder) as staging, _build_tree(None if config.output else key, staging) as tree:
        options["CSAKIT_TENSORRT_INCLUDE"] = headers.folder.absolute() if headers else ""
        jobs = config.jobs or len(os.sched_getaffinity(0))
        log = _run_cmake(tools, root, tree, options, jobs)
        built = Build(
            libraries=tuple(folder / file_name(kind) for kind in kinds),
            source_hash=digest,
            architectures=tuple(names),
            omitted=tuple(omitted),
            toolchain=str(toolchain),
            tensorrt=headers.version if headers else None,
            resources=tuple(parse_resources(log)),
            warnings=tuple(dict.fromkeys(_WARNING.findall(log))),
            seconds=time.monotonic() - start,
        )
        placed = [file_name(kind) for kind in kinds]
        for name in placed:
            shutil.copyfile(tree / name, staging / name)
        record = {"schema": RECORD_SCHEMA, "csakit": _VERSION, "abi": ABI_VERSION}
        record |= {**dataclasses.asdict(built), "libraries": placed}
        (staging / RECORD_NAME).write_text(json.dumps(record, indent=1))
        for name in (*placed, RECORD_NAME):
            (staging / name).replace(folder / name)
    return built


def parse_resources(log: str) -> list[KernelResources]:
    """Return ptxas' last report on each kernel and architecture in nvcc's log."""
    sections = _ENTRY.split(log)[1:]  # name, architecture, text; and again
    names = readable_names(sections[0::3])
    found = {}
    for symbol, architecture, text in zip(*(sections[i::3] for i in range(3)), strict=True):
        frames = [tuple(map(int, frame)) for frame in _FRAME.findall(text)]
        used, shared = _USED.search(text), _SHARED.search(text)
        found[symbol, architecture] = KernelResources(
            kernel=names[symbol],
            architecture=architecture,
            registers=int(used[1]) if used else 0,
            shared_bytes=int(shared[1]) if shared else 0,
            stack_bytes=sum(stack for stack, _, _ in frames),
            spill_bytes=sum(stores + loads for _, stores, loads in frames),
        )
    return list(found.values())


def readable_names(symbols: Iterable[str]) -> dict[str, str]:
    """Return "matchKernel<float>" for "_Z11matchKernelIfEvPKT_"; needs c++filt, else the symbol."""
    wanted = list(dict.fromkeys(symbols))
    program = shutil.which("c++filt")
    if program is None or not wanted:
        return {symbol: symbol for symbol in wanted}
    done = subprocess.run(
        [program, "-p"], input="\n".join(wanted), capture_output=True, text=True, check=True
    )
    names = (name.replace("(anonymous namespace)::", "") for name in done.stdout.splitlines())
    short = (re.sub(r"(?:\b\w+::)+(\w)", r"\1", name) for name in names)
    return dict(zip(wanted, short, strict=True))


def _place(digest: str, names: list[str], toolchain: Toolchain, headers: Headers | None) -> str:
    """Return the name of a build's folder: hashes of its sources, and of how it is built."""
    how = _hash([names, toolchain, headers.version if headers else None, _VERSION])
    return f"{digest[:HASH_DIGITS]}-{how}"


def _hash(values: list[object]) -> str:
    return hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()[:HASH_DIGITS]


def _cmake_architecture(name: str) -> str:
    """Return "90-real" for "sm_90", "90-virtual" for "compute_90"."""
    kind, _, number = name.partition("_")
    return f"{number}-{'real' if kind == 'sm' else 'virtual'}"


def _require_place(config: BuildConfig, toolchain: Toolchain) -> None:
    """Refuse a build for another machine that would go to the cache or target this GPU."""
    here, there = platform.machine(), toolchain.machine
    if there != here and (config.output is None or config.architectures == "native"):
        raise ContractError(
            f"a build for {there} on {here} must have an output folder and named architectures; "
            f"got {config.output} and {config.architectures}\n"
            "Add --output DIR and --arch sm_87, for example, or unset NVCC_CCBIN."
        )


def _require_no_comma(*paths: Path) -> None:
    for path in paths:
        if "," in str(path):
            raise LibraryError(
                f"nvcc splits its options at commas; {path} has one\n"
                "Choose or move to a folder without."
            )


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder on the same disk, from which a move is atomic."""
    with _writable(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # in /proc
            raise NotADirectoryError(errno.ENOTDIR, "no folders can be made there") from error
        with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as name:
            yield Path(name)


@contextlib.contextmanager
def _build_tree(key: str | None, staging: Path) -> Iterator[Path]:
    """Yield a build folder: a temporary one, or one whose object files the next build reuses."""
    if key is None:
        yield staging / "tree"
        return
    import fcntl  # POSIX only, like the build; elsewhere the command still prints its help

    trees = cache_folder() / "trees"
    with _writable(trees):
        (trees / key).mkdir(parents=True, exist_ok=True)
        lock = (trees / f"{key}.lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second of two equal builds finds everything built
        yield trees / key
    oldest = time.time() - _TREE_DAYS * 86400
    for other in trees.glob("*.lock"):  # its time is that of the last build
        with contextlib.suppress(OSError):  # another build may remove it at the same time
            if other.stat().st_mtime < oldest:
                shutil.rmtree(other.with_suffix(""))
                other.unlink()


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Raise LibraryError with a remedy if the disk is full or not writable."""
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


def _run_cmake(
    tools: tuple[str, str], root: Path, tree: Path, options: dict[str, object], jobs: int
) -> str:
    """Configure and build; return the compilers' output, including that of reused object files."""
    cmake, ninja = tools
    given = (f"-D{name}={value}" for name, value in options.items())
    tree.mkdir(exist_ok=True)
    try:
        _run([cmake, "-S", str(root), "-B", str(tree), "-G", "Ninja", *given], tree / "cmake.log")
    except LibraryError:
        (tree / "CMakeCache.txt").unlink(missing_ok=True)  # CMake would reuse the failed answers
        raise
    # Appended to by every run: Ninja prints a compiler's output only when it runs it.
    _run([ninja, f"-j{jobs}"], tree / _LOG_NAME, folder=tree)
    return (tree / _LOG_NAME).read_text(errors="replace")


def _run(command: Sequence[str], log: Path, folder: Path | None = None) -> None:
    """Run a program and append its output to a log; raise LibraryError with it if it fails."""
    with log.open("ab") as output:
        begin = output.tell()
        try:
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        except OSError as error:
            raise LibraryError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            code = process.wait()
        except BaseException:  # Ctrl-C may reach this process only; Ninja ends its compilers
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if code != 0:
        with log.open("rb") as printed:
            printed.seek(begin)
            text = explain(printed.read().decode(errors="replace"))
        how = f"signal {-code}" if code < 0 else f"code {code}"
        silent = f"{Path(command[0]).name} ended with {how} and printed nothing"
        raise LibraryError(f"the build failed: {text or silent}")
