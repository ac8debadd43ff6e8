"""Training: read `trainer.py` first; its `step` is the definition of training."""
