"""One model, one page."""
