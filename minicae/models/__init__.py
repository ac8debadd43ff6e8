"""Models: read `sequential.py`, then `autoencoder.py`, then `zoo.py`."""
