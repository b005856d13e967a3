import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { openZip } from '../../../src/bundle/zip-reader.ts';
import { fileSource, writeSupportBundle } from '../../../src/cli/doctor/support-bundle.ts';

test('the support bundle holds the checks, the system, the end of logs, and no secret', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-bundle-'));
  try {
    const secret = 'S3cretS3cretS3cretS3cret';
    const log = join(directory, 'agent.log');
    const line = `${'x'.repeat(99)}\n`;
    writeFileSync(log, `${line.repeat(40_000)}the last line with ${secret} in it\n`);
    const file = join(directory, 'out', 'support.zip');
    const options = {
      file,
      flatrender: '1.2.3',
      results: [{ name: 'agent', status: 'failed' as const, message: `no answer, secret ${secret}` }],
      sources: [
        fileSource(log, 'logs'),
        fileSource(join(directory, 'absent.log'), 'logs'),
        { name: 'broken.txt', read: () => Promise.reject(new Error('EACCES')) },
      ],
      secrets: [secret],
    };
    const names = await writeSupportBundle(options);
    assert.deepEqual(names, ['README.txt', 'doctor.json', 'system.json', 'logs/agent.log', 'broken.txt']);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await using zip = await openZip(file);
    const texts: Record<string, string> = {};
    for (const entry of zip.entries) texts[entry.name] = await text(await zip.read(entry));
    assert.ok(!JSON.stringify(texts).includes(secret));
    assert.match(texts['logs/agent.log'] ?? '', /^x+\n(?:.*\n)*the last line with \[redacted\] in it\n$/);
    assert.ok((texts['logs/agent.log'] ?? '').length <= 2 * 1024 * 1024);
    assert.match(texts['broken.txt'] ?? '', /EACCES/);
    assert.match(texts['system.json'] ?? '', /"flatrender": "1.2.3"/);
    await assert.rejects(writeSupportBundle(options), { code: 'USAGE', message: `${file} exists already` });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
