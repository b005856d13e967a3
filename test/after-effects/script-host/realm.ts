/** The world in which a script runs: ECMAScript 3 alone, and host objects behind facades. */
import { type Context, createContext, Script } from 'node:vm';
import { ES3_GLOBALS, ES3_MEMBERS } from './es3-names.ts';
import { HOOKS, parseScript, ScriptSyntaxError } from './parse-script.ts';

/** What a host object throws for a script to catch. */
export class HostError extends Error {}

/** Host objects with members by number. */
export abstract class Indexed {
  /** Throws, or gives undefined, where there is none. */
  abstract _at(index: number): unknown;
}

/** Ends a script whatever it catches: a dialog that nobody closes, a crash. */
export class ScriptAbort extends Error {}

/** An error that no script caught, as After Effects would show it. */
export interface ScriptFailure {
  readonly message: string;
  readonly file: string;
  readonly line: number;
}

// biome-ignore lint/suspicious/noExplicitAny: classes of any constructor
export type HostClass = abstract new (...args: any[]) => object;

interface Inside {
  readonly objectPrototype: object;
  readonly globalObject: object;
  readonly makeError: (message: string) => ScriptError;
  readonly makeArray: () => unknown[];
  readonly makeDate: (time: number) => Date;
  readonly makeConstructor: (
    make: (args: ArrayLike<unknown>) => unknown,
  ) => (() => unknown) & { prototype: object };
  readonly makeFunction: (call: (args: ArrayLike<unknown>, self: unknown) => unknown) => () => unknown;
  readonly isError: (value: unknown) => value is ScriptError;
}

interface ScriptError extends Error {
  line?: number;
  fileName?: string;
  number?: number;
}

/** One per run of a program. `hasJson`: whether scripts have JSON, as in newer versions of After Effects. */
export class Realm {
  readonly #context: Context;
  readonly #inside: Inside;
  readonly #facades = new WeakMap<object, object>();
  readonly #hosts = new WeakMap<object, object>();
  readonly #prototypes = new Map<HostClass, object>();
  readonly #sources = new Map<string, readonly { readonly file: string; readonly line: number }[]>();
  #running: string[] = [];

