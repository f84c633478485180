"""Bare loops: one process that asks again and again, and does nothing else."""

from __future__ import annotations

import subprocess
import sys

REQUESTS = """
import sys, time, requests
session = requests.Session(); session.trust_env = False
request = session.prepare_request(requests.Request('GET', sys.argv[1]))
end, count = time.monotonic() + float(sys.argv[2]), 0
cpu = time.process_time()
while time.monotonic() < end:
    session.send(request).json(); count += 1
print(count, time.process_time() - cpu)
"""

AIOHTTP = """
import asyncio, sys, time, aiohttp
async def main():
    count = 0
    async with aiohttp.ClientSession() as session:
        async def ask(end):
            nonlocal count
            while time.monotonic() < end:
                async with session.get(sys.argv[1]) as response:
                    await response.json(content_type=None)
                count += 1
        cpu = time.process_time()
        end = time.monotonic() + float(sys.argv[2])
        await asyncio.gather(*(ask(end) for _ in range(20)))
        print(count, time.process_time() - cpu)
asyncio.run(main())
"""


def run(code: str, *arguments: str) -> str:
    """Run a program in a process of its own; return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
