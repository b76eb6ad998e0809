"""Steps of convolutional GANs: with batch norm, with spectral norm, with penalties on a gradient."""
