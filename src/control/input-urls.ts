/** Inputs that are URLs: fetched when the job is submitted, and from then on a file of the farm like any other. */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noun, SNIFF_BYTES, sniff } from '../bundle/input-files.ts';
import { isFileInput } from '../bundle/inputs.ts';
import type { InputDefinition, Manifest } from '../bundle/manifest.ts';
import type { ControlConfig } from '../config/control-config.ts';
import { untilAborted } from '../lib/abort.ts';
import { type Clock, deadline } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { type Resolve, withoutSecrets } from '../lib/public-address.ts';
import { type ObjectStore, objectKeys } from '../objects/object-store.ts';
import type { AssetRef, InputValues } from '../protocol/jobs.ts';
import { fetchOutside, type OutsideFile } from './fetch-outside.ts';
import { outsidePolicy } from './outside-policy.ts';

interface InputUrlsOptions {
  readonly config: ControlConfig;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every digest before the file is looked for in the object store. */
  readonly onAsset: (sha256: string) => void;
  /** Default: the system's. */
  readonly resolve?: Resolve | undefined;
}

type FileInput = Extract<InputDefinition, { type: 'image' | 'audio' | 'video' | 'font' }>;

// Each holds a connection, a temporary file and a share of the disk's speed.
const AT_ONCE = 8;
const WAITING = 200;
/** A job submitted again after a cut connection, or the next of a batch, asks for the same addresses. */
const KEEP_MS = 300_000;
const REMEMBERED = 1000;

