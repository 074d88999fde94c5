r"""Model the cycles of compiled kernels without a GPU.

    nvcc -std=c++17 -O3 -arch=sm_90 -cubin -Iplugins/include -Iplugins/csrc \
        plugins/csrc/kernels/chain.cu
    nvdisasm -c -hex chain.cubin > chain.sass          # pip install nvidia-cuda-nvdisasm
    python tests/gpu/cycle_model.py chain.sass

Since Volta an instruction carries what the compiler planned: how many cycles pass before the next
one, and which counters it sets and waits for. One warp that has a scheduler to itself issues
accordingly, so only what takes a varying time has to be assumed. Those times are what others
measured on Volta to Hopper, in ranges; nothing here was measured on a GPU.

Straight code between two barriers of the block is modelled, conditional branches not taken.
"""

import argparse
import collections
import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

# Cycles until the result is there: fast, likely, slow. The longest name that fits counts.
LATENCIES: Final = {
    "SHFL": (22, 24, 26),
    "VOTE": (10, 12, 14),
    "MUFU": (18, 20, 23),
    "LDS": (23, 29, 33),
    "LDG": (200, 270, 300),  # from the second-level cache
    "ATOM": (300, 500, 700),
    "BAR": (20, 25, 35),
    "HMMA": (18, 24, 33),
    "": (12, 20, 30),  # conversions, special registers and the like
}
CASES: Final = ("fast", "likely", "slow")
_COUNTERS: Final = 6
_NONE: Final = 7
_FUNCTION: Final = re.compile(r"^\.text\.(\S+):$")
_CODE: Final = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(.*?);\s+/\* 0x([0-9a-f]{16}) \*/")
_UPPER: Final = re.compile(r"^\s*/\* 0x([0-9a-f]{16}) \*/\s*$")
_LOCAL: Final = ("LDL", "STL")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction and its plan."""

    name: str  # without operands and predicate, such as "SHFL.IDX"
    stall: int  # cycles before the next one
    write: int  # counter that it holds until its result is there, or 7
    read: int  # counter that it holds until its operands are read, or 7
    waits: tuple[int, ...]  # counters that it waits for


def parse(text: str) -> dict[str, list[Instruction]]:
    """Return the instructions of each function that nvdisasm printed."""
    functions: dict[str, list[Instruction]] = collections.defaultdict(list)
    name, pending = "", None
    for line in text.splitlines():
        if match := _FUNCTION.match(line.strip()):
            name = match[1]
        elif match := _CODE.search(line):
            pending = re.sub(r"^@!?U?P\w+\s+", "", match[1].strip()).split()[0]
        elif (match := _UPPER.match(line)) and pending is not None:
            functions[name].append(_decode(pending, int(match[1], 16)))
            pending = None
    return dict(functions)


def cycles(code: Sequence[Instruction], case: int = 1) -> list[int]:
    """Return when one warp issues each instruction of straight code; ``case`` as in CASES."""
    free = [0] * _COUNTERS
    now, times = 0, []
    for instruction in code:
        now = max([now, *(free[counter] for counter in instruction.waits)])
        times.append(now)
        if instruction.write != _NONE:
            counter = instruction.write
            free[counter] = max(free[counter], now + latency(instruction.name, case))
        if instruction.read != _NONE:
            free[instruction.read] = max(free[instruction.read], now + LATENCIES[""][0])
        now += max(instruction.stall, 1)
    return times


def latency(name: str, case: int) -> int:
    """Return the cycles until the result of an instruction is there."""
    key = max((key for key in LATENCIES if name.startswith(key)), key=len)
    return LATENCIES[key][case]


def sections(code: Sequence[Instruction]) -> Iterator[Sequence[Instruction]]:
    """Cut code at the barriers of the block and at its end."""
    begin = 0
    for index, instruction in enumerate(code):
        if instruction.name.startswith(("BAR", "EXIT")):
            yield code[begin : index + 1]
            begin = index + 1


def report(text: str, step: str, least: int) -> Iterator[str]:
    """Describe each function; ``step`` is an instruction that every step of a loop has once."""
    for name, code in parse(text).items():
        local = sum(instruction.name.startswith(_LOCAL) for instruction in code)
        yield f"{name}: {len(code)} instructions, {local} of local memory"
        for section in sections(code):
            found = [i for i, instruction in enumerate(section) if instruction.name == step]
            if len(found) < least:
                continue
            part = section[found[0] : found[-1] + 1]
            steps = len(found) - 1
            spent = [cycles(part, case)[-1] for case in range(len(CASES))]
            shown = ", ".join(
                f"{c} {n} ({n / steps:.1f} a step)" for c, n in zip(CASES, spent, strict=True)
            )
            yield f"  {steps} steps, {len(part) / steps:.1f} instructions each: {shown}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the model; return the exit code."""
    parser = argparse.ArgumentParser(prog="cycle_model.py")
    parser.add_argument("listing", type=Path, help="what nvdisasm -c -hex printed")
    parser.add_argument("--step", default="MUFU.RCP", help="what every step of a loop has once")
    parser.add_argument("--least", type=int, default=4, help="steps of a section worth a line")
    args = parser.parse_args(arguments)
    for line in report(args.listing.read_text(), args.step, args.least):
        print(line)
    return 0


def _decode(name: str, upper: int) -> Instruction:
    """Take the plan from bits 105 to 121 of an encoding."""
    plan = upper >> (105 - 64)
    return Instruction(
        name=name,
        stall=plan & 0xF,
        write=plan >> 5 & 7,
        read=plan >> 8 & 7,
        waits=tuple(c for c in range(_COUNTERS) if plan >> 11 >> c & 1),
    )


if __name__ == "__main__":
    raise SystemExit(main())
