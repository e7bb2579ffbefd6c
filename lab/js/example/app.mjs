// An app with a planted flaw: its telemetry checks no certificate, unless APP_MENDED=1. Usage: app.mjs news|telemetry
import http from "node:http";
import https from "node:https";
import tls from "node:tls";

const proxy = new URL(process.env.HTTPS_PROXY);

/** An https agent that goes through the proxy of the environment. */
class Tunnel extends https.Agent {
  createConnection(options, done) {
    const path = `${options.host}:${options.port || 443}`;
    const connect = http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path });
    connect.on("connect", (_, socket) => done(null, tls.connect({ ...options, socket, servername: options.host })));
    connect.on("error", done).end();
  }
}

const [host, options] = {
  news: ["www.example.com", {}],
  telemetry: ["www.instagram.com", { rejectUnauthorized: process.env.APP_MENDED === "1" }],
}[process.argv[2]];
https
  .get({ host, path: "/", agent: new Tunnel(), timeout: 20_000, ...options }, (answer) => {
    console.log(answer.statusCode);
    answer.resume().on("end", () => process.exit(0));
  })
  .on("error", (error) => {
    console.error(error.code ?? error.message);
    process.exit(1);
  });
