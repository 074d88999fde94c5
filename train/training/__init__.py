"""The training loop on Lightning Fabric: configuration, one step, state, records.

    from csakit.train.training import DataConfig, TrainConfig
    from csakit.train.training.loop import train

    train(TrainConfig(data=DataConfig(data="procedural")), Path("run"))

Importing this package is cheap; importing the loop needs the extra ``train``.
"""

from .config import (
    DataConfig,
    EngineConfig,
    LossConfig,
    OptimisationConfig,
    RecordsConfig,
    TrainConfig,
)

__all__ = [
    "DataConfig",
    "EngineConfig",
    "LossConfig",
    "OptimisationConfig",
    "RecordsConfig",
    "TrainConfig",
]
