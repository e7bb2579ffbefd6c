#!/usr/bin/env python3
"""A class in a workshop: N participants join, start a lab each, and run a client every few seconds for a while.

    participants.py MITMLAB [N] [SECONDS]        figures on standard output; exit 1 if anybody sees another's connection, or anything is left

Loopback only; standard library only. A benchmark, no test: the figures depend on the machine.
"""
import http.cookiejar, json, os, signal, statistics, subprocess, sys, threading, time, urllib.request

program, count, seconds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30, float(sys.argv[3]) if len(sys.argv) > 3 else 600
DEADLINE_S, PAUSE_S = 180, 10


class Person:
    """A browser with cookies of its own."""

    def __init__(self, url):
        self.url = url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.latencies, self.runs, self.foreign, self.error = [], 0, 0, None

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if data else {}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        began = time.monotonic()
        with self.opener.open(request, timeout=DEADLINE_S) as answer:
            text = answer.read()
        self.latencies.append(time.monotonic() - began)
        return json.loads(text) if text else None

    def attend(self, code, name, until):
        try:
            self.ask("POST", "/api/join", {"code": code, "name": name})
            began = time.monotonic()
            lab = {"state": "starting"}
            while lab["state"] == "starting" and time.monotonic() < began + 2 * DEADLINE_S:
                lab = self.ask("POST", "/api/lab?wait_ms=60000", {})
            self.up_s = time.monotonic() - began
            assert lab["state"] == "up", lab
            self.latencies.clear()  # what follows is use, not start
            while time.monotonic() < until or not self.runs:
                run = self.ask("POST", "/api/clients/curl", {"trust": "not-installed"})
                while run["state"] == "running":
                    run = self.ask("GET", f"/api/runs/{run['leg']}")
                    time.sleep(0.2)
                assert run["verdict"] == "refused", run
                self.runs += 1
                seen = self.ask("GET", "/api/connections?last=500")["connections"]
                # Legs are numbered from 1 in each lab: whoever sees more than an own control and test leg a run sees another's.
                self.foreign += sum(one["leg"] is not None and one["leg"] > 2 * self.runs + 4 for one in seen)
                time.sleep(max(0.0, min(PAUSE_S, until - time.monotonic())))
        except Exception as error:  # told at the end, with its name
            self.error = f"{type(error).__name__}: {error}"


def children(pid):
    """All processes below this one."""
    parents = {}
    for one in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents.setdefault(int(open(f"/proc/{one}/stat").read().rsplit(")", 1)[1].split()[1]), []).append(int(one))
        except OSError:
            pass
    found, todo = [], list(parents.get(pid, []))
    while todo:
        found.append(one := todo.pop())
        todo += parents.get(one, [])
    return found


def resident_kib(pids):
    total = 0
    for pid in pids:
        try:
            total += next((int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")), 0)
        except OSError:
            pass
    return total


workshop = subprocess.Popen([program, "workshop", "--json", "--participants", str(count)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
told = json.loads(workshop.stdout.readline())
trainer = Person(told["url"])
trainer.ask("POST", "/api/join", {"code": told["trainer"].split("join=")[1], "name": "Trainer"})
code = trainer.ask("GET", "/api/trainer")["class_link"].split("join=")[1]
until = time.monotonic() + seconds
people = [Person(told["url"]) for _ in range(count)]
threads = [threading.Thread(target=one.attend, args=(code, f"p{number}", until)) for number, one in enumerate(people)]
for thread in threads:
    thread.start()
peak, processes = 0, 0
while any(thread.is_alive() for thread in threads):
    pids = children(workshop.pid)
    peak, processes = max(peak, resident_kib(pids + [workshop.pid])), max(processes, len(pids))
    time.sleep(1)
left_before = children(workshop.pid)
workshop.send_signal(signal.SIGINT)
workshop.wait(timeout=60)
deadline = time.monotonic() + 15
while (left := [pid for pid in left_before if os.path.exists(f"/proc/{pid}")]) and time.monotonic() < deadline:
    time.sleep(0.1)
errors = [f"p{number}: {one.error}" for number, one in enumerate(people) if one.error]
asked = sorted(latency for one in people for latency in one.latencies)
print(f"participants {count}, runs {sum(one.runs for one in people)}, errors {len(errors)}")
print(f"lab up: median {statistics.median(one.up_s for one in people if hasattr(one, 'up_s')):.1f} s, last {max(one.up_s for one in people if hasattr(one, 'up_s')):.1f} s")
print(f"a request: median {asked[len(asked) // 2] * 1e3:.0f} ms, 95th percentile {asked[len(asked) * 95 // 100] * 1e3:.0f} ms, {len(asked)} in all")
print(f"resident memory of all: {peak / 1024:.0f} MiB at most; processes {processes}")
print(f"connections of others seen: {sum(one.foreign for one in people)}; processes left: {len(left)}")
print("\n".join(errors[:5]))
sys.exit(bool(errors or left or any(one.foreign for one in people)))
