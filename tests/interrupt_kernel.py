"""A program: train in a kernel of Jupyter's, interrupt that, go on; print what the kernel said, a line for each cell.

    python tests/interrupt_kernel.py FOLDER

Read next: ``test_notebooks.py``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from jupyter_client.manager import start_new_kernel

TRAIN = """
import numpy as np, minigen as mg
images = np.random.default_rng(0).integers(0, 256, (64, 1, 4, 4)).astype(np.uint8)
run = mg.train("ae", images, epochs=1_000_000, batch_size=8, latent=2)
last = run.at("last").checkpoint_facts["state"]["step"]
last
"""
MORE = 'run.resume(max_steps=last + 5).at("last").checkpoint_facts["state"]["step"]'


class Listener:
    """Keeps what a cell puts out. With `interrupts`, the first new drawing of an output interrupts the kernel."""

    def __init__(self, manager: Any, interrupts: bool) -> None:
        self.manager, self.interrupts = manager, interrupts
        self.said: list[dict[str, Any]] = []

    def __call__(self, message: dict[str, Any]) -> None:
        self.said.append({"type": message["msg_type"], "content": message["content"]})
        if self.interrupts and message["msg_type"] == "update_display_data":
            self.interrupts = False
            self.manager.interrupt_kernel()


manager, client = start_new_kernel(cwd=sys.argv[1])
try:
    for code in (TRAIN, MORE):
        listener = Listener(manager, interrupts=code == TRAIN)
        reply = client.execute_interactive(code, timeout=200, output_hook=listener)
        sys.stdout.write(json.dumps({"reply": reply["content"], "said": listener.said}, default=str) + "\n")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
