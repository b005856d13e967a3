import { basename } from 'node:path';
import type { Manifest } from '../bundle/manifest.ts';
import type { Api, JobInput } from '../client/api.ts';
import { uploadFile } from '../client/files.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { withoutSecrets } from '../lib/public-address.ts';
import type { AssetRef, JobView } from '../protocol/jobs.ts';
import { readInputs, type WrittenInputs } from './input-values.ts';
import { readInputsFile } from './inputs-file.ts';

/** A request of `POST /v1/jobs` takes this many (protocol/jobs.ts); more go out as several batches. */
const JOBS_PER_REQUEST = 1000;

export interface SubmitOptions {
  /** `name` or `name@version`. */
  readonly template: string;
  /** `key=value`, as written. */
  readonly set: readonly string[];
  /** YAML, JSON or CSV. */
  readonly inputsFile?: string | undefined;
  /** What all the jobs have in common. */
  readonly job: Omit<JobInput, 'template' | 'version' | 'inputs'>;
  readonly signal: AbortSignal;
  readonly onUpload?: (path: string, sizeBytes: number) => void;
  /** The control plane is going to fetch this input's file; told once for each address, without what may be secret in it. */
  readonly onAddress?: (input: string, address: string) => void;
  /** The jobs are taken, and the control plane has something to say. */
  readonly onWarning?: (warning: string) => void;
}

/**
 * Reads the inputs, uploads their files (each once) and submits: one job, or a batch. Inputs of `set` are added to
 * every job of the file and win over it. Nothing is submitted unless all inputs are understood.
 */
export async function submitJobs(api: Api, options: SubmitOptions): Promise<readonly JobView[]> {
  const { name, version } = splitTemplate(options.template);
  const set = parseSet(options.set);
  const written: readonly WrittenInputs[] = options.inputsFile
    ? await readInputsFile(options.inputsFile)
    : [{ values: {}, place: '--set', directory: '.' }];
  const view = await api.getTemplate(name, version);
  const context = {
    template: `${view.name}@${view.version}`,
    definitions: (view.manifest as Partial<Manifest> | undefined)?.inputs ?? {},
    upload: uploadOnce(api, options),
    onAddress: addressOnce(options),
  };
  const common = await readInputs({ values: set, place: '--set', directory: '.' }, context);
  const jobs: JobInput[] = [];
  for (const entry of written) {
    const values = Object.fromEntries(
      Object.entries(entry.values).filter(([key]) => !Object.hasOwn(set, key)),
    );
    const inputs = { ...(await readInputs({ ...entry, values }, context)), ...common };
    // The version that was looked at is the one that is rendered, whatever is pushed meanwhile.
    jobs.push({ ...options.job, template: name, version: view.version, inputs });
  }
  const submitted: JobView[] = [];
  const [only] = jobs;
  const send = async (request: JobInput | readonly JobInput[]): Promise<void> => {
    const answer = await api.submit(request);
    if (answer.warning !== undefined) options.onWarning?.(answer.warning);
    submitted.push(...answer.jobs);
  };
  if (jobs.length === 1 && only) await send(only);
  else {
    for (let start = 0; start < jobs.length; start += JOBS_PER_REQUEST)
      await send(jobs.slice(start, start + JOBS_PER_REQUEST));
  }
  return submitted;
}

/** `name@1.2.0` in its parts. */
export function splitTemplate(template: string): { name: string; version: string | undefined } {
  const at = template.indexOf('@');
  return at < 0
    ? { name: template, version: undefined }
    : { name: template.slice(0, at), version: template.slice(at + 1) };
}

/** `key=value` pairs; the value may contain `=`. USAGE for anything else and for a key given twice. */
export function parseSet(pairs: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) {
      const missing = equals === 0 ? 'no name before the' : 'no';
      throw new FlatrenderError('USAGE', `--set ${pair}: there is ${missing} "="`, {
        hint: 'write --set title="Hello"',
      });
    }
    const key = pair.slice(0, equals);
    if (Object.hasOwn(values, key)) throw new FlatrenderError('USAGE', `--set ${key} is given twice`);
    values[key] = pair.slice(equals + 1);
  }
  return values;
}

function addressOnce({ onAddress }: SubmitOptions): (input: string, address: string) => void {
  const told = new Set<string>();
  return (input, address) => {
    const url = URL.parse(address);
    if (url === null || told.has(address)) return;
    told.add(address);
    onAddress?.(input, withoutSecrets(url));
  };
}

function uploadOnce(api: Api, { signal, onUpload }: SubmitOptions): (path: string) => Promise<AssetRef> {
  const uploads = new Map<string, Promise<AssetRef>>();
  return (path) => {
    const known = uploads.get(path);
    if (known) return known;
    const upload = uploadFile(api, 'asset', path, { signal }).then(({ sha256, sizeBytes, already }) => {
      if (!already) onUpload?.(path, sizeBytes);
      return { asset: sha256, name: basename(path).slice(-255), sizeBytes };
    });
    uploads.set(path, upload);
    return upload;
  };
}