/** Fetches the files that inputs name by URL. */
export class InputUrls {
  readonly #options: InputUrlsOptions;
  readonly #known = new Map<string, { readonly file: Promise<AssetRef>; readonly until: number }>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(options: InputUrlsOptions) {
    this.#options = options;
  }

  /**
   * The inputs with each URL of a file input replaced by its file. INPUT_INVALID names the input, the address (without
   * its query) and the rule; RATE_LIMITED when too many are being fetched.
   */
  async replace(manifest: Manifest, given: InputValues): Promise<InputValues> {
    const urls = Object.entries(given).flatMap(([name, value]) => {
      const definition = Object.hasOwn(manifest.inputs, name) ? manifest.inputs[name] : undefined;
      const isUrl = typeof value === 'string' && /^https?:\/\//i.test(value);
      return isUrl && definition && isFileInput(definition) ? [{ name, value, definition }] : [];
    });
    if (urls.length === 0) return { ...given };
    const files = await Promise.all(
      urls.map(
        async ({ name, value, definition }) => [name, await this.#take(name, value, definition)] as const,
      ),
    );
    return { ...given, ...Object.fromEntries(files) };
  }

  async #take(name: string, text: string, definition: FileInput): Promise<AssetRef> {
    const { config, clock } = this.#options;
    const limits = config.inputs.urls;
    if (!limits.enabled) {
      throw new FlatrenderError('INPUT_INVALID', `input "${name}": addresses are not fetched on this farm`, {
        hint: 'upload the file, or set inputs.urls.enabled in flatrender.yaml',
      });
    }
    const url = URL.parse(text);
    if (url === null || text.length > 2048) {
      throw new FlatrenderError('INPUT_INVALID', `input "${name}" is not a valid address`);
    }
    url.hash = '';
    const maxBytes = Math.min(definition.maxBytes, limits.maxBytes);
    const now = clock.now();
    const key = `${definition.type} ${maxBytes} ${url.href}`;
    let known = this.#known.get(key);
    if (known === undefined || known.until <= now) {
      known = { file: this.#fetchSoon(url, definition.type, maxBytes), until: now + KEEP_MS };
      this.#remember(key, known);
    }
    try {
      return await known.file;
    } catch (error) {
      throw inputError(name, error);
    }
  }

  #remember(key: string, known: { readonly file: Promise<AssetRef>; readonly until: number }): void {
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(key, known);
    known.file.catch(() => {
      if (this.#known.get(key) === known) this.#known.delete(key);
    });
  }

  async #fetchSoon(url: URL, type: FileInput['type'], maxBytes: number): Promise<AssetRef> {
    const { clock, config, logger } = this.#options;
    const { timeoutSeconds } = config.inputs.urls;
    using limit = deadline(timeoutSeconds * 1000, clock);
    const leave = await this.#enter(limit.signal);
    try {
      const started = clock.now();
      const file = await this.#fetch(url, type, maxBytes, limit.signal);
      const { asset: sha256, sizeBytes } = file;
      logger.info('input.fetched', {
        url: withoutSecrets(url),
        sha256,
        sizeBytes,
        ms: clock.now() - started,
      });
      return file;
    } catch (error) {
      const late = `${withoutSecrets(url)} did not arrive within ${timeoutSeconds} s`;
      const shown = limit.signal.aborted ? new FlatrenderError('TRANSFER_FAILED', late) : error;
      logger.warn('input.refused', { url: withoutSecrets(url), error: shown });
      throw shown;
    } finally {
      leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<() => void> {
    if (this.#running >= AT_ONCE) {
      if (this.#queue.length >= WAITING) {
        throw new FlatrenderError('RATE_LIMITED', `${WAITING} addresses wait to be fetched already`);
      }
      let go = (): void => undefined;
      const turn = new Promise<void>((resolve) => {
        go = resolve;
      });
      this.#queue.push(go);
      try {
        await untilAborted(turn, signal);
      } catch (error) {
        const at = this.#queue.indexOf(go);
        if (at >= 0) this.#queue.splice(at, 1);
        else this.#leave();
        throw error;
      }
    } else this.#running += 1;
    return () => this.#leave();
  }

  /** Whoever waits takes the place over. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#running -= 1;
  }

  async #fetch(url: URL, type: FileInput['type'], maxBytes: number, signal: AbortSignal): Promise<AssetRef> {
    const { config, objects, onAsset, resolve } = this.#options;
    const policy = outsidePolicy(config, config.inputs.urls);
    const opened = await fetchOutside({ url, policy, maxBytes, signal, resolve });
    const directory = await mkdtemp(join(tmpdir(), 'flatrender-url-'));
    try {
      await using file = await open(join(directory, 'file'), 'wx+', 0o600);
      const { sha256, sizeBytes } = await save(opened, file, type);
      onAsset(sha256);
      const key = objectKeys.asset(sha256);
      if ((await objects.head(key))?.sizeBytes !== sizeBytes) {
        const bytes = file.createReadStream({ start: 0, autoClose: false });
        await objects.put(key, bytes, { sizeBytes, sha256, signal });
      }
      return { asset: sha256, name: nameOf(opened), sizeBytes };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

async function save(
  { url, bytes }: OutsideFile,
  file: FileHandle,
  type: FileInput['type'],
): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let head = Buffer.alloc(0);
  let sizeBytes = 0;
  let isChecked = false;
  const check = (): void => {
    const kinds = sniff(head);
    isChecked = true;
    if (kinds !== undefined && !kinds.includes(type)) {
      const found = kinds[0] === undefined ? 'something else' : noun(kinds[0]);
      throw new FlatrenderError(
        'REQUEST_INVALID',
        `${withoutSecrets(url)} is ${found} by its first bytes, not ${noun(type)}`,
      );
    }
  };
  for await (const chunk of bytes) {
    if (!isChecked) {
      head = Buffer.concat([head, chunk.subarray(0, SNIFF_BYTES)]);
      if (head.length >= SNIFF_BYTES) check();
    }
    hash.update(chunk);
    await file.writeFile(chunk);
    sizeBytes += chunk.length;
  }
  if (!isChecked) check();
  return { sha256: hash.digest('hex'), sizeBytes };
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/gif': 'gif',
  'image/webp': 'webp',
  'image/svg+xml': 'svg',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/flac': 'flac',
  'audio/mp4': 'm4a',
  'audio/ogg': 'ogg',
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/webm': 'webm',
  'font/ttf': 'ttf',
  'font/otf': 'otf',
  'font/woff': 'woff',
  'font/woff2': 'woff2',
};

/** A file name: programs go by its extension. */
function nameOf({ url, contentType }: OutsideFile): string {
  const last = url.pathname.split('/').at(-1) ?? '';
  const plain = last
    .replace(/%[0-9A-Fa-f]{2}/g, '_')
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(-100);
  const name = plain.replace(/^\.+/, '') || 'file';
  if (/\.[A-Za-z0-9]{2,5}$/.test(name)) return name;
  const extension = EXTENSIONS[contentType];
  return extension === undefined ? name : `${name}.${extension}`;
}

function inputError(name: string, error: unknown): unknown {
  if (!(error instanceof FlatrenderError)) return error;
  const { code, message } = error;
  if (!['REQUEST_INVALID', 'REQUEST_TOO_LARGE', 'TRANSFER_FAILED'].includes(code)) return error;
  const text = `input "${name}": ${message}`;
  const problems = [{ input: name, message }];
  return new FlatrenderError('INPUT_INVALID', text, {
    cause: error,
    retryable: error.retryable,
    hint: hintFor(error),
    details: { ...error.details, problems },
  });
}

function hintFor({ code, details }: FlatrenderError): string {
  const host = String(details?.host ?? '');
  switch (details?.rule) {
    case 'private':
      return `inputs.urls.allowHosts: [${host}] in flatrender.yaml permits it, inputs.urls.allowPrivate every private address; or upload the file`;
    case 'closed':
    case 'port':
      return `inputs.urls.allowHosts: [${host}] in flatrender.yaml permits it; or upload the file`;
    default:
      return code === 'REQUEST_TOO_LARGE'
        ? 'inputs.urls.maxBytes in flatrender.yaml, or maxBytes of the input in the template; or upload the file'
        : 'check the address, or download the file and upload it (--set NAME=@FILE)';
  }
}
