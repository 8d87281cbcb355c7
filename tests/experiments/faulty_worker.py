"""A worker that meets the faults that it is told of, each of them once.

Run by `experiments.launch_local` with the directory of the run, that of the
data, and the faults as JSON: a list of `[step, worker, kind]`.
"""

import json
import os
import pathlib
import resource
import shutil
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm

NUM_STEPS = 66
CHECKPOINT_EVERY = 3
_BATCH_SIZE = 4
_NUM_FEATURES = 6
_NUM_EXAMPLES = 8


class Faults(keras.callbacks.Callback):
  """Brings faults about, and records where a run starts after how many."""

  def __init__(self, run_dir, data, faults, worker):
    super().__init__()
    self._run_dir, self._data = run_dir, data
    self._faults, self._worker = faults, worker

  def on_train_begin(self, logs=None):
    with (self._run_dir / f'starts_{self._worker}').open('a') as file:
      num_faults = len(list(self._run_dir.glob('fault_*')))
      file.write(f'{int(logs["step"])} {num_faults}\n')

  def on_train_batch_end(self, batch, logs=None):
    for i, (step, worker, kind) in enumerate(self._faults):
      marker = self._run_dir / f'fault_{i}'
      if (step, worker) != (logs['step'], self._worker) or marker.exists():
        continue
      marker.touch()
      getattr(self, f'_{kind}')()

  def _sigkill(self):
    os.kill(os.getpid(), signal.SIGKILL)

  def _sigterm(self):
    os.kill(os.getpid(), signal.SIGTERM)

  def _sigstop(self):
    os.kill(os.getpid(), signal.SIGSTOP)

  def _full_disk(self):
    # What a file cannot grow beyond is to its writer as a disk without room.
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

  def _truncated_checkpoint(self):
    checkpoints = self._run_dir / 'checkpoints'
    latest = tf.train.latest_checkpoint(checkpoints)
    os.truncate(f'{latest}.data-00000-of-00001', 100)
    self._sigkill()

  def _vanished_data(self):
    self._data.unlink()


def batches(path):
  """Reads a file anew in every epoch, as data sets that do not fit memory."""

  def from_step(step):
    records = tf.data.FixedLengthRecordDataset([str(path)], 4 * _NUM_FEATURES)
    examples = records.map(lambda record: tf.io.decode_raw(record, tf.float32))
    examples = examples.map(lambda x: tf.ensure_shape(x, [_NUM_FEATURES]))
    return examples.repeat().skip(step * _BATCH_SIZE).batch(_BATCH_SIZE, True)

  return from_step


def write_data(path):
  data = np.random.default_rng(0).random([_NUM_EXAMPLES, _NUM_FEATURES])
  path.write_bytes(np.round(data).astype(np.float32).tobytes())


def main():
  run_dir, data_dir = (pathlib.Path(arg) for arg in sys.argv[1:3])
  worker = json.loads(os.environ['TF_CONFIG'])['task']['index']
  original, data = data_dir / 'original', data_dir / f'worker_{worker}'
  if not data.exists():
    # What a person would mend before the run is started again.
    shutil.copy(original, data)
  strategy = dlvm.training.get_strategy('multi_worker')
  with strategy.scope():
    keras.utils.set_random_seed(0)
    model = dlvm.models.DiscreteVAE(
        keras.layers.Dense(6), keras.layers.Dense(_NUM_FEATURES), 2, 3
    )
    model.build((None, _NUM_FEATURES))
    trainer = dlvm.training.Trainer(
        model,
        dlvm.training.FusedAdam(1e-2),
        run_dir,
        steps_per_call=1,
        callbacks=[Faults(run_dir, data, json.loads(sys.argv[3]), worker)],
    )
    trainer.fit(
        batches(data),
        NUM_STEPS,
        checkpoint_every=CHECKPOINT_EVERY,
        log_every=NUM_STEPS,
    )
  weights = [w.numpy().ravel() for w in model.trainable_variables]
  np.save(run_dir / f'weights_{worker}.npy', np.concatenate(weights))


if __name__ == '__main__':
  main()
