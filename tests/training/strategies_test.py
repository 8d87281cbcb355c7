import json
import os
from unittest import mock
import urllib.error

from absl.testing import parameterized
import tensorflow as tf

from discrete_lvm import training

_WORKERS = {'worker': ['a:1', 'b:1']}
_SERVERS = {'chief': ['a:1'], 'worker': ['b:1'], 'ps': ['c:1']}


def _environment(cluster=None, job='worker', index=0):
  env = {
      k: v for k, v in os.environ.items() if k not in ('TF_CONFIG', 'TPU_NAME')
  }
  if cluster is not None:
    task = {'type': job, 'index': index}
    env['TF_CONFIG'] = json.dumps({'cluster': cluster, 'task': task})
  return mock.patch.dict(os.environ, env, clear=True)


class GetStrategyTest(tf.test.TestCase, parameterized.TestCase):

  def test_default_is_no_strategy(self):
    with _environment():
      self.assertIs(training.get_strategy(), tf.distribute.get_strategy())
    # A cluster of one process is none.
    with _environment({'worker': ['a:1']}):
      self.assertEqual(training.get_strategy().num_replicas_in_sync, 1)

  @parameterized.parameters(1, 2, 4)
  def test_mirrored_splits_the_cpu(self, num_replicas):
    strategy = training.get_strategy('mirrored', num_replicas=num_replicas)
    again = training.get_strategy('mirrored', num_replicas=num_replicas)
    self.assertIs(strategy, again)

    @tf.function
    def total():
      context = tf.distribute.get_replica_context()
      sums = context.all_reduce(
          'SUM', tf.cast(context.replica_id_in_sync_group, tf.float32)
      )
      return sums

    values = strategy.experimental_local_results(strategy.run(total))
    self.assertAllEqual(values, [sum(range(num_replicas))] * num_replicas)
    self.assertTrue(training.is_chief(strategy))

  def test_mirrored_is_one_object_however_the_number_is_given(self):
    # As many as there are GPUs, or one.
    strategy = training.get_strategy('mirrored')
    again = training.get_strategy(
        'mirrored', num_replicas=strategy.num_replicas_in_sync
    )
    self.assertIs(strategy, again)

  def test_too_late_to_split_the_cpu(self):
    tf.constant(0)
    with self.assertRaisesRegex(ValueError, 'into 64 replicas before TensorFl'):
      training.get_strategy('mirrored', num_replicas=64)

  @parameterized.parameters(
      ('mirror', {}, None, "'tpu'.*received 'mirror'"),
      ('mirrored', {'num_replicas': 0}, None, 'at least 1; received 0'),
      ('default', {'num_replicas': 2}, None, "'mirrored' alone"),
      ('mirrored', {'tpu': 'x'}, None, "'tpu' alone"),
      ('tpu', {}, None, 'Expected the name of a TPU'),
      ('default', {}, _WORKERS, 'the 2 tasks of TF_CONFIG'),
      ('mirrored', {}, _WORKERS, 'the 2 tasks of TF_CONFIG'),
      ('multi_worker', {}, None, "received none. On one machine 'mirrored'"),
      ('multi_worker', {}, _SERVERS, r"received \['ps'\]. Use 'parameter_serv"),
      ('parameter_server', {}, _WORKERS, r"none of \['chief', 'ps'\]"),
      ('parameter_server', {}, None, 'received none'),
      (
          'multi_worker',
          {},
          {**_WORKERS, 'evaluator': ['d:1']},
          "Expected no 'evaluator'",
      ),
  )
  def test_refuses(self, name, arguments, cluster, message):
    with _environment(cluster), self.assertRaisesRegex(ValueError, message):
      training.get_strategy(name, **arguments)

  def test_tpu_that_is_not_found(self):
    resolvers = tf.distribute.cluster_resolver
    offline = urllib.error.URLError('Name or service not known')
    with mock.patch.object(
        resolvers, 'TPUClusterResolver', side_effect=offline
    ):
      with self.assertRaisesRegex(ValueError, "a TPU.*received 'nowhere'.*not"):
        training.get_strategy('tpu', tpu='nowhere')

  @parameterized.parameters(
      'not JSON',
      '[]',
      '{"cluster": {}}',
      '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 1}}',
      '{"cluster": {"ps": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
  )
  def test_config_that_cannot_be_read(self, text):
    with _environment(), mock.patch.dict(os.environ, TF_CONFIG=text):
      with self.assertRaisesRegex(ValueError, 'Expected TF_CONFIG to be JSON'):
        training.get_strategy('multi_worker')

  def test_multi_worker_after_the_start(self):
    tf.constant(0)
    with _environment({'worker': ['127.0.0.1:1']}):
      with self.assertRaisesRegex(ValueError, 'before TensorFlow starts'):
        training.get_strategy('multi_worker')


if __name__ == '__main__':
  tf.test.main()
