"""Workers outlive what is not meant for them, and never the process that trains."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from csakit.train.data import open_images, open_masks
from csakit.train.data.loader import training_batches

# Each worker has delivered a batch when the second arrives.
PROGRAM = """
import os, signal, sys
from csakit.train.data import open_images, open_masks
from csakit.train.data.loader import training_batches

def run():
    images, masks = open_images("procedural"), open_masks("center")
    batches = iter(training_batches(images, masks, size=16, batch=1, seed=0, workers=2,
                                    start_step=0, steps=1000))
    next(batches), next(batches)
    loader = batches.gi_frame.f_locals["loader"]
    print(*(worker.pid for worker in loader._workers), flush=True)
    if sys.argv[1] == "raise":
        raise RuntimeError("the loop failed")
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    run()
"""


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.parametrize("end", ["raise", "die"])
def test_no_worker_outlives_the_process_that_trains(tmp_path: Path, end: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)

    finished = subprocess.run(  # a process that waits for its workers for ever runs into the limit
        [sys.executable, tmp_path / "program.py", end],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    workers = [int(word) for word in finished.stdout.split()]
    assert len(workers) == 2
    assert finished.returncode == {"raise": 1, "die": -signal.SIGKILL}[end]
    deadline = time.monotonic() + 60
    while any(lives(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(lives(worker) for worker in workers)


def test_what_is_sent_to_the_group_does_not_reach_workers() -> None:
    arguments: dict[str, Any] = {"size": 16, "batch": 1, "seed": 0, "start_step": 0}
    batches: Any = iter(
        training_batches(
            *(open_images("procedural"), open_masks("center")), **arguments, workers=1, steps=1000
        )
    )
    next(batches)
    (worker,) = batches.gi_frame.f_locals["loader"]._workers

    groups = os.getpgid(worker.pid), os.getpgid(0)
    os.kill(worker.pid, signal.SIGINT)  # as a terminal sends, if the group were the same
    for _ in range(12):  # more than were prepared before
        next(batches)
    batches.close()

    assert groups[0] != groups[1]
    assert not worker.is_alive()
    assert worker.exitcode == 0
