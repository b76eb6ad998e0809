"""The CUDA kernels without a GPU: g++ compiles their source for the host, where the threads run one after another.

``build.py`` makes and runs them, for tests; ``recording.py`` also notes every access to memory, for readers.
"""
