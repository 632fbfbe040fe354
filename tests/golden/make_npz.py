"""Archives as NumPy writes them.

    python tests/golden/make_npz.py tests/golden
"""
import sys
import numpy as np

z = (np.arange(640) % 37 / 8).astype(np.float32).reshape(40, 16)
other = np.arange(6, dtype=np.int64).reshape(2, 3)
np.savez(sys.argv[1] + "/two_stored.npz", z=z, other=other)
np.savez_compressed(sys.argv[1] + "/two_deflated.npz", z=z, other=other)
np.savez_compressed(sys.argv[1] + "/one_deflated.npz", z)
