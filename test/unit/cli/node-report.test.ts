import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeDetails, nodeTable } from '../../../src/cli/node-report.ts';
import type { EngineInfo, NodeView } from '../../../src/protocol/nodes.ts';

const NOW = Date.parse('2026-01-28T10:30:00Z');

function node(engines: EngineInfo[]): NodeView {
  const size = { total: 1024, used: 0, free: 1024 };
  return {
    id: 'studio-1',
    name: 'studio-1',
    status: 'ready',
    intent: 'enabled',
    roles: ['render'],
    hostname: 'studio',
    hostIp: null,
    agentVersion: '1.0.0',
    capabilities: {
      os: 'Windows 11',
      arch: 'x64',
      cpu: 'some',
      cores: 8,
      system: { gpu: null, memory: size, disk: size },
      engines,
      tags: [],
      maxConcurrentJobs: 1,
    },
    running: [],
    quarantine: null,
    blockedTemplates: [],
    invitation: null,
    lastSeenAt: null,
    createdAt: '2026-01-28T10:00:00.000Z',
  };
}

const MOCK: EngineInfo = {
  name: 'aerender',
  available: true,
  version: '0',
  notes: ['mock mode: AE_PATH is empty'],
};

test('a node that only plays After Effects shows it, in the list and in detail', () => {
  assert.match(nodeTable([node([MOCK])], NOW), / aerender \(mock\) /);
  assert.match(
    nodeDetails(node([MOCK]), NOW),
    /engine aerender {2}available {2}mock mode\n {2}mock mode: AE_PATH is empty$/,
  );
});

test('a node with After Effects shows its version and what it found out about it', () => {
  const real: EngineInfo = {
    name: 'aerender',
    available: true,
    version: '24.2',
    notes: ['After Effects in D:\\AE', 'output modules: Lossless'],
  };
  assert.match(nodeTable([node([real])], NOW), / aerender {2}/);
  assert.match(
    nodeDetails(node([real]), NOW),
    /engine aerender {2}available {2}24\.2\n {2}After Effects in D:\\AE\n {2}output modules: Lossless$/,
  );
});

test('a node without After Effects shows why and what to do', () => {
  const none: EngineInfo = {
    name: 'aerender',
    available: false,
    reason: 'was not found',
    hint: 'set AE_PATH',
  };
  assert.match(
    nodeDetails(node([none]), NOW),
    /engine aerender {2}not available {2}was not found; set AE_PATH$/,
  );
});
