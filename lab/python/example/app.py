"""An app with a planted flaw: its telemetry checks no certificate, unless APP_MENDED=1."""

import os

import requests


def fetch_news():
    return requests.get("https://www.example.com/", timeout=20).status_code


def send_telemetry():
    verify = os.environ.get("REQUESTS_CA_BUNDLE") if os.environ.get("APP_MENDED") == "1" else False
    return requests.post("https://www.instagram.com/", json={"user": "somebody"}, timeout=20, verify=verify).status_code
