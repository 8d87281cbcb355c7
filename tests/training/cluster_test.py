"""Several processes train as one does."""

import json
import os
import pathlib
import signal

import numpy as np
import pytest
import tensorflow as tf

from tests.training import families
from tests.training import processes


class MultiWorkerTest(tf.test.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir()) / self.id()

  def _cluster(self, num_steps, pause=0, strategy='multi_worker', **jobs):
    options = {'clip_norm': 0.3}
    command = [
        '-m',
        'tests.training.train_task',
        strategy,
        'discrete_flow',
        str(self._dir),
        str(num_steps),
        str(pause),
        json.dumps(options),
    ]
    return processes.Cluster(command, self._dir, **(jobs or {'worker': 2}))

  def _results(self, name):
    with np.load(self._dir / f'{name}.npz') as arrays:
      weights = [arrays[key] for key in arrays.files]
    return weights, json.loads((self._dir / f'{name}.json').read_text())

  def _train_one(self, num_steps):
    # Initial weights are drawn, too.
    with families.shared_noise():
      trainer, _ = families.train(
          'discrete_flow', self._dir / 'one', num_steps=num_steps, clip_norm=0.3
      )
    data = families.make('discrete_flow')[1]
    dataset = tf.data.Dataset.from_tensor_slices(data).take(17).batch(8)
    return families.weights(trainer), trainer.evaluate(dataset)

  @pytest.mark.slow
  def test_two_workers_train_stop_and_resume_as_one(self):
    # One worker alone is asked to stop; both do, at the same step.
    with self._cluster(1000, pause=1) as cluster:
      cluster.wait_for('worker_0', 'step 15\n')
      os.kill(cluster.processes['worker_1'].pid, signal.SIGTERM)
      statuses = cluster.wait()
    logs = [cluster.log(name) for name in sorted(statuses)]
    self.assertEqual(set(statuses.values()), {75}, logs[0][-3000:])
    steps = {log.rsplit('\nstep ', 1)[1].split()[0] for log in logs}
    self.assertLen(steps, 1)
    (step,) = map(int, steps)
    checkpoints = self._dir / 'run' / 'checkpoints'
    self.assertTrue((checkpoints / f'ckpt-{step}.index').exists())

    num_steps = step // 10 * 10 + 20
    with self._cluster(num_steps) as cluster:
      statuses = cluster.wait()
    logs = [cluster.log(name) for name in sorted(statuses)]
    self.assertEqual(set(statuses.values()), {0}, logs[0][-3000:])
    for log in logs:
      self.assertNotIn(f'step {step}\n', log)
    expected, metrics = self._train_one(num_steps)
    for name in statuses:
      weights, found = self._results(name)
      for a, b in zip(weights, expected, strict=True):
        self.assertAllClose(a, b, atol=1e-6, rtol=0)
      for key, value in metrics.items():
        self.assertAllClose(found['metrics'][key], value, rtol=1e-5)
    # One file, one list of checkpoints: those of the chief.
    lines = (self._dir / 'run' / 'metrics.jsonl').read_text().splitlines()
    self.assertEqual(
        [json.loads(line)['step'] for line in lines],
        [*range(10, num_steps + 1, 10)],
    )
    self.assertLen(list(checkpoints.glob('*.index')), 3)

  @pytest.mark.slow
  def test_parameter_server(self):
    jobs = {'chief': 1, 'worker': 1, 'ps': 1}
    with self._cluster(20, strategy='parameter_server', **jobs) as cluster:
      # The others serve until they are killed.
      statuses = cluster.wait('chief_0')
    self.assertEqual(statuses['chief_0'], 0, cluster.log('chief_0')[-3000:])
    weights, found = self._results('chief_0')
    # One worker takes the steps in their order.
    expected, metrics = self._train_one(20)
    for a, b in zip(weights, expected, strict=True):
      self.assertAllClose(a, b, atol=1e-6, rtol=0)
    for key, value in metrics.items():
      self.assertAllClose(found['metrics'][key], value, rtol=1e-5)


if __name__ == '__main__':
  tf.test.main()
