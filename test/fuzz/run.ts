/** `npm run fuzz -- --minutes N [--seed S] [--only NAME]`: the fuzz tests for as long as wanted; seeds of what broke. */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { ROUTES, type RouteName } from '../../src/protocol/routes.ts';
import { attack, attacks, openTarget } from './routes.ts';
import { hostileDirectory, readHostile, textFuzzes } from './texts.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    only: { type: 'string' },
  },
});
const endsAt = Date.now() + Number(values.minutes) * 60_000;
let seed = values.seed === undefined ? Date.now() | 0 : Number(values.seed);
const RUNS = values.seed === undefined ? 40 : 200;
const found: string[] = [];
let runs = 0;
let rounds = 0;

do {
  await using target = await openTarget();
  using directory = hostileDirectory();
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    await one(name, attacks(name, target.ids), async (sent) => void (await attack(target, name, sent)));
  }
  for (const fuzz of textFuzzes(directory.path)) {
    await one(fuzz.name, fuzz.inputs, (text) => readHostile(fuzz, text));
  }
  rounds += 1;
  seed += 1;
  process.stdout.write(`${rounds} rounds, ${runs} inputs, ${found.length} findings\n`);
} while (Date.now() < endsAt);
process.exitCode = found.length > 0 ? 1 : 0;

async function one<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  run: (input: T) => Promise<void>,
): Promise<void> {
  if (values.only !== undefined && values.only !== name) return;
  const details = await fc.check(fc.asyncProperty(inputs, run), { seed, numRuns: RUNS });
  runs += details.numRuns;
  if (!details.failed) return;
  const shown = fc.stringify(details.counterexample).slice(0, 2000);
  const again = `npm run fuzz -- --only ${JSON.stringify(name)} --seed ${seed}`;
  found.push(name);
  process.stdout.write(`\n${name}: ${shown}\n${String(details.errorInstance)}\nagain: ${again}\n\n`);
}
