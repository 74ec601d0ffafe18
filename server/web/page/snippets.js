// The request on the screen, as programs make it.

import { samplers, requestOf } from "./samplers.js";

const snake = (name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const pascal = (name) => name[0].toUpperCase() + name.slice(1).replace(/Lr$/, "LR");
const shortEnum = (value) => (typeof value === "string" ? value.replace(/^[A-Z]+_/, "").toLowerCase() : value);

// body is the request as the JSON that curl sends, in the names of the .proto.
function body(settings) {
  const sampler = samplers[settings.sampler];
  const request = requestOf(settings);
  const message = Object.fromEntries(
    Object.entries(request[sampler.field]).filter(([, v]) => v !== undefined).map(([k, v]) => [snake(k), shortEnum(v)]));
  const json = { n: request.n };
  if (request.seed) json.seed = Number.isSafeInteger(Number(request.seed)) ? Number(request.seed) : request.seed;
  json[snake(sampler.field)] = message;
  return JSON.stringify(json, null, 1).replace(/\n\s*/g, " ").replace(/([{[]) /g, "$1").replace(/ ([}\]])/g, "$1");
}

const writers = {
  curl: (s) => `curl -H 'Accept: text/csv' ${location.origin}/v1/models/${s.model}:sample \\\n  -d '${body(s)}'`,

  python: (s) => `import json, urllib.request

request = urllib.request.Request(
    "${location.origin}/v1/models/${s.model}:sample",
    data=b'${body(s)}')
with urllib.request.urlopen(request) as answer:
    samples = json.load(answer)["samples"]
print(len(samples), samples[0])`,

  go: (s) => {
    const sampler = samplers[s.sampler];
    const fields = Object.entries(requestOf(s)[sampler.field])
      .filter(([, v]) => typeof v === "number")
      .map(([k, v]) => `${pascal(k)}: ${v}`);
    if (s.sampler === "pc") fields.push("Corrector: client.CorrectorAnnealed");
    const seed = s.seed ? `, Seed: new(uint64(${s.seed}))` : "";
    return `c, err := client.New("localhost:50051")
if err != nil {
	log.Fatal(err)
}
defer c.Close()
res, err := c.Sample(ctx, client.SampleRequest{
	Model: "${s.model}", N: ${s.n}${seed},
	Sampler: client.${pascal(sampler.field)}{${fields.join(", ")}},
})
if err != nil {
	log.Fatal(err)
}
fmt.Println(res.N, "samples, the first", res.Row(0))`;
  },
};

export function snippet(language, settings) {
  return writers[language](settings);
}
