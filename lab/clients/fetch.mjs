// GET with node's fetch (undici).
try {
  const answer = await fetch(process.argv[2], { signal: AbortSignal.timeout(10_000) });
  console.log(answer.status);
  console.log((await answer.text()).split("\n")[0].slice(0, 200));
} catch (error) {
  console.error(error.cause?.code ?? error.message);
  process.exitCode = 1;
}
