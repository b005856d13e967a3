/** Reads and writes cloudflared's config.yml; what was written by hand stays. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, isMap, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';
import { type CloudflaredConfig, checkIngress, type IngressProblem } from './cloudflared-ingress.ts';

/** A public hostname and what answers there. */
export interface Route {
  readonly hostname: string;
  /** Scheme and host: `http://localhost:8088`. */
  readonly service: string;
}

export interface TunnelSettings {
  /** Name or id. */
  readonly tunnel: string;
  /** Path as cloudflared sees it. */
  readonly credentialsFile: string;
  readonly routes: readonly Route[];
}

/** The text of a config.yml; CONFIG_MISSING when there is none. */
export function readCloudflared(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new FlatrenderError('CONFIG_MISSING', `cannot read ${file}`, {
      cause,
      hint: '"flatrender tunnel init --hostname NAME" writes one',
    });
  }
}

/** The config.yml of `text`; CONFIG_INVALID tells the first mistake with its rule, its value and how many more there are. */
export function parseCloudflared(text: string, file: string): CloudflaredConfig {
  const values: unknown = parse(text, file).toJS();
  const problems = checkIngress(values);
  const [first] = problems;
  if (first === undefined) return values as CloudflaredConfig;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new FlatrenderError('CONFIG_INVALID', `${file}: ${problemText(first)}${more}`, {
    hint: `mend it, then "flatrender tunnel check ${file}"`,
    details: { problems },
  });
}

/** Everything that is wrong with the config.yml of `text`; CONFIG_INVALID when it is not even YAML. */
export function cloudflaredProblems(text: string, file: string): IngressProblem[] {
  return checkIngress(parse(text, file).toJS());
}

/** `rule 2: a.example.com:80: …`. */
export function problemText({ rule, value, message }: IngressProblem): string {
  return [...(rule === null ? [] : [`rule ${rule}`]), ...(value === '' ? [] : [value]), message].join(': ');
}

/**
 * The text of a config.yml with these settings. Into an existing one the routes are put: the service of a known hostname
 * changes, a new one comes before the rules that would take its requests; comments and all other rules stay. CONFIG_INVALID when that
 * file belongs to another tunnel, or when the result would be refused.
 */
export function cloudflaredText(existing: string | null, settings: TunnelSettings, file: string): string {
  const template = join(packageRoot(), 'templates', 'config', 'cloudflared.yml');
  const document = parse(existing ?? readFileSync(template, 'utf8'), file);
  if (existing === null) {
    document.set('tunnel', settings.tunnel);
    document.set('credentials-file', settings.credentialsFile);
    rulesOf(document, file).items.splice(0, 1);
  } else {
    keepTunnel(document, settings, file);
  }
  for (const route of settings.routes) putRoute(document, rulesOf(document, file), route);
  const text = document.toString({ lineWidth: 0 });
  parseCloudflared(text, file);
  // An unchanged file keeps its own layout.
  return existing !== null && text === parse(existing, file).toString({ lineWidth: 0 }) ? existing : text;
}

function keepTunnel(document: Document, { tunnel, credentialsFile }: TunnelSettings, file: string): void {
  const there = document.get('tunnel');
  if (there !== undefined && there !== tunnel) {
    throw new FlatrenderError(
      'CONFIG_INVALID',
      `${file} is the configuration of tunnel ${String(there)}, not ${tunnel}`,
      {
        hint: `add --tunnel ${String(there)}, or choose another --output`,
      },
    );
  }
  document.set('tunnel', tunnel);
  if (!document.has('credentials-file')) document.set('credentials-file', credentialsFile);
}

function putRoute(document: Document, rules: YAMLSeq, { hostname, service }: Route): void {
  const maps = rules.items.filter((item) => isMap(item));
  const known = maps.find((rule) => rule.get('hostname') === hostname && !rule.has('path'));
  if (known) {
    known.set('service', service);
    return;
  }
  const at = rules.items.findIndex((item) => isMap(item) && takes(item, hostname));
  rules.items.splice(at < 0 ? rules.items.length : at, 0, document.createNode({ hostname, service }));
}

function takes(rule: YAMLMap, hostname: string): boolean {
  if (rule.has('path')) return false;
  const pattern = rule.get('hostname');
  if (pattern === undefined || pattern === '' || pattern === '*') return true;
  return typeof pattern === 'string' && pattern.startsWith('*.') && hostname.endsWith(pattern.slice(1));
}

function rulesOf(document: Document, file: string): YAMLSeq {
  const rules = document.get('ingress');
  if (isSeq(rules)) return rules;
  throw new FlatrenderError('CONFIG_INVALID', `${file}: ingress: a list of rules`, {
    hint: 'remove the file, and "flatrender tunnel init" writes it anew',
  });
}

function parse(text: string, file: string): Document {
  const document = parseDocument(text);
  const broken = document.errors[0];
  if (broken) {
    throw new FlatrenderError('CONFIG_INVALID', `${file}: ${broken.message.split('\n')[0]}`, {
      cause: broken,
    });
  }
  return document;
}
