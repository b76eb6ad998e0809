"""Print the n-th fenced block of a language below the heading "Quick start": readme_block.py README.md sh 1."""

import re
import sys
from pathlib import Path

path, language, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = Path(path).read_text().partition("\n## Quick start\n")[2]
blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
if len(blocks) < n:
    sys.exit(f"{path}: wanted {language} block {n} below 'Quick start', found {len(blocks)}")
print(blocks[n - 1], end="")
