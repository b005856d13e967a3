import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { startTestControl } from '../helpers/control.ts';

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

/** Names of metrics in a query, without what Prometheus adds to those of a histogram. */
function metricsIn(query: string): string[] {
  const names = query.match(/\b(?:flatrender|nodejs|process)_[a-z0-9_]+/g) ?? [];
  return names.map((name) => name.replace(/_(?:bucket|count|sum)$/, ''));
}

test('the dashboard and the alerts ask only for metrics that there are', async () => {
  await using farm = await startTestControl();
  const text = String((await farm.call('GET', '/metrics')).body);
  const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  const dashboard = JSON.parse(readFileSync('deploy/grafana/flatrender.json', 'utf8')) as { panels: Panel[] };
  const rules = parse(readFileSync('deploy/prometheus/flatrender.rules.yml', 'utf8')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  const queries = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)),
  ];
  assert.ok(queries.length > 30, `${queries.length} queries`);
  const asked = new Set(queries.flatMap(metricsIn));
  assert.deepEqual(
    [...asked].filter((name) => !known.has(name)),
    [],
  );
});

test('no two panels of the dashboard overlap, and each has its own number', () => {
  const { panels } = JSON.parse(readFileSync('deploy/grafana/flatrender.json', 'utf8')) as {
    panels: Panel[];
  };
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        assert.equal(taken.get(`${x} ${y}`), undefined, `${title} covers another panel`);
        taken.set(`${x} ${y}`, title);
      }
    }
  }
});
