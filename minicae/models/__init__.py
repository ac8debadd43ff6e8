"""Models: read `sequential.py`, then `autoencoder.py`, then `zoo.py`; `stacking.py` and `likelihood.py` stand on these."""
