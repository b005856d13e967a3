import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chooseEngine,
  isAtLeast,
  isCapable,
  leavesToOthers,
  mayTake,
  type NodeFacts,
  type Requirement,
  requirementKey,
  wouldMock,
} from '../../src/jobs/requirements.ts';
import { shortfall } from '../../src/jobs/shortfall.ts';

const need: Requirement = {
  role: 'render',
  engines: ['aerender', 'lottie'],
  template: 'card',
  tags: [],
  node: null,
  fallback: true,
  avoid: null,
};

function node(id: string, changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    id,
    roles: ['render'],
    engines: { lottie: '0.42.0' },
    memoryMb: 16_000,
    vramMb: 0,
    tags: [],
    blockedTemplates: [],
    ...changes,
  };
}

test('a node is capable when it has the role, one of the engines, the memory and every tag', () => {
  const cases: [string, Partial<Requirement>, Partial<NodeFacts>, boolean][] = [
    ['plain', {}, {}, true],
    ['another role', { role: 'builder' }, {}, false],
    ['no such engine', { engines: ['ffmpeg'] }, {}, false],
    ['enough memory', { memoryMb: 16_000 }, {}, true],
    ['too little memory', { memoryMb: 16_001 }, {}, false],
    ['no graphics card', { vramMb: 4000 }, {}, false],
    ['a graphics card', { vramMb: 4000 }, { vramMb: 8000 }, true],
    ['a tag missing', { tags: ['fast', 'gpu'] }, { tags: ['gpu'] }, false],
    ['all tags', { tags: ['fast', 'gpu'] }, { tags: ['gpu', 'fast', 'x'] }, true],
    ['engine too old', { minVersions: { lottie: '0.43' } }, {}, false],
    ['engine new enough', { minVersions: { lottie: '0.42' } }, {}, true],
    ['a minimum for an engine it does not have', { minVersions: { aerender: '24' } }, {}, true],
    ['template blocked', {}, { blockedTemplates: ['card'] }, false],
  ];
  for (const [name, wants, has, expected] of cases) {
    assert.equal(isCapable({ ...need, ...wants }, node('a', has)), expected, name);
    assert.equal(shortfall({ ...need, ...wants }, node('a', has)).length === 0, expected, name);
  }
});

test('what a node lacks is said in its own terms', () => {
  const wants: Requirement = {
    ...need,
    engines: ['aerender', 'ffmpeg'],
    minVersions: { ffmpeg: '5.1' },
    memoryMb: 64_000,
    vramMb: 8000,
    tags: ['fast', 'gpu'],
  };
  const has = node('a', { engines: { ffmpeg: '4.4' }, tags: ['gpu'], blockedTemplates: ['card'] });
  assert.deepEqual(
    shortfall(wants, has, (engine) => (engine === 'aerender' ? 'AE_PATH is empty' : undefined)),
    [
      'aerender (AE_PATH is empty) or ffmpeg 5.1 (it has 4.4)',
      '64000 MB of memory (it has 16000)',
      '8000 MB of video memory (it has 0)',
      'the tag fast',
      'a clean record: it failed card too often in a row',
    ],
  );
});

test('the engine is the first of the requirement that the node has in a version that will do', () => {
  const both = node('a', { engines: { lottie: '0.42.0', aerender: '23.6' } });
  assert.equal(chooseEngine(need, both), 'aerender');
  assert.equal(chooseEngine({ ...need, minVersions: { aerender: '24' } }, both), 'lottie');
  assert.equal(chooseEngine({ ...need, engines: ['ffmpeg'] }, both), null);
});

test('versions compare by their leading numbers', () => {
  const cases: [string, string, boolean][] = [
    ['5.1.9-0+deb12u1', '5.1', true],
    ['5.1', '5.1.0', true],
    ['n7.0-12-gabc', '5.1', true],
    ['5.0.9', '5.1', false],
    ['10.0', '9.9', true],
    ['', '1', false],
  ];
  for (const [version, minimum, expected] of cases) {
    assert.equal(isAtLeast(version, minimum), expected, `${version} >= ${minimum}`);
  }
});

