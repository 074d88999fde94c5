"""The entry point of ``csakit``: Ctrl-C during the imports ends it with one line."""

# Built in: importing ``signal`` takes milliseconds, in which Ctrl-C would print a traceback.
import _signal as signal  # type: ignore[import-not-found]
import os

TYPE_CHECKING = False  # as typing's, for the same reason

if TYPE_CHECKING:
    from types import FrameType

_INTERRUPTED = 130  # as ``command.INTERRUPTED``, which is not imported yet


def main() -> int:
    """Run the command line of csakit, and return the exit code."""
    # torch's OpenMP threads spin for milliseconds, which wastes time slices on busy processors.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    from .main import main as run

    return run(loaded=allow_interrupts)


def allow_interrupts() -> None:
    """Raise KeyboardInterrupt on Ctrl-C again, once the work begins that needs to clean up."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: "FrameType | None") -> None:
    """Exit at once: an exception would look like a defect of the module being imported."""
    os.write(2, b"csakit: interrupted\n")
    os._exit(_INTERRUPTED)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
    signal.signal(signal.SIGINT, _end)
