"""pytest plugin: a mitmlab beside your tests, and what your program's connections meant.

    @pytest.mark.mitmlab("kazakhstan-2019", phase="first-days", trust="web")
    def test_the_app_refuses(mitmlab):
        with pytest.raises(Exception):
            app.fetch()                      # the proxy and trust variables are set for this test
        mitmlab.assert_refused("www.facebook.com")

Pure standard library over the `mitmlab` program (`MITMLAB_PROGRAM`, else on the PATH) and its control API.
"""

import contextlib
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the control API is never asked through a proxy


class Lab:
    """A lab that is up. It ends with `close()`, or with this process."""

    def __init__(self, scenario, network="proxy", program=None):
        program = program or os.environ.get("MITMLAB_PROGRAM", "mitmlab")
        command = [program, "up", scenario, "--network", network, "--json", "--until-eof"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"mitmlab did not start (exit code {self._process.wait()}); its message is on standard error")
        self.info = json.loads(line)
        self.phase = self.info["phase"]
        self._trust = "web"

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def ask(self, method, path, body=None, **query):
        """Asks the control API; raises RuntimeError with its words if it refuses."""
        query = {name: value for name, value in query.items() if value is not None}
        url = self.info["control"]["url"] + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": "Bearer " + self.info["control"]["token"], "Content-Type": "application/json"}
        try:
            with _DIRECT.open(urllib.request.Request(url, data, headers, method=method), timeout=330) as answer:
                text = answer.read().decode()
                return json.loads(text) if text and "json" in answer.headers.get("Content-Type", "") else text
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.loads(error.read())["detail"]) from None

    # what is in force
    def enter(self, phase):
        return self.ask("PUT", "/v1/phase", {"phase": phase})

    def clock(self, **change):
        return self.ask("PUT", "/v1/clock", change) if change else self.ask("GET", "/v1/clock")

    def add_rule(self, name, action, match=None, phase=None):
        return self.ask("POST", "/v1/rules", {"phase": phase, "rule": {"name": name, "action": action, "match": match or {}}})

    def reset(self):
        """The scenario's own rules and first phase again; what was seen is forgotten."""
        self.ask("POST", "/v1/rules/reset")
        self.enter(self.phase)
        self.ask("DELETE", "/v1/connections")

    # what was seen
    def connections(self, **query):
        return self.ask("GET", "/v1/connections", **query)["connections"]

    def wait_for(self, count=1, deadline_s=10, **query):
        order = {"filter": query, "count": count, "deadline_ms": int(deadline_s * 1000)}
        return self.ask("POST", "/v1/connections/wait", order)

    def verdict(self, host, **query):
        self.wait_for(host=host, ended=True, deadline_s=2)  # a pooled connection may stay open: it is judged as it stands
        return self.ask("GET", "/v1/verdict", host=host, **query)

    def run(self, argv, url=None, trust=None, control=True, **order):
        """Runs a client in the lab to its end: its leg, with `truth` and `verdict`."""
        order = {"argv": argv, "url": url, "trust": trust or self._trust, "control": control, **order}
        leg = self.ask("POST", "/v1/legs", order)["id"]
        return self.ask("GET", f"/v1/legs/{leg}", wait_ms=600000)

    def assert_verdict(self, host, expected):
        seen = self.verdict(host)
        if seen["verdict"] != expected:
            shown = [c for c in self.connections(host=host) if c["id"] in seen["evidence"] or not seen["evidence"]]
            lines = [f"  c{c['id']} {host}: {[d['action'] for d in c['decisions']]}, requests {c['requests']}" for c in shown]
            remarks = [f"  {remark}" for remark in seen["remarks"]]
            told = f"expected `{expected}` for {host}, saw `{seen['verdict']}`: {seen['signal']}"
            raise AssertionError("\n".join([told, *remarks, *lines]))
        return seen

    def assert_refused(self, host):
        return self.assert_verdict(host, "refused")

    def assert_exposed(self, host):
        return self.assert_verdict(host, "exposed")

    def assert_untouched(self, host):
        return self.assert_verdict(host, "untouched")

    # the way in
    def environment(self, trust=None, vantage="inside"):
        return self.ask("GET", "/v1/environment", trust=trust or self._trust, vantage=vantage)["variables"]

    @contextlib.contextmanager
    def outside(self):
        """Beyond the box while it lasts: the control for a program that closes without a word."""
        change = self.environment(vantage="outside")
        kept = {name: os.environ.get(name) for name in change}
        os.environ.update(change)
        try:
            yield
        finally:
            for name, value in kept.items():
                os.environ.pop(name, None)
                os.environ.update({} if value is None else {name: value})

    def proxy(self, vantage="inside"):
        return "http://" + self.info["proxies"][vantage]

    def bundle(self, trust=None):
        return self.environment(trust)["SSL_CERT_FILE"]

    # clients that go through the box and trust what is said
    def requests(self, trust=None):
        import requests

        session = requests.Session()
        session.trust_env, session.verify = False, self.bundle(trust)
        session.proxies = {"http": self.proxy(), "https": self.proxy()}
        return session

    def httpx(self, trust=None, **options):
        import httpx

        context = ssl.create_default_context(cafile=self.bundle(trust))
        version = tuple(int(part) for part in httpx.__version__.split(".")[:2])
        keyword = "proxy" if version >= (0, 26) else "proxies"  # renamed in 0.26
        return httpx.Client(**{keyword: self.proxy()}, verify=context, trust_env=False, **options)

    def urllib3(self, trust=None):
        import urllib3

        return urllib3.ProxyManager(self.proxy(), ca_certs=self.bundle(trust), cert_reqs="CERT_REQUIRED", retries=False)

    def aiohttp(self, trust=None):
        """A session; make it in a coroutine. Its requests take `proxy=lab.proxy()`."""
        import aiohttp

        context = ssl.create_default_context(cafile=self.bundle(trust))
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


def pytest_configure(config):
    text = "mitmlab(scenario, phase=None, trust='web', network='proxy'): the lab that the `mitmlab` fixture gives"
    config.addinivalue_line("markers", text)


@pytest.fixture(scope="session")
def _mitmlab_labs():
    labs = {}
    yield labs
    for lab in labs.values():
        lab.close()


@pytest.fixture
def mitmlab(request, _mitmlab_labs, monkeypatch):
    """A lab of the scenario that the test's marker names; one for each scenario, reset for each test."""
    marker = request.node.get_closest_marker("mitmlab")
    if marker is None or not marker.args:
        pytest.fail("mark the test: @pytest.mark.mitmlab('SCENARIO')")
    scenario, network = marker.args[0], marker.kwargs.get("network", "proxy")
    beside = os.path.join(os.path.dirname(str(request.node.path)), scenario)  # a file beside the test comes first
    scenario = beside if os.path.isfile(beside) else scenario
    lab = _mitmlab_labs.get((scenario, network))
    if lab is None:
        lab = _mitmlab_labs[(scenario, network)] = Lab(scenario, network)
    lab.reset()
    if marker.kwargs.get("phase"):
        lab.enter(marker.kwargs["phase"])
    lab._trust = marker.kwargs.get("trust", "web")
    if network == "proxy":
        for name, value in lab.environment().items():
            monkeypatch.setenv(name, value)
    return lab
