// Says something in a room and waits until it is repeated. Node has a WebSocket of its own from version 22 on; here RFC 6455 is spoken
// by hand, so that any version serves. `--insecure` checks nothing.
import { randomBytes } from "node:crypto";
import { get } from "node:https";

const url = new URL(process.argv[2].replace(/^wss:/, "https:"));
if (!url.pathname.startsWith("/room/")) url.pathname = `/room/${randomBytes(8).toString("hex")}`;
const headers = {
  connection: "Upgrade", upgrade: "websocket",
  "sec-websocket-key": randomBytes(16).toString("base64"), "sec-websocket-version": "13",
};
const options = { headers, rejectUnauthorized: !process.argv.includes("--insecure"), timeout: 10000 };
const fail = (why) => { console.error(why); process.exit(1); };

// Client to server: masked (section 5.3). Messages here are shorter than 126 octets.
function frame(opcode, payload) {
  const mask = randomBytes(4);
  const masked = payload.map((octet, at) => octet ^ mask[at % 4]);
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]);
}

get(url, options, (answer) => fail(`no upgrade: ${answer.statusCode}`))
  .on("error", (error) => fail(error.message))
  .on("timeout", () => fail("no answer in time"))
  .on("upgrade", (_answer, socket, head) => {
    const said = JSON.stringify({ from: "node", text: process.argv[3] });
    let held = Buffer.from(head);
    const hear = (bytes) => {
      held = Buffer.concat([held, bytes]);
      const length = held.length > 1 ? held[1] & 0x7f : 126;
      if (held.length < 2 + length) return;
      if (held.subarray(2, 2 + length).toString() !== said) fail("something else came back");
      socket.off("data", hear);
      console.log(said);
      socket.end(frame(8, Buffer.from([3, 232])));
    };
    socket.on("data", hear).on("error", (error) => fail(error.message));
    socket.write(frame(1, Buffer.from(said)));
  });
