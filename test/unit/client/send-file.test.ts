import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SendFile, sendFile } from '../../../src/client/send-file.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { failureOf } from '../../helpers/failure-of.ts';

const PARTS = [1, 2, 3, 4];
const cut = new FlatrenderError('TRANSFER_FAILED', 'cut');

/** A store of parts behind a control plane: what it says of the content once all parts are there is up to the test. */
function setUp(options: { readonly isRight: (time: number) => boolean } & Partial<SendFile>) {
  const { isRight, ...rest } = options;
  const counts = { parts: 0, complete: 0, asked: 0 };
  const sent = new Set<number>();
  const faults: FlatrenderError[] = [];
  const sending = (): Promise<string> =>
    sendFile({
      transfers: {
        async upload({ url }) {
          counts.parts += 1;
          sent.add(Number(url));
        },
      },
      async ask() {
        counts.asked += 1;
        const fault = faults.shift();
        if (fault) throw fault;
        const place = { key: 'outputs/x', url: 'whole', headers: {} };
        const isDone = sent.size === PARTS.length;
        if (isDone) {
          counts.complete += 1;
          if (!isRight(counts.complete)) {
            sent.clear();
            throw new FlatrenderError('OBJECT_CORRUPT', 'other content', { details: { key: place.key } });
          }
        }
        const parts = PARTS.filter((number) => !sent.has(number)).map((number) => ({
          number,
          url: String(number),
        }));
        return { ...place, multipart: { partBytes: 10, sentBytes: 0, parts, done: isDone } };
      },
      path: '/render/main.mp4',
      sizeBytes: 40,
      signal: new AbortController().signal,
      rounds: 3,
      pause: async () => assert.ok(counts.asked < 100, 'it goes on for ever'),
      ...rest,
    });
  return { counts, faults, sending };
}

test('a file that arrives with another content is sent once more, and then given up', async () => {
  for (const isIntact of [async () => true, undefined]) {
    const { counts, sending } = setUp({ isRight: () => false, isIntact });
    const error = await failureOf(sending());
    assert.deepEqual([error.code, error.details?.key], ['OBJECT_CORRUPT', 'outputs/x']);
    assert.deepEqual(counts, { parts: 8, complete: 2, asked: 4 });
  }
});

test('parts of an earlier content cost one more time', async () => {
  const { counts, sending } = setUp({ isRight: (time) => time === 2, isIntact: async () => true });
  assert.equal(await sending(), 'outputs/x');
  assert.equal(counts.parts, 8);
});

test('a file that has changed itself is not sent again', async () => {
  const { counts, sending } = setUp({ isRight: () => false, isIntact: async () => false });
  const error = await failureOf(sending());
  assert.equal(error.code, 'OBJECT_CORRUPT');
  assert.match(error.message, /^\/render\/main\.mp4 has another content than announced$/);
  assert.equal(counts.parts, 4);
});

test('a file is compared until the sender is stopped', async () => {
  const stop = new AbortController();
  const isIntact = (): Promise<boolean> => {
    stop.abort(new FlatrenderError('ABORTED', 'stopped'));
    return new Promise(() => undefined);
  };
  const { sending } = setUp({ isRight: () => false, isIntact, signal: stop.signal });
  assert.equal((await failureOf(sending())).code, 'ABORTED');
});

test('trouble on the way in between does not make a wrong content forgotten', async () => {
  const { counts, faults, sending } = setUp({
    isRight: () => false,
    isIntact: async () => {
      faults.push(cut);
      return true;
    },
  });
  assert.equal((await failureOf(sending())).code, 'OBJECT_CORRUPT');
  assert.equal(counts.complete, 2);
});

test('rounds in which nothing gets through are counted anew after one in which something did', async () => {
  const { counts, faults, sending } = setUp({ isRight: () => true });
  faults.push(cut, cut);
  assert.equal(await sending(), 'outputs/x');
  assert.equal(counts.parts, 4);
  const hopeless = setUp({ isRight: () => true });
  hopeless.faults.push(cut, cut, cut);
  assert.equal((await failureOf(hopeless.sending())).code, 'TRANSFER_FAILED');
});
