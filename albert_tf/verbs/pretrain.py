"""The verb that trains on masked words and sentence order."""

import json
from dataclasses import dataclass

from albert_tf.training.pretraining.settings import PretrainSettings


@dataclass(frozen=True, kw_only=True)
class Pretrain(PretrainSettings):
    """Train on masked words and sentence order; the same command again goes on where it stopped."""

    def start(self):
        from albert_tf.training.pretraining.run import pretrain

        summary = pretrain(self)
        if summary is None:
            print(f"Stopped. The same command goes on from the last checkpoint in {self.out}.")
            return 1
        print(json.dumps(summary, indent=2))
        print(f"The run is in {self.out}: its numbers in summary.json, its model in model/.")

    def describe(self):
        from albert_tf.training.pretraining.run import describe

        print(json.dumps(describe(self), indent=2))
