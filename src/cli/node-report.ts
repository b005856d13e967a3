/** Nodes as people read them. */
import type { InvitationView } from '../protocol/enrolment.ts';
import { MOCK_MODE_VERSION } from '../protocol/names.ts';
import type { EngineInfo, NodeView } from '../protocol/nodes.ts';
import { type Column, facts, formatInstant, formatRelative, table } from './output.ts';
import { paint, type Style } from './paint.ts';

const STATUS_STYLES: Readonly<Record<NodeView['status'], Style>> = {
  pending: 'dim',
  ready: 'good',
  busy: 'busy',
  draining: 'warning',
  drained: 'warning',
  quarantined: 'error',
  suspect: 'warning',
  offline: 'error',
};

/** `node list`. */
export function nodeTable(nodes: readonly NodeView[], now: number): string {
  const columns: Column<NodeView>[] = [
    { title: 'id', value: (node) => node.id },
    {
      title: 'status',
      value: (node) => statusText(node),
      paint: (cell, node) => paint(STATUS_STYLES[node.status], cell),
    },
    {
      title: 'tasks',
      value: (node) => `${node.running.length}/${node.capabilities?.maxConcurrentJobs ?? '-'}`,
      align: 'right',
    },
    { title: 'engines', value: (node) => enginesOf(node) },
    { title: 'tags', value: (node) => node.capabilities?.tags.join(',') },
    { title: 'seen', value: (node) => formatRelative(node.lastSeenAt, now) },
    { title: 'address', value: (node) => node.hostIp },
    { title: 'version', value: (node) => node.agentVersion },
    { title: 'name', value: (node) => (node.name === node.id ? null : node.name) },
  ];
  return table(nodes, columns);
}

/** `node show`. */
export function nodeDetails(node: NodeView, now: number): string {
  const { capabilities } = node;
  const system = capabilities?.system;
  const parts = [
    facts([
      ['node', node.id],
      ['name', node.name],
      ['status', paint(STATUS_STYLES[node.status], statusText(node))],
      ['invitation', node.invitation && invitationText(node.invitation, node.id)],
      ['wanted', node.intent],
      [
        'seen',
        node.lastSeenAt && `${formatInstant(node.lastSeenAt)} (${formatRelative(node.lastSeenAt, now)})`,
      ],
      [
        'quarantine',
        node.quarantine && `since ${formatInstant(node.quarantine.since)}: ${node.quarantine.reason}`,
      ],
      ['not offered', node.blockedTemplates.join(', ')],
      ['roles', node.roles.join(', ')],
      ['tags', capabilities?.tags.join(', ')],
      ['host', [node.hostname, node.hostIp].filter(Boolean).join(', ')],
      ['system', capabilities && `${capabilities.os}, ${capabilities.arch}`],
      ['cpu', capabilities && `${capabilities.cpu}, ${capabilities.cores} cores`],
      ['memory', system && `${gigabytes(system.memory.free)} of ${gigabytes(system.memory.total)} free`],
      ['gpu', system?.gpu && `${system.gpu.name}, ${gigabytes(system.gpu.vram.total)}`],
      ['disk', system && `${gigabytes(system.disk.free)} of ${gigabytes(system.disk.total)} free`],
      ['agent', node.agentVersion],
      ['created', formatInstant(node.createdAt)],
    ]),
  ];
  for (const engine of capabilities?.engines ?? []) {
    const state = engine.available ? paint('good', 'available') : paint('warning', 'not available');
    const more = engine.available
      ? isMock(engine)
        ? paint('warning', 'mock mode')
        : (engine.version ?? '')
      : [engine.reason, engine.hint].filter(Boolean).join('; ');
    parts.push(`engine ${engine.name}  ${state}${more ? `  ${more}` : ''}`);
    for (const note of engine.notes ?? []) parts.push(paint('dim', `  ${note}`));
  }
  for (const task of node.running) {
    const frames = task.frames === null ? '' : `  ${task.frame}/${task.frames} frames`;
    parts.push(`task ${task.task}  ${task.phase ?? 'claimed'}${frames}`);
  }
  return parts.join('\n');
}

/** A node that nobody has heard of yet is pending; its invitation says why. */
function statusText({ status, invitation }: NodeView): string {
  if (status !== 'pending' || invitation === null) return status;
  return { open: 'invited', expired: 'invitation expired', used: 'joining' }[invitation.state];
}

function invitationText({ state, expiresAt, usedAt, usedBy }: InvitationView, id: string): string {
  if (state === 'open') return `good until ${formatInstant(expiresAt)}`;
  if (state === 'used') return `used by ${usedBy}${usedAt === null ? '' : `, ${formatInstant(usedAt)}`}`;
  return `expired ${formatInstant(expiresAt)}; another one: flatrender node invite ${id}`;
}

function enginesOf(node: NodeView): string {
  return (node.capabilities?.engines ?? [])
    .filter((engine) => engine.available)
    .map((engine) => (isMock(engine) ? `${engine.name} (mock)` : engine.name))
    .join(',');
}

/** After Effects jobs are taken, and get test pictures (AE_PATH is empty). */
export function isMock({ name, available, version }: EngineInfo): boolean {
  return name === 'aerender' && available && version === MOCK_MODE_VERSION;
}

/** From MB, as the health contract has it. */
function gigabytes(megabytes: number): string {
  return `${(megabytes / 1024).toFixed(1)} GB`;
}
