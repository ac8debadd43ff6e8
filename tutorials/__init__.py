"""Autoencoders from the inside, one question a notebook; README.md beside this file is the table of contents.

NN_name.ipynb   the notebooks, stored with their outputs; nothing else holds their text
pictures/       a thumbnail of each, for the table
notebooks.py    reading, running and storing them
rules.py        what all of them keep to
__main__.py     `python -m tutorials run 3`: run notebook 3 afresh and store what comes out
"""
