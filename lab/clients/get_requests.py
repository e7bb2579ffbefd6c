"""GET with requests (urllib3, roots of its own from certifi)."""
import sys

import requests

answer = requests.get(sys.argv[1], timeout=10)
print(answer.status_code)
print(answer.text.split("\n")[0][:200])
