// GET with node's https module.
import https from "node:https";

const request = https.get(process.argv[2], { timeout: 10_000 }, (answer) => {
  console.log(answer.statusCode);
  let body = "";
  answer.setEncoding("utf8");
  answer.on("data", (part) => (body += body.length < 200 ? part : ""));
  answer.on("end", () => console.log(body.split("\n")[0].slice(0, 200)));
});
request.on("timeout", () => request.destroy(new Error("timeout")));
request.on("error", (error) => {
  console.error(error.code ?? error.message);
  process.exitCode = 1;
});
