#!/usr/bin/env python3
"""URL HOST -> one word. sslyze's certinfo against the store of this machine."""
import json, os, subprocess, sys, tempfile

host, out = sys.argv[2], os.path.join(tempfile.mkdtemp(), "scan.json")
subprocess.run(["sslyze", "--certinfo", f"--certinfo_ca_file={os.environ['SSL_CERT_FILE']}", f"--json_out={out}", f"{host}:443"],
               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
scan = json.load(open(out))["server_scan_results"]
result = (scan[0].get("scan_result") or {}).get("certificate_info") or {} if scan else {}
if not result.get("result"):
    print("blocked")
    sys.exit()
deployment = result["result"]["certificate_deployments"][0]
own = [path for path in deployment["path_validation_results"] if path["trust_store"]["path"] == os.environ["SSL_CERT_FILE"]]
if own and own[0]["was_validation_successful"]:
    print("clean" if deployment.get("leaf_certificate_subject_matches_hostname", True) else "broken-site")
else:
    print("intercepted")
