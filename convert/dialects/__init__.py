"""One module per dialect, tried in this order.  A dialect has

NAME            what messages call it
state(f)        the state dict (symbolic) inside
match(f)        True when the opened file (torchfile.File) speaks it
convert(f)      a Generator, or Refused

A new dialect is one new file and one word in DIALECTS.  Networks that are only recognised live in `unsupported`.
"""
from dialects import stylegan2_ada

DIALECTS = (stylegan2_ada,)
