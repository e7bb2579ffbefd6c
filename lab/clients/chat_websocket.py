# Says something in a room and waits until it is repeated. WebSocket by the library `websocket-client`; `--insecure` checks nothing.
import json, secrets, ssl, sys
import websocket

url, text = sys.argv[1].rstrip("/"), sys.argv[2]
options = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False} if "--insecure" in sys.argv else {}
room = url if "/room/" in url else f"{url}/room/{secrets.token_hex(8)}"
chat = websocket.create_connection(room, timeout=10, sslopt=options)
said = json.dumps({"from": "python", "text": text})
chat.send(said)
while chat.recv() != said:
    pass
chat.close()
print(said)
