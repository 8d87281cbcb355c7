"""Discrete latent-variable models on TensorFlow, TFP and Keras 3."""
