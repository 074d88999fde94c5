"""The entry point of ``csakit``: Ctrl-C during the imports ends it with one line."""

# Built in: the module signal takes milliseconds in which Ctrl-C would be a traceback.
import _signal as signal  # type: ignore[import-not-found]
import os

TYPE_CHECKING = False  # as typing's, for the same reason

if TYPE_CHECKING:
    from types import FrameType

_INTERRUPTED = 130  # as ``command.INTERRUPTED``, which is not imported yet


def main() -> int:
    """Run the command line of csakit, and return the exit code."""
    # torch's OpenMP spins for milliseconds, and loses time slices where others use the processors.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    from .main import main as run

    return run(loaded=allow_interrupts)


def allow_interrupts() -> None:
    """Turn Ctrl-C into an exception again, once the work begins that has something to clean up."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: "FrameType | None") -> None:
    """End at once: an exception could appear as a defect of whatever is being imported."""
    os.write(2, b"csakit: interrupted\n")
    os._exit(_INTERRUPTED)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
    signal.signal(signal.SIGINT, _end)
