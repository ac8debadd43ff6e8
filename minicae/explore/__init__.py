"""A model to play with in a browser: `minicae.explore.write(model, x, "page.html")`. Read `page.py`, then `engine.js`."""

from minicae.explore.page import write

__all__ = ["write"]
