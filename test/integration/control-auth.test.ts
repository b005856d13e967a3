import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROUTES } from '../../src/protocol/routes.ts';
import { claimBody, startTestControl } from '../helpers/control.ts';
import { manualClock } from '../helpers/manual-clock.ts';
import { registration } from '../helpers/registration.ts';

test('each route refuses who may not call it, each refusal with its own code', async () => {
  await using farm = await startTestControl();
  const { token: submit } = await farm.newToken('submit');
  const { token: read } = await farm.newToken('read');
  const node = await farm.addNode('studio-1');
  assert.equal(
    (await farm.call('GET', '/v1/whoami', undefined, { authorization: `bearer ${read}` })).status,
    200,
  );
  const rank = { read: 0, submit: 1, admin: 2 };
  for (const { method, path, auth } of Object.values(ROUTES)) {
    if (auth === 'none' || auth === 'url') continue;
    const url = path.replace(/:[a-z]+/g, 'x');
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    const ask = async (authorization: string) =>
      (await farm.call(method, url, body, { authorization })).body?.error?.code;
    if (auth === 'node' || auth === 'invitation') {
      assert.equal(await ask(`Bearer ${farm.token}`), 'SIGNATURE_MISSING', path);
      continue;
    }
    assert.equal(await ask(''), 'TOKEN_MISSING', path);
    const signed = await farm.asNode(node, url, body ?? '', { method });
    assert.equal(signed.body?.error?.code, 'TOKEN_MISSING', `signature of a node on ${path}`);
    assert.equal(await ask('Bearer fr_nonsense'), 'TOKEN_INVALID', path);
    assert.equal(await ask(`Bearer fr_${'a'.repeat(43)}`), 'TOKEN_INVALID', path);
    if (auth === 'hook') {
      for (const token of [farm.token, submit, read]) {
        assert.equal(await ask(`Bearer ${token}`), 'TOKEN_INVALID', path);
      }
      continue;
    }
    for (const [role, token] of [
      ['submit', submit],
      ['read', read],
    ] as const) {
      if (rank[role] < rank[auth])
        assert.equal(await ask(`Bearer ${token}`), 'TOKEN_FORBIDDEN', `${role} ${path}`);
      else if (path !== '/v1/events')
        assert.notEqual(await ask(`Bearer ${token}`), 'TOKEN_FORBIDDEN', `${role} ${path}`);
    }
  }
});

test('a revoked token stops working at once, an expired one when its time comes', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  const { token, id } = await farm.newToken('read');
  const whoami = async (value: string) => {
    const { status, body } = await farm.call('GET', '/v1/whoami', undefined, {
      authorization: `Bearer ${value}`,
    });
    return status === 200 ? body.role : body.error.code;
  };
  assert.equal(await whoami(token), 'read');
  assert.equal((await farm.call('DELETE', `/v1/tokens/${id}`)).status, 204);
  assert.equal(await whoami(token), 'TOKEN_INVALID');
  const short = await farm.call('POST', '/v1/tokens', {
    name: 'short',
    role: 'submit',
    expiresInSeconds: 60,
  });
  assert.equal(await whoami(short.body.token), 'submit');
  await clock.advance(60_000);
  assert.equal(await whoami(short.body.token), 'TOKEN_INVALID');
});

test('a node is told which it was: unknown, wrong secret, replayed, clock off, body changed', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  const node = await farm.addNode('studio-1');
  const seconds = Math.floor(clock.now() / 1000);
  const claim = async (options = {}, who = node) => {
    const { status, body } = await farm.asNode(who, '/v1/agent/claim', claimBody(), options);
    return status === 204 ? 'ok' : body.error;
  };
  assert.equal(await claim(), 'ok');
  assert.equal((await claim({}, { id: 'stranger', secret: 'x' })).code, 'NODE_UNKNOWN');
  const wrong = await claim({ secret: 'another' });
  assert.equal(wrong.code, 'SIGNATURE_INVALID');
  assert.match(wrong.hint, /--rotate/);
  assert.equal(
    (await claim({ query: 'a=1' })).code ?? 'ok',
    'ok',
    'the query is signed too, and may be there',
  );

  const nonce = 'n'.repeat(22);
  assert.equal(await claim({ nonce }), 'ok');
  assert.equal((await claim({ nonce })).code, 'SIGNATURE_REPLAYED');
  assert.equal(await claim({ created: seconds - 299 }), 'ok');
  assert.equal(await claim({ created: seconds + 299 }), 'ok');
  for (const skew of [-301, 301]) {
    const error = await claim({ created: seconds + skew });
    assert.equal(error.code, 'CLOCK_SKEW');
    assert.equal(error.serverTime, new Date(clock.now()).toISOString());
    assert.equal(error.details.skewSeconds, skew);
  }
  const changed = await farm.asNode(node, '/v1/agent/claim', claimBody(), {
    sentBody: JSON.stringify(claimBody(0, 'another-claim')),
  });
  assert.equal(changed.body.error.code, 'DIGEST_MISMATCH');
});

