"""The model whose step is timed: 784-(20x10)-200-784 with Gumbel-Softmax."""

import keras
import numpy as np

import discrete_lvm as dlvm

PIXELS, LATENTS, CLASSES, HIDDEN, BATCH_SIZE = 784, 20, 10, 200, 100
TEMPERATURE, LEARNING_RATE = 0.5, 1e-3
NUM_IMAGES = 10_000


def random_images() -> np.ndarray:
  """Draws binary images as sparse as digits, float32 `[num_images, PIXELS]`."""
  rng = np.random.default_rng(0)
  is_on = rng.uniform(size=[NUM_IMAGES, PIXELS]) < 0.2
  return is_on.astype(np.float32)


def build() -> dlvm.models.DiscreteVAE:
  """Builds the model."""
  model = dlvm.models.DiscreteVAE(
      keras.Sequential(
          [keras.Input((PIXELS,)), keras.layers.Dense(LATENTS * CLASSES)]
      ),
      keras.Sequential(
          [
              keras.Input((LATENTS, CLASSES)),
              keras.layers.Flatten(),
              keras.layers.Dense(HIDDEN, activation='relu'),
              keras.layers.Dense(PIXELS),
          ]
      ),
      LATENTS,
      CLASSES,
      estimator=dlvm.estimators.GumbelSoftmax(TEMPERATURE),
  )
  model.build((None, PIXELS))
  return model
