"""The training procedures by name. A new one is a file beside this one and a line here.

A model says which is its own by its attribute `procedure`.
"""

from __future__ import annotations

import importlib

from lmvp_tf.errors import UserError
from lmvp_tf.training.procedure import Procedure

# Names of classes, imported when they are asked for: TensorFlow takes seconds.
PROCEDURES = {
    "algorithm1": "lmvp_tf.training.algorithm1.Algorithm1",
    "supervised": "lmvp_tf.training.supervised.Supervised",
    "scheduled_sampling": "lmvp_tf.training.scheduled_sampling.ScheduledSampling",
    "adversarial": "lmvp_tf.training.adversarial.Adversarial",
}


def procedure_class(name: str) -> type[Procedure]:
    """The Procedure of a name.

    Raises:
      UserError: there is no such procedure.
    """
    if name not in PROCEDURES:
        raise UserError(
            f"a model's procedure must be one of {', '.join(PROCEDURES)}. Received: {name}"
        )
    module, _, attribute = PROCEDURES[name].rpartition(".")
    return getattr(importlib.import_module(module), attribute)
