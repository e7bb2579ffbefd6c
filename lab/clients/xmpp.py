# Logs in to an XMPP server (RFC 6120) by the library slixmpp and sends one message to the account `bob`. `xmpps://` is direct TLS, `xmpp://` the
# upgrade. As it comes, the library checks the certificate and takes TLS where it is offered; where it is not, it logs in by SCRAM (which
# shows no password) and sends its messages in the clear. `--demand` logs in over TLS alone, `--optional` shows even a password to a server without
# TLS, `--insecure` checks nothing.
import asyncio, logging, ssl, sys
from urllib.parse import urlsplit
import slixmpp

logging.disable()
url, flags = urlsplit(sys.argv[1]), sys.argv[2:]
client = slixmpp.ClientXMPP(f"alice@{url.hostname}", "wonderland")
over = client.loop.create_future()
if "--insecure" in flags:
    client.ssl_context.check_hostname, client.ssl_context.verify_mode = False, ssl.CERT_NONE
if "--demand" in flags:
    client["feature_mechanisms"].unencrypted_scram = False
if "--optional" in flags:
    client["feature_mechanisms"].unencrypted_plain = client["feature_mechanisms"].unencrypted_scram = True

def end(why):
    if not over.done():
        over.set_result(why)

async def begin(_):
    client.send_presence()
    client.send_message(mto=f"bob@{url.hostname}", mbody="Meet me at six.")
    await client.get_roster()
    end("sent")

for event in ("failed_all_auth", "ssl_invalid_chain", "disconnected"):
    client.add_event_handler(event, lambda why, event=event: end(f"{event}: {why}"))
# Another address may answer; a certificate will not get better.
client.add_event_handler("connection_failed", lambda why: isinstance(why, ssl.SSLError) and end(why))
client.add_event_handler("session_start", begin)
direct = url.scheme == "xmpps"
address = (url.hostname, url.port or (5223 if direct else 5222))
client.default_port = address[1]  # it asks the resolver for this one, whatever the address says
client.connect(address, use_ssl=direct, force_starttls="--optional" not in flags)
try:
    why = client.loop.run_until_complete(asyncio.wait_for(over, 10))
except asyncio.TimeoutError:
    why = "no answer in time"
if why == "sent":
    client.loop.run_until_complete(client.disconnect())
print(why, file=sys.stdout if why == "sent" else sys.stderr)
sys.exit(why != "sent")
