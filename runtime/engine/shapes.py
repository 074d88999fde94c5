"""Which shapes an engine takes, and the message for those it does not.

Letters: B images, H W sides in pixels.
"""

import dataclasses

from ...plugins.errors import ContractError
from ..contract import SIZE_MULTIPLE
from .manifest import Manifest


@dataclasses.dataclass(frozen=True)
class Profile:
    """Shapes that an engine was built for.

    Attributes:
        batch: least and most B.
        size: least and most H and W, each by itself.
        name: of the engine.
        rebuild: the command that built it.
    """

    batch: tuple[int, int]
    size: tuple[int, int]
    name: str
    rebuild: str

    @classmethod
    def of(cls, manifest: Manifest, name: str) -> "Profile":
        """Read it off a manifest.

        Args:
            manifest: of the engine.
            name: of the engine, for messages.

        Returns:
            The profile.

        Raises:
            ContractError: the manifest states no such shapes.
        """
        stated = manifest.profiles[0]
        for numbers in (stated.batch, stated.size):
            if len(numbers) != 3 or not 0 < numbers[0] <= numbers[1] <= numbers[2]:
                raise ContractError(
                    f"{name} must state shapes as least, best and most; its manifest has {numbers}"
                )
        batch, size = stated.batch, stated.size
        return cls((batch[0], batch[2]), (size[0], size[2]), name, manifest.rebuild)

    @property
    def fixed_batch(self) -> int | None:
        """The one B; None if there are several."""
        return self.batch[0] if self.batch[0] == self.batch[1] else None

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The one (H, W); None if there are several."""
        return (self.size[0], self.size[0]) if self.size[0] == self.size[1] else None

    def check(self, batch: int, sides: tuple[int, ...]) -> None:
        """Refuse a shape that the engine was not built for.

        Args:
            batch: B.
            sides: H and W.

        Raises:
            ContractError: it was not; the text lists what it was built for.
        """
        least, most = self.size
        height, width = sides
        fits = least <= height <= most and least <= width <= most
        if fits and self.batch[0] <= batch <= self.batch[1]:
            return
        batches = " to ".join(map(str, dict.fromkeys(self.batch)))
        allowed = [str(x) for x in range(least, most + 1) if x % SIZE_MULTIPLE == 0]
        raise ContractError(
            f"{self.name} takes batches of {batches} and sides of {' or '.join(allowed)} pixels; "
            f"got B={batch}, {width} x {height} (width x height)\n"
            f"Build it for more shapes, with other --batch or --size: {self.rebuild}"
        )
