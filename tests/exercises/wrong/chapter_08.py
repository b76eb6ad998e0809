"""Wrong answers to the exercises of chapter 8: number, source, a part of what has to be said of it."""

SECTORS = "def sectors(addresses):\n    return len({a // 32 for a in addresses})\n"
SMOOTH = """def smooth(t, x, y, shared):
    shared[t] = x[t]
    {}
    left = shared[t - 1] if t > 0 else 0
    right = {}[t + 1] if t < len(x) - 1 else 0
    y[t] = (left + shared[t] + right) / 3
    {}
"""
TREE = """def block_sum(t, threads, x, shared):
    shared[t] = x[t]
    yield
    step = threads // 2
    while step > 0:
        if t < step:
            shared[t] += shared[t + step]
        {}
        step //= 2
"""

WRONG = [
    ("8.1", "def sectors(addresses):\n    return -(-4 * len(addresses) // 32)\ndef turns(addresses):\n    return 1",
     "sectors of every other cell is 4, wanted 8"),
    ("8.1", SECTORS + "def turns(addresses):\n    banks = [a // 4 % 32 for a in addresses]\n"
            "    return max(banks.count(b) for b in banks)",
     "turns of one cell for all is 32, wanted 1"),
    ("8.2", SMOOTH.format("pass", "shared", "yield"), "shared[1] is read before a thread has written it"),
    ("8.2", SMOOTH.format("yield", "x", "pass"), "is read 2 times; once is enough"),
    ("8.2", "def smooth(t, x, y, shared):\n    shared[t] = x[t]\n    yield\n"
            "    y[t] = (shared[t - 1] + shared[t] + shared[t + 1]) / 3", "shared[-1] is read; its cells are 0 to 0"),
    ("8.2", "def smooth(t, x, y, shared):\n    y[t] = x[t]", "no `yield`"),
    ("8.3", TREE.format("pass"), "shared[0] of 8 threads, from first to last, is"),
    ("8.3", TREE.replace("        {}\n", "            yield\n"),
     "every thread has to pass every barrier"),
    ("8.3", "def block_sum(t, threads, x, shared):\n    shared[t] = x[t]\n    yield\n    for k in range(1, threads):\n"
            "        if t == 0:\n            shared[0] += shared[k]\n        yield",
     "barriers, wanted at most 4: a tree"),
]  # fmt: skip
