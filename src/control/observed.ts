/** Stores that are counted: how long operations take, and which ones fail. */
import { ERROR_CODES, FlatrenderError } from '../lib/errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { Store } from '../store/store.ts';
import type { Metrics } from './metrics.ts';

type Method = (...args: never[]) => Promise<unknown>;

const STORE_OPERATIONS = [
  'submit',
  'getJob',
  'listJobs',
  'claim',
  'complete',
  'fail',
  'release',
  'reattach',
  'saveLeases',
  'expireLeases',
  'saveBeats',
  'appendLog',
] as const satisfies readonly (keyof Store)[];

const UPLOAD_OPERATIONS = ['begin', 'presignPart', 'complete', 'abortBefore'] as const;
const OBJECT_OPERATIONS = ['put', 'get', 'head', 'remove', 'removeAll', 'presignGet', 'presignPut'] as const;

/** The store, with its time and its failures counted. */
export function observeStore(store: Store, metrics: Metrics): Store {
  return observe(store, STORE_OPERATIONS, (operation, seconds, error) =>
    metrics.stored(operation, seconds, failureCode(error)),
  );
}

/** The object store, with its failures counted and told. */
export function observeObjects<T extends ObjectStore>(
  objects: T,
  metrics: Metrics,
  onFailure: (error: unknown) => void = () => undefined,
): T {
  const onEnd = (operation: string, error: unknown): void => {
    const code = failureCode(error);
    if (code === null) return;
    metrics.objectFailed(operation, code);
    onFailure(error);
  };
  const { multipart } = objects;
  const uploads =
    multipart && observe(multipart, UPLOAD_OPERATIONS, (name, _, error) => onEnd(`upload-${name}`, error));
  return observe(objects, OBJECT_OPERATIONS, (name, _, error) => onEnd(name, error), { multipart: uploads });
}

function observe<T extends object>(
  target: T,
  operations: readonly (keyof T & string)[],
  onEnd: (operation: string, seconds: number, error: unknown) => void,
  parts: Readonly<Record<string, unknown>> = {},
): T {
  const methods = new Map<PropertyKey, unknown>(Object.entries(parts));
  for (const operation of operations) {
    const method = (target[operation] as Method).bind(target);
    methods.set(operation, async (...args: never[]) => {
      const startedAt = performance.now();
      let failure: unknown = null;
      try {
        return await method(...args);
      } catch (error) {
        failure = error;
        throw error;
      } finally {
        onEnd(operation, (performance.now() - startedAt) / 1000, failure);
      }
    });
  }
  return new Proxy(target, {
    get(_, name) {
      const known = methods.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const bound: unknown = value.bind(target);
      methods.set(name, bound);
      return bound;
    },
    set(_, name, value) {
      methods.delete(name);
      return Reflect.set(target, name, value);
    },
  });
}

/** null: all went well, or it is an answer (not found, lease lost) rather than trouble of the store. */
function failureCode(error: unknown): string | null {
  if (error === null) return null;
  if (!(error instanceof FlatrenderError)) return 'INTERNAL';
  return ERROR_CODES[error.code].status >= 500 ? error.code : null;
}
