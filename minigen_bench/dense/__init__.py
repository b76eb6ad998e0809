"""Steps of dense networks: AE, VAE, GAN."""
