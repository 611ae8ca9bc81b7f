"""What several rooms of the science share: randomness, devices, arithmetic, saved tensors."""
