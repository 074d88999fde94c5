"""The training loop on Lightning Fabric: configuration, one step, state, metrics log.

``loop.train(TrainConfig(data=DataConfig(data="procedural")), Path("run"))`` does a whole run.
"""