  constructor(options: { readonly hasJson: boolean }) {
    this.#context = createContext({});
    this.#inside = new Script(INSIDE).runInContext(this.#context) as Inside;
    const strip = new Script(STRIP).runInContext(this.#context) as (
      globals: readonly string[],
      members: typeof ES3_MEMBERS,
    ) => void;
    strip([...ES3_GLOBALS, ...(options.hasJson ? ['JSON'] : [])], ES3_MEMBERS);
    this.defineHidden(HOOKS.caught, (error) => this.#caught(error));
    this.defineHidden(HOOKS.callee, (callee) => this.#callee(callee));
  }

  /** File of the running script. */
  get file(): string {
    return this.#running.at(-1) ?? '';
  }

  /** Runs a script; its last value. Throws a {@link ScriptAbort} or what {@link failureOf} understands. */
  run(source: string, file: string): unknown {
    const parsed = parseScript(source, file);
    this.#sources.set(file, parsed.lines);
    this.#running.push(file);
    try {
      return this.toHost(new Script(parsed.code, { filename: file }).runInContext(this.#context));
    } finally {
      this.#running.pop();
    }
  }

  /** What an error that came out of {@link run} says. */
  failureOf(error: unknown): ScriptFailure {
    if (error instanceof ScriptSyntaxError)
      return { message: error.message, file: error.file, line: error.line };
    const seen = this.#caught(error);
    if (!this.#inside.isError(seen)) return { message: String(seen), file: this.file, line: 0 };
    return { message: seen.message, file: seen.fileName ?? '', line: seen.line ?? 0 };
  }

  /** The global object of scripts. */
  get global(): object {
    return this.#inside.globalObject;
  }

  /** The line that runs, from 1. */
  get line(): number {
    return this.#placeOf(this.#inside.makeError('')).line;
  }

  /** Defines a global value; classes as {@link expose} does. */
  define(name: string, value: unknown): void {
    const made = typeof value === 'function' ? this.#function(value as HostFunction) : this.toScript(value);
    Object.defineProperty(this.#context, name, {
      value: made,
      writable: true,
      configurable: true,
      enumerable: true,
    });
  }

  defineHidden(name: string, value: HostFunction): void {
    const made = this.#inside.makeFunction((args) => this.#guard(() => value(...Array.from(args))));
    Object.defineProperty(this.#context, name, { value: made, enumerable: false });
  }

  /** Defines a class: scripts can ask `instanceof`, and construct it when `make` says how. */
  expose(
    name: string,
    hostClass: HostClass,
    make?: (...args: readonly unknown[]) => object,
    statics: object = {},
  ): void {
    const made = this.#inside.makeConstructor((args) =>
      this.#guard(() => {
        if (!make) throw new HostError(`${name} cannot be constructed`);
        return this.toScript(make(...Array.from(args, (arg) => this.toHost(arg))));
      }),
    );
    const prototype = this.#prototypeOf(hostClass);
    made.prototype = prototype;
    Object.defineProperty(prototype, 'constructor', { value: made, configurable: true });
    this.#addMembers(made, statics, () => statics);
    Object.defineProperty(this.#context, name, { value: made, writable: true, configurable: true });
  }

  /** A value of the host as scripts see it. */
  toScript(value: unknown): unknown {
    if (Array.isArray(value)) {
      const array = this.#inside.makeArray();
      for (const each of value) array.push(this.toScript(each));
      return array;
    }
    if (value instanceof Date) return this.#inside.makeDate(value.getTime());
    // Objects of the script itself are of another world.
    if (!(value instanceof Object) || typeof value === 'function' || this.#hosts.has(value)) return value;
    const hostClass = value.constructor as HostClass;
    if (!isHostClass(hostClass)) return value;
    const known = this.#facades.get(value);
    if (known) return known;
    const plain: object = Object.create(this.#prototypeOf(hostClass));
    const facade = '_named' in value || '_at' in value ? this.#dynamic(plain, value as DynamicHost) : plain;
    this.#facades.set(value, facade);
    this.#hosts.set(facade, value);
    return facade;
  }

  /** A value of a script as the host takes it. */
  toHost(value: unknown): unknown {
    if (Array.isArray(value)) return Array.from(value, (each) => this.toHost(each));
    if (typeof value !== 'object' || value === null) return value;
    return this.#hosts.get(value) ?? value;
  }

  /** `layers[1]`, `layer.transform.opacity`. */
  #dynamic(plain: object, host: DynamicHost): object {
    return new Proxy(plain, {
      get: (target, key, receiver) => {
        if (typeof key === 'symbol' || key in target) return Reflect.get(target, key, receiver);
        if (/^\d+$/.test(key)) return this.#guard(() => this.toScript(host._at?.(Number(key))));
        return this.#guard(() => this.toScript(host._named?.(key)));
      },
    });
  }

  #function(call: HostFunction): () => unknown {
    return this.#inside.makeFunction((args) =>
      this.#guard(() => this.toScript(call(...Array.from(args, (arg) => this.toHost(arg))))),
    );
  }

  #prototypeOf(hostClass: HostClass): object {
    const known = this.#prototypes.get(hostClass);
    if (known) return known;
    const parent = Object.getPrototypeOf(hostClass) as HostClass;
    const above = isHostClass(parent) ? this.#prototypeOf(parent) : this.#inside.objectPrototype;
    const prototype: object = Object.create(above);
    this.#prototypes.set(hostClass, prototype);
    this.#addMembers(prototype, hostClass.prototype, (self) => {
      const host = typeof self === 'object' && self !== null ? this.#hosts.get(self) : undefined;
      if (!host) throw new HostError('Object is invalid');
      return host;
    });
    Object.defineProperty(prototype, 'toString', {
      value: this.#inside.makeFunction(() => `[object ${hostClass.name}]`),
      configurable: true,
    });
    return prototype;
  }

  #addMembers(target: object, members: object, hostOf: (self: unknown) => object): void {
    for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(members))) {
      if (name === 'constructor' || name.startsWith('_')) continue;
      const { make, get, set, value } = { ...member, make: this.#inside.makeFunction };
      if (typeof value === 'function') {
        const call = (args: ArrayLike<unknown>, self: unknown) =>
          this.#guard(() =>
            this.toScript(
              Reflect.apply(
                value,
                hostOf(self),
                Array.from(args, (arg) => this.toHost(arg)),
              ),
            ),
          );
        Object.defineProperty(target, name, { value: make(call), configurable: true, writable: true });
        continue;
      }
      Object.defineProperty(target, name, {
        configurable: true,
        get: make((_, self) =>
          this.#guard(() => this.toScript(get ? Reflect.apply(get, hostOf(self), []) : value)),
        ),
        set: make((args, self) =>
          this.#guard(() => {
            const host = hostOf(self);
            // The wording is not verified.
            if (!set) throw new HostError(`Attribute “${name}” is read only`);
            Reflect.apply(set, host, [this.toHost(args[0])]);
          }),
        ),
      });
    }
  }

  /** Errors of the host become errors of the script. */
  #guard(call: () => unknown): unknown {
    try {
      return call();
    } catch (error) {
      if (error instanceof ScriptAbort || !(error instanceof Error)) throw error;
      if (error instanceof HostError || error instanceof ScriptSyntaxError) {
        const made = this.#inside.makeError(error.message);
        if (error instanceof ScriptSyntaxError)
          Object.assign(made, { line: error.line, fileName: error.file });
        throw made;
      }
      throw error;
    }
  }

  #callee(value: unknown): unknown {
    const host = this.toHost(value) as { property?: HostFunction };
    if (typeof value === 'function' || typeof host?.property !== 'function') return value;
    return this.#function((name) => host.property?.(name));
  }

  /** An error with what ExtendScript gives it: `line`, `fileName`, and its own words. */
  #caught(error: unknown): unknown {
    if (error instanceof ScriptAbort) throw error;
    if (error instanceof Error) {
      // Not thrown by the script, nor meant for it: a fault of this program.
      return this.#inside.makeError(`the simulator failed: ${error.stack}`);
    }
    if (!this.#inside.isError(error)) return error;
    if (error.line === undefined) {
      const place = this.#placeOf(error);
      const [message, number] = inExtendScript(error.message);
      Object.assign(error, { message, line: place.line, fileName: place.file });
      error.number ??= number;
    }
    return error;
  }

  /** Where in a script an error was made: the topmost place of its stack that is in one. */
  #placeOf(error: Error): { readonly file: string; readonly line: number } {
    for (const text of String(error.stack).split('\n')) {
      const match = /^\s*(?:at .*?\(|at )?([^()]*?):(\d+)(?::\d+)?\)?$/.exec(text);
      const file = match?.[1] ?? '';
      const line = this.#sources.get(file)?.[Number(match?.[2]) - 1];
      if (line) return line;
    }
    return { file: this.file, line: 0 };
  }
}

