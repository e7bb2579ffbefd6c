#!/usr/bin/env python3
"""URL HOST -> one word. testssl.sh's server defaults, with the store of this machine as its own: does the chain lead to a root?"""
import json, os, subprocess, sys, tempfile

host, out = sys.argv[2], os.path.join(tempfile.mkdtemp(), "scan.json")
program = next((p for p in ("testssl", "testssl.sh") if any(os.access(os.path.join(d, p), os.X_OK) for d in os.environ["PATH"].split(":"))), None)
if program is None:
    sys.exit("testssl is not installed")
store = ["--add-ca", os.environ["SSL_CERT_FILE"]] if "SSL_CERT_FILE" in os.environ else []
subprocess.run([program, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "min",
                "--jsonfile", out, *store, "-S", f"{host}:443"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    found = {one["id"].split()[0]: one["finding"] for one in json.load(open(out))}
except (OSError, ValueError):
    found = {}
chain, name = found.get("cert_chain_of_trust", ""), found.get("cert_trust", "")
if not chain:
    print("blocked")
elif chain.startswith("passed"):
    print("broken-site" if "not match" in name or "does not" in name else "clean")
else:
    print("broken-site" if "expired" in chain or "self signed" in chain else "intercepted")
