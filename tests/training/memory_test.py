"""Ten thousand steps take no more memory than the first, in one trace."""

from concurrent import futures
import multiprocessing
import pathlib
import sys
import tempfile

from absl.testing import absltest
import keras
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm

_NUM_STEPS = 10_000
# Until after two evaluations and two checkpoints, which allocators grow for.
_WARMUP_STEPS = 2_500
_STATUS = pathlib.Path('/proc/self/status')


class Memory(keras.callbacks.Callback):
  """Records the resident bytes at the end of each log interval."""

  def __init__(self):
    super().__init__()
    self.steps, self.resident_bytes = [], []

  def on_epoch_end(self, epoch, logs=None):
    (line,) = (
        line
        for line in _STATUS.read_text().splitlines()
        if line.startswith('VmRSS:')
    )
    self.steps.append(logs['step'])
    self.resident_bytes.append(1024 * int(line.split()[1]))


class Leak(keras.callbacks.Callback):
  """Holds a tensor of each call."""

  def __init__(self):
    super().__init__()
    self._held = []

  def on_train_batch_end(self, batch, logs=None):
    self._held.append(tf.fill([10_000], float(batch)))


class MemoryTest(absltest.TestCase):

  # A minute each.
  @pytest.mark.slow
  @absltest.skipUnless(sys.platform == 'linux', 'Elsewhere there is no /proc.')
  def test_memory_is_flat_in_one_trace(self):
    growth, traces = _train_in_new_process(leaks=False)
    self.assertLess(growth, 0.01)
    self.assertEqual(set(traces.values()), {1}, traces)

  @pytest.mark.slow
  @absltest.skipUnless(sys.platform == 'linux', 'Elsewhere there is no /proc.')
  def test_a_leak_would_show(self):
    growth, _ = _train_in_new_process(leaks=True)
    self.assertGreater(growth, 0.02)


def _train_in_new_process(leaks):
  # What other tests have left would hide a leak.
  context = multiprocessing.get_context('spawn')
  with futures.ProcessPoolExecutor(1, mp_context=context) as pool:
    return pool.submit(_train, leaks).result()


def _train(leaks):
  """Trains with what is default; returns the growth, and numbers of traces."""
  images = np.random.default_rng(0).integers(2, size=[1000, 64])
  images = images.astype(np.float32)
  decoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(64)])
  model = dlvm.models.DiscreteVAE(
      keras.layers.Dense(12), decoder, 4, num_classes=3
  )
  # A function that creates variables is traced twice.
  model.build((None, 64))
  memory = Memory()
  with tempfile.TemporaryDirectory() as directory:
    output_dir = pathlib.Path(directory)
    trainer = dlvm.training.Trainer(
        model,
        dlvm.training.FusedAdam(1e-3),
        output_dir,
        callbacks=[
            dlvm.training.JsonLines(output_dir / 'metrics.jsonl'),
            dlvm.training.TensorBoardScalars(output_dir / 'tensorboard'),
            memory,
            *([Leak()] if leaks else []),
        ],
    )
    trainer.fit(
        dlvm.training.ShuffledBatches(images, batch_size=50, seed=0),
        _NUM_STEPS,
        eval_batches=tf.data.Dataset.from_tensor_slices(images).batch(300),
    )
  steps = np.array(memory.steps)
  resident = np.array(memory.resident_bytes, np.float64)
  (warm,) = resident[steps == _WARMUP_STEPS]
  growth = float(resident[-1] / warm - 1)
  traces = {
      name: getattr(trainer._steps, name).experimental_get_tracing_count()
      for name in ('_one_step', '_steps')
  }
  curve = ', '.join(f'{b / 2**20:.1f}' for b in resident[9::10])
  print(f'Growth {growth:.4%}; MiB at each 1,000 steps: {curve}; {traces}')
  return growth, traces


if __name__ == '__main__':
  absltest.main()
