# The same by the library `websockets`, which knows no proxy (before version 15).
import asyncio, json, secrets, ssl, sys
import websockets

async def main(url, text):
    context = ssl.create_default_context()
    if "--insecure" in sys.argv:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    room = url if "/room/" in url else f"{url}/room/{secrets.token_hex(8)}"
    async with websockets.connect(room, ssl=context) as chat:
        said = json.dumps({"from": "python", "text": text})
        await chat.send(said)
        while await asyncio.wait_for(chat.recv(), 10) != said:
            pass
        print(said)

asyncio.run(main(sys.argv[1].rstrip("/"), sys.argv[2]))
