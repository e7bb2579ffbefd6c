"""Gets a URL as most Python programs do (urllib, the platform's trust) and prints the first line of the body."""

import sys
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=20) as answer:
        print(answer.read(4096).decode("utf-8", "replace").splitlines()[0])
except OSError as error:  # URLError and ssl.SSLError are OSErrors
    print(error, file=sys.stderr)
    sys.exit(1)
