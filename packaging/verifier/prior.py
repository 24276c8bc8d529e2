"""Pools labels of streams into the evidence that every scope begins with.

    python prior.py OUT.tsv EVIDENCE.tsv...

Each EVIDENCE.tsv is written by `cache-eval stream FILE --delta 0.0001 --orders 10 --evidence EVIDENCE.tsv`, where
next to nothing is served, so that every near neighbour is labelled. Of each only the pairs count whose verified
score reaches an edge at which traps are refused too (README.md): lower ones differ too much from source to source.
Of the bare cosine nothing is said, as traps do not show in it. All sources count alike, and together as LABELS
labels; errors are rounded up.
"""

import math
import re
import sys

LABELS = 1000
# The number of edges that a score of 0.88 reaches.
LOWEST = 14


def cells(path):
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            cell, right, wrong = line.rstrip("\n").split("\t")
            verified = int(re.fullmatch(r"v(\d+) c\d+ w\d+", cell).group(1))
            if verified >= LOWEST:
                before = found.get(verified, (0, 0))
                found[verified] = (before[0] + int(right), before[1] + int(wrong))
    return found


def main(out, *files):
    pooled = {}
    for file in files:
        found = cells(file)
        share = LABELS / len(files) / sum(map(sum, found.values()))
        for cell, (right, wrong) in found.items():
            before = pooled.get(cell, (0, 0))
            pooled[cell] = (before[0] + right * share, before[1] + wrong * share)
    # Errors are whole: those that are left over go where the largest parts are.
    errors = {cell: int(wrong) for cell, (_, wrong) in pooled.items()}
    left = math.ceil(sum(wrong for _, wrong in pooled.values())) - sum(errors.values())
    for cell in sorted(pooled, key=lambda cell: errors[cell] - pooled[cell][1])[:left]:
        errors[cell] += 1
    with open(out, "w", encoding="utf-8") as file:
        file.write(f"# Written by packaging/verifier/prior.py; {LABELS} labels from Banking77 (PolyAI, CC BY 4.0)\n")
        file.write("# and CLINC150 (CC BY 3.0): a cell, how many were right, how many wrong.\n")
        for cell in sorted(pooled):
            right, wrong = round(pooled[cell][0]), errors[cell]
            if right + wrong:
                file.write(f"v{cell} c0 w1000\t{right}\t{wrong}\n")


main(*sys.argv[1:])
