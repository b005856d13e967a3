/** Files that people and other programs write: read, or refused with a code; nothing else, and soon. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseManifest } from '../../src/bundle/manifest-file.ts';
import { readInputsFile } from '../../src/cli/inputs-file.ts';
import { loadAgentConfig } from '../../src/config/agent-config.ts';
import { loadControlConfig, renderControlConfig } from '../../src/config/control-config.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { parseJson } from '../../src/lib/json.ts';
import { parseWgConfig } from '../../src/mesh/wg-config.ts';
import { invitationLine, parseInvitation } from '../../src/protocol/enrolment.ts';
import {
  parseRequestSignature,
  requestSignatureMatches,
  signRequest,
} from '../../src/protocol/signatures.ts';
import { mutated, mutatedText } from './mutate.ts';

interface TextFuzz {
  readonly name: string;
  readonly inputs: fc.Arbitrary<string>;
  /** Reads it; may throw what is no bug. */
  readonly read: (text: string) => unknown;
}

const MANIFEST = `schema: 1
name: card
version: 1.0.0
description: A card
composition: { width: 64, height: 64, fps: 10, duration: 1 }
inputs:
  title: { type: text, default: hello, maxLength: 20 }
  logo: { type: image, required: true }
  size: { type: number, min: 1, max: 9, default: 3 }
outputs:
  main: { preset: youtube-1080p }
engines:
  mock: {}
`;
const WG = `[Interface]
Address = 10.66.0.1/24
ListenPort = 51820
PrivateKey = ${'A'.repeat(42)}E=

# node: studio-1
[Peer]
PublicKey = ${'B'.repeat(42)}E=
AllowedIPs = 10.66.0.11/32
`;
const ENV = `NODE_ID=studio-1
NODE_HMAC_SECRET=${'a'.repeat(64)}
ORCHESTRATOR_URL=http://10.66.0.1:8088
NODE_ROLE=render
AE_PATH="C:\\\\Program Files\\\\Adobe"
MAX_CONCURRENT_JOBS=2 # two
`;
const invitation = {
  v: 1,
  node: 'studio-1',
  url: 'http://10.66.0.1:8088',
  secret: 'a'.repeat(64),
  expiresAt: '2030-01-01T00:00:00.000Z',
};

/** One per format; `directory`: for those that are files. */
export function textFuzzes(directory: string): TextFuzz[] {
  const inFile = (name: string, read: (path: string) => unknown) => (text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return read(path);
  };
  const yaml = 'titles:\n  - title: Hello\n    size: 3\n  - &a { title: "x", logo: "@a.png" }\n  - *a\n';
  return [
    { name: 'template.yaml', inputs: mutatedText(MANIFEST), read: (text) => parseManifest(text) },
    { name: 'wg0.conf', inputs: mutatedText(WG), read: (text) => parseWgConfig(text, 'wg0.conf') },
    {
      name: 'agent.env',
      inputs: mutatedText(ENV),
      read: inFile('agent.env', (path) => loadAgentConfig({ env: { AGENT_ENV_FILE: path } })),
    },
    {
      name: 'flatrender.yaml',
      inputs: mutatedText(renderControlConfig({ gateway: { port: 8088, allow: ['10.66.0.0/24'] } })),
      read: inFile('flatrender.yaml', () => loadControlConfig({ directory, env: {} })),
    },
    {
      name: 'invitation',
      inputs: fc.oneof(
        mutated(invitation).map((value) => JSON.stringify(value) ?? ''),
        mutated(invitation).map((value) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url')),
        mutatedText(invitationLine(invitation as unknown as Parameters<typeof invitationLine>[0])),
      ),
      read: (text) => parseInvitation(text, 'the invitation'),
    },
    {
      name: 'inputs.csv',
      inputs: mutatedText('title,size\n"Hello, you",3\nx;y,"4"\n'),
      read: inFile('inputs.csv', readInputsFile),
    },
    {
      name: 'inputs.json',
      inputs: mutated([{ title: 'x', size: 1 }]).map((value) => JSON.stringify(value) ?? ''),
      read: inFile('inputs.json', readInputsFile),
    },
    { name: 'inputs.yaml', inputs: mutatedText(yaml), read: inFile('inputs.yaml', readInputsFile) },
    {
      name: 'JSON',
      inputs: mutatedText('{"a":[1,2,{"b":"\\u00e9"}],"c":-1e3}'),
      read: (text) => parseJson(Buffer.from(text, 'latin1'), { maxDepth: 32 }),
    },
    { name: 'signature headers', inputs: mutatedText(signedHeaders().join('\n')), read: readSignature },
  ];
}

const request = { method: 'POST', path: '/v1/agent/claim', query: '' };
const SECRET = 'ab'.repeat(32);

function signedHeaders(): [string, string, string] {
  const stamp = { created: 1_800_000_000, nonce: 'n'.repeat(24) };
  const headers = signRequest(request, '{}', { keyId: 'studio-1', secret: SECRET }, stamp);
  return [headers['content-digest'], headers['signature-input'], headers.signature];
}

/** A changed signature is never taken, unless what changed is nothing. */
function readSignature(text: string): void {
  const [digest, input, signature] = text.split('\n');
  const headers = { 'content-digest': digest, 'signature-input': input, signature };
  parseRequestSignature(headers);
  if (!requestSignatureMatches(request, headers, SECRET)) return;
  assert.deepEqual([digest, input, signature], signedHeaders(), 'a changed signature was accepted');
}

/** Reads one input; throws when it ends in anything but a value or a refusal, or takes longer than 5 s. */
export async function readHostile(fuzz: TextFuzz, text: string): Promise<void> {
  const started = performance.now();
  try {
    await fuzz.read(text);
  } catch (error) {
    if (!(error instanceof FlatrenderError)) throw error;
    assert.notEqual(error.code, 'INTERNAL', error.message);
    assert.ok(error.message.length > 0);
  }
  assert.ok(performance.now() - started < 5000, 'took longer than 5 s');
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
}

/** A directory that goes away. */
export function hostileDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'flatrender-hostile-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
