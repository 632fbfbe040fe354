"""Goldens of NumPy's legacy generator: numpy.random.RandomState(seed).randn, bit for bit.

    python tests/golden/make_randn.py tests/golden/randn.safetensors

Per seed: the first 601 values (odd, so the second value of a pair is cached at the end; 601 values use up the first 624 words
twice over), then the 16 values after skipping 100,000.
"""
import sys
import numpy as np
import st

out = {}
for seed in 0, 1, 42, 2**31, 2**32 - 1:
    rs = np.random.RandomState(seed)
    first = rs.randn(601)
    rs.randn(100000)
    out[f"{seed}.first"], out[f"{seed}.later"] = first, rs.randn(16)
    rs = np.random.RandomState(seed)
    out[f"{seed}.mixed"] = np.concatenate([rs.randn(3), rs.random_sample(2), rs.randn(2), rs.random_sample(1), rs.randn(2)])
st.write(sys.argv[1], out, made_by="tests/golden/make_randn.py", numpy=np.__version__)
