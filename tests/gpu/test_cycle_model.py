"""The model issues instructions as their control codes say."""

from pathlib import Path

import pytest
from gpu.cycle_model import Instruction, cycles, main, parse, report


def word(*, stall: int, write: int = 7, read: int = 7, waits: int = 0) -> str:
    plan = stall | write << 5 | read << 8 | waits << 11
    return f"0x{plan << (105 - 64):016x}"


def line(address: int, text: str, upper: str) -> str:
    return f"        /*{address:04x}*/    {text} ;   /* 0x0000000000007308 */\n    /* {upper} */\n"


STEP = (  # a reciprocal, a product that waits for it, a sum that does not wait
    ("@!P0 MUFU.RCP R7, R10", word(stall=1, write=2)),
    ("FMUL R1, R7, R2", word(stall=4, waits=1 << 2)),
    ("FADD R1, R1, R2", word(stall=5)),
)
LISTING = ".text._Z6kernelv:\n" + "".join(
    line(16 * (3 * step + i), text, upper)
    for step in range(6)
    for i, (text, upper) in enumerate(STEP)
)


def test_a_listing_is_read() -> None:
    code = parse(LISTING)["_Z6kernelv"]

    assert code[:2] == [
        Instruction("MUFU.RCP", stall=1, write=2, read=7, waits=()),
        Instruction("FMUL", stall=4, write=7, read=7, waits=(2,)),
    ]
    assert len(code) == 18


@pytest.mark.parametrize(("case", "reciprocal"), [(0, 18), (1, 20), (2, 23)])
def test_who_waits_for_a_counter_is_issued_when_the_result_is_there(
    case: int, reciprocal: int
) -> None:
    times = cycles(parse(LISTING)["_Z6kernelv"], case)

    assert times[:4] == [0, reciprocal, reciprocal + 4, reciprocal + 9]


def test_a_function_is_described_by_its_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, steps = report(LISTING + line(288, "EXIT", word(stall=5)), "MUFU.RCP", 4)

    assert first == "_Z6kernelv: 19 instructions, 0 of local memory"
    assert "5 steps" in steps
    assert "likely 145 (29.0 a step)" in steps

    (tmp_path / "kernel.sass").write_text(LISTING)
    assert main([str(tmp_path / "kernel.sass")]) == 0
    assert "18 instructions" in capsys.readouterr().out
