// Gets a URL as most Node programs do (https.get, Node's own trust) and prints the first line of the body.
import https from "node:https";

const request = https.get(process.argv[2], { agent: false, timeout: 20000 }, (answer) => {
  let body = "";
  answer.setEncoding("utf8");
  answer.on("data", (part) => (body += part));
  answer.on("end", () => console.log(body.split("\n")[0]));
});
request.on("timeout", () => request.destroy(new Error("no answer")));
request.on("error", (error) => {
  console.error(`${error.code ?? ""} ${error.message}`);
  process.exitCode = 1;
});
