"""A folder in the pipeline gives what one image after the other gives, and stops cleanly."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, EngineError
from csakit.runtime import Inpainter
from csakit.runtime.batch import pipeline
from csakit.runtime.batch.job import FileOptions, Job, run_job
from csakit.runtime.batch.pipeline import repair_files, working_on
from csakit.runtime.options import MaskOptions
from PIL import Image

from ..conftest import MakeModel, RecordingSession

SUFFIXES = [".png", ".jpg", ".webp", ".tif", ".bmp"]


@pytest.fixture
def jobs(tmp_path: Path, photo: np.ndarray) -> list[Job]:
    """Twelve images of several formats and sizes; the fourth is broken."""
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[100:140, 200:260] = 255
    listed = []
    for index in range(12):
        suffix = SUFFIXES[index % len(SUFFIXES)]
        image = tmp_path / f"{index:02}{suffix}"
        size = (451 - 30 * (index % 3), 300 - 20 * (index % 3))
        Image.fromarray(np.roll(photo, 9 * index, axis=1)).resize(size).save(image)
        Image.fromarray(mask).resize(size).save(tmp_path / f"{index:02}_mask.png")
        mask_file = tmp_path / f"{index:02}_mask.png"
        listed.append(Job(image=image, mask=mask_file, output=tmp_path / "out" / image.name))
    (tmp_path / "out").mkdir()
    listed[3].image.write_bytes(listed[3].image.read_bytes()[:500])
    return listed


def test_files_and_outcomes_are_those_of_one_after_the_other(
    jobs: list[Job], make_model: MakeModel
) -> None:
    options = FileOptions(side_by_side=True, mask=MaskOptions(dilate=3))
    with Inpainter.open(make_model(), threads=2) as inpaint:
        expected = {}
        for job in jobs[:3] + jobs[4:]:
            repaired = run_job(inpaint, job, options)
            expected[job] = repaired, [path.read_bytes() for path in repaired.outputs]
            for path in repaired.outputs:
                path.unlink()

        outcomes = list(repair_files(inpaint, jobs, options))

    assert [outcome.job for outcome in outcomes] == jobs
    assert "corrupt or truncated" in str(outcomes[3].problem)
    for outcome in outcomes[:3] + outcomes[4:]:
        assert outcome.problem is None
        assert outcome.repaired is not None
        written = [path.read_bytes() for path in outcome.repaired.outputs]
        assert (outcome.repaired, written) == expected[outcome.job]


def test_reading_and_writing_overlap_the_model(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "physical_cores", lambda: 2)
    work = threading.Barrier(2, timeout=20)  # only passed by two at once
    session = RecordingSession()
    fill, write = session.run_uint8, pipeline.write_job

    def filling(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        if len(session.calls) == 1:  # the second, while the first is written
            work.wait()
        return fill(image, hole)

    def writing(*arguments: object) -> object:
        monkeypatch.setattr(pipeline, "write_job", write)
        work.wait()
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "run_uint8", filling)
    monkeypatch.setattr(pipeline, "write_job", writing)

    outcomes = list(repair_files(Inpainter(session), jobs, FileOptions()))

    assert sum(outcome.repaired is not None for outcome in outcomes) == 11
    assert not work.broken


def test_what_is_held_is_bounded(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "HELD_PIXELS", 1)
    held = most = 0
    lock = threading.Lock()
    load, write = pipeline.load_job, pipeline.write_job

    def loading(*arguments: object) -> object:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return load(*arguments)  # type: ignore[arg-type]

    def writing(*arguments: object) -> object:
        nonlocal held
        time.sleep(0.01)
        done = write(*arguments)  # type: ignore[arg-type]
        with lock:
            held -= 1
        return done

    monkeypatch.setattr(pipeline, "load_job", loading)
    monkeypatch.setattr(pipeline, "write_job", writing)

    good = [job for index, job in enumerate(jobs) if index != 3]
    assert len(list(repair_files(Inpainter(RecordingSession()), good, FileOptions()))) == 11
    assert most <= 2 + pipeline.physical_cores()  # those begun before the first size was known


def test_one_output_for_two_jobs_is_noticed_as_one_after_the_other(jobs: list[Job]) -> None:
    twin = Job(image=jobs[1].image, mask=jobs[1].mask, output=jobs[0].output)

    outcomes = list(repair_files(Inpainter(RecordingSession()), [jobs[0], twin], FileOptions()))

    assert outcomes[0].problem is None
    assert "exists; replace it with --overwrite" in str(outcomes[1].problem)


def test_a_failing_model_ends_the_run_after_the_outcomes_before_it(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = RecordingSession()
    fill = session.run_uint8

    def failing(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        if len(session.calls) == 2:
            raise EngineError("the model failed")
        return fill(image, hole)

    monkeypatch.setattr(session, "run_uint8", failing)
    run = repair_files(Inpainter(session), jobs, FileOptions())

    assert [next(run).job for _ in range(2)] == jobs[:2]
    with pytest.raises(EngineError, match="the model failed"):
        next(run)
    assert {path.name for path in jobs[0].output.parent.iterdir()} == {
        job.output.name for job in jobs[:2]
    }


def test_options_that_an_image_cannot_be_repaired_with_skip_it(jobs: list[Job]) -> None:
    def refusing(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        raise ContractError("too large")

    outcomes = list(repair_files(refusing, jobs[:3], FileOptions()))

    assert [str(outcome.problem) for outcome in outcomes] == ["too large"] * 3


def test_a_closed_run_begins_nothing_else_and_leaves_no_half_file(jobs: list[Job]) -> None:
    session = RecordingSession()
    run = repair_files(Inpainter(session), jobs, FileOptions())

    first = next(run)
    run.close()
    files = {path.name for path in first.job.output.parent.iterdir()}

    assert first.job == jobs[0]
    assert files <= {job.output.name for job in jobs}
    assert len(session.calls) < len(jobs) - 1
    assert not [t for t in threading.enumerate() if t.name.startswith("csakit-")]


def test_every_stage_knows_its_job(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[Job | None]] = {"load_job": [], "fill": [], "write_job": []}

    def spy(name: str) -> Callable[..., object]:
        work = getattr(pipeline, name)

        def spying(*arguments: object) -> object:
            seen[name].append(working_on.get())
            return work(*arguments)

        return spying

    for name in seen:
        monkeypatch.setattr(pipeline, name, spy(name))

    list(repair_files(Inpainter(RecordingSession()), jobs[:3], FileOptions()))

    assert all(sorted(jobs[:3], key=str) == sorted(found, key=str) for found in seen.values())
    assert working_on.get() is None


def test_an_interrupt_is_a_line_and_leaves_whole_files(
    jobs: list[Job], make_model: MakeModel, tmp_path: Path
) -> None:
    program = f"""
import sys, time
from csakit.runtime.cli import inpaint as inpaint_cli
from csakit.runtime import inpainter
slow = inpainter.Inpainter.__call__
def slowly(*arguments):
    print("filling", flush=True)
    time.sleep(0.3)
    return slow(*arguments)
inpainter.Inpainter.__call__ = slowly
folder = {str(tmp_path)!r}
arguments = [folder, folder, "-o", folder + "/out", "--model", {str(make_model())!r}]
sys.exit(inpaint_cli.main(arguments))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    for _ in range(4):
        assert process.stdout.readline() == "filling\n"
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err.splitlines()[-1] == "csakit inpaint: interrupted"
    assert "Traceback" not in err
    written = sorted((tmp_path / "out").iterdir())
    assert 1 <= len(written) < 11
    for path in written:
        with Image.open(path) as image:
            image.load()
