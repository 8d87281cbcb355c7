from absl.testing import absltest
import tensorflow as tf

from experiments import batches


class SampledTest(tf.test.TestCase):

  def test_batch_is_a_function_of_seed_and_step(self):
    def take(seed, start_step, num_batches):
      dataset = batches.sampled(
          lambda s: tf.random.stateless_uniform([3], s), seed
      )(start_step)
      return [batch.numpy() for batch in dataset.take(num_batches)]

    run = take(seed=1, start_step=0, num_batches=6)
    self.assertAllEqual(take(1, 4, 2), run[4:])
    self.assertNotAllEqual(take(2, 0, 6), run)
    self.assertLen({batch.tobytes() for batch in run}, 6)


if __name__ == '__main__':
  absltest.main()