interface DynamicHost {
  _at?(index: number): unknown;
  _named?(name: string): unknown;
}

type HostFunction = (...args: readonly unknown[]) => unknown;

function isHostClass(value: unknown): value is HostClass {
  return (
    typeof value === 'function' &&
    value !== Object &&
    value !== Indexed &&
    value !== Function.prototype &&
    value.name !== ''
  );
}

/** Messages and numbers of ExtendScript for what V8 says. */
function inExtendScript(message: string): readonly [message: string, number: number] {
  const nothing = /^Cannot (?:read|set) properties of (null|undefined)/.exec(message);
  if (nothing) return [`${nothing[1]} is not an object`, 21];
  const call = /^(.+?) is not a function/.exec(message);
  if (call) return [`Function ${call[1]} is undefined`, 24];
  const name = /^(\S+) is not defined$/.exec(message);
  if (name) return [`${name[1]} is undefined`, 2];
  return [message, 0];
}

const INSIDE = `({
  objectPrototype: Object.prototype,
  makeError: function (message) { return new Error(message); },
  makeArray: function () { return []; },
  makeDate: function (time) { return new Date(time); },
  makeConstructor: function (make) { return function () { return make(arguments); }; },
  makeFunction: function (call) { return function () { return call(arguments, this); }; },
  isError: function (value) { return value instanceof this.error; },
  error: Error,
  globalObject: globalThis
})`;

/** Runs in the realm. The methods that it uses itself are taken out last, so they are kept in variables. */
const STRIP = `(function (globals, members) {
  var world = globalThis, names = Object.getOwnPropertyNames, kept = Reflect, at = String.prototype.split;
  var has = function (list, name) {
    for (var i = 0; i < list.length; i++) if (list[i] === name) return true;
    return false;
  };
  var paths = Object.keys(members);
  for (var p = 0; p < paths.length; p++) {
    var parts = kept.apply(at, paths[p], ['.']), object = world[parts[0]];
    if (parts.length === 2) object = object[parts[1]];
    var own = names(object);
    for (var i = 0; i < own.length; i++) {
      if (!has(members[paths[p]], own[i])) kept.deleteProperty(object, own[i]);
    }
  }
  var all = names(world);
  for (var g = 0; g < all.length; g++) if (!has(globals, all[g])) kept.deleteProperty(world, all[g]);
})`;