test('a task for a node by name waits for it, or with fallback goes elsewhere while that one is away', () => {
  const [a, b] = [node('a'), node('b')];
  const strict = { ...need, node: 'a', fallback: false };
  const loose = { ...need, node: 'a', fallback: true };
  assert.equal(mayTake(strict, a, [a, b]), true);
  assert.equal(mayTake(strict, b, [b]), false, 'never elsewhere');
  assert.equal(mayTake(loose, b, [a, b]), false, 'not while the chosen one is there');
  assert.equal(mayTake(loose, b, [b]), true, 'elsewhere while it is away');
  const unable = node('a', { engines: {} });
  assert.equal(mayTake(loose, b, [unable, b]), true, 'or cannot render it');
});

test('a task that failed on a node is left to another capable one, if there is one', () => {
  const [a, b] = [node('a'), node('b')];
  const again = { ...need, avoid: 'a' };
  assert.equal(mayTake(again, a, [a, b]), false);
  assert.equal(mayTake(again, b, [a, b]), true);
  assert.equal(mayTake(again, a, [a]), true, 'alone it tries again');
  assert.equal(mayTake(again, a, [a, node('b', { engines: {} })]), true, 'the other one cannot');
  const chosen: Requirement = { ...need, node: 'a', fallback: true, avoid: 'a' };
  assert.equal(
    mayTake(chosen, b, [a, b]),
    true,
    'failed where it was meant for: the others do not wait for that',
  );
  assert.equal(mayTake(chosen, a, [a, b]), false);
  assert.equal(
    mayTake({ ...again, node: 'a', fallback: false }, a, [a, b]),
    true,
    'it was asked for by name',
  );
});

test('equal requirements have one key, whatever the order of tags and versions', () => {
  const one = { ...need, tags: ['x', 'y'], minVersions: { lottie: '1', aerender: '24' } };
  const two = { ...need, tags: ['y', 'x'], minVersions: { aerender: '24', lottie: '1' } };
  assert.equal(requirementKey(one), requirementKey(two));
  const others: Partial<Requirement>[] = [
    { tags: ['x'] },
    { memoryMb: 1 },
    { vramMb: 1 },
    { minVersions: {} },
    { node: 'a' },
    { avoid: 'a' },
    { template: 'other' },
    { engines: ['lottie'] },
  ];
  const keys = new Set(others.map((changes) => requirementKey({ ...one, ...changes })));
  keys.add(requirementKey(one));
  assert.equal(keys.size, others.length + 1);
});

test('mock mode plays every version of After Effects, where nobody can render it', () => {
  const task: Requirement = { ...need, engines: ['aerender', 'lottie'], minVersions: { aerender: '24' } };
  const mock = node('mock', { engines: { aerender: '0' } });
  const old = node('old', { engines: { aerender: '22' } });
  const real = node('real', { engines: { aerender: '25.1' } });
  assert.equal(chooseEngine(task, mock), 'aerender');
  assert.equal(wouldMock(task, mock), true);
  assert.equal(chooseEngine(task, node('both', { engines: { aerender: '0', lottie: '0.42' } })), 'lottie');
  assert.equal(leavesToOthers(task, mock, [mock, old]), false);
  assert.equal(leavesToOthers(task, mock, [mock, real]), true, 'a node of the farm renders it');
  const failed = { ...real, blockedTemplates: [task.template] };
  assert.equal(leavesToOthers(task, mock, [mock, failed]), true, 'nor when that one failed it');
  assert.equal(leavesToOthers({ ...task, node: 'mock' }, mock, [mock, real]), false, 'asked for by name');
  assert.equal(leavesToOthers(task, real, [mock, real]), false);
});
