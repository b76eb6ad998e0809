"""Right answers to the exercises of chapter 8."""


def sectors(addresses):
    return len({address // 32 for address in addresses})


def turns(addresses):
    words = {address // 4 for address in addresses}
    return max(sum(word % 32 == bank for word in words) for bank in range(32))


def smooth(t, x, y, shared):
    shared[t] = x[t]
    yield
    total = shared[t]
    if t > 0:
        total += shared[t - 1]
    if t < len(x) - 1:
        total += shared[t + 1]
    y[t] = total / 3


def block_sum(t, threads, x, shared):
    shared[t] = x[t]
    yield
    step = threads // 2
    while step > 0:
        if t < step:
            shared[t] += shared[t + step]
        yield
        step //= 2
