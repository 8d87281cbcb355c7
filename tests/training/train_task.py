"""One task of a cluster: trains a family and saves what it ends with."""

import json
import os
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import training
from tests.training import families


class _Progress(keras.callbacks.Callback):

  def __init__(self, pause):
    super().__init__()
    self._pause = pause

  def on_train_batch_end(self, batch, logs=None):
    print('step', int(logs['step']), flush=True)
    time.sleep(self._pause)


def main(strategy, family, directory, num_steps, pause, options):
  """Trains; writes weights, losses and metrics to `TASK.npz` and `.json`.

  Args:
    strategy: Name of the strategy.
    family: Name of the model.
    directory: Where to write.
    num_steps: Steps to train.
    pause: Seconds to wait after each call of 5 steps.
    options: Arguments of `Trainer`.
  """
  strategy = training.get_strategy(strategy)
  directory = pathlib.Path(directory)
  task = json.loads(os.environ.get('TF_CONFIG', '{}')).get('task', {})
  name = f'{task.get("type", "one")}_{task.get("index", 0)}'
  with families.shared_noise(), strategy.scope():
    model, data = families.make(family)
    trainer = training.Trainer(
        model,
        keras.optimizers.SGD(0.1),
        directory / 'run',
        steps_per_call=5,
        callbacks=[
            _Progress(pause),
            training.JsonLines(directory / 'run' / 'metrics.jsonl'),
        ],
        **options,
    )
    try:
      history = trainer.fit(
          training.ShuffledBatches(data, 8, seed=3),
          num_steps,
          checkpoint_every=10,
          log_every=10,
      )
    except training.PreemptionError as error:
      print(error, flush=True)
      sys.exit(75)
    # The last batch of the evaluation has one example.
    dataset = tf.data.Dataset.from_tensor_slices(data).take(17).batch(8)
    metrics = trainer.evaluate(dataset)
  np.savez(directory / f'{name}.npz', *families.weights(trainer))
  (directory / f'{name}.json').write_text(
      json.dumps({'history': history.history, 'metrics': metrics})
  )


if __name__ == '__main__':
  main(
      *sys.argv[1:4],
      int(sys.argv[4]),
      float(sys.argv[5]),
      json.loads(sys.argv[6]),
  )
