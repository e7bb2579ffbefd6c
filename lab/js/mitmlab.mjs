// A mitmlab beside your tests, for node:test, Vitest and Jest. It needs node 18 or later, the `mitmlab` program (MITMLAB_PROGRAM, else on
// the PATH), and nothing else.
//
//   import { up } from "mitmlab";
//   const lab = await up("kazakhstan-2019");                 // in `before` (node:test) or `beforeAll` (Vitest, Jest)
//   await lab.enter("first-days");
//   await runMyApp({ env: { ...process.env, ...(await lab.environment()) } });
//   await lab.assertRefused("www.facebook.com");
//   await lab.down();                                        // in `after` or `afterAll`

import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import readline from "node:readline";

/** Starts a lab. It ends with `down()`, or with this process. */
export async function up(scenario, { network = "proxy", program = process.env.MITMLAB_PROGRAM ?? "mitmlab" } = {}) {
  const child = spawn(program, ["up", scenario, "--network", network, "--json", "--until-eof"], { stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise((_, reject) => {
    child.once("error", (error) => reject(new Error(`cannot start \`${program}\`: ${error.message}`)));
    child.once("exit", (code) => reject(new Error(`mitmlab did not start (exit code ${code}); its message is on standard error`)));
  });
  const [line] = await Promise.race([once(readline.createInterface({ input: child.stdout }), "line"), failed]);
  failed.catch(() => {}); // its end is no failure from here on
  return new Lab(child, JSON.parse(line));
}

export class Lab {
  #child;

  constructor(child, info) {
    this.#child = child;
    this.info = info;
  }

  /** Ends it, and waits until it is gone. */
  async down() {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin.end();
    await once(this.#child, "exit");
  }

  /** Asks the control API. `node:http` goes through no proxy, whatever the variables say. */
  ask(method, path, body) {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = { authorization: `Bearer ${this.info.control.token}`, "content-length": Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const request = http.request(this.info.control.url + path, { method, headers, agent: false }, async (answer) => {
        let all = "";
        for await (const part of answer.setEncoding("utf8")) all += part;
        const json = (answer.headers["content-type"] ?? "").includes("json") ? JSON.parse(all) : all;
        if (answer.statusCode < 400) resolve(json);
        else reject(new Error(json.detail ?? `status ${answer.statusCode}`));
      });
      request.on("error", reject);
      request.end(text);
    });
  }

  enter(phase) {
    return this.ask("PUT", "/v1/phase", { phase });
  }

  addRule(name, action, match = {}) {
    return this.ask("POST", "/v1/rules", { rule: { name, action, match } });
  }

  /** The scenario's own rules and first phase again; what was seen is forgotten. */
  async reset() {
    await this.ask("POST", "/v1/rules/reset");
    await this.enter(this.info.phase);
    await this.ask("DELETE", "/v1/connections");
  }

  async connections(query = {}) {
    return (await this.ask("GET", `/v1/connections?${new URLSearchParams(query)}`)).connections;
  }

  waitFor(filter, { count = 1, deadlineMs = 10_000 } = {}) {
    return this.ask("POST", "/v1/connections/wait", { filter, count, deadline_ms: deadlineMs });
  }

  async verdict(host) {
    await this.waitFor({ host, ended: true }, { deadlineMs: 2000 }); // a pooled connection may stay open: it is judged as it stands
    return this.ask("GET", `/v1/verdict?${new URLSearchParams({ host })}`);
  }

  /** Runs a client in the lab to its end: its leg, with `truth` and `verdict`. */
  async run(argv, order = {}) {
    const { id } = await this.ask("POST", "/v1/legs", { argv, control: true, ...order });
    return this.ask("GET", `/v1/legs/${id}?wait_ms=600000`);
  }

  /** Variables for a child process: the way to the box, and trust. */
  async environment({ trust = "web", vantage = "inside" } = {}) {
    return (await this.ask("GET", `/v1/environment?${new URLSearchParams({ trust, vantage })}`)).variables;
  }

  async assertVerdict(host, expected) {
    const seen = await this.verdict(host);
    if (seen.verdict === expected) return seen;
    const told = [`expected \`${expected}\` for ${host}, saw \`${seen.verdict}\`: ${seen.signal}`, ...seen.remarks];
    throw new Error(told.join("\n  "));
  }

  assertRefused(host) {
    return this.assertVerdict(host, "refused");
  }

  assertExposed(host) {
    return this.assertVerdict(host, "exposed");
  }

  assertUntouched(host) {
    return this.assertVerdict(host, "untouched");
  }
}
