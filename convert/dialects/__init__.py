"""One module per dialect, tried in this order.  A dialect has

NAME            what messages call it
match(f)        True when the opened file (torchfile.File, plainpickle.File) speaks it
convert(f)      (stylegan2.Config or resnet.Config, {name: float32 array}, names of the tensors that the network never reads), or Refused
GLOBALS         optional: names that its files mention beside those of torchfile.ALLOWED
listing(f)      optional: [(type, shape, name)] of its tensors, where they are not in state dicts

A new dialect is one new file and one word in DIALECTS.  Networks that are only recognised live in `unsupported`.
"""
from dialects import lernapparat, rosinality, stylegan1_tf, stylegan2_ada, stylegan2_pickle, stylegan2_tf, torchvision

DIALECTS = (stylegan2_ada, stylegan2_pickle, rosinality, lernapparat, stylegan1_tf, stylegan2_tf, torchvision)
