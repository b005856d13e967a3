/** The reports of fault tests as a Markdown table. */
import type { FaultReport } from './fault.ts';

const HEAD = [
  'fault',
  'store, objects',
  'amount',
  'acknowledged: submits / completions / cancels',
  'lost: submits / completions / cancels',
  'stuck',
  'accepted twice',
  'outputs missing',
  'recovery p50 / max',
];

export function tableOf(reports: readonly FaultReport[]): string {
  const rows = reports.map((report) => [
    report.fault,
    `${report.store}, ${report.objects}`,
    report.amount,
    `${report.submits} / ${report.completions} / ${report.cancels}`,
    `${report.lostSubmits.length} / ${report.lostCompletions.length} / ${report.lostCancels.length}`,
    String(report.stuck.length),
    String(report.duplicates.length),
    String(report.missingOutputs.length),
    `${time(report.recoveryP50Ms)} / ${time(report.recoveryMaxMs)}`,
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(HEAD), line(HEAD.map(() => '---')), ...rows.map(line)].join('\n');
}

function time(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}
