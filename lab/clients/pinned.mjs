// GET by a program that knows its server's key. Usage: pinned.mjs URL BASE64_OF_SPKI_SHA256
import https from "node:https";
import tls from "node:tls";
import { X509Certificate, createHash } from "node:crypto";

const [url, pin] = process.argv.slice(2);

function checkServerIdentity(host, certificate) {
  const key = new X509Certificate(certificate.raw).publicKey.export({ type: "spki", format: "der" });
  const seen = createHash("sha256").update(key).digest("base64");
  return seen === pin ? tls.checkServerIdentity(host, certificate) : new Error(`pin mismatch: ${seen}`);
}

https
  .get(url, { checkServerIdentity, timeout: 10_000 }, (answer) => {
    console.log(answer.statusCode);
    answer.resume();
  })
  .on("error", (error) => {
    console.error(error.message);
    process.exitCode = error.message.startsWith("pin mismatch") ? 90 : 1;
  });
