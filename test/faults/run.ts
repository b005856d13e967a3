/**
 * `npm run faults [-- name …] [--kills N] [--store sqlite|postgres] [--objects fs|s3] [--json] [--list]`: does to a farm of real
 * processes what happens to farms, compares it with what it had acknowledged, and prints a table. Ends with 1 when
 * anything was lost, stuck or accepted twice.
 */
import { parseArgs } from 'node:util';
import type { ObjectsKind, StoreKind } from './backends.ts';
import { type FaultReport, obstacleTo } from './fault.ts';
import { FAULTS } from './faults.ts';
import { tableOf } from './table.ts';
import { complaintsOf } from './verdict.ts';

// What is installed, not the sources: it starts as fast as in production.
process.env.FLATRENDER_TEST_CLI ??= 'built';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string' },
    store: { type: 'string', default: 'sqlite' },
    objects: { type: 'string', default: 'fs' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const say = (text: string): void => void process.stderr.write(`${text}\n`);

if (values.list) {
  for (const { name, summary } of FAULTS) process.stdout.write(`${name.padEnd(18)} ${summary}\n`);
  process.exit(0);
}
const unknown = positionals.filter((name) => !FAULTS.some((fault) => fault.name === name));
if (unknown.length > 0)
  refuse(`unknown fault: ${unknown.join(', ')}; there are: ${FAULTS.map(({ name }) => name).join(', ')}`);
if (!['sqlite', 'postgres'].includes(values.store)) refuse(`--store ${values.store}: sqlite or postgres`);
if (!['fs', 's3'].includes(values.objects)) refuse(`--objects ${values.objects}: fs or s3`);
const kills = values.kills === undefined ? null : Number(values.kills);
if (kills !== null && !(Number.isSafeInteger(kills) && kills > 0))
  refuse(`--kills ${values.kills}: a number from 1`);

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
const store = values.store as StoreKind;
const objects = values.objects as ObjectsKind;
const reports: FaultReport[] = [];
let failures = 0;
for (const fault of FAULTS) {
  if (positionals.length > 0 && !positionals.includes(fault.name)) continue;
  const missing = obstacleTo(fault, { store, objects });
  if (missing !== null) {
    say(`${fault.name}: skipped: ${missing}`);
    continue;
  }
  say(`${fault.name} …`);
  try {
    const report = await fault.run({
      kills: kills ?? fault.kills,
      store,
      objects,
      say: (text) => say(`  ${text}`),
    });
    reports.push(report);
    const complaints = complaintsOf(report);
    failures += complaints.length;
    for (const complaint of complaints.slice(0, 20)) say(`  ${complaint}`);
    say(
      `  ${report.amount}, ${report.seconds} s: ${complaints.length === 0 ? 'nothing lost' : `${complaints.length} complaints`}`,
    );
    for (const note of report.notes) say(`  ${note}`);
  } catch (error) {
    failures += 1;
    say(
      `  failed: ${error instanceof Error ? `${error.stack}\n${String(error.cause ?? '')}` : String(error)}`,
    );
  }
}
process.stdout.write(values.json ? `${JSON.stringify(reports, null, 2)}\n` : `${tableOf(reports)}\n`);
process.exitCode = failures > 0 ? 1 : 0;

function refuse(message: string): never {
  say(message);
  process.exit(2);
}
