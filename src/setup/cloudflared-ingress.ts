/**
 * The rules of cloudflared's config.yml, checked before cloudflared sees it.
 *
 * Source: cloudflared 2026.8.2, ingress/ingress.go (validateIngress, validateHostname), ingress/rule.go (how rules match),
 * config/configuration.go (types). cloudflared stops at the first mistake and often does not say in which rule; it also
 * takes rules that can never match. Here each mistake has its rule and its value, and the silent ones are told as well.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';

/** One mistake. */
export interface IngressProblem {
  /** From 1, as cloudflared counts; null: the file as a whole. */
  readonly rule: number | null;
  /** What is wrong, as it is written there. */
  readonly value: string;
  readonly message: string;
}

// Go's time.ParseDuration. A bare number would be nanoseconds.
const Duration = z
  .string({ error: 'a duration with its unit, such as 30s' })
  .regex(/^\+?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/, 'a duration with its unit, such as 30s');
const Port = z.int().min(1, '1 to 65535').max(65_535, '1 to 65535');

const OriginRequest = z.strictObject({
  connectTimeout: Duration.optional(),
  tlsTimeout: Duration.optional(),
  tcpKeepAlive: Duration.optional(),
  noHappyEyeballs: z.boolean().optional(),
  keepAliveConnections: z.int().min(0).optional(),
  keepAliveTimeout: Duration.optional(),
  httpHostHeader: z.string().optional(),
  originServerName: z.string().optional(),
  matchSNItoHost: z.boolean().optional(),
  caPool: z.string().optional(),
  // cloudflared allows it; then whoever is between cloudflared and the service can pose as the service.
  noTLSVerify: z.literal(false, 'true accepts any certificate; use caPool and originServerName').optional(),
  disableChunkedEncoding: z.boolean().optional(),
  bastionMode: z.boolean().optional(),
  proxyAddress: z.string().optional(),
  proxyPort: z.int().min(0).max(65_535).optional(),
  proxyType: z.enum(['', 'socks']).optional(),
  ipRules: z
    .array(
      z.strictObject({
        prefix: z.string().refine(isCidr, 'a network such as 10.0.0.0/8'),
        ports: z.array(Port).optional(),
        allow: z.boolean().optional(),
      }),
    )
    .optional(),
  http2Origin: z.boolean().optional(),
  access: z
    .strictObject({
      required: z.boolean().optional(),
      teamName: z.string().optional(),
      audTag: z.array(z.string()).optional(),
      environment: z.string().optional(),
    })
    .refine(
      ({ required, teamName, audTag }) => !required || !!teamName || !audTag?.length,
      'teamName must not be empty when there are audTags',
    )
    .optional(),
});

const Rule = z.strictObject({
  hostname: z.string().optional(),
  path: z.string().optional(),
  service: z.string('missing: scheme and host, such as http://localhost:8088'),
  originRequest: OriginRequest.optional(),
});

const Config = z.looseObject({
  tunnel: z.string('the name or the id of the tunnel').min(1, 'the name or the id of the tunnel'),
  'credentials-file': z.string().min(1).optional(),
  originRequest: OriginRequest.optional(),
  ingress: z.array(Rule, 'a list of rules').min(1, 'no rules: the last one must catch what is left'),
});

/** A config.yml of the right types; its rules may still be wrong. */
export type CloudflaredConfig = z.output<typeof Config>;

/** One entry of `ingress`. */
export type IngressRule = z.output<typeof Rule>;

/** Everything that is wrong with a parsed config.yml, in its order; nothing: cloudflared starts with it. */
export function checkIngress(config: unknown): IngressProblem[] {
  const parsed = Config.safeParse(config);
  if (!parsed.success) {
    return parsed.error.issues.map((issue) => {
      const rule =
        issue.path[0] === 'ingress' && typeof issue.path[1] === 'number' ? issue.path[1] + 1 : null;
      const place = issue.path.slice(rule === null ? 0 : 2).join('.');
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : null;
      return {
        rule,
        value: unknown ?? shown(valueAt(config, issue.path)),
        message: unknown === null ? `${place}: ${issue.message}` : `unknown: ${unknown}`,
      };
    });
  }
  const { ingress, originRequest } = parsed.data;
  return ingress.flatMap((rule, index) => {
    const say = (value: string, message: string): IngressProblem => ({ rule: index + 1, value, message });
    const isBastion = rule.originRequest?.bastionMode ?? originRequest?.bastionMode ?? false;
    const service = isBastion ? null : serviceProblem(rule.service);
    const host = hostnameProblem(rule, index === ingress.length - 1);
    const path = rule.path ? pathProblem(rule.path) : null;
    const before = ingress.slice(0, index).findIndex((earlier) => covers(earlier, rule));
    const never =
      before >= 0 && index < ingress.length - 1 ? `rule ${before + 1} takes everything before it` : null;
    return [
      ...(service === null ? [] : [say(rule.service, service)]),
      ...(host === null ? [] : [say(rule.hostname ?? '', host)]),
      ...(path === null ? [] : [say(rule.path ?? '', path)]),
      ...(never === null || host !== null ? [] : [say(rule.hostname ?? rule.path ?? '', never)]),
    ];
  });
}