test('a nonce is still refused at the end of the window, and a signature for another route does not fit', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  const node = await farm.addNode('studio-1');
  const created = Math.floor(clock.now() / 1000) + 299;
  const nonce = 'm'.repeat(22);
  const send = () => farm.asNode(node, '/v1/agent/claim', claimBody(), { nonce, created });
  assert.equal((await send()).status, 204);
  await clock.advance(590_000);
  assert.equal((await send()).body.error.code, 'SIGNATURE_REPLAYED');
  await clock.advance(20_000);
  assert.equal((await send()).body.error.code, 'CLOCK_SKEW');
});

test('a rotated secret works beside the old one until it is used, then the old one is dead, also after a restart', async () => {
  await using farm = await startTestControl();
  const old = await farm.addNode('studio-1');
  const again = await farm.call('POST', '/v1/nodes', { id: 'studio-1' });
  assert.equal(again.body.error.code, 'NODE_EXISTS');
  const { body } = await farm.call('POST', '/v1/nodes', { id: 'studio-1', rotate: true });
  const fresh = { id: 'studio-1', secret: body.secret };
  assert.notEqual(fresh.secret, old.secret);
  const claim = (node: typeof old) => farm.asNode(node, '/v1/agent/claim', claimBody());
  assert.equal((await claim(old)).status, 204);
  assert.equal((await claim(fresh)).status, 204);
  assert.equal((await claim(old)).body.error.code, 'SIGNATURE_INVALID');
  await farm.restart();
  assert.equal((await claim(fresh)).status, 204);
  assert.equal((await claim(old)).body.error.code, 'SIGNATURE_INVALID');
});

test('a removed node is unknown, and one that is made anew under its name has another secret', async () => {
  await using farm = await startTestControl();
  const node = await farm.addNode('studio-1');
  assert.equal((await farm.call('DELETE', '/v1/nodes/studio-1')).status, 204);
  const gone = await farm.asNode(node, '/v1/agent/register', registration('studio-1', ['mock']));
  assert.equal(gone.body.error.code, 'NODE_UNKNOWN');
  const anew = await farm.addNode('studio-1');
  assert.notEqual(anew.secret, node.secret);
});

test('only an administrator may upload a bundle', async () => {
  await using farm = await startTestControl();
  const { token } = await farm.newToken('submit');
  const request = { kind: 'bundle', sha256: 'a'.repeat(64), sizeBytes: 10 };
  const refused = await farm.call('POST', '/v1/uploads', request, { authorization: `Bearer ${token}` });
  assert.equal(refused.body.error.code, 'TOKEN_FORBIDDEN');
  assert.equal((await farm.call('POST', '/v1/uploads', request)).status, 200);
});

test('hello proves the way there and back, and is no sign of life', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  const node = await farm.addNode('studio-1');
  const statusOf = async () => (await farm.call('GET', '/v1/nodes/studio-1')).body.status;
  const hello = (options = {}) => farm.asNode(node, '/v1/agent/hello', '', { method: 'GET', ...options });
  const answer = await hello();
  assert.deepEqual([answer.status, answer.body.node, answer.body.status], [200, 'studio-1', 'ready']);
  assert.equal((await fetch(answer.body.probeUrl)).status, 404);
  assert.equal((await hello({ secret: 'another' })).body.error.code, 'SIGNATURE_INVALID');
  for (let i = 0; i < 400 && (await statusOf()) !== 'offline'; i += 1) await clock.advance(1000);
  assert.equal((await hello()).body.status, 'offline');
  assert.equal(await statusOf(), 'offline');
});
