"""GET with Python's standard library."""
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
    print(answer.status)
    print(answer.read(200).decode(errors="replace").split("\n")[0])