/** What is wrong with a service, or null. */
export function serviceProblem(service: string): string | null {
  if (/^unix(\+tls)?:./s.test(service)) return null;
  if (['hello_world', 'hello-world', 'socks-proxy', 'bastion'].includes(service)) return null;
  const status = /^http_status:(.*)$/s.exec(service)?.[1];
  if (status !== undefined) {
    const isKnown = /^\d{3}$/.test(status) && Number(status) >= 100;
    return isKnown ? null : 'a status is from 100 to 999, such as http_status:404';
  }
  const parts = /^([a-z][a-z0-9+.-]*):\/\/(\[[^\]]*\]|[^/?#:[\]\s]*)(?::([^/?#]*))?(.*)$/is.exec(service);
  if (!parts) return 'a service is scheme and host, such as http://localhost:8088';
  const [, scheme = '', host = '', port, rest] = parts;
  if (!/^(https?|wss?|tcp|ssh|rdp|smb)$/.test(scheme)) {
    return `scheme ${scheme} is not one of http, https, ws, wss, tcp, ssh, rdp, smb, unix`;
  }
  if (rest) return `without "${rest}": requests keep their own path, and a service has none`;
  if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)) {
    return `port "${port}" is not from 1 to 65535`;
  }
  const isAddress = host.startsWith('[') ? isIP(host.slice(1, -1)) === 6 : isHostName(host);
  return isAddress ? null : `"${host}" is no host`;
}

function hostnameProblem({ hostname = '', path = '' }: IngressRule, isLast: boolean): string | null {
  const catchesAll = (hostname === '' || hostname === '*') && path === '';
  if (isLast && !catchesAll) {
    return 'the last rule must catch what is left: no hostname, no path, such as service: http_status:404';
  }
  if (!isLast && catchesAll) return 'matches everything, so the rules after it are never reached';
  if (hostname === '' || hostname === '*') return null;
  return publicNameProblem(hostname);
}

/** What is wrong with a public hostname (`render.example.com`, `*.example.com`), or null. */
export function publicNameProblem(hostname: string): string | null {
  if (/^[a-z]+:\/\//i.test(hostname) || hostname.includes('/')) return 'the name only: no scheme, no path';
  if (hostname.includes(':')) return 'a hostname has no port here: the tunnel is reached on 443';
  if (hostname.lastIndexOf('*') > 0) return '"*" is only allowed once, as the first label: *.example.com';
  // cloudflared takes "*name" as well and then compares it letter by letter (ingress.go, matchHost).
  if (hostname.startsWith('*') && !hostname.startsWith('*.'))
    return '"*" stands for whole labels: *.example.com';
  const name = hostname.replace(/^\*\./, '');
  if (hostname !== hostname.toLowerCase()) return 'in lower case: that is how requests are compared with it';
  return isHostName(name) && name.includes('.') && isIP(name) === 0
    ? null
    : 'no name such as render.example.com';
}

function isHostName(name: string): boolean {
  if (isIP(name) === 4) return true;
  const ascii = domainToASCII(name);
  const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?';
  return ascii.length <= 253 && new RegExp(`^${label}(\\.${label})*$`).test(ascii);
}

/**
 * Paths are regular expressions of Go (RE2; regexp/syntax), which JavaScript cannot check as they are: what only Go knows
 * is replaced by something of the same shape, what only JavaScript knows is refused.
 */
function pathProblem(path: string): string | null {
  const translated = path
    .replace(/\\Q([\s\S]*?)(\\E|$)/g, (_, literal: string) => 'z'.repeat(literal.length))
    .replace(/\\([pP])(\{\^?[A-Za-z_]+\}|[A-Z])/g, String.raw`\w`)
    .replace(/\\(x\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[1-7][0-7]{2}|0[0-7]{0,2}|[^\w\s])/g, 'a')
    .replace(/\[:\^?[a-z]+:\]/g, 'a')
    .replace(/\\[AzaC]/g, '')
    .replace(/\(\?[imsU]*(-[imsU]+)?([:)])/g, (_, __, end: string) => (end === ')' ? '' : '(?:'))
    .replaceAll('(?P<', '(?<');
  const unknown = /\\(?![dDsSwWbBnrtfv])|\(\?(?!:|<\w)|\[\^?\]|\[[^\]]*\\[bB]/.exec(translated);
  if (unknown) return 'no regular expression of Go: it has no look-around, no references, no empty sets';
  const counts = [...translated.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].flatMap(([, from, to]) => [from, to]);
  if (counts.some((count) => Number(count ?? 0) > 1000))
    return 'a regular expression repeats at most 1000 times';
  try {
    return new RegExp(translated) && null;
  } catch (error) {
    return error instanceof Error ? error.message : 'no regular expression';
  }
}

/** Whether every request for `later` already matches `earlier`; of paths only equal ones are known to. */
function covers(earlier: IngressRule, later: IngressRule): boolean {
  if (earlier.path && earlier.path !== later.path) return false;
  const [wide = '', narrow = ''] = [earlier.hostname, later.hostname];
  if (wide === '' || wide === '*' || wide === narrow) return true;
  return wide.startsWith('*.') && narrow.endsWith(wide.slice(1));
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...more] = text.split('/');
  const version = isIP(address);
  return (
    version > 0 && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)
  );
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

function shown(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value).slice(0, 200);
}
