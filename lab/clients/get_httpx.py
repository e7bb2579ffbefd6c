"""GET with httpx."""
import sys

import httpx

answer = httpx.get(sys.argv[1], timeout=10)
print(answer.status_code)
print(answer.text.split("\n")[0][:200])
