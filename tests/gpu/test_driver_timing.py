"""What the driver times is compared with the oracle first, and kept case by case."""

import json
from pathlib import Path
from typing import Any

import pytest
from csakit.benchmarks.attention.cases import Case
from csakit.plugins.abi import Chain
from csakit.plugins.library import load
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.plugins.spec import SIMILARITIES
from gpu import driver_timing as module
from gpu.driver_timing import CASES, main, measure
from helpers.kernel_device import SimtDevice
from helpers.simt_build import simt_library

SMALL = Case(holes=9, batch=2, channels=24, side=6, dtype="float16")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CALLS", 2), ("SAMPLES", 3), ("WARM_UP_SECONDS", 0)):
        monkeypatch.setattr(module, name, value)


def test_the_sizes_of_the_targets_come_first() -> None:
    sizes = [(case.holes, case.batch, chain) for case, chain in CASES]

    assert sizes[:4:2] == [(225, 1, Chain.AUTO), (512, 1, Chain.AUTO)]
    assert {case.similarity for case, _ in CASES} == set(SIMILARITIES)
    assert {case.dtype for case, _ in CASES} == {"float16"}


def test_every_case_is_right_and_timed(simt: SimtDevice) -> None:
    found = list(measure(simt, [(SMALL, chain) for chain in Chain]))

    assert [entry["chain"] for entry in found] == ["auto", "sequential"]
    assert all(entry["right"] and 0 <= entry["error"] < 1e-3 for entry in found)
    assert all(len(entry["samples_us"]) == 3 and entry["median_us"] > 0 for entry in found)


def test_a_record_survives_what_comes_after_it_and_a_wrong_result_fails(
    tmp_path: Path,
    simt: SimtDevice,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(simt_library(watched=False)))
    monkeypatch.setattr(module, "CudaDevice", lambda _: simt)
    right, calls = module.coherent_semantic_attention, []

    def wrong_then_lost(*arguments: Any) -> Any:  # noqa: ANN401  as the oracle
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("lost")
        return 1.01 * right(*arguments)

    monkeypatch.setattr(module, "coherent_semantic_attention", wrong_then_lost)
    load.cache_clear()

    assert main(tmp_path / "one.json", [(SMALL, Chain.AUTO)]) == 1
    assert ", WRONG" in capsys.readouterr().out
    calls.clear()
    with pytest.raises(RuntimeError, match="lost"):
        main(tmp_path / "two.json", [(SMALL, Chain.AUTO), (SMALL, Chain.AUTO)])
    load.cache_clear()

    record = json.loads((tmp_path / "two.json").read_text())
    assert record["library"]["architectures"] == "sm_90"
    (entry,) = record["cases"]
    assert (entry["holes"], entry["right"]) == (9, False)
    assert entry["error"] == pytest.approx(0.01, rel=0.1)
