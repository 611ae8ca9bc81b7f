"""Views: augmentation of batches of images, each image with its own parameters, on its own device."""
