"""Two workers that meet twenty faults end as two that meet none."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from absl.testing import absltest
import numpy as np
import pytest

from tests.experiments import faulty_worker

_KINDS = (
    (0, 'sigkill'),
    (1, 'sigkill'),
    (0, 'sigterm'),
    (1, 'sigterm'),
    (0, 'full_disk'),
    (1, 'full_disk'),
    (0, 'truncated_checkpoint'),
    (0, 'vanished_data'),
    (1, 'vanished_data'),
    (1, 'sigstop'),
)
# At distances to the checkpoint before, of every 3rd step, that go round.
_FAULTS = tuple(
    (2 + 3 * i + i % 3, *_KINDS[i % len(_KINDS)]) for i in range(20)
)


class FaultsTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    directory = tempfile.TemporaryDirectory()
    self.addCleanup(directory.cleanup)
    self.directory = pathlib.Path(directory.name)
    faulty_worker.write_data(self.directory / 'original')

  def run_workers(self, name, faults):
    run_dir = self.directory / name
    run_dir.mkdir()
    finished = subprocess.run(
        [
            sys.executable,
            *('-m', 'experiments.launch_local'),
            f'--worker_log_dir={run_dir}',
            f'--max_restarts={len(faults)}',
            *('--', 'tests.experiments.faulty_worker'),
            str(run_dir),
            str(self.directory),
            json.dumps(faults),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'},
        cwd=pathlib.Path(__file__).parents[2],
        check=False,
    )
    log = (run_dir / 'worker_1.log').read_text()
    self.assertEqual(finished.returncode, 0, finished.stderr + log)
    return run_dir, finished.stderr

  # Three minutes: each fault costs a start of TensorFlow.
  @pytest.mark.slow
  def test_nothing_is_lost_beyond_the_last_checkpoint(self):
    whole, _ = self.run_workers('whole', [])
    faulty, stderr = self.run_workers('faulty', _FAULTS)
    for worker in range(2):
      name = f'weights_{worker}.npy'
      np.testing.assert_array_equal(
          np.load(faulty / name), np.load(whole / name)
      )
    for i, fault in enumerate(_FAULTS):
      self.assertTrue((faulty / f'fault_{i}').exists(), fault)
    for worker in range(2):
      lines = (faulty / f'starts_{worker}').read_text().splitlines()
      # Some are met before the one before has been felt, as data that vanish.
      self.assertGreater(len(lines), len(_FAULTS) // 2, stderr)
      for step, num_faults in (map(int, line.split()) for line in lines):
        if num_faults:
          fault = _FAULTS[num_faults - 1]
          self.assertGreaterEqual(step, _last_good_step(*fault), fault)


def _last_good_step(step, unused_worker, kind):
  if kind == 'sigterm':
    return step  # Saved before it stops.
  last = step // faulty_worker.CHECKPOINT_EVERY * faulty_worker.CHECKPOINT_EVERY
  # A checkpoint is written after the callback of its step.
  if last == step:
    last -= faulty_worker.CHECKPOINT_EVERY
  if kind == 'truncated_checkpoint':
    last -= faulty_worker.CHECKPOINT_EVERY
  return max(0, last)


if __name__ == '__main__':
  absltest.main()
