"""Does what writes and reads files, once for every call that can fail; prints what went wrong.

Started by ``test_faults.py`` with ``faults.c`` loaded before the C library:
``faulty_calls.py NAME FOLDER`` with the name of one of ``OPERATIONS``.
"""

import ctypes
import errno
import itertools
import logging
import random
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from csakit.plugins.errors import CsakitError
from csakit.runtime.batch.folder import list_folders
from csakit.runtime.batch.job import FileOptions, Job, run_job
from csakit.runtime.files import atomic
from csakit.runtime.files.atomic import atomic_write, sha256, staged_folder
from csakit.runtime.files.failures import failures_as_errors
from csakit.runtime.files.onnx_header import read_onnx_header, with_weights
from csakit.runtime.files.onnx_weights import require_finite_weights
from csakit.runtime.files.safetensors_header import read_checkpoint_header
from csakit.runtime.inpainter import Inpainter
from csakit.runtime.sessions import model_cache
from PIL import Image

from fuzz import seeds
from fuzz.mutation import FIRST, numbers

ERRORS: Final = (errno.EACCES, errno.ENOSPC, errno.EIO, errno.EINTR, errno.EMFILE, 0)  # 0: half
HARMLESS: Final = (errno.EINTR, 0)  # what is interrupted or cut short is done again
OLD: Final = b"what was there before"


class Session:
    """A model that fills holes with one colour."""

    io, batch, size, least_side = "uint8", None, None, 256
    metadata: dict[str, str] = {}  # noqa: RUF012

    def run_uint8(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.where(mask != 0, np.uint8(77), image)


def repair(folder: Path) -> None:
    job = Job(image=folder / "i.png", mask=folder / "m.png", output=folder / "out.png")
    options = FileOptions(overwrite=True, side_by_side=True)
    run_job(Inpainter(Session()), job, options)  # type: ignore[arg-type]


def repair_in_place(folder: Path) -> None:
    job = Job(image=folder / "i.png", mask=folder / "m.png", output=folder / "out.tif")
    run_job(Inpainter(Session()), job, FileOptions(overwrite=True))  # type: ignore[arg-type]


def lists(folder: Path) -> None:
    for scanned in list_folders(folder / "in", folder / "masks", folder / "out"):
        list(vars(scanned).values())


def reads(folder: Path) -> None:
    with_weights(folder / "link.onnx")
    read_onnx_header(folder / "model.onnx")
    require_finite_weights(folder / "model.onnx")
    read_checkpoint_header(folder / "a.safetensors")
    sha256(folder / "a.safetensors")


def writes(folder: Path) -> None:
    with atomic_write(folder / "out.png") as path, failures_as_errors("write"):
        path.write_bytes(b"all of it")
    with staged_folder(folder / "whole") as draft, failures_as_errors("write"):
        (draft / "a").write_text("a")


def copies(folder: Path) -> None:
    def optimise(target: Path) -> None:
        target.write_bytes(b"optimised")
        target.with_name(model_cache.WEIGHTS_FILE).write_bytes(b"weights")

    cached = model_cache.CachedModel.of(folder / "model.onnx", {"library": "1"})
    if cached.find() is None:
        cached.make(optimise)
    if (found := cached.find()) is not None:
        with failures_as_errors("read"):  # this reading may be the call that fails
            assert found.read_bytes() == b"optimised"


OPERATIONS: Final[dict[str, Callable[[Path], None]]] = {
    one.__name__: one for one in (repair, repair_in_place, lists, reads, writes, copies)
}


def prepare(folder: Path) -> None:
    """Write the inputs, and an output of an earlier run."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "in").mkdir(parents=True)
    (folder / "masks").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:9] = 255
    for name in ("i.png", "in/a.png", "in/b.png"):
        Image.fromarray(picture).save(folder / name, exif=Image.Exif().tobytes())
    for name in ("m.png", "masks/a.png", "masks/b_mask.png"):
        Image.fromarray(mask).save(folder / name)
    (folder / "out.png").write_bytes(OLD)
    (folder / "model.onnx").write_bytes(seeds.model())
    (folder / "m.weights").write_bytes(bytes(32))
    (folder / "link.onnx").symlink_to(folder / "model.onnx")
    (folder / "a.safetensors").write_bytes(seeds.checkpoint())


def run(library: Any, folder: Path, work: Callable[[Path], None], which: int, error: int) -> str:  # noqa: ANN401
    """Inject a failure into one call; return what is wrong with what followed."""
    prepare(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    library.faults_arm(str(folder).encode(), which, error)
    raised: BaseException | None = None
    try:
        work(folder)
    except BaseException as caught:
        raised = caught
    library.faults_disarm()
    failed = library.faults_failed().decode()
    if raised is not None and not isinstance(raised, CsakitError):
        place = traceback.extract_tb(raised.__traceback__)
        ours = [one for one in place if "csakit" in one.filename][-1:]
        return f"{failed}: raised {raised!r} from {ours}"
    if raised is not None and failed and error in HARMLESS:
        return f"{failed}: raised {raised}"
    if raised is not None and not failed:
        return f"nothing failed, and yet: {raised!r}"
    for path, content in before.items():
        if not path.exists() or (path.name != "out.png" and path.read_bytes() != content):
            return f"{failed}: {path.name} was changed"
    outputs = [folder / name for name in ("out.png", "out.tif", "out_side_by_side.png")]
    for output in filter(Path.exists, outputs):
        content = output.read_bytes()
        if content not in (OLD, b"all of it"):
            with Image.open(output) as image:
                image.load()
        if raised is None and content == OLD and work in (repair, writes):
            return f"{failed}: {output.name} was not written"
    if leftovers(folder):  # it could not be removed, so the next run does
        atomic._swept.clear()
        writes(folder)
        return f"{failed}: left {left}" if (left := leftovers(folder)) else ""
    return ""


def leftovers(folder: Path) -> list[str]:
    """Return the names of temporary files."""
    return [path.name for path in folder.glob(".csakit-*") if path.name != model_cache.BESIDE]


def main() -> int:
    """Do one operation once for each call and kind of failure, as far as the time goes."""
    logging.disable()
    warnings.simplefilter("ignore")
    model_cache.MIN_BYTES = 1  # type: ignore[misc]
    library = ctypes.CDLL(None)
    library.faults_arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int)
    library.faults_disarm.restype = ctypes.c_long
    library.faults_failed.restype = ctypes.c_char_p
    work, folder = OPERATIONS[sys.argv[1]], Path(sys.argv[2]) / "work"
    for _ in range(2):  # the first also imports
        if problem := run(library, folder, work, -1, 0):
            print(problem)
            return 1
    calls = library.faults_disarm()
    cases = list(itertools.product(range(calls), ERRORS))
    random.Random(FIRST).shuffle(cases)
    problems = set()
    for _, (which, error) in zip(numbers(), cases, strict=False):
        if problem := run(library, folder, work, which, error):
            problems.add(
                f"call {which} of {calls}, {errno.errorcode.get(error, 'half')}: {problem}"
            )
    print("\n".join(sorted(problems)) or f"{calls} calls")
    return int(bool(problems) or not calls)


if __name__ == "__main__":
    sys.exit(main())
