"""One module per dialect, tried in this order.  A dialect has

NAME            what messages call it
match(f)        True when the opened file (torchfile.File) speaks it
convert(f)      (stylegan2.Config, {name: float32 array}, names of the tensors that the network never reads), or Refused

A new dialect is one new file and one word in DIALECTS.  Networks that are only recognised live in `unsupported`.
"""
from dialects import stylegan2_ada

DIALECTS = (stylegan2_ada,)
