"""Searches a proof of work as a script would: python3 proof.py <tries>, the puzzle as JSON on stdin."""

import base64
import hashlib
import json
import sys
import time


def search(seed, difficulty, parts, tries):
    target = bytes.fromhex(difficulty)
    before, between, after = (part.encode() for part in parts)
    for nonce in range(tries):
        text = before + str(nonce).encode() + between + str(nonce >> 1).encode() + after
        encoded = base64.b64encode(text)
        if hashlib.sha3_512(seed + encoded).digest()[: len(target)] <= target:
            return nonce
    return None


puzzle = json.load(sys.stdin)
start = time.process_time()
found = search(puzzle["seed"].encode(), puzzle["difficulty"], puzzle["parts"], int(sys.argv[1]))
print(json.dumps({"seconds": time.process_time() - start, "found": found}))
