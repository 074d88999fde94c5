"""``Inpainter``: repair images of any size with one loaded model."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from ..plugins.errors import ContractError, EngineError
from . import contract
from .crops.blend import RIM_PX
from .crops.repair import Network, Repair
from .models.packaged import resolve_model
from .options import EngineOptions, InpaintOptions
from .sessions.session import Backend, Session, open_session
from .tensors.pixels import Bool, Uint8

if TYPE_CHECKING:
    import os

    from PIL import Image

    from .images.adapt import ImageLike

Scalar = TypeVar("Scalar", bound=np.generic)


class Inpainter:
    """Repair images with one loaded model. Calls from several threads are safe."""

    def __init__(self, session: Session, options: InpaintOptions | None = None) -> None:
        """Take over an open session.

        Args:
            session: closed with the inpainter.
            options: how the network is applied to an image; None takes the defaults.

        Raises:
            ContractError: the model was exported for batches of another size than 1.
        """
        if session.batch not in (None, 1):
            raise ContractError(
                f"an inpainter runs one crop at a time; got a model for batches of {session.batch}"
            )
        self._session = session
        self._options = options or InpaintOptions()
        # Residuals end at the edge by themselves, and a rim would take known pixels from them.
        rim = 0 if session.metadata.get(contract.META_PREDICTION) == "residual" else RIM_PX
        stated = session.metadata.get(contract.META_TRAINED_HOLE, "")
        self._network = Network(
            run=session.run_uint8,
            size=session.size,
            # Engines may accept larger sides only: small parts are padded further.
            least_side=getattr(session, "least_side", contract.SIZE_MULTIPLE),
            trained_hole=int(stated) if stated.isdecimal() else contract.TRAINED_HOLE,
            rim=rim,
        )
        self._closed = False

    @classmethod
    def open(
        cls,
        model: str | Path | None = None,
        *,
        options: InpaintOptions | None = None,
        device: str | None = None,
        threads: int | None = None,
        cache: bool = True,
        spin: bool = True,
        engine: EngineOptions | None = None,
        backend: Backend | None = None,
        precision: contract.ComputePrecision | None = None,
    ) -> "Inpainter":
        """Open a model with the stated backend, or that of its suffix; there is no fallback.

        Args:
            model: an ``.onnx`` or ``.engine`` file; None, or "demo", is the packaged model.
            options: how the network is applied to an image; None takes the defaults.
            device: "cpu", "cuda" or "cuda:1"; this and the rest as for ``open_session``.
            threads: of one run; None takes one per physical core.
            cache: keep an optimised copy for the next start.
            spin: let waiting threads keep the processor busy.
            engine: how an engine is run; None takes the defaults.
            backend: "openvino" instead of ONNX Runtime.
            precision: "bf16" to let openvino compute the networks in bfloat16.

        Returns:
            The inpainter; a context manager. Raises what ``open_session`` raises.
        """
        session = open_session(
            resolve_model(model),
            device=device,
            threads=threads,
            cache=cache,
            spin=spin,
            engine=engine,
            backend=backend,
            precision=precision,
        )
        try:
            return cls(session, options)
        except ContractError:  # of a fixed batch above 1
            session.close()
            raise

    @property
    def session(self) -> Session:
        """The session of the loaded model, for tensors of the network's size."""
        return self._session

    @property
    def options(self) -> InpaintOptions:
        """The options of all repairs that state no others."""
        return self._options

    @overload
    def __call__(self, image: npt.NDArray[Scalar], mask: "ImageLike") -> npt.NDArray[Scalar]: ...

    @overload
    def __call__(
        self, image: "str | os.PathLike[str] | Image.Image", mask: "ImageLike"
    ) -> "Image.Image": ...

    def __call__(self, image: "ImageLike", mask: "ImageLike") -> "npt.NDArray[Any] | Image.Image":
        """Repair one image.

        Pixels under the mask are ignored, and at least one pixel must be known. ``repair_file``
        also keeps the metadata of an image file.

        Args:
            image: an array, (H, W) or (H, W, C), of uint8, uint16, or float in [0, 1], with C
                grey, RGB or RGBA; a Pillow image; or the path of an image file.
            mask: an array, (H, W), of bool, True where pixels are missing, of uint8, missing
                from 128 on, or of float in [0, 1], missing from 0.5 on; a Pillow image, or the
                path of a file, missing where it is white.

        Returns:
            A new array of the shape and type of ``image``, or a Pillow image for an image and
            for a path. Outside of the mask it is equal to ``image``, bit by bit.

        Raises:
            ContractError: a shape or type is wrong, a file cannot be read, or no pixel is known.
            EngineError: the inpainter is closed, or the model failed.
        """
        self._check_open()
        if isinstance(image, np.ndarray) and isinstance(mask, np.ndarray) and _plain(image, mask):
            return self._repair(image, mask)
        from .images.adapt import adapt_image, adapt_mask  # deferred: decoders take long to import

        adapted = adapt_image(image)
        hole = adapt_mask(mask, adapted.pixels.shape[:2])
        repaired: npt.NDArray[Any] | Image.Image
        repaired = adapted.restore(self._repair(adapted.pixels, hole), hole)
        return repaired

    def _repair(self, image: Uint8, hole: Bool) -> Uint8:
        repair = self.parts(image, hole)
        result: Uint8 = image.copy()
        for part in repair:
            result[part.window][part.hole] = part.pixels[part.hole]
        return result

    def parts(
        self,
        image: Uint8,
        mask: Bool,
        *,
        options: InpaintOptions | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Repair:
        """Plan a repair that can be followed, and stopped between its parts.

            for part in inpaint.parts(image, mask):
                result[part.window][part.hole] = part.pixels[part.hole]

        Args:
            image: (H, W, 3) uint8, RGB; not to be changed before the last part.
            mask: (H, W) bool, True where pixels are missing; likewise.
            options: instead of the inpainter's.
            progress: called before each run of the network with the number of runs done and of
                all runs; an exception ends the repair.

        Returns:
            The planned repair: iterating runs it, part by part. Its ``notices`` are complete before
            that.

        Raises:
            ContractError: a shape or type is wrong, or no pixel is known.
            EngineError: the inpainter is closed; while iterating, also that the model failed.
        """
        self._check_open()
        _check(image, mask)
        return Repair(image, mask, self._network, options or self._options, progress)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("the inpainter is closed; open it again")

    def close(self) -> None:
        """Release the model. Calling twice is harmless."""
        self._closed = True
        self._session.close()

    def __enter__(self) -> "Inpainter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _plain(image: npt.NDArray[Any], mask: npt.NDArray[Any]) -> bool:
    """Report whether image and mask are arrays that need no conversion."""
    as_image = image.dtype == np.uint8 and image.shape[2:] == (3,)
    return as_image and mask.dtype == np.bool_ and mask.shape == image.shape[:2]


def _check(image: Any, mask: Any) -> None:  # noqa: ANN401
    """Refuse all but the two documented arrays, with the expression that converts to them."""
    if not isinstance(image, np.ndarray) or not isinstance(mask, np.ndarray):
        raise ContractError(
            "image and mask must be NumPy arrays; got "
            f"{type(image).__name__} and {type(mask).__name__}\nUse numpy.asarray(...)."
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ContractError(
            f"image must be (H, W, 3) uint8, RGB; got {image.shape} {image.dtype}\n"
            "From a Pillow image: numpy.asarray(picture.convert('RGB'))."
        )
    if mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        raise ContractError(
            f"mask must be {image.shape[:2]} bool, the (H, W) of the image; got {mask.shape} "
            f"{mask.dtype}\nFrom 0 ... 255 with white = missing: mask >= 128."
        )
    if mask.all():
        raise ContractError(
            "at least one pixel must be known; the mask covers the whole image\n"
            "If the mask marks what to keep, invert it: ~mask."
        )
