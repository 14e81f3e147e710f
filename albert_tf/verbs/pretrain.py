"""The verb that trains on masked words and sentence order."""

import json
import os
import sys
from dataclasses import dataclass

from albert_tf.training.fields import recipe_of
from albert_tf.training.pretraining.lost_worker import WorkerLost
from albert_tf.training.pretraining.settings import PretrainSettings
from albert_tf.training.pretraining.supervisor import is_supervised, supervise


@dataclass(frozen=True, kw_only=True)
class Pretrain(PretrainSettings):
    """Train on masked words and sentence order; the same command again goes on where it stopped.

    Exit codes: 0 at the end; 1 when stopped; 2 for what you can mend; 3 when another worker is
    gone, and all of them must be started again.
    """

    @property
    def needs_tensorflow(self):
        """Whether this process computes with TensorFlow."""
        is_tensorflow = os.environ.get("KERAS_BACKEND") in (None, "tensorflow")
        return is_tensorflow and not self._is_supervisor

    @property
    def _is_supervisor(self):
        return self.workers is not None and not is_supervised()

    def start(self):
        if self._is_supervisor:
            return supervise(self)
        from albert_tf.training.pretraining.run import pretrain

        try:
            summary = pretrain(self)
        except ArithmeticError as error:
            print(f"albert-tf pretrain: {error}", file=sys.stderr)
            return 2
        except WorkerLost as error:
            print(f"albert-tf pretrain: {error}", file=sys.stderr)
            return WorkerLost.exit_code
        if summary is None:
            print(f"Stopped. The same command goes on from the last checkpoint in {self.out}.")
            return 1
        if summary:
            print(json.dumps(summary, indent=2))
            print(f"The run is in {self.out}: its numbers in report.html, its model in model/.")

    def describe(self):
        from albert_tf.training.pretraining.run import describe

        print(json.dumps({"recipe": recipe_of(self), **describe(self)}, indent=2))
