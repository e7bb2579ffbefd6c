"""GET by a program that is careless on purpose. Usage: careless.py WAY URL

`requests` turns verification off, as people do; `any-host` verifies the chain and no name; `ignores-errors` asks again without
verification once it was refused.
"""
import ssl
import sys
import urllib.error
import urllib.request

way, url = sys.argv[1:]
if way == "requests":
    import requests
    import urllib3

    urllib3.disable_warnings()
    print(requests.get(url, verify=False, timeout=10).status_code)
elif way == "any-host":
    context = ssl.create_default_context()
    context.check_hostname = False
    print(urllib.request.urlopen(url, timeout=10, context=context).status)
else:
    try:
        print(urllib.request.urlopen(url, timeout=10).status)
    except urllib.error.URLError:
        print(urllib.request.urlopen(url, timeout=10, context=ssl._create_unverified_context()).status)
