"""Steps of convolutional autoencoders, VAEs and a classifier."""
