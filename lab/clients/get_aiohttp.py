"""GET with aiohttp, which closes without an alert when it refuses. It reads no proxy variable."""
import asyncio
import sys

import aiohttp


async def main() -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        async with session.get(sys.argv[1]) as answer:
            print(answer.status)
            print((await answer.text()).split("\n")[0][:200])


asyncio.run(main())
