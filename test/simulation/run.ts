/**
 * `npm run simulate`, or `node test/simulation/run.ts`: plays schedules and says what was broken. Without flags a million
 * events; `--seed N --schedules N --steps N --workers N`, `--replicas N`, `--store memory|sqlite`, `--shared`, `--gentle`,
 * `--only a,b`, `--without a,b`, `--trace` (one schedule with everything that happened).
 */
import { parseArgs } from 'node:util';
import { FAULTS, type Fault, type Plan, type PlanChoice } from './plan.ts';
import { describeBroken } from './report.ts';
import { playSchedules } from './schedules.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    seed: { type: 'string', default: '1' },
    schedules: { type: 'string' },
    steps: { type: 'string' },
    workers: { type: 'string' },
    replicas: { type: 'string' },
    store: { type: 'string' },
    shared: { type: 'boolean' },
    gentle: { type: 'boolean' },
    only: { type: 'string' },
    without: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function whole(name: 'seed' | 'schedules' | 'steps' | 'workers' | 'replicas'): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const n = Number(text.replaceAll('_', ''));
  return Number.isSafeInteger(n) && n >= 0 ? n : fail(`--${name} ${text}: a whole number is wanted`);
}

function faults(name: 'only' | 'without'): Fault[] | undefined {
  const wanted = values[name]?.split(',').filter((each) => each !== '');
  return wanted?.map(
    (each) =>
      FAULTS.find((fault) => fault === each) ?? fail(`--${name} ${each}: one of ${FAULTS.join(', ')}`),
  );
}

function storeOf(text: string | undefined): Plan['store'] | undefined {
  if (text === undefined || text === 'memory' || text === 'sqlite') return text;
  return fail(`--store ${text}: memory or sqlite`);
}

const choice: PlanChoice = {
  ...(values.store === undefined ? {} : { store: storeOf(values.store) }),
  ...(values.replicas === undefined ? {} : { replicas: whole('replicas') }),
  ...(values.shared === undefined ? {} : { shared: values.shared }),
  ...(values.gentle === undefined ? {} : { gentle: values.gentle }),
  ...(values.only === undefined ? {} : { only: faults('only') }),
  ...(values.without === undefined ? {} : { without: faults('without') }),
};
const seed = whole('seed') ?? 1;

if (values.trace) {
  const outcome = await simulate(seed, { ...choice, trace: true });
  const { plan, violation, steps, virtualSeconds, digest, lines } = outcome;
  process.stdout.write(`${lines.join('\n')}\n\n`);
  process.stdout.write(`${JSON.stringify({ ...plan, faults: [...plan.faults] })}\n`);
  process.stdout.write(`${steps} events, ${virtualSeconds} s, ${digest}\n`);
  process.stdout.write(
    violation ? `broken: ${violation.invariant}: ${violation.message}\n` : 'nothing broken\n',
  );
  process.exitCode = violation ? 1 : 0;
} else {
  const schedules = whole('schedules') ?? 0;
  const steps = whole('steps') ?? (schedules > 0 ? 0 : 1_000_000);
  const started = performance.now();
  const show = process.stderr.isTTY;
  const summary = await playSchedules({
    seed,
    schedules,
    steps,
    choice,
    workers: whole('workers'),
    onProgress: (so) => {
      if (show)
        process.stderr.write(`\r${so.schedules} schedules, ${so.steps} events, ${so.broken.length} broken`);
    },
  });
  if (show) process.stderr.write('\r\x1b[K');
  for (const broken of summary.broken.slice(0, 5))
    process.stdout.write(`${await describeBroken(broken, choice)}\n\n`);
  for (const { seed: other, violation } of summary.broken.slice(5))
    process.stdout.write(`seed ${other}: ${violation?.invariant}: ${violation?.message}\n`);
  const hours = (summary.virtualSeconds / 3600).toFixed(1);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(
    `${summary.schedules} schedules, ${summary.steps} events, ${hours} h of a farm's life in ${seconds} s: ${summary.broken.length} broken\n`,
  );
  process.stdout.write(`${JSON.stringify(summary.counts)}\n`);
  for (const line of summary.intruders) process.stdout.write(`asked for real time: ${line}\n`);
  process.exitCode = summary.broken.length > 0 || summary.intruders.size > 0 ? 1 : 0;
}
