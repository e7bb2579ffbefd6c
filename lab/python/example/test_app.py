"""The app's suite: behind a box that forges, each of its connections must be refused."""

import asyncio

import app
import pytest

pytestmark = [pytest.mark.mitmlab("scenario.toml"), pytest.mark.filterwarnings("ignore")]


def test_news_refuse_a_forged_certificate(mitmlab):
    with pytest.raises(app.requests.exceptions.SSLError):
        app.fetch_news()
    mitmlab.assert_refused("www.example.com")


def test_telemetry_refuses_a_forged_certificate(mitmlab):
    try:
        app.send_telemetry()
    except app.requests.exceptions.SSLError:
        pass
    mitmlab.assert_refused("www.instagram.com")


@pytest.mark.mitmlab("scenario.toml", trust="web+authority")
def test_with_the_root_installed_the_box_reads(mitmlab):
    assert app.fetch_news() == 200
    mitmlab.assert_exposed("www.example.com")


def test_beyond_the_box_nothing_is_touched(mitmlab):
    with mitmlab.outside():
        assert app.fetch_news() == 200
    assert [c["vantage"] for c in mitmlab.connections()] == ["outside"]


def test_without_the_rule_nothing_is_touched(mitmlab):
    mitmlab.add_rule("leave-alone", "forward", {"sni": "www.example.com"})
    assert app.fetch_news() == 200
    mitmlab.assert_untouched("www.example.com")


@pytest.mark.parametrize("library", ["requests", "httpx", "urllib3", "aiohttp"])
def test_ready_clients_go_through_the_box(mitmlab, library):
    pytest.importorskip(library)
    url = "https://www.example.com/"

    async def with_aiohttp():
        async with mitmlab.aiohttp("web+authority") as session, session.get(url, proxy=mitmlab.proxy()) as answer:
            return answer.status

    if library == "aiohttp":
        assert asyncio.run(with_aiohttp()) == 200
    elif library == "urllib3":
        assert mitmlab.urllib3("web+authority").request("GET", url).status == 200
    else:
        assert getattr(mitmlab, library)("web+authority").get(url).status_code == 200
    mitmlab.assert_exposed("www.example.com")


def test_a_client_program_is_run_in_the_lab(mitmlab):
    leg = mitmlab.run(["curl", "-sS", "{url}"], url="https://www.example.com/")
    assert leg["verdict"]["verdict"] == "refused", leg
